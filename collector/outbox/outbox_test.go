package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/lease"
	"github.com/faultline/faultline/plugins/ticket"
)

// memory is a Store with the rules that storetest holds the real one to, lanes
// left out.
type memory struct {
	mu     sync.Mutex
	gen    int64
	rows   map[string]*Row
	events []incident.Event
	fail   int // so many reports fail
	begun  int // how often something was marked as begun
}

func newMemory(effects ...incident.Effect) *memory {
	m := &memory{gen: 1, rows: map[string]*Row{}}
	for _, f := range effects {
		f.IncidentID = "i1"
		m.rows[f.Key] = &Row{Effect: f, State: Queued, CreatedAt: time.Now(), NextAt: f.NotBefore}
	}
	return m
}

func (m *memory) ClaimEffects(_ context.Context, gen int64, now time.Time, limit int) ([]Row, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if gen != m.gen {
		return nil, engine.ErrFenced
	}
	var out []Row
	for _, key := range slices.Sorted(maps.Keys(m.rows)) {
		r := m.rows[key]
		left := r.State == Sending && r.ClaimedBy < gen
		if len(out) == limit || !left && (r.State != Queued || r.NextAt.After(now)) {
			continue
		}
		r.State, r.ClaimedBy, r.Ambiguous, r.Begun = Sending, gen, r.Ambiguous || left && r.Begun, r.Effect.Kind != Marked
		r.Attempts++
		out = append(out, *r)
	}
	return out, nil
}

func (m *memory) BeginEffect(_ context.Context, key string, gen int64) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.rows[key]
	if r.State != Sending || r.ClaimedBy != gen {
		return false, nil
	}
	m.begun++
	r.Begun = true
	return true, nil
}

func (m *memory) RetryEffect(_ context.Context, x Retry) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.rows[x.Key]
	if r.State != Sending || r.ClaimedBy != x.Generation {
		return false, nil
	}
	r.State, r.NextAt, r.Problem, r.Ambiguous = Queued, x.At, x.Problem, x.Ambiguous
	return true, nil
}

func (m *memory) EffectRow(_ context.Context, key string) (Row, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return *m.rows[key], nil
}

func (m *memory) Incident(_ context.Context, id string) (incident.Incident, error) {
	return incident.Incident{ID: id}, nil
}

func (m *memory) report(_ context.Context, e incident.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail > 0 {
		m.fail--
		return errors.New("database is away")
	}
	m.events = append(m.events, e)
	m.rows[e.Effect.Key].State = Done
	if e.Kind == incident.EffectFailed {
		m.rows[e.Effect.Key].State = Failed
	}
	return nil
}

// reported returns the events so far.
func (m *memory) reported() []incident.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.events)
}

func (m *memory) row(key string) Row {
	r, _ := m.EffectRow(context.Background(), key)
	return r
}

// start runs an outbox in the test's bubble; stop ends it and returns its error.
func start(t *testing.T, m *memory, ex Executor, change ...func(*Options)) (stop func(error) error) {
	t.Helper()
	o := Options{Store: m, Executors: map[string]Executor{"k": ex}, Report: m.report, Logger: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&o)
	}
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx, 1) }()
	return func(cause error) error { cancel(cause); return <-ended }
}

func done(_ context.Context, _ Job) (Outcome, error) {
	return Finish("sent", map[string]string{"ref": "r1"}), nil
}

func TestOutcomeIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(incident.Effect{Key: "i1/1/k", Kind: "k", Step: "reported"}, incident.Effect{Key: "i1/2/other", Kind: "other"})
		m.fail = 3
		stop := start(t, m, Func(done))
		time.Sleep(5 * time.Second)
		if err := stop(nil); err != nil {
			t.Fatal(err)
		}
		got := map[string]incident.Event{}
		for _, e := range m.reported() {
			got[e.ID] = e
		}
		sent, unknown := got["effect/i1/1/k"], got["effect/i1/2/other"]
		if len(m.reported()) != 2 || sent.Kind != incident.EffectDone || sent.Effect.Outcome != "sent" || sent.Effect.Result["ref"] != "r1" ||
			sent.Effect.Step != "reported" || sent.IncidentID != "i1" {
			t.Fatalf("sent: %+v of %d events", sent, len(m.reported()))
		}
		if unknown.Kind != incident.EffectFailed || unknown.Effect.Problem != "no executor for effects of kind other" {
			t.Fatalf("unknown kind: %+v", unknown)
		}
	})
}

func TestAttempts(t *testing.T) {
	retry := errors.New("451 greylisted")
	tests := []struct {
		name    string
		policy  Policy
		errs    []error // of the attempts in turn; then success
		kind    incident.Kind
		tries   int
		problem string
		unsure  []bool // Job.Ambiguous of each attempt
	}{
		{"at once", Policy{}, nil, incident.EffectDone, 1, "", []bool{false}},
		{"after errors", Policy{}, []error{retry, retry}, incident.EffectDone, 3, "", []bool{false, false, false}},
		{"ambiguous stays so", Policy{}, []error{&ticket.Error{Op: "smtp data", Retryable: true, Ambiguous: true, Err: retry}, retry},
			incident.EffectDone, 3, "", []bool{false, true, true}},
		{"cut off is ambiguous", Policy{}, []error{fmt.Errorf("post: %w", context.DeadlineExceeded)}, incident.EffectDone, 2, "", []bool{false, true}},
		{"permanent", Policy{}, []error{&ticket.Error{Op: "smtp rcpt", Err: errors.New("550 no such user")}},
			incident.EffectFailed, 1, "smtp rcpt: 550 no such user", []bool{false}},
		{"too many", Policy{Attempts: 2}, []error{retry, retry, retry}, incident.EffectFailed, 2, "451 greylisted", []bool{false, false}},
		{"too old", Policy{Age: 5 * time.Second, First: 3 * time.Second}, []error{retry, retry, retry, retry}, incident.EffectFailed, 3, "451 greylisted",
			[]bool{false, false, false}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory(incident.Effect{Key: "i1/1/k", Kind: "k"})
				var unsure []bool
				ex := Func(func(_ context.Context, j Job) (Outcome, error) {
					unsure = append(unsure, j.Ambiguous)
					if j.Attempt != len(unsure) {
						t.Errorf("attempt %d is called %d", len(unsure), j.Attempt)
					}
					if len(unsure) <= len(tt.errs) {
						return Outcome{}, tt.errs[len(unsure)-1]
					}
					return Finish("sent", nil), nil
				})
				p := tt.policy
				if p.First == 0 {
					p.First, p.Max = time.Second, time.Minute
				}
				p.Max = max(p.Max, p.First)
				stop := start(t, m, ex, func(o *Options) { o.Policies = map[string]Policy{"k": p} })
				time.Sleep(time.Minute)
				if err := stop(nil); err != nil {
					t.Fatal(err)
				}
				if len(m.reported()) != 1 || m.reported()[0].Kind != tt.kind || m.reported()[0].Effect.Problem != tt.problem {
					t.Fatalf("events %+v, want one %s %q", m.reported(), tt.kind, tt.problem)
				}
				if d := cmp.Diff(unsure, tt.unsure); d != "" || m.row("i1/1/k").Attempts != tt.tries {
					t.Fatalf("%d attempts, ambiguous (-got +want):\n%s", m.row("i1/1/k").Attempts, d)
				}
			})
		})
	}
}

func TestAgainWritesNothingAndEndsWhenCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(incident.Effect{Key: "i1/1/k", Kind: "k"})
		var calls atomic.Int32
		stop := start(t, m, Func(func(context.Context, Job) (Outcome, error) { calls.Add(1); return Again(time.Second), nil }))
		time.Sleep(10*time.Second + time.Millisecond)
		if r := m.row("i1/1/k"); calls.Load() != 11 || r.Attempts != 1 || r.State != Sending {
			t.Fatalf("%d calls, row %+v", calls.Load(), r)
		}
		m.mu.Lock()
		m.rows["i1/1/k"].State = Cancelled
		m.mu.Unlock()
		time.Sleep(10 * time.Second)
		if calls.Load() != 11 || len(m.reported()) != 0 {
			t.Fatalf("%d calls, events %v after cancelling", calls.Load(), m.reported())
		}
		if err := stop(nil); err != nil {
			t.Fatal(err)
		}
	})
}

func TestWakeStartsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		b, err := New(Options{Store: m, Executors: map[string]Executor{"k": Func(done)}, Report: m.report, Poll: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- b.Run(ctx, 1) }()
		synctest.Wait()
		m.mu.Lock()
		m.rows["i1/1/k"] = &Row{Effect: incident.Effect{Key: "i1/1/k", Kind: "k"}, State: Queued}
		m.mu.Unlock()
		b.Wake()
		b.Wake()
		synctest.Wait()
		if len(m.reported()) != 1 {
			t.Fatalf("%d events without time passing", len(m.reported()))
		}
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	})
}

func TestWorkersAndJobsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		for n := range 40 {
			key := fmt.Sprintf("i1/%02d/k", n)
			m.rows[key] = &Row{Effect: incident.Effect{Key: key, Kind: "k"}, State: Queued}
		}
		var mu sync.Mutex
		var running, most int
		ex := Func(func(context.Context, Job) (Outcome, error) {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			running--
			mu.Unlock()
			return Finish("sent", nil), nil
		})
		stop := start(t, m, ex, func(o *Options) { o.Workers, o.Jobs = 3, 10 })
		synctest.Wait()
		claimed := 0
		for key := range m.rows {
			if m.row(key).State == Sending {
				claimed++
			}
		}
		time.Sleep(20 * time.Second)
		if err := stop(nil); err != nil {
			t.Fatal(err)
		}
		if most != 3 || claimed != 10 || len(m.reported()) != 40 {
			t.Fatalf("%d at once, %d claimed, %d done; want 3, 10, 40", most, claimed, len(m.reported()))
		}
	})
}

func TestStop(t *testing.T) {
	tests := []struct {
		name  string
		cause error
		want  string // state of the row afterwards
	}{
		{"orderly stop lets an attempt end", nil, Done},
		{"lost lease cuts it off", lease.ErrLost, Sending},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory(incident.Effect{Key: "i1/1/k", Kind: "k"})
				stop := start(t, m, Func(func(ctx context.Context, _ Job) (Outcome, error) {
					if !sleep(ctx, 2*time.Second) {
						return Outcome{}, ctx.Err()
					}
					return Finish("sent", nil), nil
				}), func(o *Options) {
					if tt.cause != nil { // the new holder has the store
						o.Report = func(context.Context, incident.Event) error { return engine.ErrFenced }
					}
				})
				time.Sleep(time.Second)
				if tt.cause != nil {
					m.mu.Lock()
					m.gen, m.rows["i1/1/k"].ClaimedBy = 2, 2
					m.mu.Unlock()
				}
				if err := stop(tt.cause); err != nil && !errors.Is(err, engine.ErrFenced) {
					t.Fatal(err)
				}
				if r := m.row("i1/1/k"); r.State != tt.want {
					t.Fatalf("row is %s, want %s", r.State, tt.want)
				}
			})
		})
	}
}

func TestFencedRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.gen = 2
		b, err := New(Options{Store: m, Executors: map[string]Executor{"k": Func(done)}, Report: m.report})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Run(t.Context(), 1); !errors.Is(err, engine.ErrFenced) {
			t.Fatalf("got %v, want ErrFenced", err)
		}
	})
}

func TestPause(t *testing.T) {
	p := Policy{First: 2 * time.Second, Max: 30 * time.Second}
	for _, tt := range []struct {
		attempt int
		jitter  float64
		want    time.Duration
	}{{1, 0.5, 2 * time.Second}, {2, 0.5, 4 * time.Second}, {4, 0.5, 16 * time.Second}, {5, 0.5, 30 * time.Second},
		{500, 0.5, 30 * time.Second}, {1, 0, 1600 * time.Millisecond}, {5, 0, 24 * time.Second}} {
		if got := p.pause(tt.attempt, tt.jitter); got != tt.want {
			t.Errorf("pause(%d, %v) = %s, want %s", tt.attempt, tt.jitter, got, tt.want)
		}
	}
}

// away is a system that says when it wants to be asked again.
type away time.Duration

func (a away) Error() string             { return "429" }
func (a away) RetryAfter() time.Duration { return time.Duration(a) }

func TestRetryAfterIsHonoured(t *testing.T) {
	for asked, want := range map[time.Duration]time.Duration{90 * time.Second: 90 * time.Second, 40 * time.Hour: time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			m, begun := newMemory(incident.Effect{Key: "i1/1/k", Kind: "k"}), time.Now()
			var at []time.Duration
			stop := start(t, m, Func(func(context.Context, Job) (Outcome, error) {
				at = append(at, time.Since(begun))
				if len(at) == 1 {
					return Outcome{}, &ticket.Error{Op: "post", Retryable: true, Err: away(asked)}
				}
				return Finish("sent", nil), nil
			}))
			time.Sleep(2 * time.Hour)
			if err := stop(nil); err != nil {
				t.Fatal(err)
			}
			if len(at) != 2 || at[1] < want || at[1] > want+2*time.Second {
				t.Errorf("asked for %s: attempts at %v", asked, at)
			}
		})
	}
}
