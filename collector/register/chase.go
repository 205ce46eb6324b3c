package register

import (
	"fmt"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/process"
)

// WaitingTicket returns the ticket at the vendor who works now, if the vendor has
// got it and said nothing yet.
func WaitingTicket(i incident.Incident) (incident.Ticket, bool) {
	for _, t := range slices.Backward(i.Tickets) {
		if t.State != "withdrawn" {
			return t, t.State == "sent" && i.State == incident.StateOpen && i.ParentID == ""
		}
	}
	return incident.Ticket{}, false
}

// NextContact returns whom of the vendor's contacts the ticket goes to next
// because nobody answered, if it is time: level 2 after the time the vendor has
// for an answer, each further level after as much again, and none before its own
// time (after). limit tells when so many times the answer's time are over.
func NextContact(v inventory.Vendor, t incident.Ticket, limit func(times int) (time.Time, error), now time.Time) (c inventory.Contact, due bool, err error) {
	told := 0
	for _, m := range t.Messages {
		if m.Reason == process.ReasonVendorLate {
			told++
		}
	}
	ladder := furtherContacts(v)
	if told >= len(ladder) {
		return c, false, nil
	}
	c = ladder[told]
	at, err := limit(told + 1)
	if err != nil {
		return c, false, fmt.Errorf("vendor %s: time for an answer: %w", v.ID, err)
	}
	if c.After != "" {
		after, err := inventory.ParseSpan(c.After)
		if err != nil {
			return c, false, fmt.Errorf("vendor %s: contact %s: after: %w", v.ID, c.Name, err)
		}
		if own := t.OpenedAt.Add(after); own.After(at) {
			at = own
		}
	}
	return c, !now.Before(at), nil
}

// furtherContacts are the contacts above the first level, one for each level.
func furtherContacts(v inventory.Vendor) []inventory.Contact {
	all := slices.Clone(v.Contacts)
	slices.SortStableFunc(all, func(a, b inventory.Contact) int { return a.Level - b.Level })
	var out []inventory.Contact
	for _, c := range all {
		if c.Level > 1 && (len(out) == 0 || out[len(out)-1].Level != c.Level) {
			out = append(out, c)
		}
	}
	return out
}
