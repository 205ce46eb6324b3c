package uplink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/faultline/faultline/agent/link"
	"github.com/faultline/faultline/agent/spool"
	"github.com/faultline/faultline/internal/selfmetric"
	"github.com/faultline/faultline/internal/wire"
)

// Options are an uplink's settings. Spool and Link are required.
type Options struct {
	Spool *spool.Spool
	Link  *link.Client

	Timeout     time.Duration                     // of one request; zero: 5 s, which is also the most
	BatchBytes  int                               // of the spool's records in one request, about; zero: 64 KiB
	MaxSamples  int                               // in one request, about, until the line proves to be fast; zero: 2000
	BacklogRate float64                           // samples per second of backlog; zero: 5000
	SlowRetry   time.Duration                     // wait after a refusal that a person must mend; zero: 30 s
	Reprobe     time.Duration                     // remote write 2.0 is tried again after this; zero: 1 h
	MetricType  func(name string) wire.MetricType // sent with remote write 2.0; zero: wire.TypeByName
	Now         func() time.Time                  // zero: time.Now
	Logger      *slog.Logger                      // zero: discards
	Registerer  selfmetric.Registerer             // gets the uplink's metrics; zero: none
}

func (o *Options) setDefaults() error {
	if o.Spool == nil || o.Link == nil {
		return errors.New("new uplink: a spool and a link are required")
	}
	o.Timeout = min(cmp.Or(o.Timeout, 5*time.Second), 5*time.Second)
	o.BatchBytes = cmp.Or(o.BatchBytes, 64<<10)
	o.MaxSamples = cmp.Or(o.MaxSamples, 2000)
	o.BacklogRate = cmp.Or(o.BacklogRate, 5000)
	o.SlowRetry = cmp.Or(o.SlowRetry, 30*time.Second)
	o.Reprobe = cmp.Or(o.Reprobe, time.Hour)
	if o.Timeout <= 0 || o.BatchBytes <= 0 || o.MaxSamples <= 0 || o.BacklogRate <= 0 || o.SlowRetry <= 0 || o.Reprobe <= 0 {
		return errors.New("new uplink: a setting is negative")
	}
	if o.MetricType == nil {
		o.MetricType = wire.TypeByName
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Uplink drains one spool. Its fields belong to the goroutine of Run.
type Uplink struct {
	opt     Options
	met     *meters
	events  *way
	samples *way
	encoder wire.WriteEncoder
	decoder wire.SampleDecoder // holds what is being sent
	most    int                // samples in the next request, about
	version versionState

	backlogAt       time.Time // when the rate allows the next of the backlog
	held            time.Time // until when the collector asked for patience with it
	backlogRefusals int       // refused records since backlog was last accepted
	ackLogged       time.Time

	accepted atomic.Uint64
}

// Accepted returns how many requests the collector accepted since the start. It
// may be called from any goroutine.
func (u *Uplink) Accepted() uint64 { return u.accepted.Load() }

// New makes an uplink. Run starts it.
func New(opt Options) (*Uplink, error) {
	if err := opt.setDefaults(); err != nil {
		return nil, err
	}
	u := &Uplink{opt: opt, met: newMeters(), most: opt.MaxSamples}
	u.events = &way{name: "events", path: "/api/v1/events"}
	u.samples = &way{name: "samples", path: "/api/v1/write"}
	if opt.Registerer != nil {
		if err := u.met.register(opt.Registerer); err != nil {
			return nil, fmt.Errorf("new uplink: register metrics: %w", err)
		}
	}
	return u, nil
}

// Run drains the spool until ctx ends, then returns nil. What is not known to
// be safe goes back to the spool. It is called once at a time.
func (u *Uplink) Run(ctx context.Context) error {
	defer u.giveBackAll()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		busy := u.round(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if busy {
			continue
		}
		timer.Reset(u.wait())
		select {
		case <-ctx.Done():
			return nil
		case <-u.opt.Spool.Appended():
		case <-timer.C:
		}
	}
}

// giveBackAll returns everything unsure to the spool.
func (u *Uplink) giveBackAll() {
	for _, w := range []*way{u.events, u.samples} {
		u.release(w, func(sent) bool { return true }, u.opt.Spool.Return)
	}
}

// round sends at most one request's worth of each kind: events, then live
// samples and, only when there are none, backlog. It tells whether it sent
// anything, so that there may be more.
func (u *Uplink) round(ctx context.Context) bool {
	busy := false
	if u.ready(u.events) {
		busy = u.sendEvents(ctx)
	}
	if !u.ready(u.samples) || ctx.Err() != nil {
		return busy
	}
	if n, ok := u.sendSamples(ctx, spool.SamplesLive); n > 0 || !ok {
		return busy || ok
	}
	now := u.opt.Now()
	if now.Before(u.backlogAt) {
		return busy
	}
	n, ok := u.sendSamples(ctx, spool.SamplesBacklog)
	u.backlogAt = now.Add(time.Duration(float64(n) / u.opt.BacklogRate * float64(time.Second)))
	if u.backlogRefusals > manyRefusals {
		u.backlogAt = now.Add(u.opt.SlowRetry)
	}
	if u.held.After(u.backlogAt) {
		u.backlogAt = u.held
	}
	return busy || ok && n > 0
}

// ready tells whether a way is not waiting after a failure.
func (u *Uplink) ready(w *way) bool { return !u.opt.Now().Before(w.notBefore) }

// wait returns how long nothing can happen unless something is appended.
func (u *Uplink) wait() time.Duration {
	now := u.opt.Now()
	d := time.Minute
	for _, at := range []time.Time{u.events.notBefore, u.samples.notBefore, u.backlogAt} {
		if at.After(now) {
			d = min(d, at.Sub(now))
		}
	}
	return d
}

// peek takes the next records of a cursor; a failing disk makes the way wait.
func (u *Uplink) peek(w *way, c spool.Cursor) []spool.Record {
	b, err := u.opt.Spool.Peek(c, u.opt.BatchBytes)
	if err != nil {
		u.pause(w, err, 0)
		return nil
	}
	return b.Records
}

// quarantine puts a record aside that nobody will take.
func (u *Uplink) quarantine(r spool.Range, reason string) {
	u.met.quarantined.WithLabelValues(r.Lane.String()).Inc()
	u.opt.Logger.Error("uplink: record put into quarantine", "range", r.String(), "reason", reason)
	if err := u.opt.Spool.Quarantine(r, reason); err != nil {
		u.opt.Logger.Error("uplink: quarantine", "error", err)
	}
}

// ack lets go of a range.
func (u *Uplink) ack(r spool.Range) {
	err := u.opt.Spool.Ack(r)
	if now := u.opt.Now(); err != nil && now.Sub(u.ackLogged) >= time.Minute {
		u.ackLogged = now
		u.opt.Logger.Warn("uplink: acknowledgement not written, a crash would send again", "error", err)
	}
}
