package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/handbook"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/process/diff"
	"github.com/faultline/faultline/collector/process/versions"
)

// processesPage lists the documented processes.
func (c *console) processesPage(w http.ResponseWriter, r *http.Request, p *page) error {
	if c.Handbook == nil {
		return errLost
	}
	list, err := c.Handbook.Overview(r.Context())
	if err != nil {
		return err
	}
	p.Title, p.D = p.T("processes.title"), list
	return c.render(w, r, http.StatusOK, "processes", p)
}

// processData is one process: what is in force, its versions, and the one that
// is looked at.
type processData struct {
	Entry     handbook.Entry
	Versions  []versions.Version
	Shown     versions.Version // the version that is drawn
	Def       *process.Definition
	Changes   []diff.Change // of the version shown, against the one in force
	MayChange bool
	Mine      bool // the person published the version shown
	Moves     []moveForm
	Moved     []handbook.Moved
	Text      string // in the form
}

// moveForm asks where incidents on an older version go on.
type moveForm struct {
	From  string // the version's ref
	Open  int
	Steps []*process.StepDef // of the older version, in which an incident can stand
	To    []*process.StepDef // of the one in force
}

// Waits tells whether the version shown can be decided.
func (d processData) Waits() bool { return d.Shown.State == versions.Published }

func (c *console) processPage(w http.ResponseWriter, r *http.Request, p *page) error {
	return c.showProcess(w, r, p, http.StatusOK, nil)
}

func (c *console) showProcess(w http.ResponseWriter, r *http.Request, p *page, status int, moved []handbook.Moved) error {
	d, err := c.processOf(r, p)
	if err != nil {
		return err
	}
	d.Moved = moved
	if p.Done == "" {
		if k := r.URL.Query().Get("done"); k == "published" || k == "approved" || k == "rejected" {
			p.Done = p.T("processes.done." + k)
		}
	}
	p.Title, p.D = p.Text(d.Def.Title), d
	return c.render(w, r, status, "process", p)
}

// number is the version that the address asks for; 0 is the one in force.
func number(r *http.Request) int {
	n, err := strconv.Atoi(r.FormValue("version"))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

func (c *console) processOf(r *http.Request, p *page) (processData, error) {
	if c.Handbook == nil {
		return processData{}, errLost
	}
	id := r.PathValue("id")
	v, def, err := c.Handbook.Version(r.Context(), id, number(r))
	if err != nil {
		return processData{}, api.RefusedVersion(err)
	}
	list, err := c.Handbook.Overview(r.Context())
	if err != nil {
		return processData{}, err
	}
	d := processData{Shown: v, Def: def, Changes: c.Handbook.Changes(def), MayChange: c.Handbook.MayChange(account.PrincipalOf(p.User), id), Mine: v.PublishedBy.ID == p.User.ID, Text: r.PostForm.Get("text")}
	for _, e := range list {
		if e.ID == id {
			d.Entry = e
		}
	}
	if d.Text == "" {
		d.Text = v.Text
	}
	if d.Versions, err = c.Handbook.Versions(r.Context(), id); err != nil {
		return d, err
	}
	d.Moves = c.moves(d.Entry)
	return d, nil
}

// moves are the older versions with incidents on them.
func (c *console) moves(e handbook.Entry) []moveForm {
	if e.Definition == nil {
		return nil
	}
	var out []moveForm
	for ref, n := range e.Open {
		old, ok := c.Handbook.Loaded(ref)
		if !ok || ref == e.Ref() {
			continue
		}
		out = append(out, moveForm{From: ref, Open: n, Steps: standing(old), To: standing(e.Definition)})
	}
	return out
}

// standing are the steps in which an incident can stand.
func standing(d *process.Definition) (out []*process.StepDef) {
	for n := range d.Steps {
		if !d.Steps[n].Final {
			out = append(out, &d.Steps[n])
		}
	}
	return out
}

// sheet answers with the process's drawing as an image of its own.
func (c *console) sheet(w http.ResponseWriter, r *http.Request, p *page) error {
	if c.Handbook == nil {
		return errLost
	}
	_, def, err := c.Handbook.Version(r.Context(), r.PathValue("id"), number(r))
	if err != nil {
		return api.RefusedVersion(err)
	}
	picture(w, []byte(process.Sheet(def, p.Lang)))
	return nil
}

// changeProcess answers the forms of the page: publish, approve, reject, move.
func (c *console) changeProcess(w http.ResponseWriter, r *http.Request, p *page) error {
	if c.Handbook == nil {
		return errLost
	}
	if err := r.ParseForm(); err != nil {
		return err
	}
	who := handbook.Who{Principal: account.PrincipalOf(p.User), Remote: account.Remote(r)}
	id, n, reason := r.PathValue("id"), number(r), strings.TrimSpace(r.PostForm.Get("comment"))
	var v versions.Version
	var err error
	what := r.PostForm.Get("do")
	switch what {
	case "published":
		v, err = c.Handbook.Publish(r.Context(), who, strings.ReplaceAll(r.PostForm.Get("text"), "\r\n", "\n"), reason)
	case "approved", "rejected":
		v, err = c.Handbook.Decide(r.Context(), who, id, n, what == "approved", reason)
	case "moved":
		return c.move(w, r, p, who, reason)
	default:
		return errLost
	}
	if err != nil {
		return c.refusedProcess(w, r, p, err)
	}
	redirect(w, r, "/processes/"+url.PathEscape(v.ID)+"?version="+strconv.Itoa(v.Number)+"&done="+what)
	return nil
}

func (c *console) refusedProcess(w http.ResponseWriter, r *http.Request, p *page, err error) error {
	var status int
	status, p.Error, p.Hint = c.explain(p, api.RefusedVersion(err))
	if status >= 500 {
		return err
	}
	p.Here = r.URL.Path
	return c.showProcess(w, r, p, status, nil)
}

// move carries out the map that the form says.
func (c *console) move(w http.ResponseWriter, r *http.Request, p *page, who handbook.Who, reason string) error {
	m := versions.Map{}
	for key, values := range r.PostForm {
		if step, ok := strings.CutPrefix(key, "step."); ok && len(values) > 0 && values[0] != "" {
			m[step] = values[0]
		}
	}
	moved, err := c.Handbook.Migrate(r.Context(), who, r.PostForm.Get("from"), m, reason)
	if err != nil {
		return c.refusedProcess(w, r, p, err)
	}
	p.Here, p.Done = r.URL.Path, p.T("processes.done.moved", len(moved))
	return c.showProcess(w, r, p, http.StatusOK, moved)
}
