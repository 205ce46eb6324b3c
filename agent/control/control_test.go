package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/agent/link"
	"github.com/faultline/faultline/internal/selfmetric"
	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
)

// collector answers polls one after another from a list, then hangs.
type collector struct {
	mu      sync.Mutex
	answers []http.HandlerFunc
	after   []string
	at      []time.Time
}

// RoundTrip implements http.RoundTripper in memory, so that synctest's clock
// drives both sides.
func (c *collector) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	c.after = append(c.after, r.URL.RequestURI())
	c.at = append(c.at, time.Now())
	var h http.HandlerFunc
	if len(c.answers) > 0 {
		h, c.answers = c.answers[0], c.answers[1:]
	}
	c.mu.Unlock()
	if h == nil {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	rec := httptest.NewRecorder()
	h(rec, r)
	return rec.Result(), nil
}

func work(w wire.Work) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(rw).Encode(w) }
}

func status(code int, header ...string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			rw.Header().Set(header[i], header[i+1])
		}
		rw.WriteHeader(code)
	}
}

// run runs a control on the answers for a while and returns what it handed over.
func run(t *testing.T, dir string, c *collector, d time.Duration) (works []wire.Work, checks []string) {
	t.Helper()
	client, err := link.New(link.Options{URL: "http://collector", Transport: c})
	if err != nil {
		t.Fatal(err)
	}
	ctl, err := New(Options{
		Link: client, Dir: dir, Registerer: selfmetric.NewRegistry(),
		OnWork:  func(w wire.Work) error { works = append(works, w); return nil },
		OnCheck: func(_ context.Context, ch wire.Check) { checks = append(checks, ch.ID) },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	if err := ctl.Run(ctx); err != nil {
		t.Fatal(err)
	}
	return works, checks
}

func targets(ids ...string) []base.Target {
	out := []base.Target{}
	for _, id := range ids {
		out = append(out, base.Target{ID: id, Input: "snmp", Options: map[string]string{"community": "secret"}})
	}
	return out
}

func equal(t *testing.T, got, want any) {
	t.Helper()
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("got (-), want (+):\n%s", diff)
	}
}

func TestWorkIsTakenAndRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "data")
		c := &collector{answers: []http.HandlerFunc{
			work(wire.Work{Version: 3, Interval: 5 * time.Second, Targets: targets("a")}),
			work(wire.Work{Version: 3}), // nothing new
			status(http.StatusNoContent),
			work(wire.Work{}), // says nothing, takes nothing away
			work(wire.Work{Version: 4, Targets: targets("a", "b")}),
		}}
		works, _ := run(t, dir, c, time.Minute)
		four := wire.Work{Version: 4, Targets: targets("a", "b")}
		equal(t, works, []wire.Work{{Version: 3, Interval: 5 * time.Second, Targets: targets("a")}, four})
		equal(t, c.after[0], "/api/v1/agents/self/work?after=0")
		equal(t, c.after[5], "/api/v1/agents/self/work?after=4")

		// Without a collector the agent starts with what it knew.
		works, _ = run(t, dir, &collector{}, time.Second)
		equal(t, works, []wire.Work{four})
		info, err := os.Stat(filepath.Join(dir, "work.json"))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("work.json: %v, mode %v, want 0600: it holds secrets", err, info.Mode())
		}

		// A restored collector counts from a lower version; an empty one takes all away.
		works, _ = run(t, dir, &collector{answers: []http.HandlerFunc{
			work(wire.Work{Version: 2, Targets: targets("c")}), work(wire.Work{Version: 5}),
		}}, time.Minute)
		equal(t, works, []wire.Work{four, {Version: 2, Targets: targets("c")}, {Version: 5}})
	})
}

func TestDamagedFileDoesNotStopTheAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "work.json"), []byte(`{"version":`), 0o600); err != nil {
			t.Fatal(err)
		}
		works, _ := run(t, dir, &collector{answers: []http.HandlerFunc{work(wire.Work{Version: 1, Targets: targets("a")})}}, time.Second)
		equal(t, len(works), 1)
		if _, err := os.Stat(filepath.Join(dir, "work.json.bad")); err != nil {
			t.Error(err)
		}
	})
}

func TestUnwritableDirectoryStillApplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(dir, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		works, _ := run(t, dir, &collector{answers: []http.HandlerFunc{work(wire.Work{Version: 1, Targets: targets("a")})}}, time.Second)
		equal(t, len(works), 1)
	})
}

func TestChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		in := func(id string, d time.Duration) wire.Check { return wire.Check{ID: id, Expires: now.Add(d)} }
		many := wire.Work{}
		for i := range checkLimit + 5 {
			many.Checks = append(many.Checks, in(fmt.Sprint(i), time.Minute))
		}
		c := &collector{answers: []http.HandlerFunc{
			work(wire.Work{Checks: []wire.Check{in("a", time.Minute), in("old", -time.Second), in("", time.Minute), in("b", time.Minute), {ID: "never"}}}),
			work(wire.Work{Checks: []wire.Check{in("b", time.Minute), in("c", time.Minute)}}),
		}}
		_, checks := run(t, t.TempDir(), c, time.Second)
		equal(t, checks, []string{"a", "b", "c"})
		_, checks = run(t, t.TempDir(), &collector{answers: []http.HandlerFunc{work(many)}}, time.Second)
		equal(t, len(checks), checkLimit)
	})
}

// An agent whose clock is an hour off still carries out fresh checks only.
func TestChecksWithAWrongClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		theirs := time.Now().Add(time.Hour)
		c := &collector{answers: []http.HandlerFunc{func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", theirs.UTC().Format(http.TimeFormat))
			_ = json.NewEncoder(w).Encode(wire.Work{Checks: []wire.Check{
				{ID: "old", Expires: theirs.Add(-time.Minute)}, {ID: "fresh", Expires: theirs.Add(10 * time.Second)}}})
		}}}
		_, checks := run(t, t.TempDir(), c, time.Second)
		equal(t, checks, []string{"fresh"})
	})
}

func TestFaultsAreWaitedOut(t *testing.T) {
	cases := map[string]struct {
		answer   http.HandlerFunc
		min, max time.Duration // until the next poll
	}{
		"500":         {status(500), 100 * time.Millisecond, 200 * time.Millisecond},
		"retry after": {status(429, "Retry-After", "9"), 9 * time.Second, 9 * time.Second},
		"401":         {status(401), 30 * time.Second, 30 * time.Second},
		"404":         {status(404), 30 * time.Second, 30 * time.Second},
		"not JSON":    {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, 100 * time.Millisecond, 200 * time.Millisecond},
		"hang":        {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 0, 31 * time.Second},
		"at once":     {status(204), minInterval, minInterval},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				col := &collector{answers: []http.HandlerFunc{c.answer, work(wire.Work{Version: 1, Targets: targets("a")})}}
				works, _ := run(t, t.TempDir(), col, 2*time.Minute)
				equal(t, len(works), 1)
				if gap := col.at[1].Sub(col.at[0]); gap < min(c.min, minInterval) || gap > max(c.max, minInterval) {
					t.Errorf("next poll after %v, want %v to %v", gap, c.min, c.max)
				}
			})
		})
	}
}

func TestSeenIsBounded(t *testing.T) {
	var s seen
	for i := range 3 * seenLimit {
		if !s.add(fmt.Sprint(i)) || s.add(fmt.Sprint(i)) {
			t.Fatalf("id %d", i)
		}
	}
	if len(s.ids) != seenLimit || len(s.ring) != seenLimit {
		t.Errorf("remembers %d ids, want %d", len(s.ids), seenLimit)
	}
}
