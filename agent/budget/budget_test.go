package budget

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const mib = 1 << 20

// branch is a usual branch: the machine, its lines, an exporter, a database, a
// plugin and ten switches.
func branch(left []string) []Target {
	all := []Target{{"host", "host", 450, false}, {"line", "probe", 12, false}, {"app", "scrape", 900, false}, {"web", "scrape", 3000, false}, {"pg", "database", 400, false}, {"mine", "weather", 5000, false}, {"ups", "ups", 30, false}}
	for n := range 10 {
		all = append(all, Target{fmt.Sprint("sw", n), "snmp", 1000 + n, false})
	}
	for n := range all {
		all[n].LeftOut = slices.Contains(left, all[n].ID)
	}
	return all
}

// TestOrder: under pressure that does not end, everything that may go goes in the
// order the package says, and the rest stays.
func TestOrder(t *testing.T) {
	b, now := New(100*mib), time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	var order []string
	for range 100 {
		now = now.Add(5 * time.Second)
		d := b.Look(95*mib, branch(b.Left()), now)
		if len(d.Back) > 0 {
			t.Fatalf("takes back %v", d.Back)
		}
		order = append(order, d.Leave...)
	}
	want := "mine web app pg sw9 sw8 sw7 sw6 sw5 sw4 sw3 sw2 sw1 sw0"
	if got := strings.Join(order, " "); got != want {
		t.Errorf("left out %s, want %s", got, want)
	}
	if d := b.Look(95*mib, branch(b.Left())[:3], now); len(d.Leave) > 0 || len(b.Left()) != 1 {
		t.Errorf("targets that are gone: leaves %v, has %v", d.Leave, b.Left())
	}
	if d := b.Look(95*mib, branch(nil)[:3], now); !slices.Equal(d.Leave, []string{"app"}) {
		t.Errorf("a target that was set anew: leaves %v", d.Leave)
	}
}

// TestBack: what was left out comes back one by one, the last first, when there was
// room for long enough, and not while it is scarce.
func TestBack(t *testing.T) {
	b, now := New(100*mib), time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	look := func(after time.Duration, used uint64, want ...string) {
		t.Helper()
		now = now.Add(after)
		d := b.Look(used*mib, branch(b.Left()), now)
		if got := append(d.Leave, d.Back...); !slices.Equal(got, want) {
			t.Errorf("at %d MiB: leaves %v, takes back %v, want %v", used, d.Leave, d.Back, want)
		}
	}
	look(0, 91, "mine")
	look(5*time.Second, 92, "web")
	look(5*time.Second, 80)
	look(time.Hour, 75) // neither scarce nor enough
	look(5*time.Second, 60)
	look(4*time.Minute, 60)
	look(time.Minute, 60, "web")
	look(30*time.Second, 60)
	look(10*time.Second, 80) // it was too much: wait anew
	look(time.Minute, 60)
	look(5*time.Minute, 60, "mine")
	look(time.Hour, 60)
	if left := b.Left(); len(left) != 0 {
		t.Errorf("%v is still left out", left)
	}
}

// TestNothingToLeave: an agent that only watches itself stays as it is.
func TestNothingToLeave(t *testing.T) {
	b := New(10 * mib)
	if d := b.Look(50*mib, []Target{{ID: "host", Input: "host", Series: 450}, {ID: "line", Input: "probe", Series: 3}}, time.Now()); len(d.Leave) > 0 {
		t.Errorf("leaves out %v", d.Leave)
	}
}
