package web

import (
	"net/http"
	"slices"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/lang"
)

type practiceData struct {
	Faults []practiceFault
	Whole  bool
	Newest []incident.Incident
	MayAct bool
}

type practiceFault struct {
	Name   string
	Broken bool
}

func (c *console) practicePage(w http.ResponseWriter, r *http.Request, p *page) error {
	if c.Practice == nil {
		return errLost
	}
	who := account.PrincipalOf(p.User)
	broken := c.Practice.Broken()
	d := practiceData{Whole: len(broken) == 0, MayAct: who.MayAct()}
	for _, f := range c.Practice.Faults() {
		d.Faults = append(d.Faults, practiceFault{f, slices.Contains(broken, f)})
	}
	q, some := api.Query{Limit: 10}, false
	for _, s := range c.Inventory().Sites {
		if s.Practice {
			q.Sites = append(q.Sites, s.ID)
		}
	}
	if q, some = api.Scoped(q, who); some && len(q.Sites) > 0 {
		found, _, err := c.Incidents.Incidents(r.Context(), q)
		if err != nil {
			return err
		}
		d.Newest = found
	}
	p.Title, p.D = p.T("practice.title"), d
	return c.render(w, r, http.StatusOK, "practice", p)
}

// practise breaks what the button names, or mends everything.
func (c *console) practise(w http.ResponseWriter, r *http.Request, p *page) error {
	if c.Practice == nil {
		return errLost
	}
	if err := r.ParseForm(); err != nil {
		return err
	}
	if !account.PrincipalOf(p.User).MayAct() {
		return &api.Refusal{Why: api.Forbidden, Text: lang.Text{ZH: "只读账号不能进行操作", EN: "a viewer may not act"}}
	}
	fault := r.PostForm.Get("break")
	entry := account.AuditEntry{Actor: p.User.Name, Action: "practice.mend", Remote: account.Remote(r)}
	if fault != "" {
		entry.Action, entry.Object = "practice.break", fault
	}
	if err := c.Accounts.Record(r.Context(), entry); err != nil {
		return err
	}
	var err error
	if fault != "" {
		err = c.Practice.Break(r.Context(), fault)
	} else {
		err = c.Practice.Mend(r.Context())
	}
	if err != nil {
		return err
	}
	redirect(w, r, "/practice")
	return nil
}
