package web

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/incident"
)

// pageLen is how many incidents a page of the list has.
const pageLen = 50

type listData struct {
	Rows    []listRow
	Notices []noticeData // other sites' that affect the person's
	Sites   []option
	Site    string
	State   string // current, closed or all
	Class   string
	Sort    string // "" newest first, or priority
	Ranked  bool   // priorities are known
	Query   string // the filters, to ask for the same again
	Next    string // address of the next page
	Paged   bool
}

type option struct{ Value, Title string }

type listRow struct {
	incident.Incident
	SiteName string
	StepName string
	Priority int // 1 to 4; 0: not known
}

func (c *console) list(w http.ResponseWriter, r *http.Request, p *page) error {
	v := r.URL.Query()
	d := listData{Site: v.Get("site"), State: v.Get("state"), Class: v.Get("class"), Query: r.URL.RawQuery, Paged: v.Get("cursor") != ""}
	if !slices.Contains([]string{"closed", "all"}, d.State) {
		d.State = "current"
	}
	if d.Ranked = c.Priority != nil; d.Ranked && d.State == "current" && v.Get("sort") == api.SortPriority { // what is open is few enough to be sorted
		d.Sort = api.SortPriority
	}
	who := account.PrincipalOf(p.User)
	for _, s := range c.Inventory().Sites {
		if who.Sees(s.ID) {
			d.Sites = append(d.Sites, option{s.ID, c.siteName(p, s.ID)})
		}
	}
	q := api.Query{Class: d.Class, Limit: pageLen, Cursor: v.Get("cursor")}
	if d.Site != "" {
		q.Sites = []string{d.Site}
	}
	switch d.State {
	case "current":
		q.States = []string{incident.StateOpen, incident.StateVerified}
	case "closed":
		q.States = []string{incident.StateClosed}
	}
	if q, some := api.Scoped(q, who); some {
		if d.Sort == api.SortPriority {
			q.Limit, q.Cursor = 0, ""
		}
		found, next, err := c.Incidents.Incidents(r.Context(), q)
		if err != nil {
			return err
		}
		if d.Sort == api.SortPriority {
			api.ByPriority(found, c.Priority)
		}
		for _, i := range found {
			row := listRow{Incident: i, SiteName: c.siteName(p, i.Diagnosis.Site), StepName: p.Text(c.StepTitle(i, i.Step))}
			if d.Ranked {
				row.Priority = c.Priority(i)
			}
			d.Rows = append(d.Rows, row)
		}
		if next != "" {
			more := url.Values{"state": {d.State}, "site": {d.Site}, "class": {d.Class}, "cursor": {next}}
			d.Next = "/incidents?" + more.Encode()
		}
	}
	if c.Noticed != nil && !d.Paged && d.State == "current" {
		for _, i := range c.Noticed(r.Context(), who) {
			d.Notices = append(d.Notices, noticeData{api.NoticeOf(i, p.Lang), c.siteName(p, i.Diagnosis.Site)})
		}
	}
	p.Title, p.D = p.T("list.title"), d
	return c.render(w, r, http.StatusOK, "list", p)
}

// Classes are the fault classes a person can filter by.
func (listData) Classes() []string {
	return []string{incident.ClassCarrierLine, incident.ClassDevice, incident.ClassPower, incident.ClassConfiguration,
		incident.ClassServer, incident.ClassDatabase, incident.ClassEnvironment, incident.ClassSecurity}
}
