// Package runner makes a remedy.Runner of work that can be prepared and done: it
// keeps the promise that nothing begun is begun again, by a book on disk, checks
// what orders say, and holds what runs against what was tried. What the work is,
// a playbook or a program, is its own affair.
package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/faultline/faultline/plugins/remedy"
)

// Job is an order that is ready to be carried out.
type Job struct {
	// Pin is a checksum of everything the remedy is made of: what has the same Pin
	// runs alike.
	Pin string
	// Do carries it out and returns when all it started has ended; it ends that when
	// ctx ends. The outcome's Pin is filled in.
	Do func(ctx context.Context, out io.Writer) remedy.Outcome
	// Close drops what the preparation made; nil: nothing. It is called once.
	Close func()
}

// Work is what a runner carries out. Its methods are called from several
// goroutines, Prepare at most once at a time for a key.
type Work interface {
	// Name implements remedy.Runner.
	Name() string
	// Prepare changes nothing yet. An error says that nothing was begun; a Job beside
	// it is closed.
	Prepare(o remedy.Order) (Job, error)
}

// Runner is a remedy.Runner.
type Runner struct {
	work  Work
	limit time.Duration
	book  *book

	mu      sync.Mutex // guards running
	running map[string]bool
}

var _ remedy.Runner = (*Runner)(nil)

var (
	remedyName    = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)
	parameterName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)
)

// maxValue bounds a parameter's value, in bytes.
const maxValue = 4096

// New returns a runner of the work, whose book is the directory dir: it outlives
// restarts, and one process has it. limit is of orders that name none; 0 is 30
// min. Close gives the book free.
func New(dir string, limit time.Duration, work Work) (*Runner, error) {
	if limit == 0 {
		limit = 30 * time.Minute
	}
	b, err := openBook(dir)
	if err != nil {
		return nil, err
	}
	return &Runner{work: work, limit: limit, book: b, running: map[string]bool{}}, nil
}

// Close gives the book free for another Runner.
func (r *Runner) Close() error { return r.book.close() }

// Name implements remedy.Runner.
func (r *Runner) Name() string { return r.work.Name() }

// Find implements remedy.Runner.
func (r *Runner) Find(_ context.Context, key string) (remedy.Outcome, bool, error) {
	o, found, err := r.book.find(key)
	if err != nil {
		return o, false, &remedy.Error{Op: "book", Begun: true, Err: err, Hint: "look at the directory of the setting book"}
	}
	return o, found, nil
}

// Run implements remedy.Runner.
func (r *Runner) Run(ctx context.Context, o remedy.Order, out io.Writer) (remedy.Outcome, error) {
	if err := check(o); err != nil {
		return remedy.Outcome{}, &remedy.Error{Op: "order", Err: err}
	}
	free, err := r.alone(o.Key)
	if err != nil {
		return remedy.Outcome{}, err
	}
	defer free()
	if kept, found, err := r.Find(ctx, o.Key); err != nil || found {
		return again(kept, err)
	}
	job, err := r.prepare(o)
	if err != nil {
		return remedy.Outcome{}, err
	}
	if job.Close != nil {
		defer job.Close()
	}
	if o.Pin != "" && o.Pin != job.Pin {
		return remedy.Outcome{}, &remedy.Error{Op: "order", Hint: "propose it again: its dry run is of what there is no more", Err: errors.New("the remedy or what it needs has changed since its dry run")}
	}
	if err := r.book.begin(o, job.Pin); err != nil {
		return remedy.Outcome{}, &remedy.Error{Op: "book", Err: err, Hint: "look at the directory of the setting book"}
	}
	limit := o.Timeout
	if limit <= 0 {
		limit = r.limit
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	got := job.Do(ctx, out)
	got.Pin = job.Pin
	if err := r.book.end(o.Key, got); err != nil {
		_, _ = fmt.Fprintf(out, "\n[the outcome could not be kept: %v]\n", err)
	}
	return got, nil
}

// prepare makes the order ready; what the work says of an error counts, but that
// nothing was begun.
func (r *Runner) prepare(o remedy.Order) (Job, error) {
	job, err := r.work.Prepare(o)
	if err == nil {
		return job, nil
	}
	if job.Close != nil {
		job.Close()
	}
	known := &remedy.Error{Op: "order", Err: err}
	if own := (*remedy.Error)(nil); errors.As(err, &own) {
		*known = *own
	}
	known.Begun = false
	return Job{}, known
}

// check refuses orders of no form: names become files' names, values go where the
// work puts them.
func check(o remedy.Order) error {
	switch {
	case o.Key == "":
		return errors.New("it has no key")
	case !remedyName.MatchString(o.Remedy):
		return fmt.Errorf("%q is no name of a remedy", o.Remedy)
	}
	for name, value := range o.Parameters {
		switch {
		case !parameterName.MatchString(name):
			return fmt.Errorf("parameter %q: want a word of a-z, 0-9 and _", name)
		case !utf8.ValidString(value) || len(value) > maxValue || strings.ContainsFunc(value, unicode.IsControl):
			return fmt.Errorf("parameter %s: not plain text of at most %d bytes", name, maxValue)
		}
	}
	return nil
}

// alone keeps a second caller with the same key out while the first is at it.
func (r *Runner) alone(key string) (free func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running[key] {
		return nil, &remedy.Error{Op: "order", Begun: true, Err: errors.New("it is being carried out")}
	}
	r.running[key] = true
	return func() {
		r.mu.Lock()
		delete(r.running, key)
		r.mu.Unlock()
	}, nil
}

// again is the answer to an order that was begun before.
func again(kept remedy.Outcome, err error) (remedy.Outcome, error) {
	if err != nil || kept.State != remedy.Begun {
		return kept, err
	}
	return remedy.Outcome{}, &remedy.Error{Op: "order", Begun: true, Err: errors.New("it was begun before, and nobody knows how it ended"), Hint: "look at what it was to change"}
}
