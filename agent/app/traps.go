package app

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/faultline/faultline/plugins/base"
)

// A notification counts until its device takes it back, or for trapLife when it
// never does; a device's most different notifications are bounded.
const (
	trapLife   = 15 * time.Minute
	mostTraps  = 4096
	trapRenews = 15 * time.Second
)

// trapLevels says how bad a severity is; ok and unknown words are not.
var trapLevels = map[string]float64{"info": 1, "warning": 2, "critical": 3}

// trapKey names the series of one notification of one device.
type trapKey struct{ device, name string }

// trapTally is what is counted of one.
type trapTally struct {
	total, active base.Labels
	n             float64
	level         float64   // of the last one; 0: taken back, or its time is over
	at            time.Time // heard last
	born          bool      // its zero has been written
}

// trapSeries turns notifications into series, so that rules can ask for them:
// faultline_trap_received_total, and faultline_trap_active, which is how bad the
// last one was (1 info, 2 warning, 3 critical) until it is taken back (0). It is
// safe for concurrent use.
type trapSeries struct {
	mu  sync.Mutex // guards all
	all map[trapKey]*trapTally
}

// note counts events and returns the samples of those that changed.
func (s *trapSeries) note(events []base.Event, now time.Time) []base.Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []base.Sample
	for _, e := range events {
		name := e.Attrs["name"]
		if e.Kind != base.EventTrap || e.Device == "" || name == "" {
			continue
		}
		for _, cleared := range strings.Split(e.Attrs["clears"], ",") {
			if t := s.all[trapKey{e.Device, cleared}]; t != nil && t.level > 0 {
				t.level = 0
				out = t.samples(out, now)
			}
		}
		t := s.tally(e, name)
		if t == nil {
			continue
		}
		if !t.born {
			out = append(out, base.Sample{Labels: t.total, Time: now.UnixMilli() - 1})
			t.born = true
		}
		t.n++
		t.at, t.level = now, trapLevels[e.Attrs["severity"]]
		out = t.samples(out, now)
	}
	return out
}

func (s *trapSeries) tally(e base.Event, name string) *trapTally {
	key := trapKey{e.Device, name}
	if t := s.all[key]; t != nil || len(s.all) >= mostTraps {
		return t
	}
	ls := map[string]string{"job": "trap", "site": e.Site, "device": e.Device, "instance": e.Device, "name": name}
	t := &trapTally{total: base.LabelsFrom("faultline_trap_received_total", ls), active: base.LabelsFrom("faultline_trap_active", ls)}
	if s.all == nil {
		s.all = map[trapKey]*trapTally{}
	}
	s.all[key] = t
	return t
}

func (t *trapTally) samples(out []base.Sample, now time.Time) []base.Sample {
	return append(out, base.Sample{Labels: t.total, Time: now.UnixMilli(), Value: t.n}, base.Sample{Labels: t.active, Time: now.UnixMilli(), Value: t.level})
}

// renew returns every series as of now: what was not taken back ends with its
// time, and what was not heard for a day is forgotten.
func (s *trapSeries) renew(now time.Time) []base.Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []base.Sample
	for key, t := range s.all {
		if now.Sub(t.at) > 24*time.Hour {
			delete(s.all, key)
			continue
		}
		if now.Sub(t.at) > trapLife {
			t.level = 0
		}
		out = t.samples(out, now)
	}
	return out
}

// renewTraps keeps the series of notifications alive until ctx ends.
func (a *App) renewTraps(ctx context.Context) error {
	tick := time.NewTicker(trapRenews)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case now := <-tick.C:
			a.keep(base.Batch{Samples: a.traps.renew(now)}, nil)
		}
	}
}
