package web

import (
	"cmp"
	"net/http"
	"strconv"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/document"
	"github.com/faultline/faultline/collector/drill"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/lang"
)

// drillRoutes are the pages of drills.
func (c *console) drillRoutes() map[string]handler {
	if c.Drills == nil {
		return nil
	}
	return map[string]handler{"GET /drills": c.drillsPage, "POST /drills": c.startDrill, "GET /drills/{id}": c.drillPage, "POST /drills/{id}": c.leadDrill, "GET /drills/{id}/report": c.drillFile}
}

// measurements are those of the incident's own world: a drill's are the drill's.
func (c *console) measurements(i incident.Incident) Ranger {
	if i.Drill != "" && c.Drills != nil {
		return c.Drills.Desk.Of(i.Drill)
	}
	return c.Charts
}

type drillsData struct {
	Drills  []drillRow
	Sites   []option // where this person may start one
	Site    string   // chosen
	Offers  []drill.Offer
	Asked   map[string]string // the form as it was sent
	Refused string
	Hint    string
}

type drillRow struct {
	drill.Record
	SiteName string
}

// mostDrills is how many drills the page lists.
const mostDrills = 50

func (c *console) drillsPage(w http.ResponseWriter, r *http.Request, p *page) error {
	return c.showDrills(w, r, p, http.StatusOK, drillsData{Site: r.URL.Query().Get("site"), Asked: map[string]string{"limit": "120", "repair": "", "hold": ""}})
}

func (c *console) showDrills(w http.ResponseWriter, r *http.Request, p *page, status int, d drillsData) error {
	who := account.PrincipalOf(p.User)
	list, err := c.Drills.Desk.List(r.Context(), who)
	if err != nil {
		return err
	}
	for n, x := range list {
		if n < mostDrills {
			d.Drills = append(d.Drills, drillRow{x, c.siteName(p, x.Site)})
		}
	}
	known := false
	for _, s := range c.Inventory().Sites {
		if c.Drills.Desk.MayLead(who, s.ID) {
			d.Sites = append(d.Sites, option{s.ID, c.siteName(p, s.ID)})
			known = known || s.ID == d.Site
		}
	}
	if !known && len(d.Sites) > 0 {
		d.Site = d.Sites[len(d.Sites)-1].Value
		for _, s := range c.Inventory().Sites {
			if s.Kind == "branch" && c.Drills.Desk.MayLead(who, s.ID) {
				d.Site = s.ID
				break
			}
		}
	}
	if len(d.Sites) > 0 {
		d.Offers = c.Drills.Desk.Offers(d.Site)
	}
	p.Title, p.D = p.T("drill.title"), d
	return c.render(w, r, status, "drills", p)
}

// minutesOf reads a form's minutes; "" is none.
func minutesOf(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	m, err := strconv.ParseFloat(text, 64)
	if err != nil || m < 0 || m > 10000 {
		return 0, &api.Refusal{Why: api.Invalid, Text: lang.Text{ZH: "请用分钟数填写时长：" + text, EN: "write times in minutes: " + text}}
	}
	return time.Duration(m * float64(time.Minute)), nil
}

func (c *console) startDrill(w http.ResponseWriter, r *http.Request, p *page) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	f := r.PostForm
	in := drill.Start{Site: f.Get("site"), Story: f.Get("story"), Vendors: f.Get("vendors") != ""}
	asked := map[string]string{"limit": f.Get("limit"), "repair": f.Get("repair"), "hold": f.Get("hold"), "story": in.Story, "vendors": f.Get("vendors")}
	var err error
	for key, to := range map[string]*time.Duration{"limit": &in.Limit, "repair": &in.RepairAfter, "hold": &in.Hold} {
		var bad error
		*to, bad = minutesOf(f.Get(key))
		err = cmp.Or(err, bad)
	}
	var rec drill.Record
	if err == nil {
		rec, err = c.Drills.Desk.Start(r.Context(), account.PrincipalOf(p.User), in, account.Remote(r))
	}
	if err != nil {
		err = api.DrillRefusal(err)
		status, text, hint := c.explain(p, err)
		if status >= http.StatusInternalServerError {
			return err
		}
		return c.showDrills(w, r, p, status, drillsData{Site: in.Site, Asked: asked, Refused: text, Hint: hint})
	}
	redirect(w, r, "/drills/"+rec.ID)
	return nil
}

type drillData struct {
	drill.Record
	SiteName string
	MayLead  bool
	MaySign  bool
	Open     []incident.Incident
	Tickets  []heldRow
	Decided  []decisionRow
	Practice bool // every page of a drill is marked
}

// heldRow is a message that was kept back, with its vendor's name.
type heldRow struct {
	drill.Held
	VendorName string
}

// decisionRow is a decision in the process's words.
type decisionRow struct {
	drill.Decision
	ID                   string // of the incident; "" when it is not known
	StepName             string
	ChoiceName, TrueName string
}

// heldRows names the vendors of messages that were kept back.
func (c *console) heldRows(p *page, held []drill.Held) []heldRow {
	names := map[string]string{}
	for _, v := range c.Inventory().Vendors {
		names[v.ID] = p.Text(v.Name)
	}
	var out []heldRow
	for _, h := range held {
		out = append(out, heldRow{h, cmp.Or(names[h.Vendor], h.Vendor)})
	}
	return out
}

// decisionRows says decisions as the incidents' processes do.
func (c *console) decisionRows(p *page, score *drill.Score, incidents []incident.Incident) []decisionRow {
	if score == nil {
		return nil
	}
	by := map[string]incident.Incident{}
	for _, i := range incidents {
		by[i.Number] = i
	}
	var out []decisionRow
	for _, d := range score.Decisions {
		row := decisionRow{Decision: d, StepName: d.Step, ChoiceName: d.Choice, TrueName: d.Truth}
		if i, known := by[d.Number]; known {
			row.ID, row.StepName = i.ID, cmp.Or(p.Text(c.StepTitle(i, d.Step)), d.Step)
			row.ChoiceName = cmp.Or(p.Text(c.ChoiceTitle(i, d.Choice)), d.Choice)
			if d.Truth != "" {
				row.TrueName = cmp.Or(p.Text(c.ChoiceTitle(i, d.Truth)), d.Truth)
			}
		}
		out = append(out, row)
	}
	return out
}

// PartTitle is what a part of the score is called.
func (p *page) PartTitle(id string) string { return p.Text(drill.PartTitle(id)) }

// ActTitle is what an entry of a drill's log is called.
func (p *page) ActTitle(act string) string { return p.Text(drill.ActTitle(act)) }

func (c *console) drillPage(w http.ResponseWriter, r *http.Request, p *page) error {
	who := account.PrincipalOf(p.User)
	rec, err := c.Drills.Desk.Get(r.Context(), who, r.PathValue("id"))
	if err != nil {
		return api.DrillRefusal(err)
	}
	d := drillData{Record: rec, SiteName: c.siteName(p, rec.Site), MayLead: c.Drills.Desk.MayLead(who, rec.Site), Practice: true}
	d.MaySign = d.MayLead && rec.Score != nil && rec.Signed == nil
	held, err := c.Drills.Desk.Tickets(r.Context(), rec.ID)
	if err != nil {
		return err
	}
	d.Tickets = c.heldRows(p, held)
	for _, x := range rec.Incidents {
		i, err := c.Incidents.Incident(r.Context(), x.ID)
		if err != nil {
			return err
		}
		d.Open = append(d.Open, i)
	}
	d.Decided = c.decisionRows(p, rec.Score, d.Open)
	p.Title, p.D = p.T("drill.one")+" "+p.Text(rec.Title), d
	return c.render(w, r, http.StatusOK, "drill", p)
}

func (c *console) leadDrill(w http.ResponseWriter, r *http.Request, p *page) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	a := api.DrillAct{ID: r.PathValue("id"), Action: r.PostForm.Get("action"), Reason: r.PostForm.Get("reason"), Name: r.PostForm.Get("name"), Remote: account.Remote(r)}
	if err := api.LeadDrill(r.Context(), c.Drills.Desk, account.PrincipalOf(p.User), a); err != nil {
		return err
	}
	redirect(w, r, "/drills/"+a.ID)
	return nil
}

func (c *console) drillFile(w http.ResponseWriter, r *http.Request, p *page) error {
	rec, err := c.Drills.Desk.Get(r.Context(), account.PrincipalOf(p.User), r.PathValue("id"))
	if err != nil {
		return api.DrillRefusal(err)
	}
	return api.SendDrillReport(w, c.Drills, r, rec, p.Lang, p.zone)
}

// Words are the console's words of sets in a language, for what is written
// elsewhere: classes, kinds of vendor and of documents. An unknown word is itself.
func Words(language string) func(set, word string) string {
	all, err := loadCatalogues()
	return func(set, word string) string {
		if set == "document" {
			return document.KindTitle(word).In(language)
		}
		if err != nil {
			return word
		}
		return cmp.Or(all[language][set+"."+word], word)
	}
}
