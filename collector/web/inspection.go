package web

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/inspection"
	"github.com/faultline/faultline/internal/lang"
)

// inspectionRoutes are the pages of the daily inspection.
func (c *console) inspectionRoutes() map[string]handler {
	if c.Inspections == nil {
		return nil
	}
	return map[string]handler{
		"GET /inspections": c.inspectionsPage, "GET /inspections/{site}": c.inspectionSite, "GET /inspections/{site}/{day}": c.inspectionPage,
		"POST /inspections/{site}/{day}": c.inspectionSign, "POST /inspections/{site}/{day}/check": c.inspectionCheck,
	}
}

// SignsInspections tells whether the principal may sign a site's sheet.
func SignsInspections(p account.Principal, site string) bool {
	return p.MayAct() && p.Sees(site) && (p.Has(account.RoleBranchIT) || p.Has(account.RoleHQFacility) || p.Has(account.RoleHQNetwork))
}

// ChecksInspections tells whether the principal makes spot checks: head office.
func ChecksInspections(p account.Principal) bool {
	return p.SeesAll() && (p.Has(account.RoleHQFacility) || p.Has(account.RoleHQNetwork) || p.Has(account.RoleHQITManager))
}

type inspectionRow struct {
	Site  inspection.Site
	Today inspection.Day
	Month inspection.Month
	Due   time.Time
}

type inspectionsData struct {
	Rows    []inspectionRow
	ToCheck []inspection.Record
	Month   string
}

func (c *console) inspectionsPage(w http.ResponseWriter, r *http.Request, p *page) error {
	who := account.PrincipalOf(p.User)
	var d inspectionsData
	for _, s := range c.Inspections.Sites() {
		if !who.Sees(s.ID) {
			continue
		}
		today := p.now.In(s.Zone)
		first := time.Date(today.Year(), today.Month(), 1, 0, 0, 0, 0, s.Zone)
		d.Month = first.Format("2006-01")
		days, err := c.Inspections.Days(r.Context(), s.ID, first.Format(time.DateOnly), today.Format(time.DateOnly))
		if err != nil {
			return lostInspection(err)
		}
		row := inspectionRow{Site: s, Month: inspection.Count(s.ID, days)}
		if len(days) > 0 {
			row.Today = days[0]
		}
		if l, ok := c.Inspections.List(); ok {
			row.Due, _ = l.DueAt(p.now, s.Zone)
		}
		d.Rows = append(d.Rows, row)
	}
	if ChecksInspections(who) {
		var err error
		if d.ToCheck, err = c.Inspections.ToCheck(r.Context()); err != nil {
			return err
		}
	}
	p.Title, p.D = p.T("inspection.title"), d
	return c.render(w, r, http.StatusOK, "inspections", p)
}

func lostInspection(err error) error {
	if errors.Is(err, inspection.ErrNone) {
		return errLost
	}
	return err
}

type inspectionSiteData struct {
	Site           string
	Month, Earlier string
	Later          string
	Days           []inspection.Day
	Count          inspection.Month
}

func (c *console) inspectionSite(w http.ResponseWriter, r *http.Request, p *page) error {
	site := r.PathValue("site")
	if !account.PrincipalOf(p.User).Sees(site) {
		return errLost
	}
	month, err := time.Parse("2006-01", r.URL.Query().Get("month"))
	if err != nil {
		y, m, _ := p.now.In(p.zone).Date()
		month = time.Date(y, m, 1, 0, 0, 0, 0, time.UTC)
	}
	days, err := c.Inspections.Days(r.Context(), site, month.Format(time.DateOnly), month.AddDate(0, 1, -1).Format(time.DateOnly))
	if err != nil {
		return lostInspection(err)
	}
	d := inspectionSiteData{Site: site, Month: month.Format("2006-01"), Earlier: month.AddDate(0, -1, 0).Format("2006-01"), Days: days, Count: inspection.Count(site, days)}
	if next := month.AddDate(0, 1, 0); !next.After(p.now) {
		d.Later = next.Format("2006-01")
	}
	p.Title, p.D = p.T("inspection.title")+" · "+c.siteName(p, site), d
	return c.render(w, r, http.StatusOK, "inspection-site", p)
}

type inspectionData struct {
	inspection.Sheet
	Groups            []inspectionGroup
	MaySign, MayCheck bool
	Said, Note        map[string]string // what was entered before it was refused
	Remark            string
	Units             map[string]string // of items
	SiteName          string
}

type inspectionGroup struct {
	Area  string
	Lines []inspection.Line
}

func (c *console) inspectionPage(w http.ResponseWriter, r *http.Request, p *page) error {
	return c.showSheet(w, r, p, http.StatusOK, nil)
}

// showSheet shows the sheet, with what a person entered when it was refused.
func (c *console) showSheet(w http.ResponseWriter, r *http.Request, p *page, status int, entered url.Values) error {
	who, site, day := account.PrincipalOf(p.User), r.PathValue("site"), r.PathValue("day")
	if !who.Sees(site) {
		return errLost
	}
	sheet, err := c.Inspections.Sheet(r.Context(), site, day)
	if err != nil {
		return lostInspection(err)
	}
	d := inspectionData{Sheet: sheet, MaySign: SignsInspections(who, site) && sheet.Record == nil, Said: map[string]string{}, Note: map[string]string{}, Remark: entered.Get("remark"), Units: map[string]string{}, SiteName: c.siteName(p, site)}
	if l, ok := c.Inspections.List(); ok {
		for _, x := range l.Items {
			d.Units[x.ID] = x.Unit
		}
	}
	d.MayCheck = sheet.Record != nil && ChecksInspections(who) && sheet.Record.SignedBy != p.User.Name
	for _, area := range inspection.Areas() {
		g := inspectionGroup{Area: area}
		for _, l := range sheet.Lines {
			if l.Area == area {
				g.Lines = append(g.Lines, l)
				d.Said[l.ID] = l.Suggested
			}
		}
		if len(g.Lines) > 0 {
			d.Groups = append(d.Groups, g)
		}
	}
	for _, l := range sheet.Lines {
		if entered.Has("said." + l.ID) {
			d.Said[l.ID] = entered.Get("said." + l.ID)
		}
		d.Note[l.ID] = entered.Get("note." + l.ID)
	}
	if r.URL.Query().Get("done") == "1" && sheet.Record != nil {
		p.Done = p.T("inspection.done")
	}
	p.Title, p.D = sheet.Title.In(p.Lang)+" "+day, d
	return c.render(w, r, status, "inspection", p)
}

func (c *console) inspectionSign(w http.ResponseWriter, r *http.Request, p *page) error {
	who, site, day := account.PrincipalOf(p.User), r.PathValue("site"), r.PathValue("day")
	if !SignsInspections(who, site) {
		return &api.Refusal{Why: api.Forbidden, Text: lang.Text{ZH: "您不能签署该站点的例检", EN: "you may not sign this site's inspection"}}
	}
	if err := r.ParseForm(); err != nil {
		return err
	}
	s := inspection.Signature{Site: site, Day: day, Said: map[string]string{}, Note: map[string]string{}, Remark: r.PostForm.Get("remark"), By: p.User.Name, Remote: account.Remote(r)}
	if l, ok := c.Inspections.List(); ok {
		for _, x := range l.Items {
			if v := r.PostForm.Get("said." + x.ID); v != "" {
				s.Said[x.ID] = v
			}
			s.Note[x.ID] = r.PostForm.Get("note." + x.ID)
		}
	}
	entry := account.AuditEntry{Actor: p.User.Name, Action: "inspection.sign", Object: site + "/" + day, Remote: s.Remote}
	if err := c.Accounts.Record(r.Context(), entry); err != nil {
		return err
	}
	_, err := c.Inspections.Sign(r.Context(), s)
	var incomplete *inspection.Incomplete
	switch {
	case errors.As(err, &incomplete):
		p.Error = incomplete.Text.In(p.Lang)
		return c.showSheet(w, r, p, http.StatusUnprocessableEntity, r.PostForm)
	case errors.Is(err, inspection.ErrSigned):
		return &api.Refusal{Why: api.NotNow, Text: lang.Text{ZH: "这张例检表已签署", EN: "this sheet is signed already"}}
	case err != nil:
		return lostInspection(err)
	}
	redirect(w, r, "/inspections/"+url.PathEscape(site)+"/"+day+"?done=1")
	return nil
}

func (c *console) inspectionCheck(w http.ResponseWriter, r *http.Request, p *page) error {
	site, day := r.PathValue("site"), r.PathValue("day")
	if !ChecksInspections(account.PrincipalOf(p.User)) {
		return &api.Refusal{Why: api.Forbidden, Text: lang.Text{ZH: "抽查由总公司进行", EN: "spot checks are head office's"}}
	}
	if err := r.ParseForm(); err != nil {
		return err
	}
	check := inspection.Check{Site: site, Day: day, By: p.User.Name, Agrees: r.PostForm.Get("result") == "agrees", Items: slices.Clone(r.PostForm["item"]), Note: r.PostForm.Get("note")}
	entry := account.AuditEntry{Actor: p.User.Name, Action: "inspection.check", Object: site + "/" + day, Detail: check.Note, Remote: account.Remote(r)}
	if err := c.Accounts.Record(r.Context(), entry); err != nil {
		return err
	}
	_, err := c.Inspections.SpotCheck(r.Context(), check)
	var incomplete *inspection.Incomplete
	if errors.As(err, &incomplete) {
		return &api.Refusal{Why: api.Invalid, Text: incomplete.Text}
	}
	if err != nil {
		return lostInspection(err)
	}
	redirect(w, r, "/inspections/"+url.PathEscape(site)+"/"+day)
	return nil
}

// Percent writes a share of one as a percentage.
func (p *page) Percent(share float64) string {
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(100*share, 'f', 1, 64), "0"), ".") + " %"
}

// Figure writes a measured value with its unit, without digits nobody needs; a
// share of one is a percentage.
func (p *page) Figure(v float64, unit string) string {
	if unit == "ratio" {
		return p.Percent(v)
	}
	return p.Number(&v, unit)
}

// Answers are what can be said of an item.
func (p *page) Answers() []string {
	return []string{inspection.OK, inspection.Abnormal, inspection.NotHere}
}

// SiteNamed returns what a site is called.
func (d inspectionsData) SiteNamed(id, language string) string {
	for _, r := range d.Rows {
		if r.Site.ID == id {
			return r.Site.Name.In(language)
		}
	}
	return id
}
