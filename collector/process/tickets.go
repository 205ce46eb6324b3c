package process

import (
	"slices"

	"github.com/faultline/faultline/collector/incident"
)

// current is the ticket at the vendor who works now.
func current(i incident.Incident) (incident.Ticket, bool) {
	for _, t := range slices.Backward(i.Tickets) {
		if t.State != "withdrawn" {
			return t, true
		}
	}
	return incident.Ticket{}, false
}

// policy is the ticket of the first step that has one and was entered.
func (r *run) policy() *Ticket {
	for n := range r.d.Steps {
		if s := &r.d.Steps[n]; s.Ticket != nil && (n == 0 || slices.Contains(r.i.Visited, s.ID)) {
			return s.Ticket
		}
	}
	return nil
}

// ticketStep makes sure that the vendor whom the step calls has the ticket.
func (r *run) ticketStep(t *Ticket) error {
	ok, err := t.when.holds(factsOf(nil, r.i))
	if err != nil || !ok {
		return err
	}
	kind, id, name := r.i.Diagnosis.VendorKind, r.i.VendorID, r.i.VendorName
	if t.VendorKind != "" && t.VendorKind != kind && !sameRole(t.VendorKind, kind) {
		kind, id, name = t.VendorKind, "", ""
		if r.env.Vendor != nil {
			id, name = r.env.Vendor(kind, r.i.Diagnosis)
		}
	}
	return r.callVendor(t, incident.Ticket{VendorKind: kind, Vendor: id, VendorName: name}, ReasonReclassified)
}

// sameRole tells whether both kinds of vendors act in the same lane: a UPS
// maintainer is called in the supplier's step.
func sameRole(a, b string) bool { return VendorRole(a) != "" && VendorRole(a) == VendorRole(b) }

// VendorRole is the role in which a vendor of the kind acts.
func VendorRole(kind string) string {
	switch kind {
	case incident.VendorCarrier:
		return "carrier"
	case incident.VendorSupplier, incident.VendorUPS:
		return "supplier"
	case incident.VendorDB:
		return "db_vendor"
	}
	return ""
}

// followDiagnosis brings the ticket to where the diagnosis leads now.
func (r *run) followDiagnosis() error {
	t := r.policy()
	if t == nil {
		return nil
	}
	d := r.i.Diagnosis
	if d.VendorKind == incident.VendorNone || d.VendorKind == "" {
		return r.withdraw()
	}
	ok, err := t.when.holds(factsOf(nil, r.i))
	if err != nil || !ok {
		return err
	}
	return r.callVendor(t, incident.Ticket{VendorKind: d.VendorKind, Vendor: r.i.VendorID, VendorName: r.i.VendorName}, ReasonReclassified)
}

// callVendor opens the ticket at the vendor, or tells the vendor who has it
// already what changed. Another vendor's ticket is withdrawn first.
func (r *run) callVendor(t *Ticket, to incident.Ticket, update string) error {
	if to.Vendor == "" {
		if err := r.withdraw(); err != nil {
			return err
		}
		return r.notify(r.d.Owner, ReasonVendorUnknown, "vendor_kind", to.VendorKind)
	}
	now, has := current(r.i)
	switch {
	case has && now.Vendor == to.Vendor && r.reached(now):
		if !r.newsFor(now) {
			return nil
		}
		return r.message(now, t.Templates[to.VendorKind], update)
	case has && now.Vendor != to.Vendor:
		if err := r.withdraw(); err != nil {
			return err
		}
	}
	to.Key, to.State, to.OpenedAt = r.i.ID+"/"+to.Vendor, "queued", r.env.Now
	if n := slices.IndexFunc(r.i.Tickets, func(x incident.Ticket) bool { return x.Key == to.Key }); n >= 0 {
		to.Messages, to.Ref, to.URL, to.Desk = r.i.Tickets[n].Messages, r.i.Tickets[n].Ref, r.i.Tickets[n].URL, r.i.Tickets[n].Desk
	}
	if err := r.message(to, t.Templates[to.VendorKind], ReasonOpened); err != nil {
		return err
	}
	return r.clocksAt(wordTicketOpened)
}

// reached tells whether the ticket can be added to.
func (r *run) reached(t incident.Ticket) bool { return t.State != "closed" && t.State != "failed" }

// newsFor tells whether the diagnosis changed since the vendor's last message:
// entering a step that calls the vendor who works already is no news.
func (r *run) newsFor(t incident.Ticket) bool {
	var told, diagnosed int64
	for n, e := range r.res.Events {
		switch {
		case e.Kind == incident.TicketChanged && e.Ticket.Key == t.Key:
			told = int64(n) + 1
		case e.Kind == incident.Diagnosed:
			diagnosed = int64(n) + 1
		}
	}
	return diagnosed > told
}

// withdraw tells the vendor who has the ticket that it is not theirs.
func (r *run) withdraw() error {
	if _, has := current(r.i); !has {
		return nil
	}
	if err := r.updateTicket(ReasonWithdrawn, "withdrawn"); err != nil {
		return err
	}
	return r.clocksAt(wordTicketWithdrawn)
}

// updateTicket tells the vendor who has a ticket; state "" keeps the ticket's.
func (r *run) updateTicket(reason, state string) error {
	t, has := current(r.i)
	if !has || (t.State == "closed" && reason != ReasonReopened) {
		return nil
	}
	if state != "" {
		t.State = state
	}
	if err := r.message(t, "", reason); err != nil || reason != ReasonReopened {
		return err
	}
	return r.clocksAt(wordTicketOpened)
}

// message queues one message of the ticket and records it.
func (r *run) message(t incident.Ticket, template, reason string) error {
	params := map[string]string{"ticket": t.Key, "vendor": t.Vendor, "vendor_name": t.VendorName, "vendor_kind": t.VendorKind, "reason": reason}
	if template != "" {
		params["template"] = template
	}
	key, err := r.effect(incident.EffectTicket, "", params)
	if err != nil {
		return err
	}
	t.Messages = append(slices.Clone(t.Messages), incident.TicketMessage{Key: key, At: r.env.Now, State: "queued", Reason: reason})
	return r.record(incident.Event{Kind: incident.TicketChanged, Ticket: &t, Reason: reason})
}

// ticketOutcome records that a message went out, or did not.
func (r *run) ticketOutcome(f incident.Event) error {
	for _, t := range r.i.Tickets {
		n := slices.IndexFunc(t.Messages, func(m incident.TicketMessage) bool { return m.Key == f.Effect.Key })
		if n < 0 {
			continue
		}
		t.Messages = slices.Clone(t.Messages)
		m := &t.Messages[n]
		m.Repeat, m.Problem, m.State = f.Effect.Repeat, f.Effect.Problem, "failed"
		if f.Kind == incident.EffectDone {
			m.State, m.Problem, m.Ref, m.Subject = "sent", "", f.Effect.Result["ref"], f.Effect.Result["subject"]
			t.Desk, t.URL = or(f.Effect.Result["desk"], t.Desk), or(f.Effect.Result["url"], t.URL)
			t.Ref = or(t.Ref, m.Ref)
		}
		if t.State == "queued" || t.State == "failed" {
			t.State = m.State
		}
		if err := r.record(incident.Event{Kind: incident.TicketChanged, Ticket: &t}); err != nil {
			return err
		}
		if m.State == "failed" {
			return r.notify(r.d.Owner, ReasonTicketFailed, "vendor", t.Vendor, "problem", m.Problem)
		}
		return nil
	}
	return nil
}

// vendorReported takes the vendor's word. "Fixed" is believed when it is
// measured; until then the vendor is told that it is not.
func (r *run) vendorReported(f incident.Event) error {
	t, has := current(r.i)
	if has && f.Actor.Kind == "vendor" && f.Actor.ID != "" && f.Actor.ID != t.Vendor {
		return r.notify(r.insideRole(), ReasonVendorSays, "says", f.Choice) // whose ticket was taken back
	}
	if has && (t.State == "queued" || t.State == "sent" || !f.Expected.IsZero() && !f.Expected.Equal(t.Expected)) {
		if t.State == "queued" || t.State == "sent" {
			t.State = "answered"
		}
		if !f.Expected.IsZero() {
			t.Expected = f.Expected
		}
		if err := r.record(incident.Event{Kind: incident.TicketChanged, Ticket: &t}); err != nil {
			return err
		}
	}
	if f.Choice == VendorFixed && r.i.State == incident.StateOpen && r.i.RecoveredAt.IsZero() {
		if err := r.updateTicket(ReasonNotConfirmed, ""); err != nil {
			return err
		}
	}
	return r.notify(r.insideRole(), ReasonVendorSays, "says", f.Choice)
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
