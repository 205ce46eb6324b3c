package knowledge

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Get returns the entry with the id, or ErrNotFound.
func (b *Base) Get(ctx context.Context, id string) (Entry, error) {
	list, err := b.entries(ctx, b.db.Read, "SELECT body FROM knowledge WHERE id = ?", id)
	if err == nil && len(list) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Entry{}, fmt.Errorf("read knowledge entry %s: %w", id, err)
	}
	return list[0], nil
}

// Filter chooses entries of a list. Zero values do not filter.
type Filter struct {
	State    string
	Owner    string
	Class    string
	ReviewBy time.Time // published and to be reviewed by then
	After    string    // id of the last entry of the page before
	Limit    int       // 0 is 50, at most 500
}

// List returns entries by id.
func (b *Base) List(ctx context.Context, f Filter) ([]Entry, error) {
	where, args := []string{"id > ?"}, []any{f.After}
	add := func(clause string, arg any) { where, args = append(where, clause), append(args, arg) }
	if f.State != "" {
		add("state = ?", f.State)
	}
	if f.Owner != "" {
		add("owner = ?", f.Owner)
	}
	if f.Class != "" {
		add("class = ?", f.Class)
	}
	if !f.ReviewBy.IsZero() {
		add("state = ?", Published)
		add("review_by <= ?", f.ReviewBy.UnixMicro())
	}
	if f.Limit <= 0 {
		f.Limit = 50
	}
	list, err := b.entries(ctx, b.db.Read, "SELECT body FROM knowledge WHERE "+strings.Join(where, " AND ")+" ORDER BY id LIMIT "+fmt.Sprint(min(f.Limit, 500)), args...)
	if err != nil {
		return nil, fmt.Errorf("list knowledge: %w", err)
	}
	return list, nil
}

// Suggest returns the entries that fit best, the best first.
func (b *Base) Suggest(ctx context.Context, q Query) ([]Suggestion, error) {
	words := Words(cutWords(q.Text))
	c, err := b.corpus(ctx, words)
	if err != nil {
		return nil, fmt.Errorf("suggest knowledge: %w", err)
	}
	words = c.rarest(words)
	found, err := b.candidates(ctx, q, words)
	if err != nil {
		return nil, fmt.Errorf("suggest knowledge: %w", err)
	}
	return rank(q, words, c, found, b.now()), nil
}

// cutWords bounds what is read of a query's text.
func cutWords(s string) string {
	if r := []rune(s); len(r) > maxText {
		return string(r[:maxText])
	}
	return s
}

// maxAsked bounds how many different words are looked up.
const maxAsked = 400

// corpus returns how many entries there are and how many have each word.
func (b *Base) corpus(ctx context.Context, words []string) (corpus, error) {
	c := corpus{with: map[string]int{}}
	if err := b.db.Read.QueryRowContext(ctx, "SELECT COUNT(*) FROM knowledge").Scan(&c.entries); err != nil {
		return c, err
	}
	args, seen := []any{}, map[string]bool{}
	for _, w := range words {
		if !seen[w] && len(args) < maxAsked {
			seen[w] = true
			args = append(args, w)
		}
	}
	if len(args) == 0 {
		return c, nil
	}
	rows, err := b.db.Read.QueryContext(ctx, b.rewrite("SELECT word, entries FROM knowledge_words WHERE entries > 0 AND word IN (?"+strings.Repeat(", ?", len(args)-1)+")"), args...)
	if err != nil {
		return c, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var w string
		var n int
		if err := rows.Scan(&w, &n); err != nil {
			return c, err
		}
		c.with[w] = n
	}
	return c, rows.Err()
}

// candidates are published entries with one of the words, the best 80 by the
// database's own ranking, and up to 80 of the model or its family.
func (b *Base) candidates(ctx context.Context, q Query, words []string) ([]Entry, error) {
	var out []Entry
	seen := map[string]bool{}
	add := func(list []Entry, err error) error {
		for _, e := range list {
			if !seen[e.ID] {
				seen[e.ID] = true
				out = append(out, e)
			}
		}
		return err
	}
	if len(words) > 0 {
		if err := add(b.matching(ctx, words)); err != nil {
			return nil, err
		}
	}
	if m := clean(normal(q.Model)); m != "" {
		if err := add(b.entries(ctx, b.db.Read, `SELECT k.body FROM knowledge k WHERE k.state = ? AND k.id IN (SELECT id FROM knowledge_models WHERE model IN (?, ?))
			ORDER BY k.id LIMIT 80`, Published, m, family(m))); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (b *Base) matching(ctx context.Context, words []string) ([]Entry, error) {
	if b.db.Postgres {
		var terms []string
		for _, w := range words {
			terms = append(terms, lexeme(w))
		}
		q := strings.Join(terms, " | ")
		return b.entries(ctx, b.db.Read, `SELECT body FROM knowledge WHERE state = ? AND terms @@ ?::tsquery
			ORDER BY ts_rank('{0.25, 0.4, 0.8, 1}', terms, ?::tsquery) DESC, id LIMIT 80`, Published, q, q)
	}
	var terms []string
	for _, w := range words {
		terms = append(terms, `"`+w+`"`)
	}
	return b.entries(ctx, b.db.Read, `SELECT k.body FROM knowledge_text t JOIN knowledge k ON k.ord = t.rowid
		WHERE knowledge_text MATCH ? AND k.state = ? ORDER BY bm25(knowledge_text, 3.0, 2.5, 1.5, 1.0), k.id LIMIT 80`, strings.Join(terms, " OR "), Published)
}
