// Package shelf keeps the mails that people have to look at in a directory, as
// JSON beside the mail itself, and what people did about them. It is for a collector with a data directory of its own; it
// judges nothing.
package shelf

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/faultline/faultline/collector/mailin"
)

// maxQueued bounds the mails that wait for people.
const maxQueued = 5000

// ErrFull says that too many mails wait for people.
var ErrFull = errors.New("too many mails wait for people: look at the queue")

// Shelf keeps mails below a directory. Its methods may be called from several
// goroutines.
type Shelf struct{ dir string }

var _ mailin.Queue = Queue{}

// Open makes the directory.
func Open(dir string) (*Shelf, error) {
	for _, d := range []string{"queue", "handled"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			return nil, fmt.Errorf("mail shelf: %w", err)
		}
	}
	return &Shelf{dir: dir}, nil
}

// Queue returns the mails that wait for people.
func (s *Shelf) Queue() Queue { return Queue{s} }

// Queue is the part of a Shelf that keeps mails.
type Queue struct{ s *Shelf }

// Put implements mailin.Queue.
func (q Queue) Put(_ context.Context, e mailin.Event, raw []byte) error {
	path, err := q.path(e.ID)
	if err != nil {
		return err
	}
	if q.handled(e.ID) {
		return nil
	}
	if _, err := os.Stat(path); err != nil {
		if all, err := filepath.Glob(filepath.Join(q.s.dir, "queue", "*.json")); err == nil && len(all) >= maxQueued {
			return fmt.Errorf("queue mail %s: %w", e.ID, ErrFull)
		}
	}
	b, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("queue mail %s: %w", e.ID, err)
	}
	if err := write(strings.TrimSuffix(path, ".json")+".eml", raw); err != nil {
		return err
	}
	return write(path, b)
}

// List returns the mails that wait, oldest first.
func (q Queue) List(context.Context) ([]mailin.Event, error) {
	all, err := filepath.Glob(filepath.Join(q.s.dir, "queue", "*.json"))
	if err != nil {
		return nil, fmt.Errorf("mail queue: %w", err)
	}
	var out []mailin.Event
	for _, path := range all {
		var e mailin.Event
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // done meanwhile
		}
		if err == nil {
			err = json.Unmarshal(b, &e)
		}
		if err != nil {
			return nil, fmt.Errorf("mail queue %s: %w", filepath.Base(path), err)
		}
		if q.handled(e.ID) {
			continue
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b mailin.Event) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	return out, nil
}

// Raw returns the mail itself.
func (q Queue) Raw(_ context.Context, id string) ([]byte, error) {
	path, err := q.path(id)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(strings.TrimSuffix(path, ".json") + ".eml")
	if err != nil {
		return nil, fmt.Errorf("queued mail %s: %w", id, err)
	}
	return b, nil
}

// Done takes a mail out of the queue; one that is not there is no error.
func (q Queue) Done(_ context.Context, id string) error {
	path, err := q.path(id)
	if err != nil {
		return err
	}
	for _, p := range []string{path, strings.TrimSuffix(path, ".json") + ".eml"} {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("queued mail %s: %w", id, err)
		}
	}
	return nil
}

func (q Queue) path(id string) (string, error) {
	if _, err := hex.DecodeString(id); err != nil || id == "" {
		return "", fmt.Errorf("queued mail %q: not the name of one: %w", id, fs.ErrNotExist)
	}
	return filepath.Join(q.s.dir, "queue", id+".json"), nil
}

// write writes a file whole or not at all, and on disk when it returns.
func write(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return nil
}
