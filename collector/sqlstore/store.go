// Package sqlstore is the collector's relational state: incidents and their
// events, alerts, effects, leases, users and the report. One SQL text serves
// SQLite (one node, a file) and PostgreSQL (several nodes). It keeps what others
// decide and decides nothing itself; samples are in package metricstore.
//
// Everything the lease holder writes is fenced: the transaction first touches
// the lease's row WHERE generation = ?, which both refuses a writer whose lease
// was taken over and makes it wait for a take-over that is under way.
package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/lease"
)

//go:embed migrations/*.sql
var migrations embed.FS

// writeTimeout bounds one write transaction, so that a silently cut connection
// does not hold the engine for minutes.
const writeTimeout = 10 * time.Second

// Options say where the state is kept.
type Options struct {
	URL    string           // sqlite:PATH or postgres://user:password@host/database?...
	Idle   time.Duration    // PostgreSQL ends a transaction that stood still for so long; 0 is 5 s. Keep it below the lease's life
	Logger *slog.Logger     // nil: slog.Default
	Now    func() time.Time // nil: time.Now; dates seen ids and expiry of sessions
}

// Store keeps the state in one database. Its methods may be called from
// several goroutines. Use Open to make one and Close to end it.
type Store struct {
	read, write *sql.DB // the same pool on PostgreSQL
	dialect     dialect
	log         *slog.Logger
	now         func() time.Time
	auditSeq    atomic.Uint32

	mu        sync.Mutex // guards leaseLock
	leaseLock *fileLock  // SQLite: held while this process holds the lease
}

var _ engine.Store = (*Store)(nil)

// Open connects to the database and checks that it answers. It does not
// migrate: call Migrate before the first use.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	d, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	d.idle = cmp.Or(o.Idle, 5*time.Second)
	s := &Store{dialect: d, log: o.Logger, now: o.Now}
	if s.read, s.write, err = d.open(); err != nil {
		return nil, fmt.Errorf("open %s: %w", d.place, err)
	}
	if err := errors.Join(s.write.PingContext(ctx), s.read.PingContext(ctx)); err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("open %s: %w (%s)", d.place, err, d.hint)
	}
	return s, nil
}

// Close ends all connections and frees a SQLite lease that is still held.
func (s *Store) Close() error {
	errs := []error{s.unlockLease()}
	if s.read != s.write {
		errs = append(errs, s.read.Close())
	}
	return errors.Join(append(errs, s.write.Close())...)
}

// Migrate brings the schema to the version of this program. Several nodes may
// call it at once.
func (s *Store) Migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("migrate %s: %w", s.dialect.place, err)
	}
	opts := []goose.ProviderOption{goose.WithSlog(s.log), goose.WithAllowOutofOrder(true)}
	if s.dialect.postgres {
		l, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return fmt.Errorf("migrate %s: %w", s.dialect.place, err)
		}
		opts = append(opts, goose.WithSessionLocker(l))
	}
	p, err := goose.NewProvider(s.dialect.goose, s.write, files, opts...)
	if err != nil {
		return fmt.Errorf("migrate %s: %w", s.dialect.place, err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate %s: %w", s.dialect.place, err)
	}
	return nil
}

// tx runs fn in one write transaction. What is done in the name of the holder of
// the lease (lease.With) is fenced: engine.ErrFenced when another one holds it.
func (s *Store) tx(ctx context.Context, fn func(h handle) error) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	h := handle{c: tx, d: s.dialect}
	if generation, ok := lease.GenerationOf(ctx); ok {
		if err = h.fence(ctx, generation); err == nil {
			h.fenced = generation
		}
	}
	if err == nil {
		err = fn(h)
	}
	if err != nil {
		_ = tx.Rollback()
		return s.dialect.explain(err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", s.dialect.explain(err))
	}
	return nil
}

// reader returns a handle for reading outside a transaction.
func (s *Store) reader() handle { return handle{c: s.read, d: s.dialect} }

// writer returns a handle for one-statement writes that no lease fences.
func (s *Store) writer() handle { return handle{c: s.write, d: s.dialect} }

// alone runs fn, which writes with one statement: in a transaction only where a
// lease fences it.
func (s *Store) alone(ctx context.Context, fn func(h handle) error) error {
	if _, ok := lease.GenerationOf(ctx); ok {
		return s.tx(ctx, fn)
	}
	return fn(s.writer())
}

// exec writes with one statement, fenced like tx.
func (s *Store) exec(ctx context.Context, q string, args ...any) (n int64, err error) {
	err = s.alone(ctx, func(h handle) (err error) {
		n, err = h.exec(ctx, q, args...)
		return err
	})
	return n, err
}
