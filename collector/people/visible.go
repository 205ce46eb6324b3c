package people

import (
	"slices"
	"strings"
)

// View is how much of an incident somebody may see. The greater contains the
// smaller.
type View int

// Views.
const (
	Hidden View = iota // not that it exists
	Ticket             // a vendor's own ticket: its messages and proof, no names, no timeline, no other vendor
	Notice             // that it affects the viewer's site: title, state, times; nothing of the other site's
	Whole
)

// String names the view.
func (v View) String() string {
	return [...]string{"hidden", "ticket", "notice", "whole"}[min(max(v, 0), 3)]
}

// Viewer is who asks. Kind is person, program, agent or vendor.
type Viewer struct {
	Kind     string
	Roles    []string
	Sites    []string // as in the account
	Vendor   string   // of vendors: inventory id
	Ticket   string   // of vendors: the key of the one ticket their link opens
	Disabled bool
}

// Subject is what of an incident decides who sees it.
type Subject struct {
	Site     string
	Affected []string // sites that are affected besides
	Tickets  []TicketRef
}

// TicketRef is one ticket of the incident.
type TicketRef struct{ Key, Vendor string }

// See is the one rule for API, console, exports and notices: a branch sees its
// own, head office all, a vendor its ticket, an agent nothing. What is not
// allowed is denied: a branch role without a site sees nothing.
func See(v Viewer, s Subject) View {
	switch {
	case v.Disabled:
		return Hidden
	case v.Kind == "vendor":
		for _, t := range s.Tickets {
			if v.Ticket != "" && t.Key == v.Ticket && t.Vendor == v.Vendor {
				return Ticket
			}
		}
		return Hidden
	case v.Kind != "person" && v.Kind != "program", len(v.Roles) == 0:
		return Hidden
	case len(v.Sites) == 0 && SeesAllSites(v.Roles), slices.Contains(v.Sites, s.Site) && s.Site != "":
		return Whole
	case slices.ContainsFunc(s.Affected, func(site string) bool { return site != "" && slices.Contains(v.Sites, site) }):
		return Notice
	}
	return Hidden
}

// SeesAllSites tells whether one of the roles is head office's: those and
// administrators, not a branch's IT.
func SeesAllSites(roles []string) bool {
	return slices.ContainsFunc(roles, func(r string) bool {
		return strings.HasPrefix(r, "hq_") || r == "admin" || r == "viewer"
	})
}
