package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/faultline/faultline/collector/inspection"
	"github.com/faultline/faultline/collector/register"
	"github.com/faultline/faultline/collector/scoreboard"
)

var (
	_ register.Store   = (*Store)(nil)
	_ inspection.Store = Inspections{}

	_ scoreboard.LinkStore = (*Store)(nil)
)

// importsKept is how many imports are remembered: the newest.
const importsKept = 200

// PutImport implements register.Store.
func (s *Store) PutImport(ctx context.Context, i register.Import) error {
	files, err := encode(i.Plan.Files)
	if err == nil {
		i.Plan.Files = nil
		var body string
		if body, err = encode(i); err == nil {
			err = s.tx(ctx, func(h handle) error {
				if _, err := h.exec(ctx, `INSERT INTO register_imports (id, at, body, files) VALUES (?, ?, ?, ?)
					ON CONFLICT (id) DO UPDATE SET body = excluded.body, files = excluded.files`, i.ID, i.At, body, files); err != nil {
					return err
				}
				_, err := h.exec(ctx, `DELETE FROM register_imports WHERE id NOT IN (SELECT id FROM register_imports ORDER BY at DESC, id LIMIT ?)`, int64(importsKept))
				return err
			})
		}
	}
	if err != nil {
		return fmt.Errorf("write import %s: %w", i.ID, err)
	}
	return nil
}

// Import implements register.Store; engine.ErrNotFound when there is none.
func (s *Store) Import(ctx context.Context, id string) (register.Import, error) {
	var i register.Import
	var body, files []byte
	err := s.reader().row(ctx, []any{&body, &files}, `SELECT body, files FROM register_imports WHERE id = ?`, id)
	if err == nil {
		err = json.Unmarshal(body, &i)
	}
	if err == nil {
		err = json.Unmarshal(files, &i.Plan.Files)
	}
	if err != nil {
		return i, fmt.Errorf("read import %s: %w", id, err)
	}
	return i, nil
}

// Imports implements register.Store.
func (s *Store) Imports(ctx context.Context, limit int) ([]register.Import, error) {
	list, err := bodies[register.Import](ctx, s.reader(), `SELECT body FROM register_imports ORDER BY at DESC, id LIMIT ?`, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("read imports: %w", err)
	}
	return list, nil
}

// Inspections returns the store as package inspection uses it.
func (s *Store) Inspections() Inspections { return Inspections{s} }

// Inspections keeps signed inspections and spot checks.
type Inspections struct{ s *Store }

// Sign implements inspection.Store: what is signed stays.
func (x Inspections) Sign(ctx context.Context, r inspection.Record) error {
	b, err := encode(r)
	n := int64(0)
	if err == nil {
		n, err = x.s.exec(ctx, `INSERT INTO inspections (site, day, signed_at, body) VALUES (?, ?, ?, ?) ON CONFLICT (site, day) DO NOTHING`, r.Site, r.Day, r.SignedAt, b)
	}
	switch {
	case err != nil:
		return fmt.Errorf("write inspection %s of %s: %w", r.Day, r.Site, err)
	case n == 0:
		return inspection.ErrSigned
	}
	return nil
}

// Signed implements inspection.Store.
func (x Inspections) Signed(ctx context.Context, site, from, to string) ([]inspection.Record, error) {
	list, err := bodies[inspection.Record](ctx, x.s.reader(), `SELECT body FROM inspections WHERE day >= ? AND day <= ? AND (? = '' OR site = ?) ORDER BY day, site`, from, to, site, site)
	if err != nil {
		return nil, fmt.Errorf("read inspections: %w", err)
	}
	return list, nil
}

// PutCheck implements inspection.Store.
func (x Inspections) PutCheck(ctx context.Context, c inspection.Check) error {
	b, err := encode(c)
	if err == nil {
		_, err = x.s.exec(ctx, `INSERT INTO inspection_checks (id, site, day, at, body) VALUES (?, ?, ?, ?, ?)`, c.ID, c.Site, c.Day, c.At, b)
	}
	if err != nil {
		return fmt.Errorf("write spot check of %s %s: %w", c.Site, c.Day, err)
	}
	return nil
}

// Checks implements inspection.Store.
func (x Inspections) Checks(ctx context.Context, site, from, to string) ([]inspection.Check, error) {
	list, err := bodies[inspection.Check](ctx, x.s.reader(), `SELECT body FROM inspection_checks WHERE day >= ? AND day <= ? AND (? = '' OR site = ?) ORDER BY day, site, at`, from, to, site, site)
	if err != nil {
		return nil, fmt.Errorf("read spot checks: %w", err)
	}
	return list, nil
}

// PutLink implements scoreboard.LinkStore.
func (s *Store) PutLink(ctx context.Context, l scoreboard.Link) error {
	b, err := encode(l)
	if err == nil {
		_, err = s.exec(ctx, `INSERT INTO scoreboard_links (hash, expires_at, body) VALUES (?, ?, ?)
			ON CONFLICT (hash) DO UPDATE SET expires_at = excluded.expires_at, body = excluded.body`, l.Hash, l.Expires, b)
	}
	if err != nil {
		return fmt.Errorf("write link of vendor %s: %w", l.Vendor, err)
	}
	return nil
}

// LinkByHash implements scoreboard.LinkStore; engine.ErrNotFound when there is none.
func (s *Store) LinkByHash(ctx context.Context, hash string) (scoreboard.Link, error) {
	l, err := body[scoreboard.Link](ctx, s.reader(), `SELECT body FROM scoreboard_links WHERE hash = ?`, hash)
	if err != nil {
		return l, fmt.Errorf("read link: %w", err)
	}
	return l, nil
}

// Links implements scoreboard.LinkStore.
func (s *Store) Links(ctx context.Context, now time.Time) ([]scoreboard.Link, error) {
	list, err := bodies[scoreboard.Link](ctx, s.reader(), `SELECT body FROM scoreboard_links WHERE expires_at > ? ORDER BY expires_at DESC, hash`, now)
	if err != nil {
		return nil, fmt.Errorf("read links: %w", err)
	}
	return list, nil
}
