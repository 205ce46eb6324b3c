package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/people"
	"github.com/faultline/faultline/collector/report"
)

// Notices are the messages to single people and what became of them.
type Notices interface {
	// Of returns the messages about an incident, newest first.
	Of(ctx context.Context, incidentID string) ([]people.Message, error)
	// Recent returns the newest messages in the states, all when there are none.
	Recent(ctx context.Context, states []string, limit int) ([]people.Message, error)
	// Counts returns how many messages of the last week are in each state.
	Counts(ctx context.Context) (map[string]int, error)
	// Again asks for one more attempt, for a person.
	Again(ctx context.Context, who account.Principal, key, remote string) error
}

// Dailies are the daily technical reports.
type Dailies interface {
	// Days returns the days that have a report, newest first.
	Days(ctx context.Context) ([]string, error)
	// Report returns one day's, or engine.ErrNotFound.
	Report(ctx context.Context, day string) (report.Daily, error)
}

// toldShown is how many messages the page lists.
const toldShown = 200

type toldData struct {
	Rows   []toldRow
	State  string
	States []string
	Counts map[string]int // nil: the reader sees only their own
	MayAct bool
}

type toldRow struct {
	people.Message
	Name  string
	Again bool // may be sent again
}

func (c *console) toldRows(list []people.Message, may bool) []toldRow {
	var rows []toldRow
	for _, m := range list {
		row := toldRow{Message: m, Name: m.Receiver, Again: may && m.Kind != people.MessageDigest && (m.State == people.MessageFailed || m.State == people.MessageMaybe)}
		if c.Duty != nil {
			row.Name = c.Duty.Directory().Name(m.Receiver)
		}
		if m.Receiver != "" {
			rows = append(rows, row)
		}
	}
	return rows
}

// told is the page of messages: head office sees all, others their own.
func (c *console) told(w http.ResponseWriter, r *http.Request, p *page) error {
	if c.Notices == nil {
		return errLost
	}
	who := account.PrincipalOf(p.User)
	d := toldData{State: r.URL.Query().Get("state"), MayAct: who.MayAct() && who.SeesAll(), States: []string{people.MessageQueued, people.MessageHeld, people.MessageSending,
		people.MessageSent, people.MessageMaybe, people.MessageFailed, people.MessageSuppressed}}
	var states []string
	if slices.Contains(d.States, d.State) {
		states = []string{d.State}
	}
	list, err := c.Notices.Recent(r.Context(), states, toldShown)
	if err != nil {
		return err
	}
	if who.SeesAll() {
		if d.Counts, err = c.Notices.Counts(r.Context()); err != nil {
			return err
		}
	} else {
		list = slices.DeleteFunc(list, func(m people.Message) bool { return m.Receiver != p.User.Name })
	}
	d.Rows = c.toldRows(list, d.MayAct)
	if r.URL.Query().Get("done") != "" {
		p.Done = p.T("told.again.done")
	}
	p.Title, p.D = p.T("told.title"), d
	return c.render(w, r, http.StatusOK, "told", p)
}

// tellAgain asks for one more attempt at a message.
func (c *console) tellAgain(w http.ResponseWriter, r *http.Request, p *page) error {
	who := account.PrincipalOf(p.User)
	if c.Notices == nil {
		return errLost
	}
	if err := r.ParseForm(); err != nil {
		return err
	}
	if !who.MayAct() || !who.SeesAll() {
		return errNotYours
	}
	if err := c.Notices.Again(r.Context(), who, r.PostForm.Get("key"), account.Remote(r)); err != nil {
		return err
	}
	redirect(w, r, localPath(r.PostForm.Get("next")))
	return nil
}

// toldAt is what the incident's page shows of messages and escalation.
type toldAt struct {
	Rows       []toldRow
	Escalation *Escalation
	Here       string
}

func (c *console) toldOf(r *http.Request, p *page, i incident.Incident) (toldAt, error) {
	out, who := toldAt{Here: "/incidents/" + i.ID}, account.PrincipalOf(p.User)
	if c.Notices != nil {
		list, err := c.Notices.Of(r.Context(), i.ID)
		if err != nil {
			return out, err
		}
		out.Rows = c.toldRows(list, who.MayAct() && who.SeesAll())
	}
	if c.Escalation != nil {
		e, err := c.Escalation(r.Context(), i)
		if err != nil {
			return out, err
		}
		if len(e.Snapshot.Rungs) > 0 || e.Standing.Ack.State != people.AckNone {
			out.Escalation = &e
		}
	}
	return out, nil
}

type dailyData struct {
	Days   []string
	Day    string
	Report *report.DailyView
}

// daily is the page of the daily technical reports, for who sees all sites.
func (c *console) daily(w http.ResponseWriter, r *http.Request, p *page) error {
	if c.Dailies == nil || !account.PrincipalOf(p.User).SeesAll() {
		return errLost
	}
	days, err := c.Dailies.Days(r.Context())
	if err != nil {
		return err
	}
	d := dailyData{Days: days, Day: r.URL.Query().Get("day")}
	if d.Day == "" && len(days) > 0 {
		d.Day = days[0]
	}
	if d.Day != "" {
		one, err := c.Dailies.Report(r.Context(), d.Day)
		if err != nil {
			return err
		}
		v := one.View(p.Lang, p.zone, func(id string) string { return "/incidents/" + url.PathEscape(id) })
		d.Report = &v
	}
	p.Title, p.D = p.T("daily.title"), d
	return c.render(w, r, http.StatusOK, "daily", p)
}
