// Package post tells people one by one: it plans messages with people.Desk,
// keeps them with their states, sends them by a channel and tries again. It runs
// on the holder of the lease; what it writes is fenced. Who is told is decided by
// people.Directory, what is said by package notify; groups have robots (chat).
package post

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/people"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/plugins/notify"
)

// Keep is how long messages stay after their incident's round ended.
const Keep = 90 * 24 * time.Hour

// retryPrefix is where a person's wish to send a message again waits for the
// holder of the lease.
const retryPrefix = "notice-retry/"

// Store keeps messages and small settings.
type Store interface {
	PutNotices(ctx context.Context, generation int64, list []people.Message) error
	DropNotices(ctx context.Context, generation int64, keys []string) error
	// KeptNotices returns all messages, oldest first.
	KeptNotices(ctx context.Context) ([]people.Message, error)
	Incident(ctx context.Context, id string) (incident.Incident, error)
	KVPut(ctx context.Context, name, value string) error
	KVList(ctx context.Context, prefix string) (map[string]string, error)
	KVDelete(ctx context.Context, names ...string) error
}

// Options configure a Post. Store, Directory and Closing are required.
type Options struct {
	Store     Store
	Directory func() *people.Directory
	Channel   notify.Channel // e-mail; nil: messages that only it could take fail, and say why
	Ways      []Way          // what people's channels name besides
	// Closing returns subject and body of the message that it is over.
	Closing func(i incident.Incident) (title, text lang.Text)
	URL     func(incidentID string) string // nil: left out
	// Told is called after messages of an incident changed their state; it must not
	// block. Nil: nobody asks.
	Told       func(incidentID string)
	Now        func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Post tells people. Its methods may be called from several goroutines.
type Post struct {
	o    Options
	m    metrics
	wake chan struct{} // capacity 1
	busy chan struct{} // one element per message on its way

	closing sync.Mutex // guards ended
	ended   map[string]incident.Incident

	mu   sync.Mutex   // guards the fields below
	desk *people.Desk // nil: this collector does not hold the lease
	gen  int64
	bad  bool // the store did not take a change: read it anew before anything else
}

const (
	workers   = 4
	pollEvery = time.Second
	// auditEvery is how often it is looked whether an incident ended unnoticed.
	auditEvery = time.Minute
	sendLimit  = 30 * time.Second
)

// New returns a Post that works between Begin and the end of Run.
func New(o Options) (*Post, error) {
	if o.Store == nil || o.Directory == nil || o.Closing == nil {
		return nil, errors.New("post: store, directory and closing are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	p := &Post{o: o, m: newMetrics(), wake: make(chan struct{}, 1), busy: make(chan struct{}, workers), ended: map[string]incident.Incident{}}
	if o.Registerer != nil {
		if err := p.m.register(o.Registerer); err != nil {
			return nil, fmt.Errorf("post: %w", err)
		}
	}
	return p, nil
}

// Begin reads what is stored, under the lease generation. What was being sent
// when a collector stopped is sent once more and says so (重发), unless nothing of it
// had left.
func (p *Post) Begin(ctx context.Context, generation int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gen = generation
	return p.loadLocked(ctx)
}

func (p *Post) loadLocked(ctx context.Context) error {
	kept, err := p.o.Store.KeptNotices(ctx)
	if err != nil {
		return fmt.Errorf("post: %w", err)
	}
	p.desk, p.bad = people.NewDesk(p.o.Directory().Policy, kept), false
	for _, m := range p.desk.Messages() {
		if m.State == people.MessageMaybe && m.Kind != people.MessageDigest {
			_ = p.desk.Again(m.Key) // refused when it is over: the closing says so
		}
	}
	return p.storeLocked(ctx)
}

// storeLocked writes what changed. When that fails the desk is read anew before
// its next use, since it may know more than the store.
func (p *Post) storeLocked(ctx context.Context) error {
	changed := p.desk.Changed()
	if err := p.o.Store.PutNotices(ctx, p.gen, changed); err != nil {
		p.bad = true
		return fmt.Errorf("post: %w", err)
	}
	if p.o.Told != nil {
		seen := map[string]bool{"": true}
		for _, m := range changed {
			if !seen[m.Incident] {
				seen[m.Incident] = true
				p.o.Told(m.Incident)
			}
		}
	}
	return nil
}

// errIdle says that this collector does not hold the lease.
var errIdle = errors.New("post: this collector does not send now")

// with runs do on the desk and stores what it changed.
func (p *Post) with(ctx context.Context, do func(*people.Desk) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.desk == nil {
		return errIdle
	}
	if p.bad {
		if err := p.loadLocked(ctx); err != nil {
			return err
		}
	}
	return errors.Join(do(p.desk), p.storeLocked(ctx))
}

// Take plans messages about what happened in the incident; nil means they are
// safe. Round and ID of the happening may be left out: the round is the one that
// goes on. Repeats change nothing.
func (p *Post) Take(ctx context.Context, i incident.Incident, h people.Happening, to []people.Told) error {
	err := p.with(ctx, func(k *people.Desk) error {
		if i.State == incident.StateClosed && (began(k, i.ID) || k.Round(i.ID) == 0) {
			p.closeLocked(k, i)
		}
		h.Incident, h.Round = i.ID, k.Round(i.ID)
		if i.State == incident.StateClosed { // too late for news
			h.Round--
		}
		k.Take(h, to)
		return nil
	})
	p.Wake()
	return err
}

// Send plans a message that belongs to no incident; nil means it is safe.
func (p *Post) Send(ctx context.Context, h people.Happening, to []people.Told) error {
	err := p.with(ctx, func(k *people.Desk) error { k.Send(h, to); return nil })
	p.Wake()
	return err
}

// closeLocked ends the incident's round, if one goes on.
func (p *Post) closeLocked(k *people.Desk, i incident.Incident) {
	title, text := p.o.Closing(i)
	k.Take(people.Happening{ID: "closed", Incident: i.ID, Round: k.Round(i.ID), Event: "closed", At: i.ClosedAt, Title: title, Text: text}, nil)
}

// Wake makes Run look at once. It never blocks.
func (p *Post) Wake() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Changed is told of an incident that changed. It never blocks; of those that are
// closed Run tells whoever was told that they began. What it misses the audit
// finds.
func (p *Post) Changed(i incident.Incident) {
	if i.State != incident.StateClosed {
		return
	}
	p.closing.Lock()
	p.ended[i.ID] = i
	p.closing.Unlock()
	p.Wake()
}

// over closes what Changed was told of.
func (p *Post) over(ctx context.Context) error {
	p.closing.Lock()
	list := p.ended
	p.ended = map[string]incident.Incident{}
	p.closing.Unlock()
	var errs []error
	for _, i := range list {
		errs = append(errs, p.closed(ctx, i))
	}
	return errors.Join(errs...)
}

// closed plans the closings of the incident's round.
func (p *Post) closed(ctx context.Context, i incident.Incident) error {
	err := p.with(ctx, func(k *people.Desk) error {
		if began(k, i.ID) {
			p.closeLocked(k, i)
		}
		return nil
	})
	if errors.Is(err, errIdle) {
		return nil
	}
	return err
}

// began tells whether somebody was to be told of the incident's present round.
func began(k *people.Desk, id string) bool {
	for _, going := range k.Going() {
		if going == id {
			return true
		}
	}
	return false
}

// Run sends until ctx ends. Begin has to be called before.
func (p *Post) Run(ctx context.Context) error {
	defer p.end()
	var sending sync.WaitGroup
	defer sending.Wait()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var audited time.Time
	for {
		err := p.round(ctx, &sending)
		if now := p.o.Now(); err == nil && now.Sub(audited) >= auditEvery {
			audited = now
			err = p.audit(ctx)
		}
		switch {
		case errors.Is(err, engine.ErrFenced):
			return fmt.Errorf("post: %w", err)
		case err != nil && ctx.Err() == nil:
			p.m.storeErrors.Inc()
			p.o.Logger.Warn("notices", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-p.wake:
		case <-tick.C:
		}
	}
}

func (p *Post) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.desk = nil
}

// round sends what is due. It is stored as being sent before a worker takes it, for
// all that is due at once, and as begun, one by one, right before it leaves.
func (p *Post) round(ctx context.Context, sending *sync.WaitGroup) error {
	if err := p.over(ctx); err != nil {
		return err
	}
	var due []letter
	err := p.with(ctx, func(k *people.Desk) error {
		d := p.o.Directory()
		for _, m := range k.Due(p.o.Now(), d) {
			due = append(due, p.letter(k, d, m))
		}
		return nil
	})
	if err != nil {
		return err
	}
	for n := range due {
		sending.Go(func() {
			p.busy <- struct{}{}
			defer func() { <-p.busy }()
			p.send(context.WithoutCancel(ctx), due[n])
		})
	}
	return nil
}

// audit ends rounds whose incident is closed, grants people's wishes to send
// again, and forgets what is old.
func (p *Post) audit(ctx context.Context) error {
	var going []string
	if err := p.with(ctx, func(k *people.Desk) error { going = k.Going(); return nil }); err != nil {
		return err
	}
	for _, id := range going {
		i, err := p.o.Store.Incident(ctx, id)
		if errors.Is(err, engine.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if i.State == incident.StateClosed {
			if err := p.closed(ctx, i); err != nil {
				return err
			}
		}
	}
	var old []string
	err := p.with(ctx, func(k *people.Desk) error { old = k.Prune(p.o.Now().Add(-Keep)); return nil })
	if err != nil || len(old) == 0 {
		return err
	}
	p.mu.Lock()
	gen := p.gen
	p.mu.Unlock()
	return p.o.Store.DropNotices(ctx, gen, old)
}

// Ask keeps a person's wish to send a message again; the holder of the lease
// grants it.
func (p *Post) Ask(ctx context.Context, key string) error {
	if err := p.o.Store.KVPut(ctx, retryPrefix+key, "1"); err != nil {
		return err
	}
	p.Wake()
	return nil
}

// Wishes grants what people asked for; call it every few seconds on the holder.
func (p *Post) Wishes(ctx context.Context) error {
	wishes, err := p.o.Store.KVList(ctx, retryPrefix)
	if err != nil || len(wishes) == 0 {
		return err
	}
	var names []string
	err = p.with(ctx, func(k *people.Desk) error {
		for name := range wishes {
			names = append(names, name)
			if err := k.Again(strings.TrimPrefix(name, retryPrefix)); err != nil {
				p.o.Logger.Info("a notice is not sent again", "err", err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	p.Wake()
	return p.o.Store.KVDelete(ctx, names...)
}
