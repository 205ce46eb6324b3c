// Package database is the input that asks databases how they are: PostgreSQL 10
// and later, MySQL and MariaDB. The evidence comes in order: the port answers, a
// login succeeds, a query is answered, connections are left, nobody is blocked,
// replication runs; each failure is told apart by the server's own error code.
// Per target there is never more than one connection; it is kept between polls
// so that a database whose connections are used up can still be looked into.
// All queries only read and have time limits of their own. The input judges
// nothing: rules/alerts/databases.yaml does.
package database

import (
	"context"
	"errors"
	"maps"
	"net"
	"sync"
	"time"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// Kinds of the events that this input sends, beside base.EventRestart and
// base.EventChange. They are kept in the timeline; samples carry the judgement.
const (
	EventBlocked     = "database_blocked"        // sessions began to wait for one that holds a lock
	EventReleased    = "database_released"       // they no longer do
	EventSlow        = "database_slow_statement" // a statement has run for longer than slow_after
	EventReplication = "database_replication"    // replication stopped or resumed
)

// Options are the settings of an Input.
type Options struct {
	Now func() time.Time // default time.Now
	// SecretDir is where the files named by password_file and key_file must lie;
	// "" allows any path. Targets come from the collector, files are ours.
	SecretDir string
	// Dial connects; default a net.Dialer's DialContext.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Input asks databases. It keeps one login per target until Close, or until the
// target has not been gathered for a while.
type Input struct {
	opts Options

	mu      sync.Mutex // guards the fields below
	watched map[string]*watched
	closed  bool
}

// New makes an Input.
func New(o Options) *Input {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	return &Input{opts: o, watched: map[string]*watched{}}
}

// Name is "database".
func (in *Input) Name() string { return "database" }

// CheckTarget reports what is wrong with the target's options; files are not
// looked at before they are needed.
func (in *Input) CheckTarget(t base.Target) error {
	_, err := parseSettings(t, in.opts)
	return err
}

// Gather asks one database. Without an answer to a query the error says at what
// it failed; the samples say the same. With an answer, what could not be read is
// an input.Partial.
func (in *Input) Gather(ctx context.Context, t base.Target, sink input.Sink) error {
	w, err := in.watch(t)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.retired {
		return errors.New("database: the input is closed")
	}
	w.idle.Stop()
	defer w.idle.Reset(w.keep)
	return w.gather(ctx, sink)
}

// watch returns what is known of the target; with changed settings it begins
// anew.
func (in *Input) watch(t base.Target) (*watched, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return nil, errors.New("database: the input is closed")
	}
	old := in.watched[t.ID]
	if old != nil && old.address == t.Address && maps.Equal(old.options, t.Options) {
		return old, nil
	}
	s, err := parseSettings(t, in.opts)
	if err != nil {
		return nil, err
	}
	w := newWatched(in.opts, t, s)
	w.forget = func() { in.forget(t.ID, w) }
	in.watched[t.ID] = w
	if old != nil {
		old.retire()
	}
	return w, nil
}

// forget drops what is known of a target that is no longer gathered.
func (in *Input) forget(id string, w *watched) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.watched[id] == w {
		delete(in.watched, id)
	}
}

// Close logs out everywhere. It waits for a Gather under way; later ones fail.
func (in *Input) Close() {
	in.mu.Lock()
	all := in.watched
	in.watched, in.closed = map[string]*watched{}, true
	in.mu.Unlock()
	for _, w := range all {
		w.retire()
	}
}
