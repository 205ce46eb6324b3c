package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Bounds of what is kept: so many that are not over, and those over for so long.
const (
	mostQuiets  = 1000
	quietKept   = 90 * 24 * time.Hour
	longestTime = 366 * 24 * time.Hour
)

// ErrManyQuiets says that no more quiet times are kept.
var ErrManyQuiets = errors.New("the list is full: lift some first")

// quietKey is where the list is kept.
const quietKey = "engine/quiets"

// Keeper keeps a text under a name; KVGet of one that was never put fails with
// ErrNotFound.
type Keeper interface {
	KVGet(ctx context.Context, name string) (string, error)
	KVPut(ctx context.Context, name, value string) error
}

// Quiets are the maintenances, works and silences that were announced. They
// outlive restarts. Methods may be called from several goroutines.
type Quiets struct {
	keeper Keeper

	mu   sync.Mutex // guards list
	list []Quiet
}

// OpenQuiets reads what was announced before.
func OpenQuiets(ctx context.Context, k Keeper) (*Quiets, error) {
	q := &Quiets{keeper: k}
	return q, q.Reload(ctx)
}

// Reload reads the list again, for announcements made at another collector.
func (q *Quiets) Reload(ctx context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.reloadLocked(ctx)
}

func (q *Quiets) reloadLocked(ctx context.Context) error {
	text, err := q.keeper.KVGet(ctx, quietKey)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("read quiet times: %w", err)
	}
	var list []Quiet
	if text != "" {
		if err := json.Unmarshal([]byte(text), &list); err != nil {
			return fmt.Errorf("read quiet times: %w", err)
		}
	}
	q.list = list
	return nil
}

// Announce adds a quiet time, or replaces the one with its ID.
func (q *Quiets) Announce(ctx context.Context, one Quiet, now time.Time) (Quiet, error) {
	if one.ID == "" {
		one.ID = newID()
	}
	if one.From.IsZero() {
		one.From = now
	}
	if err := one.Validate(); err != nil {
		return one, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.reloadLocked(ctx); err != nil {
		return one, err
	}
	next := slices.DeleteFunc(slices.Clone(q.list), func(have Quiet) bool {
		return have.ID == one.ID || !have.Until.IsZero() && now.Sub(have.Until) > quietKept
	})
	if len(next) >= mostQuiets {
		return one, fmt.Errorf("announce %s: %d are announced already: %w", one.Kind, len(next), ErrManyQuiets)
	}
	return one, q.putLocked(ctx, append(next, one))
}

// Lift ends a quiet time now. What is wrong then opens an incident after the
// next check, not by itself.
func (q *Quiets) Lift(ctx context.Context, id string, now time.Time) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.reloadLocked(ctx); err != nil {
		return err
	}
	next := slices.Clone(q.list)
	at := slices.IndexFunc(next, func(have Quiet) bool { return have.ID == id })
	if at < 0 {
		return fmt.Errorf("lift quiet time %s: %w", id, ErrNotFound)
	}
	if !next[at].Until.IsZero() && !now.Before(next[at].Until) {
		return nil
	}
	next[at].Until = now
	if next[at].From.After(now) { // withdrawn before it began
		next[at].From = now
	}
	return q.putLocked(ctx, next)
}

func (q *Quiets) putLocked(ctx context.Context, next []Quiet) error {
	text, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("keep quiet times: %w", err)
	}
	if err := q.keeper.KVPut(ctx, quietKey, string(text)); err != nil {
		return fmt.Errorf("keep quiet times: %w", err)
	}
	q.list = next
	return nil
}

// List returns all that are kept, as announced.
func (q *Quiets) List() []Quiet {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.list)
}

// Around returns those in force and those over lately: what Options.Quiet wants.
func (q *Quiets) Around(now time.Time) []Quiet {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(q.list), func(have Quiet) bool { return !have.active(now) && !have.lifted(now) })
}

// Validate returns everything that is missing or wrong in an announcement.
func (q Quiet) Validate() error {
	var faults []error
	if !slices.Contains([]string{QuietMaintenance, QuietWorks, QuietSilence}, q.Kind) {
		faults = append(faults, fmt.Errorf("kind %q: want maintenance, works or silence", q.Kind))
	}
	if len(q.Subjects) == 0 && len(q.Labels) == 0 {
		faults = append(faults, errors.New("it names nothing: say devices, lines, carriers, sites or labels"))
	}
	if q.Reason == "" || q.By == "" {
		faults = append(faults, errors.New("it needs a reason and who wants it"))
	}
	if !q.Until.IsZero() && !q.Until.After(q.From) || q.Until.Sub(q.From) > longestTime {
		faults = append(faults, errors.New("it must end after it begins, within a year"))
	}
	return errors.Join(faults...)
}
