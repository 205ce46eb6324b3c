package web

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/internal/lang"
)

// Requests is what the form for requests and changes needs.
type Requests struct {
	Gate *api.RequestGate
	// Kinds are the processes that can be asked for.
	Kinds func() []RequestKind
}

// RequestKind is one process of requests.
type RequestKind struct {
	ID    string
	Title lang.Text
}

type requestData struct {
	Kinds   []RequestKind
	Sites   []option
	Things  []option
	Asked   requestForm
	Refused string
	Hint    string
}

// Types and Risks are those of a change.
func (requestData) Types() []string {
	return []string{api.ChangeStandard, api.ChangeNormal, api.ChangeEmergency}
}

// Risks are how dangerous a change may be.
func (requestData) Risks() []string { return []string{api.RiskLow, api.RiskHigh} }

// requestForm is the form as it was sent.
type requestForm struct{ Process, Site, Device, Text, Contact, Type, Risk, Scope, Subjects, From, Until string }

// requestRoutes are the form's.
func (c *console) requestRoutes() map[string]handler {
	if c.Requests == nil {
		return nil
	}
	return map[string]handler{"GET /request": c.requestPage, "POST /request": c.sendRequest}
}

func (c *console) requestPage(w http.ResponseWriter, r *http.Request, p *page) error {
	q, from := r.URL.Query(), p.now.In(p.zone).Add(24*time.Hour).Truncate(time.Hour)
	f := requestForm{Process: q.Get("process"), Site: q.Get("site"), Device: q.Get("device"), Type: api.ChangeNormal, Risk: api.RiskLow, From: from.Format(formTime), Until: from.Add(2 * time.Hour).Format(formTime)}
	if f.Site == "" && f.Device != "" {
		f.Site = c.siteHolding(f.Device)
	}
	return c.showRequest(w, r, p, http.StatusOK, requestData{Asked: f})
}

func (c *console) showRequest(w http.ResponseWriter, r *http.Request, p *page, status int, d requestData) error {
	who := account.PrincipalOf(p.User)
	if !who.MayAct() {
		return &api.Refusal{Why: api.Forbidden, Text: lang.Text{ZH: "只读账号不能进行操作", EN: "a viewer may not act"}}
	}
	d.Kinds = c.Requests.Kinds()
	if d.Asked.Process == "" && len(d.Kinds) > 0 {
		d.Asked.Process = d.Kinds[0].ID
	}
	for _, s := range c.Inventory().Sites {
		if who.Sees(s.ID) {
			d.Sites = append(d.Sites, option{s.ID, c.siteName(p, s.ID)})
		}
	}
	d.Things = c.things(p, who)
	p.Title, p.D = p.T("request.title"), d
	return c.render(w, r, status, "request", p)
}

func (c *console) sendRequest(w http.ResponseWriter, r *http.Request, p *page) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	v := func(name string) string { return strings.TrimSpace(r.PostForm.Get(name)) }
	f := requestForm{v("process"), v("site"), v("device"), v("text"), v("contact"), v("type"), v("risk"), v("scope"), v("subjects"), v("from"), v("until")}
	in := api.Request{Process: f.Process, Site: f.Site, Device: f.Device, Text: f.Text, Contact: f.Contact}
	if k := v("key"); len(k) > 0 && len(k) <= 64 {
		in.ID = "req-person-" + p.User.ID + "-" + k
	}
	var err error
	if f.Process == "change" {
		in.Change, err = p.changeOf(f)
	}
	var done api.Reported
	if err == nil {
		done, err = c.Requests.Gate.Open(r.Context(), account.PrincipalOf(p.User), in, account.Remote(r))
	}
	if err != nil {
		status, text, hint := c.explain(p, err)
		if status >= http.StatusInternalServerError {
			return err
		}
		return c.showRequest(w, r, p, status, requestData{Asked: f, Refused: text, Hint: hint})
	}
	redirect(w, r, "/incidents/"+done.IncidentID)
	return nil
}

// changeOf reads a change's part of the form, its window in the person's zone.
func (p *page) changeOf(f requestForm) (*api.Change, error) {
	ch := &api.Change{Type: f.Type, Risk: f.Risk, Scope: f.Scope}
	ch.Subjects = strings.FieldsFunc(f.Subjects, func(x rune) bool { return strings.ContainsRune(" ,，、;；\t\r\n", x) })
	slices.Sort(ch.Subjects)
	ch.Subjects = slices.Compact(ch.Subjects)
	var err error
	if ch.From, err = p.formMoment(f.From); err == nil {
		ch.Until, err = p.formMoment(f.Until)
	}
	return ch, err
}
