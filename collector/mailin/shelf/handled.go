package shelf

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/mailin"
)

// What people did with a mail.
const (
	Filed     = "filed"
	Discarded = "discarded"
)

// Handled is a mail that people have dealt with.
type Handled struct {
	Event   mailin.Event `json:"event"`
	Outcome string       `json:"outcome"` // Filed or Discarded
	By      string       `json:"by"`
	At      time.Time    `json:"at"`
}

// KeepHandled is how long what people did can be taken back; then the mail goes.
const KeepHandled = 30 * 24 * time.Hour

// Event returns a mail that waits, or an error that is fs.ErrNotExist.
func (q Queue) Event(_ context.Context, id string) (mailin.Event, error) {
	path, err := q.path(id)
	if err != nil {
		return mailin.Event{}, err
	}
	var e mailin.Event
	if q.handled(id) {
		return e, fmt.Errorf("queued mail %s: dealt with already: %w", id, fs.ErrNotExist)
	}
	return e, read(path, &e)
}

// Settle takes a mail out of the queue; Back brings it there again. Settling the
// same again changes nothing.
func (q Queue) Settle(_ context.Context, h Handled) error {
	path, err := q.path(h.Event.ID)
	if err != nil {
		return err
	}
	b, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("queued mail %s: %w", h.Event.ID, err)
	}
	// The note first: a mail with a note counts as dealt with, wherever it lies.
	if err := write(q.note(h.Event.ID), b); err != nil {
		return err
	}
	return remove(path)
}

// Handled returns what people dealt with, the newest first.
func (q Queue) Handled(context.Context) ([]Handled, error) {
	all, err := filepath.Glob(q.note("*"))
	if err != nil {
		return nil, fmt.Errorf("mail queue: %w", err)
	}
	var out []Handled
	for _, path := range all {
		var h Handled
		switch err := read(path, &h); {
		case errors.Is(err, fs.ErrNotExist):
			continue // brought back meanwhile
		case err != nil:
			return nil, err
		}
		out = append(out, h)
	}
	slices.SortFunc(out, func(a, b Handled) int { return b.At.Compare(a.At) })
	return out, nil
}

// Settled returns what was done with a mail, or an error that is fs.ErrNotExist.
func (q Queue) Settled(_ context.Context, id string) (Handled, error) {
	if _, err := q.path(id); err != nil {
		return Handled{}, err
	}
	var h Handled
	return h, read(q.note(id), &h)
}

// Back brings a mail that was dealt with into the queue again and returns what
// had been done. A mail that was filed counts the filing, so that another is
// told from it.
func (q Queue) Back(ctx context.Context, id string) (Handled, error) {
	path, err := q.path(id)
	if err != nil {
		return Handled{}, err
	}
	h, err := q.Settled(ctx, id)
	if err != nil {
		return h, err
	}
	e := h.Event
	if h.Outcome == Filed {
		e.Filed++
		e.Match = mailin.Match{} // where it was filed was wrong
	}
	e.FiledBy = ""
	b, err := json.Marshal(e)
	if err != nil {
		return Handled{}, fmt.Errorf("queued mail %s: %w", id, err)
	}
	if err := write(path, b); err != nil {
		return Handled{}, err
	}
	return h, remove(q.note(id))
}

// Prune forgets what was dealt with before.
func (q Queue) Prune(ctx context.Context, before time.Time) error {
	all, err := q.Handled(ctx)
	if err != nil {
		return err
	}
	for _, h := range all {
		if h.At.Before(before) {
			if err := q.Done(ctx, h.Event.ID); err != nil {
				return err
			}
			if err := remove(q.note(h.Event.ID)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (q Queue) handled(id string) bool {
	_, err := os.Stat(q.note(id))
	return err == nil
}

func (q Queue) note(id string) string { return filepath.Join(q.s.dir, "handled", id+".json") }

// read reads a file of JSON.
func read(path string, into any) error {
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		return fmt.Errorf("mail queue %s: %w", strings.TrimSuffix(filepath.Base(path), ".json"), err)
	}
	return nil
}

// remove removes a file; one that is not there is no error.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("mail queue: %w", err)
	}
	return nil
}
