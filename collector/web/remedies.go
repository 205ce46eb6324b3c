package web

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/remedy"
	"github.com/faultline/faultline/internal/lang"
)

// remedyRoutes are the forms of remedies on an incident's page, and their output
// as it comes.
func (c *console) remedyRoutes() map[string]handler {
	if c.Remedies == nil {
		return nil
	}
	return map[string]handler{"POST /incidents/{id}/remedies": c.actOnRemedy, "GET /incidents/{id}/remedies/{remedy}/{run}": c.remedyOutput}
}

// remediesData is what an incident's page shows of remedies.
type remediesData struct {
	Rows   []remedyRow
	Offers []remedyForm
	Key    string // of the forms: pressed twice they act once
}

// remedyRow is one remedy with what this person may do about it.
type remedyRow struct {
	incident.Remedy
	Acts []string // approve, reject, stop, ran, not_run
	Runs []runRow
	Goes bool // its dry run or its run goes on
}

// runRow is a dry run or a run with what it printed.
type runRow struct {
	incident.RemedyRun
	Kind   string // check or run
	Live   bool   // it goes on
	Output string
}

type remedyForm struct {
	remedy.Entry
	Fields []remedyField
}

type remedyField struct {
	remedy.Parameter
	Label lang.Text
	Value string // from the incident, or the default
}

func (c *console) remedyGate() api.RemedyGate {
	return api.RemedyGate{Accounts: c.Accounts, Remedies: c.Remedies, Now: c.Now}
}

// remediesOf is what the person sees of the incident's remedies.
func (c *console) remediesOf(r *http.Request, p *page, i incident.Incident, key string) (remediesData, error) {
	d := remediesData{Key: key}
	if c.Remedies == nil {
		return d, nil
	}
	who := account.PrincipalOf(p.User)
	for _, m := range slices.Backward(i.Remedies) {
		row := remedyRow{Remedy: m, Goes: m.Runs()}
		for _, run := range []runRow{{RemedyRun: m.Check, Kind: "check"}, {RemedyRun: m.Run, Kind: "run"}} {
			if run.Key == "" {
				continue
			}
			run.Live = run.State == "queued" && i.Open()
			var err error
			if run.Output, err = c.Remedies.Output(r.Context(), i, run.RemedyRun); err != nil && !errors.Is(err, engine.ErrNotFound) {
				return d, err
			}
			row.Runs = append(row.Runs, run)
		}
		if who.MayAct() {
			row.Acts = c.remedyActs(who, i, m)
		}
		d.Rows = append(d.Rows, row)
	}
	if !who.MayAct() {
		return d, nil
	}
	for _, e := range c.Remedies.Offered(i, who.ActingRoles()) {
		f := remedyForm{Entry: e}
		for _, x := range e.Parameters {
			label := x.Title
			if label.IsZero() {
				label = lang.Same(x.Name)
			}
			f.Fields = append(f.Fields, remedyField{x, label, x.Value(i)})
		}
		d.Offers = append(d.Offers, f)
	}
	return d, nil
}

// remedyActs are what the person may do with the remedy now.
func (c *console) remedyActs(who account.Principal, i incident.Incident, m incident.Remedy) []string {
	var out []string
	for _, a := range []struct {
		do     string
		kind   incident.Kind
		choice string
	}{{api.RemedyApprove, incident.RemedyApproved, ""}, {api.RemedyReject, incident.RemedyRejected, ""}, {api.RemedyStop, incident.RemedyHalted, ""},
		{api.RemedyRan, incident.RemedySettled, api.RemedyRan}, {api.RemedyNotRun, incident.RemedySettled, api.RemedyNotRun}} {
		e := incident.Event{Kind: a.kind, At: c.Now(), Actor: who.Actor(i.StepRole), Choice: a.choice, Comment: "x", Remedy: &incident.Remedy{ID: m.ID}}
		if c.Remedies.May(i, who.ActingRoles(), e) == nil {
			out = append(out, a.do)
		}
	}
	return out
}

// actOnRemedy answers the forms: a proposal, or a word on one.
func (c *console) actOnRemedy(w http.ResponseWriter, r *http.Request, p *page) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	i, err := c.one(r, p)
	if err != nil {
		return err
	}
	a := api.RemedyAct{Do: r.PostForm.Get("do"), Remedy: r.PostForm.Get("remedy"), Comment: strings.TrimSpace(r.PostForm.Get("comment"))}
	if k := r.PostForm.Get("key"); len(k) > 0 && len(k) <= 64 {
		a.ID = "act-person-" + p.User.ID + "-" + a.Do + "-" + k
	}
	if a.Do == api.RemedyPropose {
		a.Parameters = map[string]string{}
		for name, v := range r.PostForm {
			if field, ok := strings.CutPrefix(name, "p."); ok && len(v) == 1 {
				a.Parameters[field] = strings.TrimSpace(v[0])
			}
		}
	}
	err = api.RemedyRefusal(c.remedyGate().Act(r.Context(), account.PrincipalOf(p.User), i, a, account.Remote(r)))
	return c.acted(w, r, p, i, err, "/incidents/"+i.ID+"#h-remedies")
}

// remedyOutput answers with what a run printed so far; the fragment asks again
// while it goes on.
func (c *console) remedyOutput(w http.ResponseWriter, r *http.Request, p *page) error {
	i, err := c.one(r, p)
	if err != nil {
		return err
	}
	d, err := c.remediesOf(r, p, i, "")
	if err != nil {
		return err
	}
	for _, row := range d.Rows {
		for _, run := range row.Runs {
			if row.ID == r.PathValue("remedy") && run.Kind == r.PathValue("run") {
				d := map[string]any{"p": p, "Incident": i.ID, "Remedy": row.ID, "Run": run}
				w.Header().Set("Content-Type", "text/html; charset=utf-8")
				return c.templates.ExecuteTemplate(w, "remedy.output", d)
			}
		}
	}
	return errLost
}

// remedySentence says what happened to a remedy.
func (c *console) remedySentence(p *page, i incident.Incident, e incident.Event) string {
	m := *e.Remedy
	if known, ok := i.RemedyOf(m.ID); ok && m.Name == "" {
		m.Name, m.Title = known.Name, known.Title
	}
	says := m.ID + " " + cmp.Or(p.Text(m.Title), m.Name)
	if e.Kind == incident.RemedyChanged {
		run := m.Check
		kind := "check"
		if m.Run.Key != "" {
			run, kind = m.Run, "run"
		}
		says += " · " + p.W("remedy_run", kind) + " " + p.W("remedy_state", run.State)
	}
	if e.Kind == incident.RemedySettled {
		says += " · " + p.W("remedy_state", e.Choice)
	}
	return says
}

// outputOf is what a remedy printed, as the log keeps it.
func outputOf(e incident.Event) string {
	if e.Effect == nil || e.Kind != incident.EffectDone {
		return ""
	}
	return e.Effect.Result["output"]
}

// Actor is who did something, in words.
func (p *page) Actor(a incident.Actor) string { return p.actor(a) }
