package knowledge

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
)

// maxHistory bounds the versions that History returns.
const maxHistory = 200

// History returns an entry's versions, the newest first.
func (b *Base) History(ctx context.Context, id string) ([]Entry, error) {
	list, err := b.entries(ctx, b.db.Read, fmt.Sprintf("SELECT body FROM knowledge_history WHERE id = ? ORDER BY version DESC LIMIT %d", maxHistory), id)
	if err == nil && len(list) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("history of knowledge entry %s: %w", id, err)
	}
	return list, nil
}

// Undo stores an older version's words as the entry's next version; what was
// counted since (votes, incidents) stays. base is the version the person saw.
func (b *Base) Undo(ctx context.Context, id string, to, base int64, by string) (Entry, error) {
	list, err := b.entries(ctx, b.db.Read, "SELECT body FROM knowledge_history WHERE id = ? AND version = ?", id, to)
	if err == nil && len(list) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Entry{}, fmt.Errorf("undo knowledge entry %s to version %d: %w", id, to, err)
	}
	now, err := b.Get(ctx, id)
	if err != nil {
		return Entry{}, err
	}
	old := list[0]
	old.Version, old.UpdatedBy, old.Helpful, old.Useless, old.Incidents, old.CreatedAt = base, by, now.Helpful, now.Useless, now.Incidents, now.CreatedAt
	return b.Put(ctx, old)
}

// remember keeps the version that was just stored.
func (b *Base) remember(ctx context.Context, tx *sql.Tx, e Entry) error {
	raw, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, b.rewrite("INSERT INTO knowledge_history (id, version, body) VALUES (?, ?, ?)"), e.ID, e.Version, clean(string(raw)))
	return err
}
