package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/lease"
)

// Options configure an Outbox. Store, Executors and Report are required.
type Options struct {
	Store     Store
	Executors map[string]Executor // by effect kind
	Policies  map[string]Policy   // nil: Policies()
	// Report hands an EffectDone or EffectFailed event to the engine, which commits
	// it together with the end of the effect's row. It is called again until it
	// returns nil; the event's ID makes repeats harmless.
	Report     func(ctx context.Context, e incident.Event) error
	Workers    int           // attempts at once; 0 is 8
	Jobs       int           // effects at once, those that pause between attempts included; 0 is 512
	Poll       time.Duration // how often the store is asked without a Wake; 0 is 1 s
	Grace      time.Duration // time for attempts under way at an orderly stop; 0 is 5 s
	Now        func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Outbox carries out effects while its collector holds the lease.
type Outbox struct {
	o       Options
	log     *slog.Logger
	m       *metrics
	wake    chan struct{} // capacity 1
	working chan struct{} // one element per attempt under way

	mu     sync.Mutex // guards the fields below
	inHand int
}

// New returns an Outbox; Run makes it work.
func New(o Options) (*Outbox, error) {
	if o.Store == nil || o.Report == nil || len(o.Executors) == 0 {
		return nil, errors.New("outbox: store, executors and report are required")
	}
	if o.Policies == nil {
		o.Policies = Policies()
	}
	if o.Workers == 0 {
		o.Workers = 8
	}
	if o.Jobs == 0 {
		o.Jobs = 512
	}
	if o.Poll == 0 {
		o.Poll = time.Second
	}
	if o.Grace == 0 {
		o.Grace = 5 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	b := &Outbox{o: o, log: o.Logger, m: newMetrics(), wake: make(chan struct{}, 1), working: make(chan struct{}, o.Workers)}
	if o.Registerer != nil {
		if err := b.m.register(o.Registerer); err != nil {
			return nil, fmt.Errorf("outbox: %w", err)
		}
	}
	return b, nil
}

// Wake makes Run look at once: call it after a commit with effects. It never blocks.
func (b *Outbox) Wake() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Run carries out effects under the lease generation until ctx ends, and
// returns when all attempts have ended. If ctx ends with cause lease.ErrLost
// they are cut off at once, otherwise they have Options.Grace. It returns
// engine.ErrFenced when the generation is not current any more.
func (b *Outbox) Run(ctx context.Context, generation int64) error {
	var jobs sync.WaitGroup
	defer jobs.Wait()
	attempts, cancel := b.outlive(ctx)
	defer cancel()
	tick := time.NewTicker(b.o.Poll)
	defer tick.Stop()
	for {
		if err := b.claim(ctx, attempts, generation, &jobs); err != nil {
			if errors.Is(err, engine.ErrFenced) {
				cancel()
				return fmt.Errorf("outbox: %w", err)
			}
			if ctx.Err() == nil {
				b.log.Warn("effects not claimed", "err", err)
				b.m.storeErrors.Inc()
			}
		}
		select {
		case <-ctx.Done():
			jobs.Wait()
			return nil
		case <-b.wake:
		case <-tick.C:
		}
	}
}

// outlive returns the context of attempts: it ends a grace after ctx, or with
// it when the lease was lost.
func (b *Outbox) outlive(ctx context.Context) (context.Context, context.CancelFunc) {
	attempts, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if !errors.Is(context.Cause(ctx), lease.ErrLost) {
			sleep(attempts, b.o.Grace)
		}
		cancel()
	})
	return attempts, func() { stop(); cancel() }
}

// claim starts a goroutine for every effect that is due.
func (b *Outbox) claim(ctx, attempts context.Context, generation int64, jobs *sync.WaitGroup) error {
	b.mu.Lock()
	room := b.o.Jobs - b.inHand
	b.mu.Unlock()
	if room <= 0 {
		b.m.full.Inc()
		return nil
	}
	rows, err := b.o.Store.ClaimEffects(ctx, generation, b.o.Now(), room)
	if err != nil {
		return err
	}
	b.add(len(rows))
	for _, row := range rows {
		jobs.Go(func() {
			defer b.Wake() // the next of its lane may be due now
			defer b.add(-1)
			b.carryOut(ctx, attempts, row)
		})
	}
	return nil
}

func (b *Outbox) add(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inHand += n
	b.m.inHand.Set(float64(b.inHand))
}

// carryOut executes one claimed effect until it is over or put back. ctx says
// whether to go on, attempts whether an attempt under way may.
func (b *Outbox) carryOut(ctx, attempts context.Context, row Row) {
	for {
		out, err := b.attempt(ctx, attempts, &row)
		switch {
		case errors.Is(err, errStopped), errors.Is(err, lease.ErrLost):
			return // stays claimed: the next holder finds it
		case err != nil:
			b.failed(attempts, row, err)
			return
		case out.again == 0:
			b.report(attempts, row, b.outcome(row, out))
			return
		}
		if !sleep(ctx, out.again) {
			return
		}
		// Long-running effects are not written each time: look whether it is still wanted.
		now, err := b.o.Store.EffectRow(ctx, row.Effect.Key)
		if err != nil && ctx.Err() == nil {
			b.log.Warn("effect not read", "effect", row.Effect.Key, "err", err)
			continue
		}
		if now.State != Sending || now.ClaimedBy != row.ClaimedBy {
			return
		}
	}
}

// errStopped says that no attempt was made because the outbox stops.
var errStopped = errors.New("outbox stops")

// attempt executes once, when there is a free worker, and sets whether the row has
// begun.
func (b *Outbox) attempt(ctx, attempts context.Context, row *Row) (Outcome, error) {
	select {
	case b.working <- struct{}{}:
		defer func() { <-b.working }()
	case <-ctx.Done():
		return Outcome{}, errStopped
	}
	if ctx.Err() != nil {
		return Outcome{}, errStopped
	}
	ex, ok := b.o.Executors[row.Effect.Kind]
	if !ok {
		return Fail("no executor for effects of kind " + row.Effect.Kind), nil
	}
	i, err := b.o.Store.Incident(ctx, row.Effect.IncidentID)
	if err != nil {
		return Outcome{}, err
	}
	// A collector that was frozen since it claimed the row is fenced here: another
	// one may have carried it out.
	now, err := b.o.Store.EffectRow(ctx, row.Effect.Key)
	if err != nil {
		return Outcome{}, err
	}
	if now.State != Sending || now.ClaimedBy != row.ClaimedBy {
		return Outcome{}, errStopped
	}
	limited, cancel := context.WithTimeout(attempts, b.policy(*row).Timeout)
	defer cancel()
	started := time.Now()
	marked, begun := lease.WithMark(limited, func(ctx context.Context) error { return b.begin(ctx, *row) })
	out, err := ex.Execute(marked, Job{Effect: row.Effect, Incident: i, Attempt: row.Attempts, Ambiguous: row.Ambiguous})
	b.m.attempts.WithLabelValues(row.Effect.Kind, result(out, err)).Inc()
	b.m.seconds.WithLabelValues(row.Effect.Kind).Observe(time.Since(started).Seconds())
	row.Begun = row.Begun || begun()
	return out, err
}

// begin keeps that the row's attempt begins what cannot be taken back.
func (b *Outbox) begin(ctx context.Context, row Row) error {
	if row.Begun {
		return nil
	}
	ours, err := b.o.Store.BeginEffect(ctx, row.Effect.Key, row.ClaimedBy)
	if err == nil && !ours {
		return errStopped // another collector has it, or it was cancelled
	}
	return err
}

// failed gives the effect up or puts it back after a failed attempt.
func (b *Outbox) failed(attempts context.Context, row Row, err error) {
	p := b.policy(row)
	now := b.o.Now()
	final, ambiguous := judge(err)
	log := b.log.With("effect", row.Effect.Key, "attempt", row.Attempts, "err", err)
	if final || p.spent(row.Attempts, now.Sub(row.CreatedAt)) {
		log.Error("effect given up")
		b.report(attempts, row, b.outcome(row, Fail(err.Error())))
		return
	}
	pause := p.pause(row.Attempts, rand.Float64())
	if asked := askedPause(err); asked > 0 {
		pause = asked
	}
	log.Warn("effect failed, will be tried again", "in", pause)
	// Recorded also while stopping, but not for ever: the row stays claimed then,
	// and the next holder takes it for ambiguous.
	r := Retry{Key: row.Effect.Key, Generation: row.ClaimedBy, At: now.Add(pause), Problem: err.Error(), Ambiguous: row.Ambiguous || ambiguous && row.Begun}
	b.insist(attempts, "put back", row, func(ctx context.Context) error {
		_, err := b.o.Store.RetryEffect(ctx, r)
		return err
	})
}

// outcome is the event that an outcome becomes.
func (b *Outbox) outcome(row Row, out Outcome) incident.Event {
	f := row.Effect
	f.Repeat = out.repeat
	e := incident.Event{IncidentID: f.IncidentID, ID: "effect/" + f.Key, At: b.o.Now(), Kind: incident.EffectDone, Actor: incident.System, Effect: &f}
	if out.failed {
		e.Kind, f.Problem = incident.EffectFailed, out.word
		b.m.ended.WithLabelValues(f.Kind, Failed).Inc()
		return e
	}
	f.Outcome, f.Result = out.word, out.result
	b.m.ended.WithLabelValues(f.Kind, Done).Inc()
	return e
}

// report hands the event to the engine until it is committed.
func (b *Outbox) report(ctx context.Context, row Row, e incident.Event) {
	b.insist(ctx, "report", row, func(ctx context.Context) error { return b.o.Report(ctx, e) })
}

// insist repeats what must not be left undone, until it succeeds, ctx ends or
// the lease turns out to be another's.
func (b *Outbox) insist(ctx context.Context, what string, row Row, do func(context.Context) error) {
	pause := 100 * time.Millisecond
	for {
		err := do(ctx)
		if err == nil || errors.Is(err, engine.ErrFenced) {
			return
		}
		b.m.storeErrors.Inc()
		b.log.Warn("effect: "+what+" failed", "effect", row.Effect.Key, "err", err)
		if !sleep(ctx, pause) {
			return
		}
		pause = min(2*pause, 5*time.Second)
	}
}

// policy returns the policy of the row's kind.
func (b *Outbox) policy(row Row) Policy {
	p, ok := b.o.Policies[row.Effect.Kind]
	if !ok {
		p = b.o.Policies[""]
	}
	if p.Timeout == 0 {
		p.Timeout = 30 * time.Second
	}
	return p
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
