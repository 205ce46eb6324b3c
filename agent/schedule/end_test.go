package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/agent/schedule"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// ending is a fake that says what ended; with forgotten it counts.
type ending struct {
	fake
	forgotten []string
}

func (e *ending) Name() string { return "ending" }

// End ends the one series of the target.
func (e *ending) End(t base.Target, sink input.Sink) {
	sink.Sample(base.Sample{Labels: base.LabelsFrom("a", nil), Time: time.Now().UnixMilli(), Value: base.Stale()})
}

// Forget notes the target.
func (e *ending) Forget(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.forgotten = append(e.forgotten, id)
}

// ends returns how often each series was ended, with the target's label role.
func (s *store) ends() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := map[string]int{}
	for _, sm := range s.samples {
		if base.IsStale(sm.Value) {
			n[sm.Labels.Name()+" "+sm.Labels.Get("role")]++
		}
	}
	return n
}

func (s *store) clear() {
	s.mu.Lock()
	s.samples = nil
	s.mu.Unlock()
}

func own(role string, more ...string) map[string]int {
	n := map[string]int{"a " + role: 1}
	for _, name := range append(more, "up", "scrape_duration_seconds", "scrape_samples_scraped", "scrape_samples_post_metric_relabeling", "scrape_series_added") {
		n[name+" "+role] = 1
	}
	return n
}

// TestSeriesEnd: of a target that is no longer measured all series end, of one that
// is measured otherwise only those that get other labels.
func TestSeriesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, st := &ending{}, &store{}
		role := func(role string) base.Target {
			return base.Target{ID: "x", Input: "ending", Labels: map[string]string{"role": role}}
		}
		s, stop := start(t, schedule.Options{Inputs: map[string]input.Input{"ending": in}, Sink: st.take, Interval: 10 * time.Second}, role("old"))
		defer stop()
		want := func(what string, want map[string]int, forgotten ...string) {
			t.Helper()
			after(t, 20*time.Second)
			in.mu.Lock()
			got := in.forgotten
			in.forgotten = nil
			in.mu.Unlock()
			if d := cmp.Diff(want, st.ends()) + cmp.Diff(forgotten, got); d != "" {
				t.Errorf("%s: %s", what, d)
			}
			st.clear()
		}
		set := func(ts ...base.Target) {
			t.Helper()
			if err := s.SetTargets(ts); err != nil {
				t.Fatal(err)
			}
		}
		want("measured", map[string]int{})
		slower := role("old")
		slower.Interval, slower.Options = 15*time.Second, map[string]string{"a": "b"}
		set(slower)
		want("measured otherwise", map[string]int{})
		set(role("new"))
		want("other labels", own("old"))
		s.LeaveOut([]string{"x"}, "for want of memory")
		want("left out", own("new"), "x")
		s.TakeBack([]string{"x"})
		want("taken back", map[string]int{})
		set()
		want("removed", own("new"), "x")
	})
}

// TestChangedWhilePolled: a target that is changed while its poll is under way is
// not polled a second time before that is over, and then at once.
func TestChangedWhilePolled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, st := &ending{}, &store{}
		var hang atomic.Bool
		hang.Store(true)
		in.gather = func(ctx context.Context, _ base.Target, sink input.Sink) error {
			sink.Sample(base.Sample{Labels: base.LabelsFrom("b", nil), Value: base.Stale()})
			if hang.Load() {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		at := func(interval time.Duration, role string) base.Target {
			return base.Target{ID: "x", Input: "ending", Interval: interval, Timeout: 9 * time.Second, Labels: map[string]string{"role": role}}
		}
		s, stop := start(t, schedule.Options{Inputs: map[string]input.Input{"ending": in}, Sink: st.take, SuspicionPolls: -1}, at(10*time.Minute, "old"))
		defer stop()
		after(t, 5*time.Second) // the first poll is under way, and hangs until its deadline
		began := in.times("x")
		for i := range 3 {
			if err := s.SetTargets([]base.Target{at(11*time.Minute, fmt.Sprint("new", i))}); err != nil {
				t.Fatal(err)
			}
			after(t, time.Second)
		}
		hang.Store(false)
		after(t, 10*time.Second)
		times := in.times("x")
		if in.twice {
			t.Error("the target was polled twice at once")
		}
		if len(began) != 1 || len(times) != 2 || times[1].Sub(times[0]) != 9*time.Second {
			t.Errorf("polled at %v, want a second poll at the deadline of the first", times)
		}
		want := own("old", "b") // which a poll said that was let finish
		maps.Copy(want, map[string]int{"b new2": 1})
		if d := cmp.Diff(want, st.ends()); d != "" {
			t.Error(d)
		}
		for _, name := range []string{"up", "b"} {
			for _, sm := range st.samples {
				if sm.Labels.Name() == name && sm.Labels.Get("role") == "old" && !base.IsStale(sm.Value) {
					t.Errorf("a target that was changed writes %s", name)
				}
			}
		}
	})
}

// TestStuckAndChanged: a poll that does not return says up 0 under the new labels.
func TestStuckAndChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, st, free := &fake{}, &store{}, make(chan struct{})
		in.gather = func(context.Context, base.Target, input.Sink) error {
			<-free
			return errors.New("too late")
		}
		tg := target("x")
		s, stop := start(t, schedule.Options{Inputs: map[string]input.Input{"fake": in}, Sink: st.take, Interval: 10 * time.Second, Timeout: time.Second}, tg)
		after(t, 5*time.Second)
		tg.Labels = map[string]string{"target": "y"}
		if err := s.SetTargets([]base.Target{tg}); err != nil {
			t.Fatal(err)
		}
		after(t, time.Minute)
		if got := st.values("up", "y"); len(got) < 5 {
			t.Errorf("up is %v", got)
		}
		close(free)
		stop()
	})
}

// TestFailureOfRemovedTargetEnds: that a target cannot be measured is taken back when
// nobody measures it any more, and not while another writes the same series.
func TestFailureOfRemovedTargetEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, st := &fake{}, &store{}
		in.gather = func(_ context.Context, _ base.Target, sink input.Sink) error {
			sink.Sample(base.Sample{Labels: base.LabelsFrom("faultline_input_failed", map[string]string{"reason": "before"}), Value: 0})
			sink.Sample(base.Sample{Labels: base.LabelsFrom("faultline_input_failed", map[string]string{"reason": "refused"}), Value: 1})
			return errors.New("refused")
		}
		tg := target("x")
		s, stop := start(t, schedule.Options{Inputs: map[string]input.Input{"fake": in}, Sink: st.take, Interval: 10 * time.Second, SuspicionPolls: -1}, tg)
		defer stop()
		last := func() (reason string, value float64) {
			after(t, 20*time.Second)
			for _, sm := range st.samples {
				if sm.Labels.Name() == "faultline_input_failed" && sm.Labels.Get("target") == "x" {
					reason, value = sm.Labels.Get("reason"), sm.Value
				}
			}
			return reason, value
		}
		tg.Interval = 11 * time.Second
		for _, step := range []struct {
			targets []base.Target
			want    float64
		}{{[]base.Target{target("x")}, 1}, {[]base.Target{tg}, 1}, {nil, 0}} {
			if err := s.SetTargets(step.targets); err != nil {
				t.Fatal(err)
			}
			if reason, v := last(); reason != "refused" || v != step.want {
				t.Errorf("targets %v: %s is %v, want %v", step.targets, reason, v, step.want)
			}
		}
	})
}
