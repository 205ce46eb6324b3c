package web

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/duty"
	"github.com/faultline/faultline/collector/people"
	"github.com/faultline/faultline/internal/lang"
)

const (
	onCallAhead = 14 * 24 * time.Hour // what the page shows of the plan
	onCallBack  = 36 * time.Hour      // hand-overs that may still be taken over
	wallLayout  = "2006-01-02T15:04"  // of the browser's date and time field
)

type onCallData struct {
	Rotas   []rotaRow
	Changes []changeRow
	Away    []changeRow
	People  []option
	Me      string
	MayAct  bool
}

// rotaRow is one rota as things stand.
type rotaRow struct {
	*people.Rota
	SiteNames []string
	Now       []dutyRow
	Next      *people.HandOver
	NextNames string
	Plan      []dutyRow
	Gaps      []people.Gap
	HandOvers []handOverRow
	Serving   []option // who may be put in: everybody with the role
	May       bool     // the reader may change it
	Feed      string
}

type dutyRow struct {
	people.Duty
	Name    string
	Instead string
	StandIn string // who acts, when the person is away
	Contact string
}

type handOverRow struct {
	people.HandOver
	FromNames, ToNames string
	Key                string
	Mine               bool // the reader may take it over
}

type changeRow struct {
	duty.Change
	Text string
	May  bool // the reader may undo it
	Mine bool // the reader may agree to it
}

// seesRota tells whether the principal may know who serves: rotas of sites are
// their sites' and head office's.
func seesRota(who account.Principal, r *people.Rota) bool {
	return who.MayRead() && (len(r.Sites) == 0 || slices.ContainsFunc(r.Sites, who.Sees))
}

// mayPlan tells whether the principal may change who serves: its own role's, and
// managers all.
func mayPlan(who account.Principal, r *people.Rota) bool {
	return seesRota(who, r) && (who.Has(r.Role) || slices.Contains(who.Roles, account.RoleHQITManager))
}

func (c *console) onCall(w http.ResponseWriter, r *http.Request, p *page) error {
	if k := r.URL.Query().Get("done"); k != "" {
		p.Done = p.T("oncall.done")
	}
	return c.showOnCall(w, r, p, http.StatusOK)
}

func (c *console) showOnCall(w http.ResponseWriter, r *http.Request, p *page, status int) error {
	if c.Duty == nil {
		return errLost
	}
	who, d := account.PrincipalOf(p.User), c.Duty.Directory()
	data := onCallData{Me: p.User.Name, MayAct: who.MayAct()}
	for _, rota := range d.Rotas {
		if !seesRota(who, rota) {
			continue
		}
		row, err := c.rotaRow(r, p, who, rota)
		if err != nil {
			return err
		}
		data.Rotas = append(data.Rotas, row)
	}
	for n := range d.People {
		data.People = append(data.People, option{d.People[n].ID, d.Name(d.People[n].ID)})
	}
	for _, x := range c.Duty.Changes() {
		row := changeRow{Change: x, Text: c.changeText(p, x)}
		rota, ok := d.Rota(x.Rota)
		if ok && !seesRota(who, rota) || !ok && x.Kind != duty.Absence {
			continue
		}
		row.May = x.State != duty.Undone && (ok && mayPlan(who, rota) || x.By == p.User.Name || who.Has(account.RoleHQITManager))
		row.Mine = x.Kind == duty.Swap && x.State == duty.Asked && x.Second == p.User.Name
		data.Changes = append(data.Changes, row)
	}
	p.Title, p.D = p.T("oncall.title"), data
	return c.render(w, r, status, "oncall", p)
}

func (c *console) rotaRow(r *http.Request, p *page, who account.Principal, rota *people.Rota) (rotaRow, error) {
	d, now := c.Duty.Directory(), p.now
	row := rotaRow{Rota: rota, May: mayPlan(who, rota), Gaps: rota.Gaps(now, now.Add(onCallAhead))}
	for _, s := range rota.Sites {
		row.SiteNames = append(row.SiteNames, c.siteName(p, s))
	}
	for _, x := range rota.OnCall(now) {
		row.Now = append(row.Now, dutyOf(d, x, now))
	}
	if h, ok := rota.Next(now, onCallAhead); ok {
		row.Next, row.NextNames = &h, names(p, d, h.To)
	}
	for _, x := range rota.Plan(now, now.Add(onCallAhead)) {
		row.Plan = append(row.Plan, dutyOf(d, x, x.From))
	}
	list, err := c.Duty.HandOvers(r.Context(), rota.ID, now.Add(-onCallBack), now.Add(onCallAhead))
	if err != nil {
		return row, err
	}
	for _, h := range list {
		if len(row.HandOvers) == 3 {
			break
		}
		row.HandOvers = append(row.HandOvers, handOverRow{h, names(p, d, h.From), names(p, d, h.To), h.At.UTC().Format(time.RFC3339),
			h.Accepted == "" && slices.Contains(h.To, p.User.Name)})
	}
	for n := range d.People {
		if slices.Contains(d.People[n].Roles, rota.Role) {
			row.Serving = append(row.Serving, option{d.People[n].ID, d.Name(d.People[n].ID)})
		}
	}
	if len(c.FeedKey) > 0 {
		row.Feed = "/oncall/feed/" + url.PathEscape(rota.ID) + "?" + url.Values{"user": {p.User.Name}, "token": {c.feedToken(rota.ID, p.User.Name)}}.Encode()
	}
	return row, nil
}

// dutyOf says who serves and who acts for them at the time.
func dutyOf(d *people.Directory, x people.Duty, at time.Time) dutyRow {
	row := dutyRow{Duty: x, Name: d.Name(x.Person)}
	if x.Instead != "" {
		row.Instead = d.Name(x.Instead)
	}
	acts := x.Person
	if who, _, ok := d.StandIn(x.Person, at); !ok {
		row.StandIn = "–"
	} else if who != x.Person {
		acts, row.StandIn = who, d.Name(who)
	}
	if person, ok := d.Person(acts); ok {
		row.Contact = cmp.Or(person.Phone, person.Email)
	}
	return row
}

func names(p *page, d *people.Directory, ids []string) string {
	var out []string
	for _, id := range ids {
		out = append(out, d.Name(id))
	}
	if len(out) == 0 {
		return p.T("oncall.nobody")
	}
	return strings.Join(out, p.T("list.separator"))
}

// changeText is a change in words; its times are the rota's wall.
func (c *console) changeText(p *page, x duty.Change) string {
	d := c.Duty.Directory()
	in := func(t time.Time) string { return t.In(p.zone).Format("2006-01-02 15:04") }
	switch x.Kind {
	case duty.Override:
		return p.T("oncall.says.override", d.Name(x.Override.Person), x.Override.From, x.Override.To)
	case duty.Absence:
		return p.T("oncall.says.absence", d.Name(x.Absence.Person), x.Absence.From, x.Absence.To)
	case duty.Swap:
		return p.T("oncall.says.swap", d.Name(x.First), in(x.FirstAt), d.Name(x.Second), in(x.SecondAt))
	}
	return p.T("oncall.says.calendar")
}

// changeDuty answers the forms of the page: "do" says which.
func (c *console) changeDuty(w http.ResponseWriter, r *http.Request, p *page) error {
	if c.Duty == nil {
		return errLost
	}
	if err := r.ParseMultipartForm(maxForm); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return err
	}
	err := c.doDuty(r, p)
	var refused *duty.Refused
	switch {
	case errors.As(err, &refused):
		p.Error = p.Text(refused.Text)
		return c.showOnCall(w, r, p, http.StatusUnprocessableEntity)
	case errors.Is(err, duty.ErrNone):
		return errLost
	case err != nil:
		return err
	}
	redirect(w, r, "/oncall?done="+url.QueryEscape(r.PostForm.Get("do")))
	return nil
}

func (c *console) doDuty(r *http.Request, p *page) error {
	f, ctx, me, who := r.PostForm, r.Context(), p.User.Name, account.PrincipalOf(p.User)
	if !who.MayAct() {
		return errNotYours
	}
	switch f.Get("do") {
	case "agree":
		return c.Duty.Agree(ctx, me, f.Get("change"))
	case "undo":
		return c.undoDuty(r, p, who, f.Get("change"))
	case "away":
		if person := f.Get("person"); person != me && !who.Has(account.RoleHQITManager) {
			return errNotYours
		}
		_, err := c.Duty.Add(ctx, me, duty.Change{Kind: duty.Absence, Reason: short(f.Get("reason")),
			Absence: &people.Absence{Person: f.Get("person"), From: f.Get("from"), To: f.Get("to"), Deputy: f.Get("deputy"), Reason: short(f.Get("reason"))}})
		return err
	}
	rota, ok := c.Duty.Directory().Rota(f.Get("rota"))
	if !ok || !seesRota(who, rota) {
		return duty.ErrNone
	}
	at, _ := time.Parse(time.RFC3339, f.Get("at"))
	switch f.Get("do") {
	case "note":
		return c.Duty.Note(ctx, me, rota.ID, at, f.Get("text"))
	case "accept":
		return c.Duty.Accept(ctx, me, rota.ID, at)
	}
	if !mayPlan(who, rota) {
		return errNotYours
	}
	return c.planDuty(r, me, rota)
}

// planDuty adds an override, a swap or a calendar to the rota.
func (c *console) planDuty(r *http.Request, me string, rota *people.Rota) error {
	f := r.PostForm
	x := duty.Change{Kind: f.Get("do"), Rota: rota.ID, Reason: short(f.Get("reason"))}
	switch x.Kind {
	case duty.Override:
		x.Override = &people.Override{Person: f.Get("person"), From: f.Get("from"), To: f.Get("to"), InsteadOf: f.Get("instead_of")}
	case duty.Swap:
		x.First, x.Second = f.Get("first"), f.Get("second")
		var err1, err2 error
		x.FirstAt, err1 = time.ParseInLocation(wallLayout, f.Get("first_at"), rota.Location())
		x.SecondAt, err2 = time.ParseInLocation(wallLayout, f.Get("second_at"), rota.Location())
		if err1 != nil || err2 != nil {
			return &duty.Refused{Text: lang.Text{ZH: "请填写两个班次内的时间", EN: "say a time within each of the two duties"}}
		}
	case duty.Calendar:
		file, _, err := r.FormFile("file")
		if err != nil {
			return &duty.Refused{Text: lang.Text{ZH: "请选择日历文件（.ics）", EN: "choose a calendar file (.ics)"}}
		}
		defer func() { _ = file.Close() }()
		data, err := io.ReadAll(io.LimitReader(file, maxForm))
		if err != nil {
			return err
		}
		x.ICS = string(data)
	default:
		return duty.ErrNone
	}
	_, err := c.Duty.Add(r.Context(), me, x)
	return err
}

func (c *console) undoDuty(r *http.Request, p *page, who account.Principal, id string) error {
	list := c.Duty.Changes()
	n := slices.IndexFunc(list, func(x duty.Change) bool { return x.ID == id })
	if n < 0 {
		return duty.ErrNone
	}
	rota, ok := c.Duty.Directory().Rota(list[n].Rota)
	if list[n].By != p.User.Name && !(ok && mayPlan(who, rota)) && !who.Has(account.RoleHQITManager) {
		return errNotYours
	}
	return c.Duty.Undo(r.Context(), p.User.Name, id)
}

var errNotYours = &api.Refusal{Why: api.Forbidden, Text: lang.Text{ZH: "此账号不能更改该值班表", EN: "this account may not change that rota"}}

// short bounds what is typed into one line.
func short(s string) string {
	if r := []rune(strings.TrimSpace(s)); len(r) > 200 {
		return string(r[:200])
	}
	return strings.TrimSpace(s)
}

// feedToken opens one rota's calendar for one person's calendar program, as long
// as that person has access.
func (c *console) feedToken(rota, user string) string {
	m := hmac.New(sha256.New, c.FeedKey)
	m.Write([]byte("rota\n" + rota + "\n" + user))
	return hex.EncodeToString(m.Sum(nil)[:20])
}

// feed answers a calendar program with the rota as RFC 5545.
func (c *console) feed(w http.ResponseWriter, r *http.Request, p *page) error {
	q, id := r.URL.Query(), r.PathValue("rota")
	if c.Duty == nil || len(c.FeedKey) == 0 || !hmac.Equal([]byte(q.Get("token")), []byte(c.feedToken(id, q.Get("user")))) {
		return errLost
	}
	u, err := c.Accounts.User(r.Context(), q.Get("user"))
	if err != nil {
		return errLost
	}
	d := c.Duty.Directory()
	rota, ok := d.Rota(id)
	if !ok || !seesRota(account.PrincipalOf(u), rota) {
		return errLost
	}
	w.Header().Set("Content-Type", "text/calendar; charset=utf-8")
	w.Header().Set("Content-Disposition", `inline; filename="rota.ics"`)
	_, _ = w.Write(d.ICS(rota, p.now, cmp.Or(u.Language, p.Lang))) // the program may be gone; there is nobody to tell
	return nil
}
