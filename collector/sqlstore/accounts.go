package sqlstore

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/engine"
)

var _ account.Store = (*Store)(nil)

// UserByName implements account.Store.
func (s *Store) UserByName(ctx context.Context, name string) (account.User, error) {
	u, err := body[account.User](ctx, s.reader(), `SELECT body FROM users WHERE name = ?`, name)
	if err != nil {
		return u, fmt.Errorf("read user %s: %w", name, err)
	}
	return u, nil
}

// PutUser implements account.Store. A name that another user has is refused.
func (s *Store) PutUser(ctx context.Context, u account.User) error {
	b, err := encode(u)
	if err != nil {
		return fmt.Errorf("write user %s: %w", u.Name, err)
	}
	_, err = s.exec(ctx, `INSERT INTO users (id, name, body) VALUES (?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, body = excluded.body`, u.ID, u.Name, b)
	if err != nil {
		return fmt.Errorf("write user %s: %w", u.Name, err)
	}
	return nil
}

// Users implements account.Store.
func (s *Store) Users(ctx context.Context) ([]account.User, error) {
	users, err := bodies[account.User](ctx, s.reader(), `SELECT body FROM users ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("read users: %w", err)
	}
	return users, nil
}

// TokenByHash implements account.Store.
func (s *Store) TokenByHash(ctx context.Context, hash string) (account.Token, error) {
	t, err := body[account.Token](ctx, s.reader(), `SELECT body FROM tokens WHERE hash = ?`, hash)
	if err != nil {
		return t, fmt.Errorf("read token: %w", err)
	}
	return t, nil
}

// PutToken implements account.Store.
func (s *Store) PutToken(ctx context.Context, t account.Token) error {
	b, err := encode(t)
	if err != nil {
		return fmt.Errorf("write token %s: %w", t.Name, err)
	}
	_, err = s.exec(ctx, `INSERT INTO tokens (hash, name, expires_at, body) VALUES (?, ?, ?, ?)
		ON CONFLICT (hash) DO UPDATE SET name = excluded.name, expires_at = excluded.expires_at, body = excluded.body`,
		t.Hash, t.Name, t.Expires, b)
	if err != nil {
		return fmt.Errorf("write token %s: %w", t.Name, err)
	}
	return nil
}

// Audit implements account.Store.
func (s *Store) Audit(ctx context.Context, e account.AuditEntry) error {
	b, err := encode(e)
	if err != nil {
		return fmt.Errorf("write audit entry: %w", err)
	}
	// The id orders what one node writes within a microsecond, and keeps nodes apart.
	id := fmt.Sprintf("%016x-%08x-%s", micros(e.At), s.auditSeq.Add(1), rand.Text()[:8])
	if _, err := s.exec(ctx, `INSERT INTO audit (id, at, actor, action, body) VALUES (?, ?, ?, ?, ?)`,
		id, e.At, e.Actor, e.Action, b); err != nil {
		return fmt.Errorf("write audit entry: %w", err)
	}
	return nil
}

// AuditEntries implements account.Store.
func (s *Store) AuditEntries(ctx context.Context, limit int) ([]account.AuditEntry, error) {
	entries, err := bodies[account.AuditEntry](ctx, s.reader(), `SELECT body FROM audit ORDER BY at DESC, id DESC LIMIT ?`, limit)
	if err != nil {
		return nil, fmt.Errorf("read audit: %w", err)
	}
	return entries, nil
}

// Sessions returns the store of browser sessions.
func (s *Store) Sessions() Sessions { return Sessions{s} }

// Sessions keeps browser sessions for scs.
type Sessions struct{ s *Store }

var _ scs.CtxStore = Sessions{}

// FindCtx implements scs.CtxStore.
func (x Sessions) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	var data string
	err := x.s.reader().row(ctx, []any{&data}, `SELECT data FROM sessions WHERE token = ? AND expires_at > ?`, token, x.s.now())
	if errors.Is(err, engine.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read session: %w", err)
	}
	b, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return nil, false, fmt.Errorf("read session: %w", err)
	}
	return b, true, nil
}

// CommitCtx implements scs.CtxStore.
func (x Sessions) CommitCtx(ctx context.Context, token string, b []byte, expiry time.Time) error {
	_, err := x.s.exec(ctx, `INSERT INTO sessions (token, expires_at, data) VALUES (?, ?, ?)
		ON CONFLICT (token) DO UPDATE SET expires_at = excluded.expires_at, data = excluded.data`,
		token, expiry, base64.StdEncoding.EncodeToString(b))
	if err != nil {
		return fmt.Errorf("write session: %w", err)
	}
	return nil
}

// DeleteCtx implements scs.CtxStore.
func (x Sessions) DeleteCtx(ctx context.Context, token string) error {
	if _, err := x.s.exec(ctx, `DELETE FROM sessions WHERE token = ?`, token); err != nil {
		return fmt.Errorf("delete session: %w", err)
	}
	return nil
}

// Find implements scs.Store.
func (x Sessions) Find(token string) ([]byte, bool, error) {
	return x.FindCtx(context.Background(), token)
}

// Commit implements scs.Store.
func (x Sessions) Commit(token string, b []byte, expiry time.Time) error {
	return x.CommitCtx(context.Background(), token, b, expiry)
}

// Delete implements scs.Store.
func (x Sessions) Delete(token string) error { return x.DeleteCtx(context.Background(), token) }

// Prune forgets sessions that have expired and returns how many.
func (x Sessions) Prune(ctx context.Context) (int64, error) {
	n, err := x.s.exec(ctx, `DELETE FROM sessions WHERE expires_at <= ?`, x.s.now())
	if err != nil {
		return 0, fmt.Errorf("prune sessions: %w", err)
	}
	return n, nil
}
