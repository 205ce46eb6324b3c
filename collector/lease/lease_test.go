package lease

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fake is a Store with a clock of its own: the bubble's.
type fake struct {
	mu      sync.Mutex
	holder  string
	gen     int64
	expires time.Time
	broken  bool          // every call fails
	slow    time.Duration // every call takes so long
}

func (f *fake) call(ctx context.Context) error {
	f.mu.Lock()
	slow, broken := f.slow, f.broken
	f.mu.Unlock()
	if !sleep(ctx, slow) {
		return ctx.Err()
	}
	if broken {
		return errors.New("database is away")
	}
	return nil
}

func (f *fake) AcquireLease(ctx context.Context, _, holder string, ttl time.Duration) (int64, bool, error) {
	if err := f.call(ctx); err != nil {
		return 0, false, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.holder != "" && f.holder != holder && time.Now().Before(f.expires) {
		return 0, false, nil
	}
	f.gen++
	f.holder, f.expires = holder, time.Now().Add(ttl)
	return f.gen, true, nil
}

func (f *fake) RenewLease(ctx context.Context, _ string, gen int64, ttl time.Duration) (bool, error) {
	if err := f.call(ctx); err != nil {
		return false, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gen != gen {
		return false, nil
	}
	f.expires = time.Now().Add(ttl)
	return true, nil
}

func (f *fake) ReleaseLease(ctx context.Context, _ string, gen int64) error {
	if err := f.call(ctx); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gen == gen {
		f.holder = ""
	}
	return nil
}

func (f *fake) set(change func(*fake)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// node is a Holder and what it did.
type node struct {
	*Holder
	f       *fake
	mu      sync.Mutex
	log     []string
	working bool
	cause   error
	stop    context.CancelFunc
	ended   chan error
}

func run(t *testing.T, f *fake, id string) *node {
	t.Helper()
	n := &node{f: f, ended: make(chan error, 1)}
	var err error
	n.Holder, err = New(Options{Store: f, ID: id, Logger: slog.New(slog.DiscardHandler),
		OnGain: func(ctx context.Context, _ int64) error {
			n.note("gain", true)
			<-ctx.Done()
			f.mu.Lock()
			overlap := f.holder != id && f.holder != ""
			f.mu.Unlock()
			if overlap && errors.Is(context.Cause(ctx), ErrLost) && !f.taken(n) {
				t.Errorf("%s still wrote when %s held the lease", id, f.holder)
			}
			n.mu.Lock()
			n.cause = context.Cause(ctx)
			n.mu.Unlock()
			n.note("stopped", false)
			return ctx.Err()
		},
		OnLoss: func() { n.note("loss", false) }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	n.stop = cancel
	go func() { n.ended <- n.Run(ctx) }()
	return n
}

// taken tells whether the lease was taken away by force, which no margin prevents.
func (f *fake) taken(n *node) bool {
	gen, _ := n.Generation()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.gen != gen
}

func (n *node) note(what string, working bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.log = append(n.log, what)
	n.working = working
}

// seen returns why the work ended last and whether it goes on.
func (n *node) seen() (cause error, working bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cause, n.working
}

func (n *node) holds() bool { _, ok := n.Generation(); return ok }

func (n *node) end(t *testing.T) {
	t.Helper()
	n.stop()
	if err := <-n.ended; err != nil {
		t.Fatal(err)
	}
}

func TestOneHoldsAndHandsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		a := run(t, f, "a")
		synctest.Wait()
		b := run(t, f, "b")
		time.Sleep(time.Minute)
		if !a.holds() || b.holds() {
			t.Fatalf("a holds %v, b %v", a.holds(), b.holds())
		}
		a.end(t) // releases
		time.Sleep(4 * time.Second)
		if gen, ok := b.Generation(); !ok || gen != 2 {
			t.Fatalf("b: generation %d %v", gen, ok)
		}
		b.end(t)
		if got := a.log; len(got) != 3 || got[0] != "gain" || got[1] != "stopped" || got[2] != "loss" {
			t.Fatalf("a did %v", got)
		}
	})
}

func TestDeadHolderIsSucceeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{holder: "dead", gen: 7, expires: time.Now().Add(10 * time.Second)}
		b := run(t, f, "b")
		time.Sleep(9 * time.Second)
		if b.holds() {
			t.Fatal("took a lease that had not expired")
		}
		time.Sleep(4 * time.Second)
		if gen, ok := b.Generation(); !ok || gen != 8 {
			t.Fatalf("generation %d %v, want 8", gen, ok)
		}
		b.end(t)
	})
}

func TestStoreAwayStopsWritersBeforeExpiry(t *testing.T) {
	for _, slow := range []time.Duration{0, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{}
			a := run(t, f, "a")
			time.Sleep(time.Second)
			f.set(func(f *fake) { f.broken, f.slow = true, slow })
			var expires time.Time
			f.set(func(f *fake) { expires = f.expires })
			for a.holds() {
				time.Sleep(100 * time.Millisecond)
			}
			if left := time.Until(expires); left < time.Second {
				t.Fatalf("writers stopped %s before the lease expired", left)
			}
			if cause, working := a.seen(); !errors.Is(cause, ErrLost) || working {
				t.Fatalf("cause %v, working %v", cause, working)
			}
			f.set(func(f *fake) { f.broken, f.slow = false, 0 })
			time.Sleep(time.Minute)
			if !a.holds() {
				t.Fatal("not regained")
			}
			a.end(t)
		})
	}
}

func TestShortOutageIsSurvived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		a := run(t, f, "a")
		for range 5 {
			time.Sleep(10 * time.Second)
			f.set(func(f *fake) { f.broken = true })
			time.Sleep(3500 * time.Millisecond)
			f.set(func(f *fake) { f.broken = false })
		}
		if gen, ok := a.Generation(); !ok || gen != 1 {
			t.Fatalf("generation %d %v, want 1", gen, ok)
		}
		a.end(t)
	})
}

func TestTakenAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		a := run(t, f, "a")
		time.Sleep(time.Second)
		f.set(func(f *fake) { f.gen, f.holder, f.expires = 2, "b", time.Now().Add(10*time.Second) })
		time.Sleep(3 * time.Second)
		if cause, _ := a.seen(); a.holds() || !errors.Is(cause, ErrLost) {
			t.Fatalf("holds %v, cause %v", a.holds(), cause)
		}
		a.end(t)
	})
}

func TestWorkThatEndsEndsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("cannot load rules")
		f := &fake{}
		h, err := New(Options{Store: f, ID: "a", Logger: slog.New(slog.DiscardHandler),
			OnGain: func(context.Context, int64) error { return broken }})
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Run(t.Context()); !errors.Is(err, broken) {
			t.Fatalf("got %v", err)
		}
		if f.holder != "" {
			t.Fatal("lease not released")
		}
	})
}

func TestOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"no store": {ID: "a"},
		"no id":    {Store: &fake{}},
		"too slow": {Store: &fake{}, ID: "a", TTL: 5 * time.Second},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
