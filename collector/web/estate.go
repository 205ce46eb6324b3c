package web

import (
	"net/http"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/evidence"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/truth"
	"github.com/faultline/faultline/internal/lang"
)

// SiteState is a site as it stands now.
type SiteState struct {
	ID       string
	Name     lang.Text
	Kind     string // hq or branch
	Practice bool
	OK       int // devices, by what is known of them
	Bad      int
	Unknown  int
	Agents   []AgentState
}

// AgentState is an agent as it stands now.
type AgentState struct {
	ID    string
	Truth truth.Truth // ok: heard lately
	Heard time.Time   // last heard; zero: never
}

// EstateOf returns all sites of the inventory as the evidence has them. A
// device is bad when any vantage point sees it bad, ok when one sees it ok and
// none bad, else unknown. An agent that reports shows that its host runs; one
// that is silent shows nothing about it.
func EstateOf(inv *inventory.Inventory, v evidence.View) []SiteState {
	at, alive := map[string]int{}, map[string]bool{}
	var out []SiteState
	for _, s := range inv.Sites {
		at[s.ID] = len(out)
		out = append(out, SiteState{ID: s.ID, Name: s.Name, Kind: s.Kind, Practice: s.Practice})
	}
	for _, a := range inv.Agents {
		st := agentState(a.ID, v)
		alive[a.Device] = alive[a.Device] || st.Truth == truth.OK
		if n, ok := at[a.Site]; ok {
			out[n].Agents = append(out[n].Agents, st)
		}
	}
	for _, d := range inv.Devices {
		n, ok := at[d.Site]
		if !ok {
			continue
		}
		switch t := TruthOf(d.ID, v); {
		case t == truth.Bad:
			out[n].Bad++
		case t == truth.OK, alive[d.ID]:
			out[n].OK++
		default:
			out[n].Unknown++
		}
	}
	return out
}

// agentState says whether the agent is heard, and when it last was.
func agentState(id string, v evidence.View) AgentState {
	st := AgentState{ID: id}
	for _, k := range v.Find(evidence.Key{Element: evidence.Agent, Subject: id}) {
		r := v.Get(k)
		st.Truth = r.Truth
		switch {
		case r.Truth == truth.OK:
			st.Heard = r.At
		case r.Before == truth.OK:
			st.Heard = r.BeforeAt
		}
	}
	return st
}

// StateOf is what is known of a device: TruthOf, and that its host runs while an
// agent on it reports.
func StateOf(inv *inventory.Inventory, id string, v evidence.View) truth.Truth {
	t := TruthOf(id, v)
	reports := func(a inventory.Agent) bool { return a.Device == id && agentState(a.ID, v).Truth == truth.OK }
	if t == truth.Unknown && slices.ContainsFunc(inv.Agents, reports) {
		return truth.OK
	}
	return t
}

// TruthOf folds what all vantage points say of a device or a line itself.
func TruthOf(id string, v evidence.View) truth.Truth {
	out := truth.Unknown
	for _, el := range []string{evidence.Line, evidence.Device, evidence.WANRouter, evidence.Gateway, evidence.SNMP, evidence.Database, evidence.Service} {
		for _, k := range v.Find(evidence.Key{Element: el, Subject: id}) {
			switch v.Get(k).Truth {
			case truth.Bad:
				return truth.Bad
			case truth.OK:
				out = truth.OK
			}
		}
	}
	return out
}

// estateRow is one line of the overview.
type estateRow struct {
	SiteState
	Open, Verified int
	Worst          string // severity of the worst open incident
	Silent         int    // agents not heard
	State          string // bad, unknown, ok
}

type estateData struct {
	Rows           []estateRow
	Open, Verified int
	Silent, Agents int
	Newest         []incident.Incident
	HasEstate      bool
}

func (c *console) estate(w http.ResponseWriter, r *http.Request, p *page) error {
	who := account.PrincipalOf(p.User)
	q, _ := api.Scoped(api.Query{States: []string{incident.StateOpen, incident.StateVerified}}, who)
	open, _, err := c.Incidents.Incidents(r.Context(), q)
	if err != nil {
		return err
	}
	d := estateData{HasEstate: c.Estate != nil}
	rows := map[string]*estateRow{}
	if c.Estate != nil {
		for _, s := range c.Estate() {
			if who.Sees(s.ID) {
				d.Rows = append(d.Rows, estateRow{SiteState: s})
			}
		}
	}
	for n := range d.Rows {
		rows[d.Rows[n].ID] = &d.Rows[n]
	}
	for _, i := range open {
		if i.ParentID != "" {
			continue
		}
		d.count(i, rows[i.Diagnosis.Site])
	}
	for n := range d.Rows {
		d.Rows[n].judge()
		d.Silent, d.Agents = d.Silent+d.Rows[n].Silent, d.Agents+len(d.Rows[n].Agents)
	}
	slices.SortStableFunc(d.Rows, func(a, b estateRow) int { return rank(a) - rank(b) })
	p.Title, p.D = p.T("estate.title"), d
	return c.render(w, r, http.StatusOK, "estate", p)
}

// newestShown is how many incidents the overview lists itself.
const newestShown = 8

func (d *estateData) count(i incident.Incident, row *estateRow) {
	if len(d.Newest) < newestShown {
		d.Newest = append(d.Newest, i)
	}
	if i.State == incident.StateVerified {
		d.Verified++
		if row != nil {
			row.Verified++
		}
		return
	}
	d.Open++
	if row == nil {
		return
	}
	row.Open++
	if row.Worst == "" || severityRank(i.Severity) < severityRank(row.Worst) {
		row.Worst = i.Severity
	}
}

// judge says in one word how the site is.
func (r *estateRow) judge() {
	for _, a := range r.Agents {
		if a.Truth != truth.OK {
			r.Silent++
		}
	}
	switch {
	case r.Open > 0 || r.Bad > 0:
		r.State = "bad"
	case r.OK == 0 && r.Unknown > 0, r.Silent > 0:
		r.State = "unknown"
	default:
		r.State = "ok"
	}
}

// rank puts what needs somebody first.
func rank(r estateRow) int {
	return slices.Index([]string{"bad", "unknown", "ok"}, r.State)
}

func severityRank(s string) int {
	return slices.Index([]string{incident.SeverityCritical, incident.SeverityMajor, incident.SeverityMinor}, s)
}

// siteName returns what the site is called.
func (c *console) siteName(p *page, id string) string {
	for _, s := range c.Inventory().Sites {
		if s.ID == id && !s.Name.IsZero() {
			return p.Text(s.Name)
		}
	}
	return id
}

// thingName returns what a device or line is called.
func (c *console) thingName(p *page, id string) string {
	inv := c.Inventory()
	for _, d := range inv.Devices {
		if d.ID == id && !d.Name.IsZero() {
			return p.Text(d.Name)
		}
	}
	for _, l := range inv.Lines {
		if l.ID == id && !l.Name.IsZero() {
			return p.Text(l.Name)
		}
	}
	return ""
}
