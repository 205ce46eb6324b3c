package web

import (
	"cmp"
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/document"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/knowledge"
	"github.com/faultline/faultline/collector/people"
	"github.com/faultline/faultline/internal/lang"
)

// noticeData is what somebody sees whose site an incident of another affects.
type noticeData struct {
	api.Notice
	SiteName string
}

type detailData struct {
	incident.Incident
	SiteName, DeviceName, StepName string
	Clocks                         []clockRow
	Timeline                       []timelineRow
	All                            bool // technical events are shown as well
	Hidden                         int
	Offers                         []api.Offer
	Prompt                         string // the question of the decision
	Suggestion                     bool   // one of the offers is what the evidence says
	MayComment                     bool
	Key                            string // of the action form: pressed twice it acts once
	Comment                        string // typed before a refusal
	HasDiagram, HasMap             bool
	MapAge                         int64  // changes when the site's picture is to be fetched anew
	Board                          string // address of the boards about it; "" is none
	Charts                         []chartSpec
	Told                           toldAt
	Priority                       int     // 0: not known
	Ask                            askData // what is asked of people besides decisions: papers, pauses
	Papers                         []document.Document
	Changed                        []api.Changed // in the day before
	Children                       []incident.Incident
	Links                          map[string]*pageLink // by ticket
	Contacts                       map[string]ticketContacts
	Parent                         *incident.Incident
	HasWriteups                    bool
	Fitting                        []knowledge.Suggestion
	Remedies                       remediesData
	// VendorNamed is what a vendor is called in the person's language.
	VendorNamed func(id, name string) string
}

// one returns the incident of the path if the person may see it whole.
func (c *console) one(r *http.Request, p *page) (incident.Incident, error) {
	i, view, err := c.seen(r, p)
	if err == nil && view != people.Whole {
		return incident.Incident{}, engine.ErrNotFound
	}
	return i, err
}

// seen returns the incident of the path and how much of it the person sees.
func (c *console) seen(r *http.Request, p *page) (incident.Incident, people.View, error) {
	i, err := c.Incidents.Incident(r.Context(), r.PathValue("id"))
	if err != nil {
		return i, people.Hidden, err
	}
	view := account.PrincipalOf(p.User).View(api.SubjectOf(i, c.SiteOf))
	if view == people.Hidden {
		return incident.Incident{}, view, engine.ErrNotFound
	}
	return i, view, nil
}

func (c *console) detail(w http.ResponseWriter, r *http.Request, p *page) error {
	i, view, err := c.seen(r, p)
	if err != nil {
		return err
	}
	if view != people.Whole {
		p.Title, p.D = i.Number+" "+p.Text(i.Diagnosis.Title), noticeData{api.NoticeOf(i, p.Lang), c.siteName(p, i.Diagnosis.Site)}
		return c.render(w, r, http.StatusOK, "notice", p)
	}
	if k := r.URL.Query().Get("done"); k != "" {
		p.Done = p.T("detail.done", p.W("action", k))
	}
	return c.showDetail(w, r, p, i, http.StatusOK)
}

func (c *console) showDetail(w http.ResponseWriter, r *http.Request, p *page, i incident.Incident, status int) error {
	events, err := c.Incidents.Events(r.Context(), i.ID)
	if err != nil {
		return err
	}
	who := account.PrincipalOf(p.User)
	d := detailData{Incident: i, SiteName: c.siteName(p, i.Diagnosis.Site), DeviceName: c.thingName(p, i.Diagnosis.Device),
		StepName: p.Text(c.StepTitle(i, i.Step)), All: r.URL.Query().Get("all") == "1", MayComment: who.MayAct(), Key: strings.ToLower(rand.Text()),
		Comment: r.PostForm.Get("comment"), HasDiagram: c.Diagram != nil, HasMap: c.SiteMap != nil, MapAge: c.mapAge(i), Clocks: c.clockRows(i)}
	d.VendorNamed = func(id, name string) string { return c.vendorName(p, id, name) }
	d.Offers = slices.DeleteFunc(c.gate.OffersTo(who, i), func(o api.Offer) bool { return o.Kind == api.ActComment })
	d.Ask, d.Offers = c.asks(d.Offers)
	if d.Papers, err = api.DocumentsOf(r.Context(), c.Documents, i); err != nil {
		return err
	}
	if c.Changes != nil {
		if d.Changed, err = c.Changes(r.Context(), i); err != nil {
			return err
		}
	}
	for _, o := range d.Offers {
		d.Prompt = cmp.Or(d.Prompt, p.Text(o.Prompt))
		d.Suggestion = d.Suggestion || o.Suggested
	}
	if c.Charts != nil {
		d.Charts = chartsOf(i)
	}
	if c.Board != nil {
		d.Board = c.Board(i)
	}
	if d.Links, err = c.linksOf(r, p, i); err != nil {
		return err
	}
	d.Contacts = c.contactsOf(p, i)
	d.Timeline, d.Hidden = c.timeline(p, i, events, d.All)
	d.HasWriteups = c.Writeups != nil
	if d.Fitting, err = c.fitting(r.Context(), i); err != nil {
		return err
	}
	if err := c.family(r, p, &d); err != nil {
		return err
	}
	if d.Remedies, err = c.remediesOf(r, p, i, d.Key); err != nil {
		return err
	}
	if d.Told, err = c.toldOf(r, p, i); err != nil {
		return err
	}
	if c.Priority != nil {
		d.Priority = c.Priority(i)
	}
	p.Title, p.D = i.Number+" "+p.Text(i.Diagnosis.Title), d
	return c.render(w, r, status, "detail", p)
}

// family adds the incidents this one belongs to, as far as the person sees them.
func (c *console) family(r *http.Request, p *page, d *detailData) error {
	who := account.PrincipalOf(p.User)
	get := func(id string) (*incident.Incident, error) {
		i, err := c.Incidents.Incident(r.Context(), id)
		if errors.Is(err, engine.ErrNotFound) || err == nil && !who.Sees(i.Diagnosis.Site) {
			return nil, nil
		}
		return &i, err
	}
	var err error
	if d.ParentID != "" {
		if d.Parent, err = get(d.ParentID); err != nil {
			return err
		}
	}
	for _, id := range d.Incident.Children {
		child, err := get(id)
		if err != nil {
			return err
		}
		if child != nil {
			d.Children = append(d.Children, *child)
		}
	}
	return nil
}

// act answers the form of actions: the button names kind and choice.
func (c *console) act(w http.ResponseWriter, r *http.Request, p *page) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	i, err := c.one(r, p)
	if err != nil {
		return err
	}
	kind, choice, _ := strings.Cut(r.PostForm.Get("offer"), ":")
	a := api.Action{Kind: kind, Choice: choice, Comment: strings.TrimSpace(r.PostForm.Get("comment"))}
	if k := r.PostForm.Get("key"); len(k) > 0 && len(k) <= 64 {
		a.ID = "act-person-" + p.User.ID + "-" + k
	}
	err = c.gate.Act(r.Context(), account.PrincipalOf(p.User), i, a, account.Remote(r))
	return c.acted(w, r, p, i, err, "/incidents/"+i.ID+"?done="+kind)
}

// diagram answers with the process drawing. It is an image of its own, so that
// nothing in it can run or reach the page.
func (c *console) diagram(w http.ResponseWriter, r *http.Request, p *page) error {
	i, err := c.one(r, p)
	if err != nil {
		return err
	}
	if c.Diagram == nil {
		return errLost
	}
	svg, err := c.Diagram(i, p.Lang)
	if err != nil {
		return err
	}
	picture(w, svg)
	return nil
}

// siteMap answers with the picture of the incident's site.
func (c *console) siteMap(w http.ResponseWriter, r *http.Request, p *page) error {
	i, err := c.one(r, p)
	if err != nil {
		return err
	}
	if c.SiteMap == nil {
		return errLost
	}
	svg, err := c.SiteMap(i, p.Lang)
	if err != nil {
		return err
	}
	picture(w, svg)
	return nil
}

// mapAge is of which few seconds a site's picture is, as long as it changes.
func (c *console) mapAge(i incident.Incident) int64 {
	if i.State == incident.StateClosed {
		return 0
	}
	return c.Now().Unix() / 10
}

// picture answers with an image that cannot run anything. Its address has the
// incident's version.
func picture(w http.ResponseWriter, svg []byte) {
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Cache-Control", "private, max-age=300")
	w.Write(svg) // the browser may be gone; there is nobody to tell
}

// clockRow is a clock with what the page says about it.
type clockRow struct {
	incident.Clock
	Why   lang.Text // why it is paused: the last mark's reason
	Owner string    // of the pause
	Due   lang.Text // why it is due then, in a sentence
	Late  time.Time // when it is told further up
	Out   bool      // nothing used because nothing was worked
}

// clockRows puts running clocks first, the next due on top.
func (c *console) clockRows(i incident.Incident) []clockRow {
	var rows []clockRow
	now := map[string]api.ClockDetail{}
	if c.Clocks != nil {
		for _, d := range c.Clocks(i) {
			now[d.Clock.Name] = d
		}
	}
	for _, k := range i.Clocks {
		row := clockRow{Clock: k}
		if d, ok := now[k.Name]; ok {
			row = clockRow{Clock: d.Clock, Due: d.Why, Late: d.Late, Out: d.Outside}
		}
		if n := len(k.Marks); n > 0 && k.State == "paused" {
			row.Why, row.Owner = k.Marks[n-1].Text, k.Marks[n-1].Owner
			if row.Why.IsZero() {
				row.Why = lang.Same(k.Marks[n-1].Reason)
			}
		}
		rows = append(rows, row)
	}
	order := []string{"running", "paused", "unknown", "stopped"}
	slices.SortStableFunc(rows, func(a, b clockRow) int {
		if d := slices.Index(order, a.State) - slices.Index(order, b.State); d != 0 {
			return d
		}
		return a.DueAt.Compare(b.DueAt)
	})
	return rows
}

// timelineRow is one entry of the log in words.
type timelineRow struct {
	Seq    int64
	At     time.Time
	Kind   string
	Who    string
	Text   string
	Reason string
	Output string // what a remedy printed last
}

// technical are the kinds of events that a person asks for only when checking
// how the collector works.
var technical = map[incident.Kind]bool{
	incident.TimerSet: true, incident.TimerFired: true, incident.EffectQueued: true, incident.ClockStarted: true, incident.ClockStopped: true,
}

// lateShown is how late a timer fired when everybody is to see it: the collector
// was down, and what was due then was made up for.
const lateShown = time.Minute

// timeline returns the log, newest first, and how many entries it left out.
func (c *console) timeline(p *page, i incident.Incident, events []incident.Event, all bool) (rows []timelineRow, hidden int) {
	for _, e := range slices.Backward(events) {
		if technical[e.Kind] && !all && e.LateBy < lateShown {
			hidden++
			continue
		}
		rows = append(rows, timelineRow{Seq: e.Seq, At: e.At, Kind: p.W("event", string(e.Kind)), Who: p.actor(e.Actor),
			Text: c.sentence(p, i, e), Reason: cmp.Or(e.Comment, p.reason(e)), Output: outputOf(e)})
	}
	return rows, hidden
}

func (p *page) actor(a incident.Actor) string {
	name := cmp.Or(a.Name, a.ID)
	switch {
	case name == "":
		return p.W("actor", a.Kind)
	case a.Role != "":
		return name + p.T("actor.role", p.W("role", a.Role))
	}
	return p.T("actor.named", p.W("actor", a.Kind), name)
}

// sentence says what the event tells beyond its kind.
func (c *console) sentence(p *page, i incident.Incident, e incident.Event) string {
	switch {
	case e.Diagnosis != nil:
		return p.Text(e.Diagnosis.Title)
	case len(e.Alerts) > 0:
		return p.T("timeline.of_alerts", len(e.Alerts))
	case e.Alert != nil:
		return strings.TrimSpace(e.Alert.Name + " " + p.Text(e.Alert.Summary))
	case e.Kind == incident.Entered:
		s := p.Text(c.StepTitle(i, e.Step))
		if e.Role != "" {
			s += p.T("actor.role", p.W("role", e.Role))
		}
		return s
	case e.Clock != nil:
		return cmp.Or(p.Text(e.Clock.Title), c.clockTitle(p, i, e.Clock.Name), e.Clock.Name)
	case e.Timer != nil:
		s := strings.TrimSpace(e.Timer.Kind + " " + cmp.Or(c.clockTitle(p, i, e.Timer.Name), e.Timer.Name))
		if e.LateBy >= lateShown {
			s += p.T("timeline.late_by", p.Duration(e.LateBy))
		}
		return s
	case e.Kind == incident.VendorEscalated && e.Choice == incident.NobodyOnDuty:
		return p.T("timeline.nobody")
	case e.Kind == incident.VendorEscalated:
		return p.T("timeline.level", e.Choice)
	case e.Remedy != nil:
		return c.remedySentence(p, i, e)
	case e.Effect != nil && e.Effect.Result["output"] != "":
		return strings.TrimSpace(p.W("effect", e.Effect.Kind) + " " + p.W("outcome", e.Effect.Outcome) + " " + p.Text(e.Effect.Said()))
	case e.Effect != nil:
		return strings.TrimSpace(p.W("effect", e.Effect.Kind) + " " + p.W("outcome", e.Effect.Outcome) + " " + e.Effect.Problem)
	case e.Ticket != nil:
		return strings.TrimSpace(c.vendorName(p, e.Ticket.Vendor, e.Ticket.VendorName) + " " + p.W("ticket", e.Ticket.State) + " " + vendorNumber(e.Ticket.Ref))
	case e.Attachment != nil:
		return p.W("attachment", e.Attachment.Kind) + " " + e.Attachment.Name
	case e.Kind == incident.VendorReported:
		return p.W("vendor_says", e.Choice)
	case e.Choice != "":
		return p.Text(c.ChoiceTitle(i, e.Choice))
	case !e.Proof.IsZero():
		return p.Text(e.Proof)
	}
	return cmp.Or(e.ParentID, e.ChildID)
}

func (c *console) clockTitle(p *page, i incident.Incident, name string) string {
	for _, k := range i.Clocks {
		if k.Name == name {
			return p.Text(k.Title)
		}
	}
	return ""
}

// OfferTitle returns the words on an offer's button.
func (p *page) OfferTitle(o api.Offer) string {
	if t := p.Text(o.Title); t != "" {
		return t
	}
	return p.W("action", o.Kind) + " " + o.Choice
}
