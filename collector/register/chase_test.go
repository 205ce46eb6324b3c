package register

import (
	"errors"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/process"
)

func TestNextContact(t *testing.T) {
	opened := time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)
	v := inventory.Vendor{ID: "carrier-a", Contacts: []inventory.Contact{{Name: "desk", Level: 1}, {Name: "director", Level: 3, After: "3h"}, {Name: "manager", Level: 2}, {Name: "other manager", Level: 2}}}
	limit := func(n int) (time.Time, error) { return opened.Add(time.Duration(n) * 30 * time.Minute), nil }
	for _, c := range []struct {
		after time.Duration
		told  int
		want  string
	}{
		{29 * time.Minute, 0, ""}, {30 * time.Minute, 0, "manager"}, {31 * time.Minute, 1, ""}, {time.Hour, 1, ""}, // the director has a time of his own
		{3 * time.Hour, 1, "director"}, {9 * time.Hour, 2, ""},
	} {
		k := incident.Ticket{OpenedAt: opened, State: "sent"}
		for range c.told {
			k.Messages = append(k.Messages, incident.TicketMessage{Reason: process.ReasonVendorLate})
		}
		call, due, err := NextContact(v, k, limit, Duty{Zone: time.UTC}, opened.Add(c.after))
		if got := call.To.Name; err != nil || got != c.want || due != (c.want != "") {
			t.Errorf("after %s with %d told: %q, want %q (%v)", c.after, c.told, got, c.want, err)
		}
	}
	if _, due, err := NextContact(v, incident.Ticket{}, func(int) (time.Time, error) { return opened, errors.New("no calendar") }, Duty{Zone: time.UTC}, opened); err == nil || due {
		t.Errorf("without a calendar: %v %v", due, err)
	}
}

func TestWaitingTicket(t *testing.T) {
	for state, want := range map[string]bool{"queued": false, "sent": true, "failed": false, "answered": false, "closed": false} {
		i := incident.Incident{State: incident.StateOpen, Tickets: []incident.Ticket{{Key: "a", State: state}, {Key: "b", State: "withdrawn"}}}
		if k, got := WaitingTicket(i); got != want || k.Key != "a" {
			t.Errorf("%s: %v %s, want %v", state, got, k.Key, want)
		}
	}
	if _, got := WaitingTicket(incident.Incident{State: incident.StateVerified, Tickets: []incident.Ticket{{State: "sent"}}}); got {
		t.Error("recovered, and somebody is called")
	}
}
