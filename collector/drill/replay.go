package drill

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/faultline/faultline/collector/metricstore"
)

// Bounds of evidence that is played again to be looked at.
const (
	mostReplays = 2
	replayRest  = 10 * time.Minute // what nobody has looked at for as long is closed
)

// ErrReplaying says that a drill's evidence is being played again: what was done
// in the caller's time is kept, and the next who asks goes on from there.
var ErrReplaying = errors.New("the drill's evidence is being played again")

// replays is evidence of drills that are over, or that another collector plays: it
// is a function of the record, so it is kept nowhere and played again when somebody
// looks. Its methods may be called from several goroutines.
type replays struct {
	mu   sync.Mutex // guards the fields below, not what goes on in a replay
	open map[string]*replay
}

// replay is one drill played again.
type replay struct {
	turn chan struct{} // capacity 1: who holds it plays on, asks or closes
	used time.Time     // guarded by replays.mu

	// Owned by who holds turn.
	pl *played // nil: not opened, or closed
}

// of returns the replay of a drill, and makes room for it.
func (x *replays) of(id string, now time.Time) (*replay, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.open == nil {
		x.open = map[string]*replay{}
	}
	if r := x.open[id]; r != nil {
		r.used = now
		return r, nil
	}
	if len(x.open) >= mostReplays {
		oldest := ""
		for k, r := range x.open {
			if oldest == "" || r.used.Before(x.open[oldest].used) {
				oldest = k
			}
		}
		if !x.close1Locked(oldest) {
			return nil, ErrReplaying // all are being played: one at a time
		}
	}
	r := &replay{turn: make(chan struct{}, 1), used: now}
	x.open[id] = r
	return r, nil
}

// close1Locked closes a replay; false: somebody is at it.
func (x *replays) close1Locked(id string) bool {
	r := x.open[id]
	select {
	case r.turn <- struct{}{}:
	default:
		return false
	}
	defer func() { <-r.turn }()
	delete(x.open, id)
	if r.pl != nil {
		_ = errors.Join(r.pl.live.Close(), os.RemoveAll(r.pl.dir)) // a copy, which the next start empties
		r.pl = nil
	}
	return true
}

// Rest closes evidence that nobody looks at any more.
func (d *Desk) Rest(now time.Time) {
	x := &d.again
	x.mu.Lock()
	defer x.mu.Unlock()
	for id, r := range x.open {
		if now.Sub(r.used) > replayRest {
			x.close1Locked(id)
		}
	}
}

// replayed asks the evidence of a drill that is not played here.
func (d *Desk) replayed(ctx context.Context, id, expr string, start, end time.Time, step, lookback time.Duration) ([]metricstore.Series, error) {
	rec, err := d.read(ctx, id)
	var none *Refused
	if errors.As(err, &none) || err == nil && rec.State == Running && d.o.Leads() { // it is opened just now
		return nil, ErrAway
	}
	if err != nil && ctx.Err() != nil {
		return nil, ErrReplaying
	}
	if err != nil {
		return nil, err
	}
	r, err := d.again.of(id, d.o.Now())
	if err != nil {
		return nil, err
	}
	select {
	case r.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ErrReplaying
	}
	defer func() { <-r.turn }()
	if err := d.catchUp(ctx, r, rec); err != nil {
		if ctx.Err() != nil {
			return nil, ErrReplaying
		}
		return nil, err
	}
	return r.pl.live.Range(ctx, expr, start, end, step, lookback)
}

// catchUp plays a replay on to the drill's end, or to the present.
func (d *Desk) catchUp(ctx context.Context, r *replay, rec Record) error {
	if r.pl == nil {
		pl, err := d.openAt(rec, filepath.Join(d.o.Dir, "replay-"+rec.ID))
		if err != nil {
			d.o.Logger.Warn("a drill's evidence cannot be played again", "id", rec.ID, "err", err)
			return fmt.Errorf("%w: %w", ErrAway, err) // the inventory has changed under it
		}
		r.pl = pl
	}
	r.pl.rec = rec
	until := rec.EndedAt
	if rec.State == Running {
		until = d.o.Now().UTC()
	}
	if rec.MendedAt.After(until) {
		r.pl.rec.MendedAt = until
	}
	_, err := d.advance(ctx, r.pl, until)
	return err
}
