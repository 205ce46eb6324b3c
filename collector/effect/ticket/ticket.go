// Package ticket carries out the effect "ticket": it writes the message to the
// vendor in the vendor's language and hands it to the vendor's desk. Whether and
// when a vendor is told is decided by the process; how it gets there is the
// desk's affair (mail, webhook, plugins).
package ticket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/effect"
	"github.com/faultline/faultline/collector/effect/ticket/chart"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/lease"
	"github.com/faultline/faultline/collector/outbox"
	desk "github.com/faultline/faultline/plugins/ticket"
)

// Options configure an Executor. Desks and Graph are required.
type Options struct {
	Desks  []desk.Desk
	Graph  func() *inventory.Graph // the inventory as it is now
	Now    func() time.Time
	Logger *slog.Logger
	// Charts returns what was measured about an incident, for the mail; nil: no
	// charts. An error costs the charts, not the ticket.
	Charts func(ctx context.Context, i incident.Incident, language string) ([]chart.Chart, error)
	// OnSite says whom to call at a site now, and until when; nil or "" is the
	// site's contact in the inventory.
	OnSite func(site string, now time.Time) (contact string, until time.Time)
	// Page is the vendor's page of a ticket; nil or "": there is none.
	Page func(i incident.Incident, vendor, ticketKey string) string
}

// Executor sends tickets.
type Executor struct {
	o        Options
	desks    map[string]desk.Desk
	graph    func() *inventory.Graph
	now      func() time.Time
	log      *slog.Logger
	renderer *Renderer
}

// chartTime is how long charts may keep a ticket waiting.
const chartTime = 5 * time.Second

var _ outbox.Executor = (*Executor)(nil)

// New returns an Executor.
func New(o Options) (*Executor, error) {
	if o.Graph == nil {
		return nil, errors.New("ticket effect: the inventory is required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	r, err := NewRenderer()
	if err != nil {
		return nil, err
	}
	e := &Executor{o: o, desks: map[string]desk.Desk{}, graph: o.Graph, now: o.Now, log: o.Logger, renderer: r}
	for _, d := range o.Desks {
		if _, ok := e.desks[d.Name()]; ok {
			return nil, fmt.Errorf("ticket effect: two desks are called %q", d.Name())
		}
		e.desks[d.Name()] = d
	}
	return e, nil
}

// Execute implements outbox.Executor.
func (e *Executor) Execute(ctx context.Context, j outbox.Job) (outbox.Outcome, error) {
	v, d, problem := e.address(j)
	if problem != "" {
		return outbox.Fail(problem), nil
	}
	msg, err := e.renderer.Render(e.input(ctx, j, v))
	if err != nil {
		return outbox.Fail(err.Error()), nil
	}
	t := e.compose(j, v, msg)
	if j.Ambiguous {
		ref, found, err := d.Find(ctx, t.MessageKey)
		switch {
		case err == nil && found:
			return outbox.Finish(effect.OutcomeSent, result(j, v, t, ref)), nil
		case errors.Is(err, desk.ErrCannotSearch):
			t.Repeat = true
		case err != nil:
			return outbox.Outcome{}, fmt.Errorf("look for an earlier ticket at %s: %w", v.ID, err)
		}
	}
	if err := lease.BeginBy(ctx, d); err != nil { // writing and searching took time
		return outbox.Outcome{}, fmt.Errorf("ticket to %s: %w", v.ID, err)
	}
	ref, err := d.Send(ctx, t)
	if err != nil {
		return outbox.Outcome{}, fmt.Errorf("ticket to %s: %w", v.ID, err)
	}
	out := outbox.Finish(effect.OutcomeSent, result(j, v, t, ref))
	if t.Repeat {
		out = out.Repeated()
	}
	return out, nil
}

// input is what the message is written from.
func (e *Executor) input(ctx context.Context, j outbox.Job, v inventory.Vendor) Input {
	in := Input{Effect: j.Effect, Incident: j.Incident, Vendor: v, Graph: e.graph(), Now: e.now()}
	if e.o.OnSite != nil {
		in.OnSite, in.Until = e.o.OnSite(j.Incident.Diagnosis.Site, in.Now)
	}
	if e.o.Page != nil {
		in.PageURL = e.o.Page(j.Incident, v.ID, Key(j.Incident.ID, v.ID))
	}
	if e.o.Charts != nil {
		ctx, cancel := context.WithTimeout(ctx, chartTime)
		defer cancel()
		charts, err := e.o.Charts(ctx, j.Incident, language(v))
		if err != nil {
			e.log.Warn("ticket without charts", "incident", j.Incident.ID, "err", err)
		}
		in.Charts = charts
	}
	return in
}

// address finds the vendor and the desk, or says what a person has to mend.
func (e *Executor) address(j outbox.Job) (v inventory.Vendor, d desk.Desk, problem string) {
	id := j.Effect.Params[effect.Vendor]
	if id == "" {
		id = j.Incident.VendorID
	}
	if id == "" {
		return v, nil, "no vendor is known for " + j.Incident.Diagnosis.Device + ": add its carrier or contract to the inventory"
	}
	v, ok := e.graph().Vendor(id)
	if !ok {
		return v, nil, "vendor " + id + " is not in the inventory"
	}
	name := deskName(v)
	d, ok = e.desks[name]
	if !ok {
		known := strings.Join(slices.Sorted(maps.Keys(e.desks)), ", ")
		return v, nil, fmt.Sprintf("vendor %s wants the ticket desk %q, which is not set up (there is: %s)", id, name, known)
	}
	return v, d, ""
}

// compose puts the ticket together.
func (e *Executor) compose(j outbox.Job, v inventory.Vendor, msg Message) desk.Ticket {
	dg := j.Incident.Diagnosis
	t := desk.Ticket{
		Key: Key(j.Incident.ID, v.ID), MessageKey: j.Effect.Key, Number: j.Incident.Number,
		To: v.Emails, Subject: msg.Subject, Body: msg.Body, HTML: msg.HTML, Attachments: msg.Attachments, At: e.now(),
		Fields: map[string]string{
			"reason": reasonOf(j.Effect, j.Incident), "language": language(v), "vendor": v.ID, "vendor_kind": v.Kind,
			"class": dg.Class, "severity": j.Incident.Severity, "site": dg.Site, "device": dg.Device,
			"component": dg.Component, "circuit": dg.Circuit, "incident": j.Incident.ID,
			"fault_at": stamp(j.Incident.FaultAt), "opened_at": stamp(j.Incident.OpenedAt), "comment": j.Effect.Params[effect.Comment],
			"recovered_at": stamp(j.Incident.RecoveredAt), "proof": dg.Proof.In(language(v)),
		},
	}
	if j.Incident.Practice {
		t.Fields["practice"] = "true"
	}
	if to := contactOf(v, j.Effect.Params[effect.Contact], j.Effect.Params[effect.ContactName]); to != "" {
		t.To = append([]string{to}, t.To...)
	}
	if u := v.DeskOptions["url"]; u != "" {
		t.To = []string{u}
	}
	maps.DeleteFunc(t.Fields, func(_, value string) bool { return value == "" })
	if at := slices.IndexFunc(j.Incident.Tickets, func(x incident.Ticket) bool { return x.Key == t.Key }); at >= 0 {
		for _, m := range j.Incident.Tickets[at].Messages {
			if m.Ref != "" && m.Key != t.MessageKey {
				t.Thread = append(t.Thread, m.Ref)
			}
		}
	}
	return t
}

// contactOf is the address of the vendor's contact of a level, of that name where
// one is said; "" where there is none.
func contactOf(v inventory.Vendor, level, name string) string {
	for _, c := range v.Contacts {
		if level != "" && strconv.Itoa(c.Level) == level && (name == "" || c.Name == name) && c.Email != "" && !slices.Contains(v.Emails, c.Email) {
			return c.Email
		}
	}
	return ""
}

// Key is the key of the ticket that an incident has at a vendor.
func Key(incidentID, vendorID string) string { return incidentID + "/" + vendorID }

// reasonOf is what the ticket is about: as the process says, else a new ticket
// where none has gone out yet.
func reasonOf(f incident.Effect, i incident.Incident) string {
	if r := f.Params[effect.Reason]; r != "" {
		return r
	}
	for _, t := range i.Tickets {
		if t.Ref != "" {
			return "update"
		}
	}
	return effect.ReasonOpened
}

// deskName is the desk that the vendor chose; e-mail without a choice.
func deskName(v inventory.Vendor) string {
	if v.Desk == "" {
		return "email"
	}
	return v.Desk
}

// result is what is kept of a ticket that was sent.
func result(j outbox.Job, v inventory.Vendor, t desk.Ticket, ref desk.Ref) map[string]string {
	r := map[string]string{
		effect.ResultTicketKey: t.Key, effect.ResultMessageKey: t.MessageKey, effect.ResultReason: reasonOf(j.Effect, j.Incident),
		effect.ResultVendor: v.ID, effect.ResultVendorKind: v.Kind, effect.ResultVendorName: v.Name.In(language(v)),
		effect.ResultDesk: deskName(v), effect.ResultSubject: t.Subject, effect.ResultRef: ref.ID, effect.ResultURL: ref.URL,
	}
	maps.DeleteFunc(r, func(_, value string) bool { return value == "" })
	return r
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
