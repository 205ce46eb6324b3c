package app

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/config"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/lab/desks"
)

// TestASilentVendorsNextContactIsTold: when the line's time for an answer is over
// the contact of level 2 is told in the same ticket, once, with a line in the
// timeline; and nobody any more after an answer.
func TestASilentVendorsNextContactIsTold(t *testing.T) {
	t.Parallel()
	srv := desks.Serve(desks.NewJira(time.Now, 2, 0))
	defer srv.Close()
	set, err := config.Parse("test", []byte("listen: 127.0.0.1:0\ninventory: x\ndesks: [{name: carrier-desk, lag: 1s, jira: {url: "+srv.URL+", token: t, project: OPS}}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	cfg := smallCompany(t)
	cfg.Desks = set.Desks
	company := strings.Replace(vendorsCompany, "role: main}", "role: main, respond: 30m}", 1)
	company = strings.Replace(company, "desk: carrier-desk}", "desk: carrier-desk, contacts: [{name: 王经理, phone: '13800000000', level: 2}, {name: 赵总, level: 3, after: 3h}]}", 1)
	if err := os.WriteFile(cfg.Inventory, []byte(company), 0o600); err != nil {
		t.Fatal(err)
	}
	a, _ := serveCollector(t, cfg)
	alarm(t, a, cfg.ExternalURL)
	i := sent(t, a)
	at := func(after time.Duration, want ...string) {
		t.Helper()
		for range 2 { // the second time nothing is new
			if err := a.chase(t.Context(), i.Tickets[0].OpenedAt.Add(after)); err != nil {
				t.Fatal(err)
			}
		}
		events, err := a.store.Events(t.Context(), i.ID)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range events {
			if e.Kind == incident.VendorEscalated {
				got = append(got, e.Choice+" "+e.Comment)
			}
		}
		if len(got) != len(want) {
			t.Fatalf("after %s told %q, want %q", after, got, want)
		}
		for n := range got {
			if !strings.HasPrefix(got[n], want[n][:1]) || !strings.Contains(got[n], want[n][2:]) {
				t.Errorf("told %q, want %q", got[n], want[n])
			}
		}
	}
	at(29 * time.Minute)
	at(31*time.Minute, "2 王经理 13800000000")
	until(t, "the desk has the message", func() bool {
		all := srv.Arrived()
		return len(all) == 2 && strings.Contains(all[1].Body, "王经理")
	})
	at(2*time.Hour, "2 王经理") // the third has a time of its own
	until(t, "the answer is taken", func() bool {
		return a.engine.Handle(t.Context(), incident.Event{ID: "v1", IncidentID: i.ID, At: time.Now(), Kind: incident.VendorReported, Choice: "accepted", Actor: incident.Actor{Kind: "vendor", ID: "carrier-a"}}) == nil
	})
	at(9*time.Hour, "2 王经理")
}
