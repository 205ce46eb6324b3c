package web

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/internal/lang"
)

// mostOver is how many quiet times that are over the page shows.
const mostOver = 20

type quietsData struct {
	Rows    []quietRow // in force and planned
	Over    []quietRow // the latest
	Things  []option   // what may be named
	MayAct  bool
	Asked   quietForm // as sent, after a refusal
	Refused string
	Hint    string
}

type quietRow struct {
	engine.Quiet
	State   string
	MayLift bool
}

// quietForm is the form as it was sent.
type quietForm struct{ Kind, Subjects, From, Until, Reason string }

// Kinds are what can be announced.
func (quietsData) Kinds() []string {
	return []string{engine.QuietMaintenance, engine.QuietWorks, engine.QuietSilence}
}

// formTime is how browsers send a local date and time.
const formTime = "2006-01-02T15:04"

func (c *console) quietsPage(w http.ResponseWriter, r *http.Request, p *page) error {
	return c.showQuiets(w, r, p, http.StatusOK, quietsData{Asked: quietForm{From: p.now.In(p.zone).Format(formTime), Until: p.now.In(p.zone).Add(2 * time.Hour).Format(formTime)}})
}

func (c *console) showQuiets(w http.ResponseWriter, r *http.Request, p *page, status int, d quietsData) error {
	if c.Quiet == nil {
		return errLost
	}
	who := account.PrincipalOf(p.User)
	list, err := c.Quiet.List(r.Context(), who)
	if err != nil {
		return err
	}
	for _, q := range list {
		row := quietRow{q, api.QuietState(q, p.now), c.Quiet.MayLift(who, q)}
		switch {
		case row.State != api.QuietOver:
			d.Rows = append(d.Rows, row)
		case len(d.Over) < mostOver:
			d.Over = append(d.Over, row)
		}
	}
	d.MayAct = who.MayAct()
	d.Things = c.things(p, who)
	p.Title, p.D = p.T("quiet.title"), d
	return c.render(w, r, status, "quiets", p)
}

// things are the inventory names that the person may name.
func (c *console) things(p *page, who account.Principal) []option {
	inv := c.Inventory()
	var out []option
	add := func(site, id string, name lang.Text) {
		if who.SeesAll() || site != "" && who.Sites != nil && who.Sees(site) {
			out = append(out, option{id, p.Text(name)})
		}
	}
	for _, s := range inv.Sites {
		add(s.ID, s.ID, s.Name)
	}
	for _, v := range inv.Vendors {
		if v.Kind == "carrier" {
			add("", v.ID, v.Name)
		}
	}
	for _, l := range inv.Lines {
		add(l.Site, l.ID, l.Name)
	}
	for _, d := range inv.Devices {
		add(d.Site, d.ID, d.Name)
	}
	return out
}

// announce takes the form, or lifts what the button names.
func (c *console) announce(w http.ResponseWriter, r *http.Request, p *page) error {
	if c.Quiet == nil {
		return errLost
	}
	if err := r.ParseForm(); err != nil {
		return err
	}
	who := account.PrincipalOf(p.User)
	if !who.MayAct() {
		return &api.Refusal{Why: api.Forbidden, Text: lang.Text{ZH: "只读账号不能进行操作", EN: "a viewer may not act"}}
	}
	if id := r.PostForm.Get("lift"); id != "" {
		if err := c.Quiet.Lift(r.Context(), who, id, account.Remote(r)); err != nil {
			return err
		}
		redirect(w, r, "/quiets")
		return nil
	}
	f := quietForm{r.PostForm.Get("kind"), r.PostForm.Get("subjects"), r.PostForm.Get("from"), r.PostForm.Get("until"), r.PostForm.Get("reason")}
	q := engine.Quiet{Kind: f.Kind, Reason: f.Reason, Subjects: slices.Compact(strings.FieldsFunc(f.Subjects, func(x rune) bool { return strings.ContainsRune(" ,，、;；\t\r\n", x) }))}
	var err error
	if q.From, err = p.formMoment(f.From); err == nil {
		q.Until, err = p.formMoment(f.Until)
	}
	if err == nil {
		_, err = c.Quiet.Announce(r.Context(), who, q, account.Remote(r))
	}
	if err != nil {
		status, text, hint := c.explain(p, err)
		if status >= http.StatusInternalServerError {
			return err
		}
		return c.showQuiets(w, r, p, status, quietsData{Asked: f, Refused: text, Hint: hint})
	}
	redirect(w, r, "/quiets")
	return nil
}

// formMoment reads a local date and time in the person's zone; "" is none.
func (p *page) formMoment(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.ParseInLocation(formTime, s, p.zone)
	if err != nil {
		return t, &api.Refusal{Why: api.Invalid, Text: lang.Text{ZH: "时间格式应为 " + formTime, EN: "write times as " + formTime}}
	}
	return t.UTC(), nil
}
