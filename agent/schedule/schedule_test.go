package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/agent/schedule"
	"github.com/faultline/faultline/internal/selfmetric"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// fake is an input whose behaviour a test sets; it notes when it was asked.
type fake struct {
	gather func(ctx context.Context, t base.Target, sink input.Sink) error

	mu     sync.Mutex
	asked  map[string][]time.Time
	inside map[string]int
	twice  bool
}

func (f *fake) Name() string { return "fake" }

func (f *fake) CheckTarget(t base.Target) error {
	if t.Options["bad"] != "" {
		return errors.New("option bad is set")
	}
	return nil
}

func (f *fake) Gather(ctx context.Context, t base.Target, sink input.Sink) error {
	f.mu.Lock()
	if f.asked == nil {
		f.asked, f.inside = map[string][]time.Time{}, map[string]int{}
	}
	f.asked[t.ID] = append(f.asked[t.ID], time.Now())
	f.inside[t.ID]++
	f.twice = f.twice || f.inside[t.ID] > 1
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.inside[t.ID]--
		f.mu.Unlock()
	}()
	if f.gather == nil {
		return nil
	}
	return f.gather(ctx, t, sink)
}

func (f *fake) times(id string) []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.asked[id])
}

// store is a Sink that keeps everything.
type store struct {
	mu      sync.Mutex
	samples []base.Sample
	events  []base.Event
}

func (s *store) take(batch base.Batch, events []base.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.samples = append(s.samples, batch.All()...)
	s.events = append(s.events, events...)
}

// values returns the samples of one series name for one target.
func (s *store) values(name, target string) []float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var vs []float64
	for _, sm := range s.samples {
		if sm.Labels.Name() == name && sm.Labels.Get("target") == target {
			vs = append(vs, sm.Value)
		}
	}
	return vs
}

func target(id string) base.Target {
	return base.Target{ID: id, Input: "fake", Labels: map[string]string{"target": id}}
}

// start runs a scheduler inside the test's bubble until the test ends it.
func start(t *testing.T, o schedule.Options, targets ...base.Target) (*schedule.Scheduler, func()) {
	t.Helper()
	s, err := schedule.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetTargets(targets); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return s, func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	}
}

func after(t *testing.T, d time.Duration) {
	t.Helper()
	<-time.After(d)
	synctest.Wait()
}

func TestBeatIsStableAndSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, st := &fake{}, &store{}
		var targets []base.Target
		for i := range 2000 {
			targets = append(targets, target(fmt.Sprint("t", i)))
		}
		_, stop := start(t, schedule.Options{Inputs: map[string]input.Input{"fake": in}, Sink: st.take, Interval: 10 * time.Second}, targets...)
		after(t, 61*time.Second)
		stop()
		seconds, moments := map[int64]int{}, map[int64]bool{}
		for _, tg := range targets {
			times := in.times(tg.ID)
			if len(times) < 6 {
				t.Fatalf("%s polled %d times in a minute", tg.ID, len(times))
			}
			for i := 2; i < len(times); i++ { // the first may come sooner than the beat
				if d := times[i].Sub(times[i-1]); d != 10*time.Second {
					t.Fatalf("%s polled %v after the last time, want 10s", tg.ID, d)
				}
			}
			seconds[times[2].UnixNano()%int64(10*time.Second)/int64(time.Second)]++
			moments[times[2].UnixNano()%int64(10*time.Second)] = true
		}
		if len(moments) != 20 {
			t.Errorf("polls begin at %d moments of the interval, want them together at 20", len(moments))
		}
		for s, n := range seconds {
			if n < 140 || n > 260 {
				t.Errorf("%d of 2000 targets polled in second %d of the interval, want about 200", n, s)
			}
		}
	})
}

func TestLabelsAndOwnSeries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := &fake{gather: func(_ context.Context, _ base.Target, sink input.Sink) error {
			sink.Sample(base.Sample{Labels: base.LabelsFrom("m", map[string]string{"site": "own", "x": "1"}), Time: 7, Value: 3})
			sink.Event(base.Event{Kind: base.EventRestart})
			return nil
		}}
		st := &store{}
		tg := base.Target{ID: "a", Input: "fake", Labels: map[string]string{"site": "b1", "device": "d", "job": "snmp"}}
		_, stop := start(t, schedule.Options{Inputs: map[string]input.Input{"fake": in}, Sink: st.take, Agent: "ag", NewID: func() string { return "id" }}, tg)
		after(t, 6*time.Second)
		stop()
		want := base.LabelsFrom("m", map[string]string{"site": "own", "x": "1", "device": "d", "job": "snmp"})
		if d := cmp.Diff(base.Sample{Labels: want, Time: 7, Value: 3}, st.samples[0]); d != "" {
			t.Errorf("sample (-want +got):\n%s", d)
		}
		got := map[string]float64{}
		for _, sm := range st.samples[1:6] {
			got[sm.Labels.Name()] = sm.Value
			if sm.Labels.Get("site") != "b1" || sm.Labels.Get("device") != "d" {
				t.Errorf("%v lacks the target's labels", sm.Labels)
			}
		}
		wantOwn := map[string]float64{"up": 1, "scrape_duration_seconds": 0, "scrape_samples_scraped": 1, "scrape_samples_post_metric_relabeling": 1, "scrape_series_added": 1}
		if d := cmp.Diff(wantOwn, got); d != "" {
			t.Errorf("own series (-want +got):\n%s", d)
		}
		e := st.events[0]
		if e.ID != "id" || e.Agent != "ag" || e.Site != "b1" || e.Device != "d" || e.At.IsZero() {
			t.Errorf("event not completed: %+v", e)
		}
	})
}

func TestOutcomes(t *testing.T) {
	tests := []struct {
		name   string
		gather func(ctx context.Context, t base.Target, sink input.Sink) error
		up     float64
		err    string
	}{
		{"answers", func(context.Context, base.Target, input.Sink) error { return nil }, 1, ""},
		{"answers in part", func(context.Context, base.Target, input.Sink) error {
			return fmt.Errorf("walk: %w", input.Partial{Err: errors.New("tooBig")})
		}, 1, "tooBig"},
		{"is silent", func(ctx context.Context, _ base.Target, _ input.Sink) error { <-ctx.Done(); return ctx.Err() }, 0, "deadline"},
		{"panics", func(context.Context, base.Target, input.Sink) error { panic("boom") }, 0, "panic: boom"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := &store{}
				s, stop := start(t, schedule.Options{Inputs: map[string]input.Input{"fake": &fake{gather: tt.gather}}, Sink: st.take, Timeout: 2 * time.Second}, target("a"))
				after(t, 8*time.Second)
				status := s.Status()[0]
				stop()
				if up := st.values("up", "a"); len(up) == 0 || up[0] != tt.up {
					t.Errorf("up is %v, want %v", up, tt.up)
				}
				if !strings.Contains(status.Error, tt.err) || (tt.err == "") != (status.Error == "") {
					t.Errorf("status error %q, want %q", status.Error, tt.err)
				}
			})
		})
	}
}

func TestSkipIfRunningAndStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		in := &fake{gather: func(context.Context, base.Target, input.Sink) error { <-release; return nil }} // minds no deadline
		st, reg := &store{}, selfmetric.NewRegistry()
		_, stop := start(t, schedule.Options{Inputs: map[string]input.Input{"fake": in}, Sink: st.take, Interval: 5 * time.Second, Timeout: 3 * time.Second, Registerer: reg}, target("a"))
		after(t, 31*time.Second)
		if n := len(in.times("a")); n != 1 {
			t.Errorf("polled %d times while the first poll hangs", n)
		}
		if up := st.values("up", "a"); len(up) < 4 || slices.Max(up) != 0 {
			t.Errorf("up of a hanging poll is %v, want zeros", up)
		}
		if text := string(reg.Text()); strings.Count(text, "\nfaultline_schedule_skipped_total{") != 1 {
			t.Errorf("skipped beats are not counted:\n%s", text)
		}
		close(release)
		stop()
	})
}

func TestSuspicion(t *testing.T) {
	const interval = 30 * time.Second
	tests := []struct {
		name     string
		failures int // in a row, after two good polls
		want     int // quick polls after the first failure
	}{
		{"one lost poll", 1, 1},
		{"three lost polls", 3, 3},
		{"outage", 1000, 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				in := &fake{gather: func(context.Context, base.Target, input.Sink) error {
					if n++; n > 2 && n <= 2+tt.failures {
						return errors.New("silent")
					}
					return nil
				}}
				st := &store{}
				_, stop := start(t, schedule.Options{Inputs: map[string]input.Input{"fake": in}, Sink: st.take, Interval: interval}, target("a"))
				after(t, 4*interval)
				stop()
				quick := 0
				times := in.times("a")
				for i := 3; i < len(times); i++ {
					if times[i].Sub(times[i-1]) == time.Second {
						quick++
					}
				}
				if quick != tt.want {
					t.Errorf("%d quick polls, want %d", quick, tt.want)
				}
			})
		})
	}
}

func TestProbeSuccessIsHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		in := &fake{gather: func(_ context.Context, _ base.Target, sink input.Sink) error {
			n++
			v := 1.0
			if n == 2 {
				v = 0
			}
			sink.Sample(base.Sample{Labels: base.LabelsFrom("probe_success", nil), Value: v})
			return nil
		}}
		st := &store{}
		_, stop := start(t, schedule.Options{Inputs: map[string]input.Input{"fake": in}, Sink: st.take, Interval: 20 * time.Second}, target("a"))
		after(t, 41*time.Second)
		stop()
		times := in.times("a")
		if d := times[2].Sub(times[1]); d != time.Second {
			t.Errorf("polled again %v after probe_success 0, want 1s", d)
		}
		if up := st.values("up", "a"); slices.Min(up) != 1 {
			t.Errorf("up is %v: a failed probe is no failure of the poll", up)
		}
	})
}

func TestEjection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := &fake{gather: func(context.Context, base.Target, input.Sink) error { return errors.New("silent") }}
		st := &store{}
		_, stop := start(t, schedule.Options{Inputs: map[string]input.Input{"fake": in}, Sink: st.take, Interval: 5 * time.Second, EjectAfter: 3, EjectInterval: time.Minute}, target("a"))
		after(t, 5*time.Minute)
		stop()
		if n := len(in.times("a")); n < 6 || n > 8 {
			t.Errorf("a dead target was polled %d times in 5 minutes, want 3 and then once a minute", n)
		}
	})
}

func TestSetTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, st := &fake{}, &store{}
		s, stop := start(t, schedule.Options{Inputs: map[string]input.Input{"fake": in}, Sink: st.take, Interval: 10 * time.Second}, target("keeps"), target("leaves"))
		after(t, 25*time.Second)
		bad := target("refused")
		bad.Options = map[string]string{"bad": "yes"}
		err := s.SetTargets([]base.Target{target("keeps"), target("new"), target("new"), bad, {ID: "x", Input: "none"}, {Input: "fake"}})
		for _, want := range []string{"target new: id is there twice", "target refused: option bad", `target x: no input "none"; there are fake`, "no id"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error lacks %q: %v", want, err)
			}
		}
		left := len(in.times("leaves"))
		after(t, 30*time.Second)
		stop()
		if n := len(in.times("leaves")); n != left {
			t.Error("a target that left is still polled")
		}
		if len(in.times("new")) == 0 || len(in.times("refused")) != 0 {
			t.Error("new targets are not taken or refused ones are polled")
		}
		times := in.times("keeps")
		for i := 2; i < len(times); i++ {
			if d := times[i].Sub(times[i-1]); d != 10*time.Second {
				t.Errorf("a target that stayed was disturbed: %v between polls", d)
			}
		}
	})
}

func TestRemovedTargetSaysNothingMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := &fake{gather: func(ctx context.Context, _ base.Target, _ input.Sink) error { <-ctx.Done(); return ctx.Err() }}
		st := &store{}
		s, stop := start(t, schedule.Options{Inputs: map[string]input.Input{"fake": in}, Sink: st.take, Timeout: 10 * time.Second}, target("a"))
		after(t, 6*time.Second)
		if err := s.SetTargets(nil); err != nil {
			t.Fatal(err)
		}
		after(t, 20*time.Second)
		stop()
		if up := st.values("up", "a"); len(up) != 0 {
			t.Errorf("a removed target gave up %v", up)
		}
	})
}

func TestCheckNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := &fake{gather: func(ctx context.Context, tg base.Target, _ input.Sink) error {
			select {
			case <-time.After(2 * time.Second):
			case <-ctx.Done():
			}
			return nil
		}}
		st := &store{}
		s, stop := start(t, schedule.Options{Inputs: map[string]input.Input{"fake": in}, Sink: st.take, Interval: time.Hour, Timeout: 10 * time.Second}, target("a"), target("b"))
		after(t, 10*time.Second)
		begin := time.Now()
		if err := s.CheckNow(t.Context(), []string{"a", "b"}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took != 2*time.Second {
			t.Errorf("check took %v, want 2s", took)
		}
		if n := len(st.values("up", "a")); n != 2 {
			t.Errorf("samples are not in the sink when CheckNow returns: %d", n)
		}
		// A poll that is under way already does not count: a fresh one follows it.
		first := make(chan error, 1)
		go func() { first <- s.CheckNow(t.Context(), []string{"a"}) }()
		after(t, time.Second)
		begin = time.Now()
		err := s.CheckNow(t.Context(), []string{"a", "ghost"})
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("check during a poll took %v, want 3s", took)
		}
		if err == nil || !strings.Contains(err.Error(), "ghost") {
			t.Errorf("unknown target is not named: %v", err)
		}
		if err := <-first; err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.CheckNow(ctx, []string{"b"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("check beyond its deadline returned %v", err)
		}
		stop()
		if in.twice {
			t.Error("a target was polled twice at once")
		}
		if err := s.CheckNow(t.Context(), []string{"a"}); err == nil {
			t.Error("check after the end returned nil")
		}
	})
}

func TestConcurrencyBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		now, most := 0, 0
		in := &fake{gather: func(ctx context.Context, _ base.Target, _ input.Sink) error {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			<-time.After(time.Second)
			mu.Lock()
			now--
			mu.Unlock()
			return nil
		}}
		st := &store{}
		var targets []base.Target
		for i := range 50 {
			targets = append(targets, target(fmt.Sprint(i)))
		}
		_, stop := start(t, schedule.Options{Inputs: map[string]input.Input{"fake": in}, Sink: st.take, Interval: 20 * time.Second, Concurrency: 4}, targets...)
		after(t, 25*time.Second)
		stop()
		if most != 4 {
			t.Errorf("%d polls at once, want 4", most)
		}
		for _, tg := range targets {
			if len(in.times(tg.ID)) == 0 {
				t.Errorf("%s was never polled", tg.ID)
			}
		}
	})
}

func TestBoundOfOnePoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := &fake{gather: func(_ context.Context, _ base.Target, sink input.Sink) error {
			for i := range 10 {
				sink.Sample(base.Sample{Labels: base.LabelsFrom("m", map[string]string{"i": fmt.Sprint(i)})})
			}
			return nil
		}}
		st := &store{}
		_, stop := start(t, schedule.Options{Inputs: map[string]input.Input{"fake": in}, Sink: st.take, MaxSamples: 4}, target("a"))
		after(t, 6*time.Second)
		stop()
		if n := len(st.values("m", "a")); n != 4 {
			t.Errorf("%d samples kept, want 4", n)
		}
		if v := st.values("scrape_samples_scraped", "a"); v[0] != 10 {
			t.Errorf("scrape_samples_scraped %v, want 10", v[0])
		}
	})
}

func BenchmarkSample(b *testing.B) {
	labels := make([]base.Labels, 600)
	for i := range labels {
		labels[i] = base.LabelsFrom("node_cpu_seconds_total", map[string]string{"cpu": fmt.Sprint(i), "mode": "idle"})
	}
	in := &fake{gather: func(_ context.Context, _ base.Target, sink input.Sink) error {
		for _, ls := range labels {
			sink.Sample(base.Sample{Labels: ls, Value: 1})
		}
		return nil
	}}
	s, err := schedule.New(schedule.Options{Inputs: map[string]input.Input{"fake": in}, Sink: func(base.Batch, []base.Event) {}, Interval: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.SetTargets([]base.Target{target("a")}); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	for s.CheckNow(ctx, []string{"a"}) != nil {
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.CheckNow(ctx, []string{"a"}); err != nil {
			b.Fatal(err)
		}
	}
	cancel()
	<-done
}
