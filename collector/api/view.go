package api

import (
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/lang"
)

// Incident is an incident as programs read it. Other programs depend on these
// names; add, never rename.
type Incident struct {
	ID          string        `json:"id"`
	Number      string        `json:"number"`
	OpenedAt    time.Time     `json:"opened_at"`
	State       string        `json:"state"`
	Class       string        `json:"class"`
	Device      string        `json:"device"`
	Component   string        `json:"component"`
	Site        string        `json:"site"`
	Circuit     string        `json:"circuit"`
	Process     string        `json:"process"`
	Step        string        `json:"step"`
	StepRole    string        `json:"step_role"`
	StepAt      *time.Time    `json:"step_at"`
	VendorKind  string        `json:"vendor_kind"`
	VendorName  string        `json:"vendor_name"`
	Affected    []string      `json:"affected"`
	ParentID    *string       `json:"parent_id"`
	PreviousID  *string       `json:"previous_id"`
	Provisional bool          `json:"provisional"`
	Severity    string        `json:"severity"`
	Title       string        `json:"title"`
	Proof       string        `json:"proof"`
	Texts       Texts         `json:"texts"`
	Alerts      []AlertView   `json:"alerts"`
	Clocks      []ClockView   `json:"clocks"`
	Tickets     []TicketView  `json:"tickets"`
	VerifiedAt  *time.Time    `json:"verified_at"`
	ClosedAt    *time.Time    `json:"closed_at"`
	FaultAt     *time.Time    `json:"fault_at"`
	RecoveredAt *time.Time    `json:"recovered_at"`
	AckedBy     *string       `json:"acked_by"`
	FirstClass  string        `json:"first_class"`
	Practice    bool          `json:"practice"`
	Drill       string        `json:"drill,omitempty"`    // the drill it belongs to; a real one has none
	Priority    int           `json:"priority,omitempty"` // whom to serve first: 1 to 4; 0: not known
	Version     int64         `json:"version"`
	Attachments []Attachments `json:"attachments"`
}

// Texts are title and proof in both languages.
type Texts struct {
	Title lang.Text `json:"title"`
	Proof lang.Text `json:"proof"`
}

// Attachments is a document handed in with an incident.
type Attachments = incident.Attachment

// AlertView is an alert that belongs to an incident.
type AlertView struct {
	Fingerprint string            `json:"fingerprint"`
	Name        string            `json:"name"`
	Labels      map[string]string `json:"labels"`
	Summary     string            `json:"summary"`
	State       string            `json:"state"` // firing, resolved, unknown
	Since       time.Time         `json:"since"`
	ResolvedAt  *time.Time        `json:"resolved_at"`
	Times       int               `json:"times"`
}

// ClockView is a limit that runs.
type ClockView struct {
	Name           string     `json:"name"`
	Title          string     `json:"title"`
	Target         string     `json:"target"`
	Calendar       string     `json:"calendar"`
	Role           string     `json:"role"`
	State          string     `json:"state"`
	DueAt          *time.Time `json:"due_at"`
	ElapsedSeconds float64    `json:"elapsed_seconds"`
	Breached       bool       `json:"breached"`
	Problem        string     `json:"problem,omitempty"`
	// Of one incident only, not of lists: as the clock stands at the time of asking.
	StartedAt *time.Time  `json:"started_at,omitempty"`
	WarnAt    []time.Time `json:"warn_at,omitempty"` // when it warns, or warned
	LateAt    *time.Time  `json:"late_at,omitempty"` // when it is told further up
	AllowedS  float64     `json:"allowed_seconds,omitempty"`
	Outside   bool        `json:"outside_hours,omitempty"` // nothing used because nothing was worked
	Why       string      `json:"why,omitempty"`           // why it is due then, in a sentence
	WhyTexts  *lang.Text  `json:"why_texts,omitempty"`
	Restated  *time.Time  `json:"restated_due_at,omitempty"` // by the newest calendars from the beginning
}

// ClockDetail is a clock as it stands now, with the reason for its due time.
type ClockDetail struct {
	Clock         incident.Clock
	Started, Late time.Time
	Warnings      []time.Time
	Allowed       time.Duration
	Outside       bool
	Why           lang.Text
	Restated      time.Time
}

// detailed adds what a clock reads now.
func (v *ClockView) detailed(d ClockDetail, language string) {
	v.State, v.DueAt, v.ElapsedSeconds, v.Problem = d.Clock.State, moment(d.Clock.DueAt), d.Clock.Elapsed.Seconds(), d.Clock.Problem
	v.StartedAt, v.LateAt, v.Restated = moment(d.Started), moment(d.Late), moment(d.Restated)
	v.AllowedS, v.Outside = d.Allowed.Seconds(), d.Outside
	for _, at := range d.Warnings {
		v.WarnAt = append(v.WarnAt, at.UTC())
	}
	if !d.Why.IsZero() {
		v.Why, v.WhyTexts = d.Why.In(language), &d.Why
	}
}

// detail is the incident with its clocks as they stand now.
func (s *server) detail(i incident.Incident, language string) Incident {
	v := s.view(i, language)
	if s.Clocks == nil {
		return v
	}
	for _, d := range s.Clocks(i) {
		for n := range v.Clocks {
			if v.Clocks[n].Name == d.Clock.Name {
				v.Clocks[n].detailed(d, language)
			}
		}
	}
	return v
}

// view is the incident with its priority.
func (s *server) view(i incident.Incident, language string) Incident {
	v := ViewOf(i, language)
	if s.Priority != nil {
		v.Priority = s.Priority(i)
	}
	return v
}

// TicketView is a ticket at a vendor.
type TicketView struct {
	Key        string        `json:"key"`
	VendorKind string        `json:"vendor_kind"`
	Vendor     string        `json:"vendor"`
	VendorName string        `json:"vendor_name"`
	Desk       string        `json:"desk"`
	State      string        `json:"state"`
	Ref        string        `json:"ref"`
	URL        string        `json:"url"`
	OpenedAt   time.Time     `json:"opened_at"`
	Expected   *time.Time    `json:"expected_at"` // when the vendor expects it repaired, or is there
	Messages   []MessageView `json:"messages"`
}

// MessageView is one message of a ticket.
type MessageView = incident.TicketMessage

// ViewOf returns the incident as programs read it, its words in the language.
func ViewOf(i incident.Incident, language string) Incident {
	d := i.Diagnosis
	v := Incident{
		ID: i.ID, Number: i.Number, OpenedAt: i.OpenedAt.UTC(), State: i.State,
		Class: d.Class, Device: d.Device, Component: d.Component, Site: d.Site, Circuit: d.Circuit,
		Process: i.Process, Step: i.Step, StepRole: i.StepRole, StepAt: moment(i.StepAt),
		VendorKind: d.VendorKind, VendorName: i.VendorName, Affected: append([]string{}, d.Affected...),
		ParentID: optional(i.ParentID), PreviousID: optional(i.PreviousID), Provisional: d.Provisional, Severity: i.Severity,
		Title: d.Title.In(language), Proof: d.Proof.In(language), Texts: Texts{d.Title, d.Proof},
		Alerts: alertViews(i.Alerts, language), Clocks: clockViews(i.Clocks, language), Tickets: ticketViews(i.Tickets),
		VerifiedAt: moment(i.VerifiedAt), ClosedAt: moment(i.ClosedAt), FaultAt: moment(i.FaultAt), RecoveredAt: moment(i.RecoveredAt),
		FirstClass: i.FirstClass, Practice: i.Practice, Drill: i.Drill, Version: i.Version, Attachments: append([]Attachments{}, i.Attachments...),
	}
	if i.Acked {
		v.AckedBy = &i.AckedBy.Name
	}
	return v
}

func alertViews(as []incident.AlertRef, language string) []AlertView {
	vs := make([]AlertView, 0, len(as))
	for _, a := range as {
		state := "resolved"
		switch {
		case a.Unknown:
			state = "unknown"
		case a.Firing:
			state = "firing"
		}
		vs = append(vs, AlertView{a.Fingerprint, a.Name, a.Labels, a.Summary.In(language), state, a.Since.UTC(), moment(a.ResolvedAt), a.Times})
	}
	return vs
}

func clockViews(cs []incident.Clock, language string) []ClockView {
	vs := make([]ClockView, 0, len(cs))
	for _, c := range cs {
		vs = append(vs, ClockView{Name: c.Name, Title: c.Title.In(language), Target: c.Target, Calendar: c.Calendar, Role: c.Role, State: c.State,
			DueAt: moment(c.DueAt), ElapsedSeconds: c.Elapsed.Seconds(), Breached: c.Breached, Problem: c.Problem})
	}
	return vs
}

func ticketViews(ts []incident.Ticket) []TicketView {
	vs := make([]TicketView, 0, len(ts))
	for _, t := range ts {
		vs = append(vs, TicketView{t.Key, t.VendorKind, t.Vendor, t.VendorName, t.Desk, t.State, t.Ref, t.URL, t.OpenedAt.UTC(), moment(t.Expected),
			append([]MessageView{}, t.Messages...)})
	}
	return vs
}

// moment returns nil for the zero time, else the time in UTC.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
