package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/lease"
)

var _ lease.Store = (*Store)(nil)

// AcquireLease implements lease.Store. Expiry is judged by the database's
// clock, so the nodes' clocks need not agree. A node's own lease, left behind
// by a crash, is taken over at once. On SQLite a lock on PATH.lease, which the
// system frees when a process dies, says whether another process writes; with
// it in hand the row's expiry does not matter.
func (s *Store) AcquireLease(ctx context.Context, name, holder string, ttl time.Duration) (int64, bool, error) {
	locked, err := s.lockLease(ctx)
	if err != nil || !locked {
		return 0, false, err
	}
	var generation int64
	err = s.writer().row(ctx, []any{&generation}, `INSERT INTO leases (name, holder, generation, expires_at, writes)
		VALUES (?, ?, 1, `+s.dialect.now+` + CAST(? AS BIGINT), 0)
		ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, generation = leases.generation + 1, expires_at = excluded.expires_at
		WHERE leases.expires_at <= `+s.dialect.now+` OR leases.holder = excluded.holder OR CAST(? AS BIGINT) = 1
		RETURNING generation`, name, holder, ttl.Microseconds(), !s.dialect.postgres)
	switch {
	case errors.Is(err, engine.ErrNotFound):
		return 0, false, nil
	case err != nil:
		return 0, false, fmt.Errorf("acquire lease %s: %w", name, errors.Join(err, s.unlockLease()))
	}
	return generation, true, nil
}

// RenewLease implements lease.Store.
func (s *Store) RenewLease(ctx context.Context, name string, generation int64, ttl time.Duration) (bool, error) {
	n, err := s.writer().exec(ctx, `UPDATE leases SET expires_at = `+s.dialect.now+` + CAST(? AS BIGINT)
		WHERE name = ? AND generation = ?`, ttl.Microseconds(), name, generation)
	if err != nil {
		return false, fmt.Errorf("renew lease %s: %w", name, err)
	}
	return n == 1, nil
}

// ReleaseLease implements lease.Store.
func (s *Store) ReleaseLease(ctx context.Context, name string, generation int64) error {
	_, err := s.writer().exec(ctx, `UPDATE leases SET expires_at = 0, holder = '' WHERE name = ? AND generation = ?`, name, generation)
	if err != nil {
		return fmt.Errorf("release lease %s: %w", name, errors.Join(err, s.unlockLease()))
	}
	return s.unlockLease()
}

// lockLease takes the file lock of a SQLite database; PostgreSQL needs none.
func (s *Store) lockLease(ctx context.Context) (bool, error) {
	if s.dialect.postgres {
		return true, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaseLock != nil {
		return true, nil
	}
	l, err := lockFile(ctx, s.dialect.path+".lease")
	if err != nil {
		return false, err
	}
	s.leaseLock = l
	return l != nil, nil
}

// unlockLease frees the file lock if it is held.
func (s *Store) unlockLease() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.leaseLock
	s.leaseLock = nil
	if l == nil {
		return nil
	}
	return l.close()
}

// fileLock is a lock that ends with the process: an exclusive transaction on a
// SQLite file of its own, which works alike on every system SQLite runs on.
type fileLock struct {
	db *sql.DB
	tx *sql.Tx
}

// lockFile returns nil without error when another process holds the lock.
func lockFile(ctx context.Context, path string) (*fileLock, error) {
	db, err := sql.Open("sqlite", sqliteDSN(path, "exclusive", "busy_timeout(0)"))
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	// The transaction must outlive ctx: database/sql rolls back when ctx ends.
	tx, err := db.BeginTx(context.WithoutCancel(ctx), nil)
	if err == nil {
		return &fileLock{db, tx}, nil
	}
	_ = db.Close()
	if isBusy(err) {
		return nil, nil
	}
	return nil, fmt.Errorf("lock %s: %w", path, err)
}

func (l *fileLock) close() error {
	return errors.Join(l.tx.Rollback(), l.db.Close())
}

// isBusy tells whether SQLite said that another connection holds the lock.
func isBusy(err error) bool {
	const busy = 5 // SQLITE_BUSY, the low byte of its extended codes
	var code interface{ Code() int }
	return errors.As(err, &code) && code.Code()&0xff == busy
}
