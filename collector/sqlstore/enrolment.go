package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/enrol"
)

var _ enrol.Store = (*Store)(nil)

// PutEnrolToken implements enrol.Store.
func (s *Store) PutEnrolToken(ctx context.Context, t enrol.Token) error {
	b, err := encode(t)
	if err != nil {
		return fmt.Errorf("write enrolment token %s: %w", t.ID, err)
	}
	_, err = s.exec(ctx, `INSERT INTO enrol_tokens (id, issued_at, expires_at, used_at, used_by, key_hash, revoked_at, body)
		VALUES (?, ?, ?, 0, '', '', 0, ?)`, t.ID, t.IssuedAt, t.Expires, b)
	if err != nil {
		return fmt.Errorf("write enrolment token %s: %w", t.ID, err)
	}
	return nil
}

const tokenColumns = `body, used_at, used_by, key_hash, revoked_at`

// scanToken puts what changes, which is in columns, over what does not.
func scanToken(scan func(...any) error) (enrol.Token, error) {
	var raw []byte
	var used, revoked int64
	var by, key string
	if err := scan(&raw, &used, &by, &key, &revoked); err != nil {
		return enrol.Token{}, err
	}
	var t enrol.Token
	err := json.Unmarshal(raw, &t)
	t.UsedAt, t.UsedBy, t.KeyHash, t.Revoked = fromMicros(used), by, key, fromMicros(revoked)
	return t, err
}

// EnrolToken implements enrol.Store.
func (s *Store) EnrolToken(ctx context.Context, id string) (enrol.Token, error) {
	t, err := scanToken(func(dest ...any) error {
		return s.reader().row(ctx, dest, `SELECT `+tokenColumns+` FROM enrol_tokens WHERE id = ?`, id)
	})
	if err != nil {
		return t, fmt.Errorf("read enrolment token: %w", err)
	}
	return t, nil
}

// EnrolTokens implements enrol.Store.
func (s *Store) EnrolTokens(ctx context.Context) ([]enrol.Token, error) {
	out := []enrol.Token{}
	err := s.reader().each(ctx, func(r *sql.Rows) error {
		t, err := scanToken(r.Scan)
		out = append(out, t)
		return err
	}, `SELECT `+tokenColumns+` FROM enrol_tokens ORDER BY issued_at DESC, id`)
	if err != nil {
		return nil, fmt.Errorf("read enrolment tokens: %w", err)
	}
	return out, nil
}

// RevokeEnrolToken implements enrol.Store.
func (s *Store) RevokeEnrolToken(ctx context.Context, id string, at time.Time) error {
	n, err := s.exec(ctx, `UPDATE enrol_tokens SET revoked_at = ? WHERE id = ? AND used_at = 0 AND revoked_at = 0`, at, id)
	if err == nil && n == 0 {
		err = engine.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("revoke enrolment token %s: %w", id, err)
	}
	return nil
}

// Redeem implements enrol.Store. The token's row is what requests at the same
// time wait for: the update finds it unused once.
func (s *Store) Redeem(ctx context.Context, tokenID string, a enrol.Agent, c enrol.Certificate, replace bool) error {
	err := s.tx(ctx, func(h handle) error {
		n, err := h.exec(ctx, `UPDATE enrol_tokens SET used_at = ?, used_by = ?, key_hash = ?
			WHERE id = ? AND used_at = 0 AND revoked_at = 0 AND expires_at > ?`, c.IssuedAt, a.ID, c.KeyHash, tokenID, c.IssuedAt)
		if err == nil && n == 0 {
			err = enrol.ErrTokenUsed
		}
		if err != nil {
			return err
		}
		if err := putAgent(ctx, h, a, replace); err != nil {
			return err
		}
		if replace {
			if _, err := h.exec(ctx, `UPDATE agent_certificates SET revoked_at = ? WHERE agent = ? AND revoked_at = 0`, c.IssuedAt, a.ID); err != nil {
				return err
			}
		}
		return putCertificate(ctx, h, c)
	})
	if err != nil {
		return fmt.Errorf("enrol agent %s: %w", a.ID, err)
	}
	return nil
}

func putAgent(ctx context.Context, h handle, a enrol.Agent, replace bool) error {
	b, err := encode(a)
	if err != nil {
		return err
	}
	conflict := `NOTHING`
	if replace {
		conflict = `UPDATE SET site = excluded.site, machine = excluded.machine, revoked_at = 0, seen_at = excluded.seen_at, remote = excluded.remote, body = excluded.body`
	}
	n, err := h.exec(ctx, `INSERT INTO enrolled_agents (id, site, machine, revoked_at, seen_at, remote, body) VALUES (?, ?, ?, 0, ?, ?, ?)
		ON CONFLICT (id) DO `+conflict, a.ID, a.Site, a.Machine, a.SeenAt, a.Remote, b)
	if err == nil && n == 0 {
		err = enrol.ErrNameTaken
	}
	return err
}

func putCertificate(ctx context.Context, h handle, c enrol.Certificate) error {
	b, err := encode(c)
	if err != nil {
		return err
	}
	_, err = h.exec(ctx, `INSERT INTO agent_certificates (serial, agent, key_hash, issued_at, expires_at, revoked_at, body) VALUES (?, ?, ?, ?, ?, 0, ?)`,
		c.Serial, c.Agent, c.KeyHash, c.IssuedAt, c.Expires, b)
	return err
}

// AddCertificate implements enrol.Store.
func (s *Store) AddCertificate(ctx context.Context, a enrol.Agent, c enrol.Certificate) error {
	err := s.tx(ctx, func(h handle) error {
		// The row is locked first, so that a revocation comes before or after, not between.
		n, err := h.exec(ctx, `UPDATE enrolled_agents SET seen_at = ?, remote = ? WHERE id = ? AND site = ? AND revoked_at = 0`, a.SeenAt, a.Remote, a.ID, a.Site)
		if err == nil && n == 0 {
			err = engine.ErrNotFound
		}
		if err != nil {
			return err
		}
		was, err := body[enrol.Agent](ctx, h, `SELECT body FROM enrolled_agents WHERE id = ?`, a.ID)
		if err != nil {
			return err
		}
		was.Skew, was.Host, was.Version = a.Skew, cmp.Or(a.Host, was.Host), cmp.Or(a.Version, was.Version)
		b, err := encode(was)
		if err != nil {
			return err
		}
		if _, err := h.exec(ctx, `UPDATE enrolled_agents SET body = ? WHERE id = ?`, b, a.ID); err != nil {
			return err
		}
		return putCertificate(ctx, h, c)
	})
	if err != nil {
		return fmt.Errorf("renew certificate of agent %s: %w", a.ID, err)
	}
	return nil
}

const agentColumns = `a.body, a.revoked_at, a.seen_at, a.remote`

// agentRow is an agent as it is read.
type agentRow struct {
	raw           []byte
	revoked, seen int64
	remote        string
}

func (r *agentRow) dest() []any { return []any{&r.raw, &r.revoked, &r.seen, &r.remote} }

func (r *agentRow) agent() (enrol.Agent, error) {
	var a enrol.Agent
	err := json.Unmarshal(r.raw, &a)
	a.Revoked, a.SeenAt, a.Remote = fromMicros(r.revoked), fromMicros(r.seen), r.remote
	if a.Revoked.IsZero() {
		a.RevokedWhy = ""
	}
	return a, err
}

// Certificate implements enrol.Store. What was committed before the call is seen
// by it: a certificate revoked a moment ago is revoked.
func (s *Store) Certificate(ctx context.Context, serial string) (enrol.Certificate, enrol.Agent, error) {
	var raw []byte
	var revoked int64
	var row agentRow
	var c enrol.Certificate
	err := s.reader().row(ctx, append([]any{&raw, &revoked}, row.dest()...), `SELECT c.body, c.revoked_at, `+agentColumns+`
		FROM agent_certificates c JOIN enrolled_agents a ON a.id = c.agent WHERE c.serial = ?`, serial)
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	if err != nil {
		return c, enrol.Agent{}, fmt.Errorf("read certificate: %w", err)
	}
	c.Revoked = fromMicros(revoked)
	a, err := row.agent()
	return c, a, err
}

// CertificateByKey implements enrol.Store.
func (s *Store) CertificateByKey(ctx context.Context, agent, keyHash string) (enrol.Certificate, error) {
	var raw []byte
	var revoked int64
	var c enrol.Certificate
	err := s.reader().row(ctx, []any{&raw, &revoked}, `SELECT body, revoked_at FROM agent_certificates
		WHERE agent = ? AND key_hash = ? ORDER BY issued_at DESC, serial LIMIT 1`, agent, keyHash)
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	if err != nil {
		return c, fmt.Errorf("read certificate of agent %s: %w", agent, err)
	}
	c.Revoked = fromMicros(revoked)
	return c, nil
}

// EnrolledAgent implements enrol.Store.
func (s *Store) EnrolledAgent(ctx context.Context, id string) (enrol.Agent, error) {
	var row agentRow
	if err := s.reader().row(ctx, row.dest(), `SELECT `+agentColumns+` FROM enrolled_agents a WHERE a.id = ?`, id); err != nil {
		return enrol.Agent{}, fmt.Errorf("read agent %s: %w", id, err)
	}
	return row.agent()
}

// EnrolledAgents implements enrol.Store.
func (s *Store) EnrolledAgents(ctx context.Context, machine string) ([]enrol.Agent, error) {
	q, args := `SELECT `+agentColumns+` FROM enrolled_agents a ORDER BY a.site, a.id`, []any{}
	if machine != "" {
		q, args = `SELECT `+agentColumns+` FROM enrolled_agents a WHERE a.machine = ? ORDER BY a.site, a.id`, []any{machine}
	}
	out := []enrol.Agent{}
	err := s.reader().each(ctx, func(r *sql.Rows) error {
		var row agentRow
		if err := r.Scan(row.dest()...); err != nil {
			return err
		}
		a, err := row.agent()
		out = append(out, a)
		return err
	}, q, args...)
	if err != nil {
		return nil, fmt.Errorf("read agents: %w", err)
	}
	return out, nil
}

// RevokeAgent implements enrol.Store.
func (s *Store) RevokeAgent(ctx context.Context, id, why string, at time.Time) error {
	err := s.tx(ctx, func(h handle) error {
		n, err := h.exec(ctx, `UPDATE enrolled_agents SET revoked_at = ? WHERE id = ?`, at, id)
		if err == nil && n == 0 {
			err = engine.ErrNotFound
		}
		if err != nil {
			return err
		}
		a, err := body[enrol.Agent](ctx, h, `SELECT body FROM enrolled_agents WHERE id = ?`, id)
		if err != nil {
			return err
		}
		a.RevokedWhy = why
		b, err := encode(a)
		if err != nil {
			return err
		}
		if _, err := h.exec(ctx, `UPDATE enrolled_agents SET body = ? WHERE id = ?`, b, id); err != nil {
			return err
		}
		_, err = h.exec(ctx, `UPDATE agent_certificates SET revoked_at = ? WHERE agent = ? AND revoked_at = 0`, at, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("revoke agent %s: %w", id, err)
	}
	return nil
}

// RevokedSince implements enrol.Store.
func (s *Store) RevokedSince(ctx context.Context, since time.Time) ([]string, error) {
	var out []string
	err := s.reader().each(ctx, func(r *sql.Rows) error {
		var serial string
		err := r.Scan(&serial)
		out = append(out, serial)
		return err
	}, `SELECT serial FROM agent_certificates WHERE revoked_at > ?`, since)
	if err != nil {
		return nil, fmt.Errorf("read revoked certificates: %w", err)
	}
	return out, nil
}

// AgentsSeen implements enrol.Store.
func (s *Store) AgentsSeen(ctx context.Context, seen []enrol.Sighting) error {
	err := s.tx(ctx, func(h handle) error {
		for _, g := range seen {
			if _, err := h.exec(ctx, `UPDATE enrolled_agents SET seen_at = ?, remote = ? WHERE id = ? AND seen_at < ?`, g.At, g.Remote, g.Agent, g.At); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write which agents were seen: %w", err)
	}
	return nil
}

// PruneEnrolment implements enrol.Store. Agents stay: their names are taken.
func (s *Store) PruneEnrolment(ctx context.Context, before time.Time) error {
	err := s.tx(ctx, func(h handle) error {
		if _, err := h.exec(ctx, `DELETE FROM agent_certificates WHERE expires_at < ?`, before); err != nil {
			return err
		}
		_, err := h.exec(ctx, `DELETE FROM enrol_tokens WHERE expires_at < ?`, before)
		return err
	})
	if err != nil {
		return fmt.Errorf("forget old certificates and tokens: %w", err)
	}
	return nil
}
