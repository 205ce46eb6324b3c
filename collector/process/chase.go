package process

import (
	"slices"
	"time"

	"github.com/faultline/faultline/collector/incident"
)

// vendorEscalated tells the vendor's next contact that nobody has answered, and
// our own people whom that is, or that nobody there is reached now. An answer that
// came meanwhile makes it needless.
func (r *run) vendorEscalated(f incident.Event) error {
	t, has := current(r.i)
	if !has || t.State != "sent" || r.i.State != incident.StateOpen {
		return nil
	}
	if f.Choice == incident.NobodyOnDuty {
		return r.notify(r.insideRole(), ReasonVendorAway, "away", f.Comment)
	}
	params := map[string]string{"ticket": t.Key, "vendor": t.Vendor, "vendor_name": t.VendorName, "vendor_kind": t.VendorKind,
		"reason": ReasonVendorLate, "contact": f.Choice, "contact_name": f.Reason, "comment": f.Comment}
	if !f.Expected.IsZero() {
		params["answer_by"] = f.Expected.UTC().Format(time.RFC3339)
	}
	key, err := r.effect(incident.EffectTicket, "", params)
	if err != nil {
		return err
	}
	t.Messages = append(slices.Clone(t.Messages), incident.TicketMessage{Key: key, At: r.env.Now, State: "queued", Reason: ReasonVendorLate, Level: f.Choice, Contact: f.Reason})
	if err := r.record(incident.Event{Kind: incident.TicketChanged, Ticket: &t, Reason: ReasonVendorLate}); err != nil {
		return err
	}
	return r.notify(r.insideRole(), ReasonVendorLate, "comment", f.Comment)
}
