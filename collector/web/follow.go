package web

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/reporter"
)

// followData is a report's private page.
type followData struct {
	Report             reporter.Report
	Incident           incident.Incident
	SiteName, StepName string
	Stages             []stageRow
	Asked              bool
	Respond            incident.Clock
	Responding         bool // the clock runs
	Secret             string
	Sent               bool
	Course             []timelineRow
}

type stageRow struct {
	Name string
	Done bool
}

func (c *console) followPage(w http.ResponseWriter, r *http.Request, p *page) error {
	return c.showFollow(w, r, p, http.StatusOK)
}

func (c *console) showFollow(w http.ResponseWriter, r *http.Request, p *page, status int) error {
	rep, i, err := c.Reporter.Follow(r.Context(), r.PathValue("secret"))
	if err != nil {
		return err
	}
	d := followData{Report: rep, Incident: i, SiteName: c.siteName(p, rep.Site), StepName: p.Text(c.StepTitle(i, i.Step)), Asked: reporter.Asked(rep, i), Secret: r.PathValue("secret"), Sent: r.URL.Query().Get("sent") == "1"}
	d.Respond, d.Responding = i.ClockNamed("respond")
	d.Responding = d.Responding && d.Respond.State == incident.ClockRunning && !d.Respond.DueAt.IsZero()
	now, reached := reporter.Stage(i), true
	for _, s := range reporter.Stages() {
		d.Stages = append(d.Stages, stageRow{s, reached})
		reached = reached && s != now
	}
	if d.Course, err = c.courseOf(r, p, i); err != nil {
		return err
	}
	p.Here, p.Title, p.D = r.URL.Path, p.T("follow.title"), d
	return c.render(w, r, status, "follow", p)
}

// courseOf is what a reporter is told of the course: steps and answers, without
// what our people and vendors wrote to each other.
func (c *console) courseOf(r *http.Request, p *page, i incident.Incident) ([]timelineRow, error) {
	events, err := c.Incidents.Events(r.Context(), i.ID)
	if err != nil {
		return nil, err
	}
	var out []timelineRow
	for _, e := range slices.Backward(events) {
		switch e.Kind {
		case incident.Opened, incident.Acked, incident.Verified, incident.Closed, incident.Reopened:
			out = append(out, timelineRow{At: e.At, Kind: p.W("event", string(e.Kind))})
		case incident.Entered:
			out = append(out, timelineRow{At: e.At, Kind: p.W("event", string(e.Kind)), Text: p.Text(c.StepTitle(i, e.Step))})
		case incident.TicketChanged:
			if e.Ticket.State == "sent" {
				out = append(out, timelineRow{At: e.At, Kind: p.T("follow.vendor_told")})
			}
		}
	}
	return out, nil
}

// follow takes what a reporter adds, or the confirmation.
func (c *console) follow(w http.ResponseWriter, r *http.Request, p *page) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	secret, answer := r.PathValue("secret"), r.PostForm.Get("answer")
	rep, i, err := c.Reporter.Follow(r.Context(), secret)
	if err != nil {
		return err
	}
	entry := account.AuditEntry{Actor: cmp.Or(p.User.Name, "report "+rep.ID), Action: "incident.reporter_comment", Object: i.Number, Detail: r.PostForm.Get("comment"), Remote: account.Remote(r)}
	if answer != "" {
		entry.Action, entry.Detail = "incident.reporter_answer", strings.TrimSpace(answer+" "+entry.Detail)
	}
	if err := c.Accounts.Record(r.Context(), entry); err != nil {
		return err
	}
	if answer != "" {
		err = c.Reporter.Confirm(r.Context(), secret, answer, strings.TrimSpace(r.PostForm.Get("comment")))
	} else {
		err = c.Reporter.Say(r.Context(), secret, r.PostForm.Get("comment"), account.Remote(r))
	}
	var fault *reporter.Fault
	if errors.As(err, &fault) {
		p.Error = p.Text(fault.Text)
		return c.showFollow(w, r, p, http.StatusUnprocessableEntity)
	}
	if err != nil {
		return c.busy(p, err)
	}
	redirect(w, r, "/r/"+secret)
	return nil
}
