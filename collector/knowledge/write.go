package knowledge

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Put stores the entry as its next version and returns it so. A new entry has
// Version 0; of an old one Version must be the newest, else ErrConflict.
func (b *Base) Put(ctx context.Context, e Entry) (Entry, error) {
	now := b.now().UTC()
	if err := e.Check(now); err != nil {
		return e, err
	}
	e.UpdatedAt = now
	if e.CreatedAt.IsZero() {
		e.CreatedAt = now
	}
	err := b.tx(ctx, func(tx *sql.Tx) error {
		var err error
		e, err = b.put(ctx, tx, e)
		return err
	})
	if err != nil {
		return e, fmt.Errorf("store knowledge entry %s: %w", e.ID, err)
	}
	return e, nil
}

// AddDraft stores a draft unless an entry of its id is there: closing the same
// incident again changes nothing. It tells whether it was new.
func (b *Base) AddDraft(ctx context.Context, e Entry) (bool, error) {
	if e.State != Draft || e.Version != 0 {
		return false, &Fault{"state", "of a new draft is draft, its version 0"}
	}
	_, err := b.Put(ctx, e)
	if errors.Is(err, ErrConflict) {
		return false, nil
	}
	return err == nil, err
}

func (b *Base) put(ctx context.Context, tx *sql.Tx, e Entry) (Entry, error) {
	before := map[string]bool{}
	ord, version, words := int64(0), int64(0), ""
	lock := ""
	if b.db.Postgres {
		lock = " FOR UPDATE"
	}
	err := tx.QueryRowContext(ctx, b.rewrite("SELECT ord, version, words FROM knowledge WHERE id = ?"+lock), e.ID).Scan(&ord, &version, &words)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return e, err
	}
	if version != e.Version {
		return e, ErrConflict
	}
	for _, w := range strings.Fields(words) {
		before[w] = true
	}
	e.Version++
	if ord, err = b.row(ctx, tx, e, ord); err != nil {
		return e, err
	}
	if err := b.count(ctx, tx, before, e.unique()); err != nil {
		return e, err
	}
	if err := b.models(ctx, tx, e); err != nil {
		return e, err
	}
	return e, b.remember(ctx, tx, e)
}

// row writes the entry's own row and its searched words.
func (b *Base) row(ctx context.Context, tx *sql.Tx, e Entry, ord int64) (int64, error) {
	raw, err := json.Marshal(e)
	if err != nil {
		return 0, err
	}
	args := []any{e.Version, e.State, clean(e.Owner), clean(e.Class), e.ReviewBy.UnixMicro(), strings.Join(slices.Sorted(maps.Keys(e.unique())), " "), clean(string(raw))}
	cols, marks, set := "version, state, owner, class, review_by, words, body", "?, ?, ?, ?, ?, ?, ?", "version = ?, state = ?, owner = ?, class = ?, review_by = ?, words = ?, body = ?"
	if b.db.Postgres {
		args = append(args, e.vector())
		cols, marks, set = cols+", terms", marks+", ?::tsvector", set+", terms = ?::tsvector"
	}
	if ord == 0 {
		err = tx.QueryRowContext(ctx, b.rewrite("INSERT INTO knowledge ("+cols+", id) VALUES ("+marks+", ?) ON CONFLICT (id) DO NOTHING RETURNING ord"), append(args, e.ID)...).Scan(&ord)
		if errors.Is(err, sql.ErrNoRows) { // another node was first
			return 0, ErrConflict
		}
	} else {
		_, err = tx.ExecContext(ctx, b.rewrite("UPDATE knowledge SET "+set+" WHERE id = ?"), append(args, e.ID)...)
	}
	if err != nil || b.db.Postgres {
		return ord, err
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM knowledge_text WHERE rowid = ?", ord); err != nil {
		return ord, err
	}
	f := e.fields()
	text := func(n int) string { return strings.Join(Words(f[n].text), " ") }
	_, err = tx.ExecContext(ctx, "INSERT INTO knowledge_text (rowid, title, symptoms, cause, solution) VALUES (?, ?, ?, ?, ?)", ord, text(0), text(1), text(2), text(3))
	return ord, err
}

// unique are the entry's words, each once.
func (e Entry) unique() map[string]bool {
	out := map[string]bool{}
	for _, f := range e.fields() {
		for _, w := range Words(f.text) {
			out[w] = true
		}
	}
	return out
}

// maxPositions is how many places PostgreSQL keeps of a word; maxPosition is the
// highest place.
const (
	maxPositions = 255
	maxPosition  = 16_383
)

// vector writes the entry's words as a tsvector: 'word':1A,7B.
func (e Entry) vector() string {
	at, places := 0, map[string][]string{}
	for _, f := range e.fields() {
		for _, w := range Words(f.text) {
			at = min(at+1, maxPosition)
			if len(places[w]) < maxPositions {
				places[w] = append(places[w], strconv.Itoa(at)+string(f.mark))
			}
		}
	}
	var out []string
	for _, w := range slices.Sorted(maps.Keys(places)) {
		out = append(out, lexeme(w)+":"+strings.Join(places[w], ","))
	}
	return strings.Join(out, " ")
}

// lexeme quotes a word for a tsvector or tsquery.
func lexeme(w string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", "''").Replace(w) + "'"
}

// count keeps how many entries have a word. Words are taken in their order, so
// that two writers never wait for each other in a circle.
func (b *Base) count(ctx context.Context, tx *sql.Tx, before, after map[string]bool) error {
	all := maps.Clone(before)
	maps.Copy(all, after)
	up, err := tx.PrepareContext(ctx, b.rewrite("INSERT INTO knowledge_words (word, entries) VALUES (?, 1) ON CONFLICT (word) DO UPDATE SET entries = knowledge_words.entries + 1"))
	if err != nil {
		return err
	}
	defer func() { _ = up.Close() }()
	down, err := tx.PrepareContext(ctx, b.rewrite("UPDATE knowledge_words SET entries = entries - 1 WHERE word = ?"))
	if err != nil {
		return err
	}
	defer func() { _ = down.Close() }()
	for _, w := range slices.Sorted(maps.Keys(all)) {
		switch {
		case after[w] && !before[w]:
			_, err = up.ExecContext(ctx, w)
		case before[w] && !after[w]:
			_, err = down.ExecContext(ctx, w)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *Base) models(ctx context.Context, tx *sql.Tx, e Entry) error {
	if _, err := tx.ExecContext(ctx, b.rewrite("DELETE FROM knowledge_models WHERE id = ?"), e.ID); err != nil {
		return err
	}
	names := map[string]bool{}
	for _, m := range e.Models {
		if m = clean(normal(m)); m != "" {
			names[m], names[family(m)] = true, true
		}
	}
	for _, m := range slices.Sorted(maps.Keys(names)) {
		if _, err := tx.ExecContext(ctx, b.rewrite("INSERT INTO knowledge_models (model, id) VALUES (?, ?)"), m, e.ID); err != nil {
			return err
		}
	}
	return nil
}

// Voted counts whether an entry helped in an incident, once for each incident
// and entry, and remembers the incident when it did.
func (b *Base) Voted(ctx context.Context, id, incident string, helped bool) error {
	for range 5 {
		e, err := b.Get(ctx, id)
		if err != nil {
			return err
		}
		if slices.Contains(e.Incidents, incident) {
			return nil
		}
		if helped {
			e.Helpful++
			if e.Incidents = append(e.Incidents, incident); len(e.Incidents) > maxList {
				e.Incidents = e.Incidents[len(e.Incidents)-maxList:]
			}
		} else {
			e.Useless++
		}
		if _, err = b.Put(ctx, e); !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("vote on knowledge entry %s: %w", id, ErrConflict)
}
