package process

import (
	"slices"

	"github.com/faultline/faultline/collector/incident"
)

// vendorEscalated tells the vendor's next contact that nobody has answered, and
// our own people whom that is. An answer that came meanwhile makes it needless.
func (r *run) vendorEscalated(f incident.Event) error {
	t, has := current(r.i)
	if !has || t.State != "sent" || r.i.State != incident.StateOpen {
		return nil
	}
	key, err := r.effect(incident.EffectTicket, "", map[string]string{"ticket": t.Key, "vendor": t.Vendor, "vendor_name": t.VendorName, "vendor_kind": t.VendorKind,
		"reason": ReasonVendorLate, "contact": f.Choice, "comment": f.Comment})
	if err != nil {
		return err
	}
	t.Messages = append(slices.Clone(t.Messages), incident.TicketMessage{Key: key, At: r.env.Now, State: "queued", Reason: ReasonVendorLate})
	if err := r.record(incident.Event{Kind: incident.TicketChanged, Ticket: &t, Reason: ReasonVendorLate}); err != nil {
		return err
	}
	return r.notify(r.insideRole(), ReasonVendorLate, "comment", f.Comment)
}
