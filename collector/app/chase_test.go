package app

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/config"
	"github.com/faultline/faultline/collector/effect"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/outbox"
	"github.com/faultline/faultline/internal/lab/desks"
)

// silent is a company whose line's carrier has half an hour to answer, a ticket
// of it that has reached the carrier's desk, and that desk.
func silent(t *testing.T, contacts string) (*App, incident.Incident, *desks.Server) {
	t.Helper()
	srv := desks.Serve(desks.NewJira(time.Now, 2, 0))
	t.Cleanup(srv.Close)
	set, err := config.Parse("test", []byte("listen: 127.0.0.1:0\ninventory: x\ndesks: [{name: carrier-desk, lag: 1s, jira: {url: "+srv.URL+", token: t, project: OPS}}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	cfg := smallCompany(t)
	cfg.Desks = set.Desks
	company := strings.Replace(vendorsCompany, "role: main}", "role: main, respond: 30m}", 1)
	company = strings.Replace(company, "desk: carrier-desk}", "desk: carrier-desk, contacts: ["+contacts+"]}", 1)
	if err := os.WriteFile(cfg.Inventory, []byte(company), 0o600); err != nil {
		t.Fatal(err)
	}
	a, _ := serveCollector(t, cfg)
	alarm(t, a, cfg.ExternalURL)
	return a, sent(t, a), srv
}

// escalated returns what the incident's log says of the vendor's contacts.
func escalated(t *testing.T, a *App, id string) (out []string) {
	t.Helper()
	events, err := a.store.Events(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.Kind == incident.VendorEscalated {
			out = append(out, e.Choice+" "+e.Comment)
		}
	}
	return out
}

// TestNobodyIsCalledOutsideHisHours: whose hours it is not is not told; that is in
// the log and on the page with when he is, people are told to telephone, and he
// is told when his hours begin.
func TestNobodyIsCalledOutsideHisHours(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	begins := time.Now().In(zone).Add(12 * time.Hour).Truncate(time.Minute)
	hours := begins.Format("15:04") + "-" + begins.Add(2*time.Hour).Format("15:04")
	a, i, srv := silent(t, "{name: 王经理, phone: '13800000000', level: 2, hours: '"+hours+"'}, {name: 赵总, level: 3, after: 20h}")
	for _, after := range []time.Duration{31 * time.Minute, 32 * time.Minute} { // the second time nothing is new
		if err := a.chase(t.Context(), i.Tickets[0].OpenedAt.Add(after)); err != nil {
			t.Fatal(err)
		}
	}
	want := "nobody 王经理 13800000000 → " + begins.Format("2006-01-02 15:04 -07:00")
	if got := escalated(t, a, i.ID); len(got) != 1 || got[0] != want {
		t.Fatalf("told %q, want %q", got, want)
	}
	until(t, "people are told", func() bool {
		all, err := a.store.Effects(t.Context(), i.ID)
		return err == nil && slices.ContainsFunc(all, func(r outbox.Row) bool {
			return r.Effect.Kind == incident.EffectNotify && r.Effect.Params[effect.Reason] == effect.ReasonVendorAway
		})
	})
	if all := a.contacts("carrier-a", "sh", i.Tickets[0].OpenedAt.Add(31*time.Minute)); len(all) != 2 || all[0].On || !all[0].From.Equal(begins) || !all[1].On {
		t.Errorf("the page shows %+v", all)
	}
	if err := a.chase(t.Context(), begins); err != nil {
		t.Fatal(err)
	}
	if got := escalated(t, a, i.ID); len(got) != 2 || !strings.HasPrefix(got[1], "2 ") {
		t.Fatalf("when his hours begin: %q", got)
	}
	until(t, "the desk has the message", func() bool {
		all := srv.Arrived()
		return len(all) == 2 && strings.Contains(all[1].Body, "王经理：我司的报修超过约定的响应时间")
	})
}

// TestASilentVendorsNextContactIsTold: when the line's time for an answer is over
// the contact of level 2 is told in the same ticket, once, with a line in the
// timeline; and nobody any more after an answer.
func TestASilentVendorsNextContactIsTold(t *testing.T) {
	t.Parallel()
	a, i, srv := silent(t, "{name: 王经理, phone: '13800000000', level: 2}, {name: 赵总, level: 3, after: 3h}")
	at := func(after time.Duration, want ...string) {
		t.Helper()
		for range 2 { // the second time nothing is new
			if err := a.chase(t.Context(), i.Tickets[0].OpenedAt.Add(after)); err != nil {
				t.Fatal(err)
			}
		}
		got := escalated(t, a, i.ID)
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
