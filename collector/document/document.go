// Package document is the papers of an incident: what people hand in (检查报告,
// 正常运行报告) and what the collector drafts when a process ends. It checks and
// names them and writes the plain form of each kind; it keeps nothing itself (a
// Store does) and decides nothing about incidents.
package document

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/faultline/faultline/collector/incident"
)

// Origins of a document.
const (
	Uploaded = "uploaded" // handed in by a person, program or vendor
	Drafted  = "drafted"  // written by the collector
)

// Document is one paper of an incident. Body is empty in lists.
type Document struct {
	ID         string         `json:"id"` // unique for all time; the same paper handed in twice has one
	IncidentID string         `json:"incident_id"`
	Origin     string         `json:"origin"` // uploaded or drafted
	Kind       string         `json:"kind"`   // inspection_report, ..., incident_report, ...
	Language   string         `json:"language,omitempty"`
	Name       string         `json:"name"`
	Media      string         `json:"media_type"`
	Size       int64          `json:"size"` // bytes
	Hash       string         `json:"sha256"`
	At         time.Time      `json:"at"`
	By         incident.Actor `json:"by"`
	Body       []byte         `json:"-"`
}

// Store keeps documents. Its methods may be called from several goroutines.
type Store interface {
	// PutDocument writes the document with its body. One whose ID is there
	// already stays as it is.
	PutDocument(ctx context.Context, d Document) error
	// Documents returns an incident's documents without their bodies, oldest first.
	Documents(ctx context.Context, incidentID string) ([]Document, error)
	// Document returns an incident's document with its body, or engine.ErrNotFound.
	Document(ctx context.Context, incidentID, id string) (Document, error)
}

// sum is the SHA-256 of the body, in hex.
func sum(body []byte) string {
	h := sha256.Sum256(body)
	return hex.EncodeToString(h[:])
}

// idOf names a document by where it belongs and what makes it itself.
func idOf(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil))[:32]
}

// ErrDraft says a draft is not one: it has no name, no type or no body.
var ErrDraft = errors.New("a draft has a name, a media type and a body")
