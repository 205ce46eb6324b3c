package web

import (
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/register"
)

// ticketContacts are the people at a ticket's vendor, as they stand now.
type ticketContacts struct {
	All   []register.Standing
	None  bool      // not one of them is on duty
	First time.Time // with None: when the first of them is; zero: nobody can say
}

// contactsOf returns the contacts of the vendors that work on the incident, by
// ticket; nothing once it is closed.
func (c *console) contactsOf(p *page, i incident.Incident) map[string]ticketContacts {
	out := map[string]ticketContacts{}
	if c.Contacts == nil || !i.Open() {
		return out
	}
	for _, t := range i.Tickets {
		if t.State == "withdrawn" || t.State == "closed" {
			continue
		}
		if all := c.Contacts(t.Vendor, i.Diagnosis.Site, p.now); len(all) > 0 {
			out[t.Key] = standingOf(all)
		}
	}
	return out
}

func standingOf(all []register.Standing) ticketContacts {
	out := ticketContacts{All: all, None: true}
	for _, s := range all {
		if s.On {
			out.None = false
		}
		if !s.From.IsZero() && (out.First.IsZero() || s.From.Before(out.First)) {
			out.First = s.From
		}
	}
	return out
}
