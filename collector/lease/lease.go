// Package lease decides which collector rules, writes incidents and delivers.
// One row of the relational state names the holder and a generation that grows
// with every take-over; writes carry the generation and are refused when it is
// old. There is no gossip and no election beyond that row. What the holder does
// while it holds the lease is its own affair.
package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Writer is the lease of the one collector that writes incidents.
const Writer = "writer"

// ErrLost is the cause of the end of OnGain's context when the lease was lost
// or could not be renewed in time, as against an orderly stop.
var ErrLost = errors.New("lease lost")

// Store keeps leases. Expiry is judged by the store, so that the collectors'
// clocks need not agree.
type Store interface {
	// AcquireLease takes the lease if it is free, expired or the holder's own, and
	// returns its new generation; ok is false while another collector holds it.
	AcquireLease(ctx context.Context, name, holder string, ttl time.Duration) (generation int64, ok bool, err error)
	// RenewLease extends the lease; ok is false when the generation is not current.
	RenewLease(ctx context.Context, name string, generation int64, ttl time.Duration) (ok bool, err error)
	// ReleaseLease frees the lease at once if the generation is current.
	ReleaseLease(ctx context.Context, name string, generation int64) error
}

// Options configure a Holder. Store and ID are required.
type Options struct {
	Store Store
	ID    string        // of this collector; the same after a restart, different on every node
	Name  string        // of the lease; "" is Writer
	TTL   time.Duration // how long the lease outlives its holder; 0 is 10 s
	Every time.Duration // time between renewals; 0 is 3 s
	// OnGain runs while the lease is held; nil is nothing. Its context ends, with
	// cause ErrLost, a fifth of TTL before another collector can have the lease at
	// the earliest, and the Holder waits for it to return. If it returns by itself
	// before that, Run ends with its error.
	OnGain func(ctx context.Context, generation int64) error
	// OnLoss is called after OnGain has returned; nil is nothing.
	OnLoss     func()
	Logger     *slog.Logger          // nil: slog.Default
	Registerer prometheus.Registerer // nil: none
}

// Holder competes for the lease.
type Holder struct {
	o          Options
	log        *slog.Logger
	held       prometheus.Gauge
	generation prometheus.Gauge
	losses     prometheus.Counter

	mu      sync.Mutex // guards the fields below
	current int64      // 0: not held
}

// New returns a Holder; Run makes it work.
func New(o Options) (*Holder, error) {
	if o.Store == nil || o.ID == "" {
		return nil, errors.New("lease holder: store and id are required")
	}
	if o.Name == "" {
		o.Name = Writer
	}
	if o.TTL == 0 {
		o.TTL = 10 * time.Second
	}
	if o.Every == 0 {
		o.Every = 3 * time.Second
	}
	if o.Every >= o.TTL/2 {
		return nil, fmt.Errorf("lease holder: renewing every %s is too slow for a lease of %s", o.Every, o.TTL)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	h := &Holder{
		o:   o,
		log: o.Logger,
		held: prometheus.NewGauge(prometheus.GaugeOpts{Name: "faultline_lease_held_bool",
			Help: "1 while this collector holds the writer lease."}),
		generation: prometheus.NewGauge(prometheus.GaugeOpts{Name: "faultline_lease_generation_number",
			Help: "Generation of the lease this collector held last."}),
		losses: prometheus.NewCounter(prometheus.CounterOpts{Name: "faultline_lease_losses_total",
			Help: "How often the lease was lost without an orderly stop."}),
	}
	if o.Registerer != nil {
		for _, c := range []prometheus.Collector{h.held, h.generation, h.losses} {
			if err := o.Registerer.Register(c); err != nil {
				return nil, fmt.Errorf("lease holder: %w", err)
			}
		}
	}
	return h, nil
}

// Generation returns the generation held now; ok is false when it is not held.
func (h *Holder) Generation() (generation int64, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.current, h.current != 0
}

// Fence asks the store whether the lease held now is still ours, and extends it:
// whoever does something outside that cannot be taken back asks right before. A
// collector that was frozen past its lease learns it here. It fails with ErrLost.
func (h *Holder) Fence(ctx context.Context) error {
	generation, ok := h.Generation()
	if !ok {
		return ErrLost
	}
	return h.fence(ctx, generation)
}

// fence is Fence for the work of one generation.
func (h *Holder) fence(ctx context.Context, generation int64) error {
	ok, err := h.o.Store.RenewLease(ctx, h.o.Name, generation, h.o.TTL)
	if err != nil {
		return fmt.Errorf("fence %s: %w", h.o.Name, err)
	}
	if !ok {
		return fmt.Errorf("fence %s, generation %d: %w", h.o.Name, generation, ErrLost)
	}
	return nil
}

// Run competes for the lease until ctx ends or OnGain returns by itself, and
// frees it at the end.
func (h *Holder) Run(ctx context.Context) error {
	for {
		begun := time.Now()
		generation, ok := h.acquire(ctx)
		if ok {
			if done, err := h.hold(ctx, generation, begun); done {
				return err
			}
		}
		if !sleep(ctx, h.o.Every) {
			return nil
		}
	}
}

// acquire asks for the lease once.
func (h *Holder) acquire(ctx context.Context) (int64, bool) {
	ctx, cancel := context.WithTimeout(ctx, h.o.Every)
	defer cancel()
	generation, ok, err := h.o.Store.AcquireLease(ctx, h.o.Name, h.o.ID, h.o.TTL)
	if err != nil && !errors.Is(err, context.Canceled) {
		h.log.Warn("lease not acquired", "lease", h.o.Name, "err", err)
	}
	return generation, ok && err == nil
}

// hold runs OnGain and renews until the lease, OnGain or ctx ends. done says
// that Run shall end as well. begun is when the lease was asked for: expiry
// counts from before the question, so that we think it over sooner than the store.
func (h *Holder) hold(ctx context.Context, generation int64, begun time.Time) (done bool, err error) {
	h.set(generation)
	h.log.Info("lease gained", "lease", h.o.Name, "generation", generation)
	work, cancel := context.WithCancelCause(With(ctx, generation, func(ctx context.Context) error { return h.fence(ctx, generation) }))
	defer cancel(nil)
	finished := make(chan error, 1)
	go func() {
		if h.o.OnGain == nil {
			<-work.Done()
			finished <- nil
			return
		}
		finished <- h.o.OnGain(work, generation)
	}()

	lost := h.renew(ctx, generation, begun, finished)
	if lost {
		h.losses.Inc()
		h.log.Error("lease lost, writers stop", "lease", h.o.Name, "generation", generation)
		cancel(ErrLost)
	}
	cancel(nil)
	err = <-finished
	h.set(0)
	if h.o.OnLoss != nil {
		h.o.OnLoss()
	}
	h.release(ctx, generation) // also when lost: the store may hold a lock for us
	if lost {
		return false, nil
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil
	}
	return true, err
}

// renew extends the lease until it is lost (true), or ctx or the work ends
// (false). A finished work's result is put back for hold.
func (h *Holder) renew(ctx context.Context, generation int64, renewed time.Time, finished chan error) (lost bool) {
	margin := h.o.TTL / 5
	wait := h.o.Every
	for {
		deadline := renewed.Add(h.o.TTL - margin)
		select {
		case <-ctx.Done():
			return false
		case err := <-finished:
			finished <- err
			return false
		case <-time.After(min(wait, time.Until(deadline))):
		}
		begun := time.Now()
		if !begun.Before(deadline) {
			return true
		}
		attempt, cancel := context.WithDeadline(ctx, deadline)
		ok, err := h.o.Store.RenewLease(attempt, h.o.Name, generation, h.o.TTL)
		cancel()
		switch {
		case err == nil && !ok:
			return true
		case err == nil:
			renewed, wait = begun, h.o.Every
		case ctx.Err() == nil:
			h.log.Warn("lease not renewed", "lease", h.o.Name, "err", err)
			wait = h.o.Every / 3
		}
	}
}

// release frees the lease, also when ctx has ended.
func (h *Holder) release(ctx context.Context, generation int64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.o.Every)
	defer cancel()
	if err := h.o.Store.ReleaseLease(ctx, h.o.Name, generation); err != nil {
		h.log.Warn("lease not released", "lease", h.o.Name, "err", err)
	}
}

// set records what is held.
func (h *Holder) set(generation int64) {
	h.mu.Lock()
	h.current = generation
	h.mu.Unlock()
	if generation == 0 {
		h.held.Set(0)
		return
	}
	h.held.Set(1)
	h.generation.Set(float64(generation))
}

// sleep waits and tells whether ctx is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
