// Package enterprise is the input that asks Oracle and SQL Server how they are,
// with the names of oracledb_exporter and mssql_exporter and, for the rules, those
// of the input database. It only reads. It was written from the makers' references
// and has met no server of theirs: its tests answer for one with recorded shapes.
package enterprise

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// Kinds of events, as those of the input database.
const (
	eventBlocked  = "database_blocked"
	eventReleased = "database_released"
)

const (
	maxKept       = 100              // targets
	passwordPause = 30 * time.Second // between tries with a password that was refused: servers lock accounts
	idleTime      = 2 * time.Minute  // of a connection
)

// Options are the settings of an Input.
type Options struct {
	Now  func() time.Time             // default time.Now
	Open func(Login) (*sql.DB, error) // default: the makers' protocols
}

// Input asks databases, over one connection each, which it keeps.
type Input struct {
	opts Options

	mu        sync.Mutex // guards the fields below
	secretDir string
	kept      map[string]*server
}

// server is one target. mu is held by the Gather under way.
type server struct {
	mu      sync.Mutex
	options map[string]string
	address string
	db      *sql.DB
	paused  time.Time // no login before
	blocked bool      // sessions waited at the last reading
	failed  string    // the last reason
	details time.Time // when the slow sections were asked last
	slow    []base.Sample
}

// New makes an Input.
func New(o Options) *Input {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Open == nil {
		o.Open = open
	}
	return &Input{opts: o, kept: map[string]*server{}}
}

// Restrict says where files of passwords must lie; "" allows any path.
func (in *Input) Restrict(dir string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.secretDir = dir
}

// Name is "enterprise_database".
func (in *Input) Name() string { return "enterprise_database" }

func (in *Input) parse(t base.Target) (settings, error) {
	in.mu.Lock()
	dir := in.secretDir
	in.mu.Unlock()
	return parseSettings(t, dir)
}

// CheckTarget reports what is wrong with the target's options.
func (in *Input) CheckTarget(t base.Target) error {
	_, err := in.parse(t)
	return err
}

// Gather asks the database once. Without an answer to the first query the error
// says at what it failed; later ones that fail make it Partial.
func (in *Input) Gather(ctx context.Context, t base.Target, sink input.Sink) error {
	s, err := in.parse(t)
	if err != nil {
		return err
	}
	srv := in.keep(t)
	srv.mu.Lock()
	defer srv.mu.Unlock()
	r := &reading{settings: s, server: srv, sink: sink, now: in.opts.Now()}
	err = r.gather(ctx, in.opts.Open)
	if err != nil && !errors.As(err, new(input.Partial)) {
		return fmt.Errorf("%s %s: %w", s.kind, s.address, err)
	}
	return err
}

// keep returns what is known of the target; with other settings it begins anew.
func (in *Input) keep(t base.Target) *server {
	in.mu.Lock()
	defer in.mu.Unlock()
	old := in.kept[t.ID]
	if old != nil && old.address == t.Address && maps.Equal(old.options, t.Options) {
		return old
	}
	if len(in.kept) >= maxKept {
		for id, s := range in.kept {
			s.retire()
			delete(in.kept, id)
		}
	}
	if old != nil {
		old.retire()
	}
	s := &server{address: t.Address, options: maps.Clone(t.Options)}
	in.kept[t.ID] = s
	return s
}

// retire logs out, when a Gather under way has ended.
func (s *server) retire() {
	go func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.logout()
	}()
}

func (s *server) logout() {
	if s.db != nil {
		_ = s.db.Close()
		s.db = nil
	}
}
