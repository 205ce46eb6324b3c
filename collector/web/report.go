package web

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/knowledge"
	"github.com/faultline/faultline/collector/reporter"
	"github.com/faultline/faultline/internal/lang"
)

// reportPages are the pages for people who report a fault; those of the first
// map need no account.
func (c *console) reportPages() (open, signedIn map[string]handler) {
	if c.Reporter == nil {
		return nil, nil
	}
	return map[string]handler{
		"GET /report": c.reportPage, "POST /report": c.report, "GET /report/{site}/{link}": c.reportPage, "POST /report/{site}/{link}": c.report,
		"GET /r/{secret}": c.followPage, "POST /r/{secret}": c.follow,
	}, map[string]handler{"GET /reporting": c.linksPage, "POST /reporting": c.setLink}
}

// reportData is the form. Its first page asks what and where; the second shows
// what is known already and asks who.
type reportData struct {
	reporter.Draft
	Action     string // where the form goes
	Second     bool
	Sites      []inventory.Site
	SiteName   string
	Lines      []inventory.Line
	Devices    []inventory.Device
	Categories []string
	Near       []incident.Incident
	Knowledge  []knowledge.Suggestion
	Key        string // sent twice it reports once
	MaxPhotos  int
}

// mayReport returns the sites the person may report at: those of the account, or
// the one of the link.
func (c *console) mayReport(r *http.Request, p *page) ([]inventory.Site, error) {
	all := c.Inventory().Sites
	if link := r.PathValue("link"); link != "" {
		ok, err := c.Reporter.Opens(r.Context(), r.PathValue("site"), link)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, errLost
		}
		return slices.DeleteFunc(slices.Clone(all), func(s inventory.Site) bool { return s.ID != r.PathValue("site") }), nil
	}
	if p.User.Name == "" || p.User.MustChange {
		return nil, nil
	}
	who := account.PrincipalOf(p.User)
	return slices.DeleteFunc(slices.Clone(all), func(s inventory.Site) bool { return !who.MayRead() || !who.Sees(s.ID) }), nil
}

func (c *console) reportPage(w http.ResponseWriter, r *http.Request, p *page) error {
	sites, err := c.mayReport(r, p)
	if err != nil {
		return err
	}
	if len(sites) == 0 {
		redirect(w, r, signInPath(r))
		return nil
	}
	d := reportData{Draft: reporter.Draft{Site: r.URL.Query().Get("site"), Device: r.URL.Query().Get("device"), Category: r.URL.Query().Get("category")}}
	if d.Device != "" && d.Site == "" {
		d.Site = c.siteHolding(d.Device)
	}
	return c.showReport(w, r, p, sites, d, http.StatusOK)
}

// siteHolding is the site of a device or line.
func (c *console) siteHolding(id string) string {
	inv := c.Inventory()
	for _, x := range inv.Devices {
		if x.ID == id {
			return x.Site
		}
	}
	for _, x := range inv.Lines {
		if x.ID == id {
			return x.Site
		}
	}
	return ""
}

func (c *console) showReport(w http.ResponseWriter, r *http.Request, p *page, sites []inventory.Site, d reportData, status int) error {
	d.Sites, d.Action, d.Categories, d.MaxPhotos, d.Key = sites, r.URL.Path, reporter.Categories(), reporter.MaxPhotos, cmp.Or(d.Key, strings.ToLower(rand.Text()))
	if len(sites) == 1 {
		d.Site = sites[0].ID
	}
	if !slices.ContainsFunc(sites, func(s inventory.Site) bool { return s.ID == d.Site }) {
		d.Site = ""
	}
	d.SiteName = c.siteName(p, d.Site)
	d.Lines, d.Devices = reporter.Things(c.Inventory(), d.Site)
	p.Title, p.D = p.T("report.title"), d
	return c.render(w, r, status, "report", p)
}

// report takes either page of the form.
func (c *console) report(w http.ResponseWriter, r *http.Request, p *page) error {
	sites, err := c.mayReport(r, p)
	if err != nil {
		return err
	}
	if len(sites) == 0 {
		redirect(w, r, "/sign-in")
		return nil
	}
	d, err := c.readReport(r, p)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(sites, func(s inventory.Site) bool { return s.ID == d.Site }) {
		d.Site = ""
	}
	send := r.PostFormValue("send")
	if d.Site == "" || send == "" {
		return c.reportNext(w, r, p, sites, d)
	}
	if send == "solved" {
		return c.solved(w, r, p)
	}
	if d.Join = send; send == "1" {
		d.Join = ""
	}
	return c.submit(w, r, p, sites, d)
}

// reportNext leads from the first page to the second, or back.
func (c *console) reportNext(w http.ResponseWriter, r *http.Request, p *page, sites []inventory.Site, d reportData) error {
	back := r.PostFormValue("back") != ""
	switch {
	case back || r.PostFormValue("choose") != "":
		return c.showReport(w, r, p, sites, d, http.StatusOK)
	case d.Site == "" || d.Category == "" || strings.TrimSpace(d.Symptoms) == "":
		p.Error = p.T("report.incomplete")
		return c.showReport(w, r, p, sites, d, http.StatusUnprocessableEntity)
	}
	d.Second, d.Near = true, c.Reporter.Near(r.Context(), d.Site)
	var err error
	if d.Knowledge, err = c.knownOf(r, p, d.Draft); err != nil {
		return err
	}
	d.Name = cmp.Or(d.Name, p.User.Name)
	return c.showReport(w, r, p, sites, d, http.StatusOK)
}

// knownOf are the knowledge entries that fit; people without an account are
// shown those that are meant for everybody.
func (c *console) knownOf(r *http.Request, p *page, d reporter.Draft) ([]knowledge.Suggestion, error) {
	if c.Knowledge == nil {
		return nil, nil
	}
	q := knowledge.Query{Text: p.T("report.category."+d.Category) + "\n" + d.Symptoms, Site: d.Site, Limit: 20}
	for _, x := range c.Inventory().Devices {
		if x.ID == d.Device {
			q.DeviceKind, q.Vendor, q.Model = x.Kind, x.Vendor, x.Model
		}
	}
	list, err := c.Knowledge.Suggest(r.Context(), q)
	list = slices.DeleteFunc(list, func(s knowledge.Suggestion) bool { return p.User.Name == "" && !s.Entry.Public })
	return list[:min(len(list), 3)], err
}

// readReport reads the form, with pictures where it has any.
func (c *console) readReport(r *http.Request, p *page) (reportData, error) {
	d := reportData{}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
		if err := r.ParseMultipartForm(1 << 20); err != nil {
			return d, err
		}
		defer func() { _ = r.MultipartForm.RemoveAll() }()
		for _, h := range r.MultipartForm.File["photo"] {
			f, err := h.Open()
			if err != nil {
				return d, err
			}
			b, err := io.ReadAll(io.LimitReader(f, reporter.MaxPhoto+1))
			_ = f.Close()
			if err != nil {
				return d, err
			}
			if len(b) > 0 {
				d.Photos = append(d.Photos, b)
			}
		}
	} else if err := r.ParseForm(); err != nil {
		return d, err
	}
	v := r.PostFormValue
	d.Site, d.Device, d.Category, d.Symptoms, d.Name, d.Contact = cmp.Or(r.PathValue("site"), v("site")), v("device"), v("category"), v("symptoms"), v("name"), v("contact")
	d.Language = p.Lang
	if k := v("key"); len(k) <= 64 {
		d.Key = k
	}
	return d, nil
}

// submit hands the report over and leads to its private page.
func (c *console) submit(w http.ResponseWriter, r *http.Request, p *page, sites []inventory.Site, d reportData) error {
	who := cmp.Or(p.User.Name, "report link "+d.Site)
	d.Remote, d.Known, d.FactID = account.Remote(r), p.User.Name != "", "rep-page-"+who+"-"+d.Key
	d.By = incident.Actor{Kind: account.KindPerson, ID: "reporter", Name: cmp.Or(strings.TrimSpace(d.Name), p.T("report.somebody")), Role: "user"}
	if d.Known {
		d.By = account.PrincipalOf(p.User).Actor(account.RoleBranchIT)
	}
	err := c.Accounts.Record(r.Context(), account.AuditEntry{Actor: who, Action: "incident.report", Object: strings.TrimSpace(d.Site + " " + d.Device), Detail: d.Symptoms, Remote: d.Remote})
	if err != nil {
		return err
	}
	got, err := c.Reporter.Submit(r.Context(), d.Draft)
	var fault *reporter.Fault
	switch {
	case err == nil:
		redirect(w, r, "/r/"+got.Secret+"?sent=1")
		return nil
	case errors.As(err, &fault):
		p.Error = p.Text(fault.Text)
		d.Second, d.Draft.Photos = true, nil
		return c.showReport(w, r, p, sites, d, http.StatusUnprocessableEntity)
	}
	return c.busy(p, err)
}

// busy says that too much came at once.
func (c *console) busy(p *page, err error) error {
	var busy *reporter.BusyError
	if errors.As(err, &busy) {
		return &api.Refusal{Why: api.TooMany, Text: lang.Text{ZH: "上报过于频繁，请稍候 " + p.Duration(busy.For) + "，紧急情况请电话联系", EN: "Too many reports at once: wait " + p.Duration(busy.For) + ", or telephone if it is urgent"}}
	}
	return err
}

// solved counts that an entry helped: nothing has to be reported.
func (c *console) solved(w http.ResponseWriter, r *http.Request, p *page) error {
	id := r.PostFormValue("entry")
	if c.Knowledge == nil || p.User.Name == "" {
		return errLost
	}
	if err := c.vote(r, p, id, "report/"+p.User.Name+"/"+r.PostFormValue("key"), true); err != nil {
		return err
	}
	redirect(w, r, "/knowledge/"+id+"?done=helped")
	return nil
}

// linkRow is a site and its link for people without an account.
type linkRow struct {
	Site, Name, Link string
}

// maySetLinks tells whether the person may hand out links: IT of the site.
func (p *page) maySetLinks() bool { return account.PrincipalOf(p.User).MayAct() }

func (c *console) linksPage(w http.ResponseWriter, r *http.Request, p *page) error {
	links, err := c.Reporter.SiteLinks(r.Context())
	if err != nil {
		return err
	}
	who, rows := account.PrincipalOf(p.User), []linkRow{}
	for _, s := range c.Inventory().Sites {
		if !who.Sees(s.ID) {
			continue
		}
		row := linkRow{Site: s.ID, Name: p.Text(s.Name)}
		if links[s.ID] != "" && p.maySetLinks() {
			row.Link = strings.TrimSuffix(c.URL, "/") + fmt.Sprintf("/report/%s/%s", s.ID, links[s.ID])
		}
		rows = append(rows, row)
	}
	p.Title, p.D = p.T("reporting.title"), map[string]any{"Rows": rows, "May": p.maySetLinks()}
	return c.render(w, r, http.StatusOK, "reporting", p)
}

// setLink gives a site a new link or takes it away.
func (c *console) setLink(w http.ResponseWriter, r *http.Request, p *page) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	site, who := r.PostForm.Get("site"), account.PrincipalOf(p.User)
	if !p.maySetLinks() || !who.Sees(site) {
		return &api.Refusal{Why: api.Forbidden, Text: lang.Text{ZH: "只有信息技术人员可以设置上报链接", EN: "only IT sets report links"}}
	}
	action, do := "report_link.new", c.Reporter.NewSiteLink
	if r.PostForm.Get("end") != "" {
		action, do = "report_link.end", c.Reporter.EndSiteLink
	}
	if err := c.Accounts.Record(r.Context(), account.AuditEntry{Actor: p.User.Name, Action: action, Object: site, Remote: account.Remote(r)}); err != nil {
		return err
	}
	if err := do(r.Context(), site); err != nil {
		return err
	}
	redirect(w, r, "/reporting")
	return nil
}
