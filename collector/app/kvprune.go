package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/faultline/faultline/collector/effect/ticket/follow"
	"github.com/faultline/faultline/collector/engine"
)

// Marks of memos that were told: they stay while anything asks for them. What asks
// touches them once in toldTouch, so that one untouched for toldKeep is asked for by
// nobody any more.
const (
	toldPrefix = "told/"
	toldTouch  = 30 * 24 * time.Hour
	toldKeep   = 180 * 24 * time.Hour
	// deskKeep is how long the last state of a ticket at a desk outlives its
	// incident: longer than a closed incident is opened again.
	deskKeep = 90 * 24 * time.Hour
)

// marks is where small texts are kept by name; sqlstore.Store is one.
type marks interface {
	KVGet(ctx context.Context, name string) (string, error)
	KVPut(ctx context.Context, name, value string) error
	KVList(ctx context.Context, prefix string) (map[string]string, error)
	KVDelete(ctx context.Context, names ...string) error
	Settled(ctx context.Context, ids []string, before time.Time) ([]string, error)
}

// unless does what is not marked as done, and marks it when it succeeded.
func (a *App) unless(ctx context.Context, mark string, do func() error) error {
	return unless(ctx, a.store, mark, time.Now(), do)
}

func unless(ctx context.Context, kv marks, mark string, now time.Time, do func() error) error {
	kept, err := kv.KVGet(ctx, mark)
	switch {
	case errors.Is(err, engine.ErrNotFound):
		if err := do(); err != nil {
			return fmt.Errorf("%s: %w", mark, err)
		}
	case err != nil:
		return err
	case !old(kept, now.Add(-toldTouch)):
		return nil
	}
	return kv.KVPut(ctx, mark, now.UTC().Format(time.RFC3339))
}

// old tells whether a mark is of before the time; one that is no time is not.
func old(mark string, before time.Time) bool {
	at, err := time.Parse(time.RFC3339, mark)
	return err == nil && at.Before(before)
}

// pruneMarks forgets the marks of memos that nothing asks for any more, and the
// states of tickets whose incidents are long over. Cursors of desks stay: there is
// one for each desk.
func pruneMarks(ctx context.Context, kv marks, now time.Time) error {
	told, err := kv.KVList(ctx, toldPrefix)
	if err != nil {
		return err
	}
	var gone []string
	for name, at := range told {
		if old(at, now.Add(-toldKeep)) {
			gone = append(gone, name)
		}
	}
	states, err := kv.KVList(ctx, follow.KeptPrefix)
	if err != nil {
		return err
	}
	of := map[string][]string{} // names by incident
	for name := range states {
		if id, ok := follow.IncidentOf(name); ok {
			of[id] = append(of[id], name)
		}
	}
	var ids []string
	for id := range of {
		ids = append(ids, id)
	}
	settled, err := kv.Settled(ctx, ids, now.Add(-deskKeep))
	if err != nil {
		return err
	}
	for _, id := range settled {
		gone = append(gone, of[id]...)
	}
	if len(gone) == 0 {
		return nil
	}
	return kv.KVDelete(ctx, gone...)
}
