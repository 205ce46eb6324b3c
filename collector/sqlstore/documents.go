package sqlstore

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/faultline/faultline/collector/document"
)

var _ document.Store = (*Store)(nil)

// PutDocument implements document.Store.
func (s *Store) PutDocument(ctx context.Context, d document.Document) error {
	b, err := encode(d)
	if err == nil {
		_, err = s.exec(ctx, `INSERT INTO documents (id, incident_id, at, body, content) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (id) DO NOTHING`, d.ID, d.IncidentID, d.At, b, base64.StdEncoding.EncodeToString(d.Body))
	}
	if err != nil {
		return fmt.Errorf("write document %s of incident %s: %w", d.Kind, d.IncidentID, s.dialect.explain(err))
	}
	return nil
}

// Documents implements document.Store.
func (s *Store) Documents(ctx context.Context, incidentID string) ([]document.Document, error) {
	list, err := bodies[document.Document](ctx, s.reader(), `SELECT body FROM documents WHERE incident_id = ? ORDER BY at, id`, incidentID)
	if err != nil {
		return nil, fmt.Errorf("read documents of incident %s: %w", incidentID, err)
	}
	return list, nil
}

// Document implements document.Store.
func (s *Store) Document(ctx context.Context, incidentID, id string) (document.Document, error) {
	var d document.Document
	var raw []byte
	var content string
	err := s.reader().row(ctx, []any{&raw, &content}, `SELECT body, content FROM documents WHERE incident_id = ? AND id = ?`, incidentID, id)
	if err == nil {
		err = json.Unmarshal(raw, &d)
	}
	if err == nil {
		d.Body, err = base64.StdEncoding.DecodeString(content)
	}
	if err != nil {
		return d, fmt.Errorf("read document %s: %w", id, err)
	}
	return d, nil
}
