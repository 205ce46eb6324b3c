package mailin

import (
	"strings"
	"testing"

	"github.com/faultline/faultline/collector/incident"
)

// TestAssign files a stranger's mail by a person's hand, takes it back, and files
// it elsewhere; answers to it follow.
func TestAssign(t *testing.T) {
	w := newWorld(t)
	b := w.inbox(t)
	raw := []byte("From: li@new-vendor.example\r\nTo: somewhere@example.com\r\nSubject: line\r\nMessage-ID: <x1@new-vendor.example>\r\n\r\n已派单，预计18:30\r\n")
	_, outcome, err := b.Take(t.Context(), raw, arrived)
	if err != nil || outcome != OutcomeQueued {
		t.Fatalf("%s, %v", outcome, err)
	}
	var all []Ticket
	for _, n := range []string{"20261121-0042", "20261121-0043"} {
		ts, err := b.o.Matcher.TicketsOf(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, ts...)
	}
	if len(all) < 2 {
		t.Fatalf("%d tickets in the world", len(all))
	}
	by := incident.Actor{Kind: "person", ID: "u1", Name: "陈"}
	before := len(w.facts)
	var e Event
	for range 2 { // the second changes nothing
		if e, err = b.Assign(t.Context(), Assignment{Raw: raw, At: arrived, Ticket: all[0], By: by, Trusted: true}); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.facts[before:]; len(got) != 1 || got[0].Kind != incident.VendorReported || got[0].Choice != SaysAccepted || got[0].Expected.IsZero() || got[0].IncidentID != all[0].Incident || !strings.Contains(got[0].Comment, "陈 归入") {
		t.Fatalf("facts %+v", got)
	}
	if err := b.TakeBack(t.Context(), e, by); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Assign(t.Context(), Assignment{Raw: raw, At: arrived, Filed: 1, Ticket: all[1], By: by}); err != nil {
		t.Fatal(err)
	}
	got := w.facts[before:]
	if len(got) != 3 || got[1].Actor != by || got[2].Kind != incident.Commented || got[2].IncidentID != all[1].Incident {
		t.Fatalf("facts %+v", got)
	}
	answer := []byte("From: li@new-vendor.example\r\nTo: somewhere@example.com\r\nSubject: line\r\nMessage-ID: <x2@new-vendor.example>\r\nIn-Reply-To: <x1@new-vendor.example>\r\n\r\nmore\r\n")
	a, outcome, err := b.Take(t.Context(), answer, arrived)
	if err != nil || outcome != OutcomeFiled || a.Match.Ticket.Key != all[1].Key || a.Match.Trusted {
		t.Errorf("the answer: %s %+v, %v", outcome, a.Match, err)
	}
}
