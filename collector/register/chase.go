package register

import (
	"slices"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
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

// furtherContacts are the contacts above the first level, by level.
func furtherContacts(v inventory.Vendor) [][]inventory.Contact {
	all := slices.Clone(v.Contacts)
	slices.SortStableFunc(all, func(a, b inventory.Contact) int { return a.Level - b.Level })
	var out [][]inventory.Contact
	for _, c := range all {
		switch n := len(out); {
		case c.Level <= 1:
		case n > 0 && out[n-1][0].Level == c.Level:
			out[n-1] = append(out[n-1], c)
		default:
			out = append(out, []inventory.Contact{c})
		}
	}
	return out
}
