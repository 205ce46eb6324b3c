// Package trail proves the log: it seals the chains of all incidents and the
// audit of people once a day under one head, writes exports, and verifies them
// without a database. It reads no store and no clock; app hands it what is kept.
package trail

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/incident"
)

// Link is where an incident's chain stood when it was sealed.
type Link struct {
	IncidentID string `json:"incident_id"`
	Seq        int64  `json:"seq"`
	Hash       string `json:"hash"`
}

// Seal is a day's head over all: the chains that grew since the seal before, and
// what people did since then.
type Seal struct {
	Day       string    `json:"day"` // 2026-11-22, UTC
	At        time.Time `json:"at"`
	Prev      string    `json:"prev"`  // head of the seal before; "" of the first
	Links     []Link    `json:"links"` // in order of the incident's id
	AuditFrom time.Time `json:"audit_from,omitzero"`
	AuditTo   time.Time `json:"audit_to"` // entries from AuditFrom up to here, not included
	Audit     int       `json:"audit"`    // how many
	AuditHash string    `json:"audit_hash"`
	Head      string    `json:"head"`
}

// Close returns the seal with its head.
func (s Seal) Close() Seal {
	s.Links = slices.Clone(s.Links)
	slices.SortFunc(s.Links, func(a, b Link) int { return strings.Compare(a.IncidentID, b.IncidentID) })
	s.Head = s.head()
	return s
}

func (s Seal) head() string {
	s.Head = ""
	return digest(s)
}

// digest is the hash of the value's JSON; values here always have one.
func digest(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("marshal %T: %v", v, err))
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// HashOf is one hash over entries of the audit, in their order.
func HashOf(entries []account.AuditEntry) string {
	return digest(append([]account.AuditEntry{}, entries...))
}

// Next makes the seal of a day from where the chains stand now and the seals
// made before, oldest first.
func Next(day string, now time.Time, sealed []Seal, chains []Link, entries []account.AuditEntry) Seal {
	s := Seal{Day: day, At: now.UTC(), AuditTo: now.UTC(), Links: []Link{}}
	known := map[string]int64{}
	for _, old := range sealed {
		s.Prev, s.AuditFrom = old.Head, old.AuditTo
		for _, l := range old.Links {
			known[l.IncidentID] = l.Seq
		}
	}
	for _, l := range chains {
		if l.Seq > known[l.IncidentID] {
			s.Links = append(s.Links, l)
		}
	}
	between := s.of(entries)
	s.Audit, s.AuditHash = len(between), HashOf(between)
	return s.Close()
}

// of are the entries that belong to the seal.
func (s Seal) of(entries []account.AuditEntry) []account.AuditEntry {
	return slices.DeleteFunc(slices.Clone(entries), func(e account.AuditEntry) bool {
		return e.At.Before(s.AuditFrom) || !e.At.Before(s.AuditTo)
	})
}

// Filter selects what an export shows in full. Zero fields select all.
type Filter struct {
	Role     string
	From, To time.Time
	Keyword  string // anywhere in the event's text, capitals alike
}

// shows tells whether the filter takes the event.
func (f Filter) shows(e incident.Event) bool {
	if f.Role != "" && e.Actor.Role != f.Role && e.Role != f.Role {
		return false
	}
	if !f.From.IsZero() && e.At.Before(f.From) || !f.To.IsZero() && !e.At.Before(f.To) {
		return false
	}
	if f.Keyword == "" {
		return true
	}
	b, err := json.Marshal(e)
	return err == nil && strings.Contains(strings.ToLower(string(b)), strings.ToLower(f.Keyword))
}

// Stub stands for an event that the filter left out, so that the chain can still
// be followed.
type Stub struct {
	IncidentID string `json:"incident_id"`
	Seq        int64  `json:"seq"`
	PrevHash   string `json:"prev_hash"`
	Hash       string `json:"hash"`
}

// Line is one line of an export: exactly one field is set.
type Line struct {
	Event *incident.Event     `json:"event,omitempty"`
	Stub  *Stub               `json:"stub,omitempty"`
	Audit *account.AuditEntry `json:"audit,omitempty"`
	Seal  *Seal               `json:"seal,omitempty"`
	End   *End                `json:"end,omitempty"`
}

// End is the last line: how many lines go before, and one hash over them.
type End struct {
	Lines int    `json:"lines"`
	Hash  string `json:"hash"`
}
