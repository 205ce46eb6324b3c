package writeup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/internal/lang"
)

// Edition is one version of what people wrote into a document of an incident. An
// edition is never changed; a signed one holds the document as it was signed.
type Edition struct {
	IncidentID string              `json:"incident_id"`
	Kind       string              `json:"kind"`
	Version    int                 `json:"version"` // 1, 2, ...
	Fields     Fields              `json:"fields"`
	By         string              `json:"by"` // who wrote it
	At         time.Time           `json:"at"`
	Signed     bool                `json:"signed,omitempty"`    // By signs for the document
	Name       string              `json:"name,omitempty"`      // as signed
	Documents  map[string]Document `json:"documents,omitempty"` // by language, of a signed edition
}

// Store keeps editions. Its methods may be called from several goroutines.
type Store interface {
	// PutEdition writes a new edition; engine.ErrConflict when its version is there.
	PutEdition(ctx context.Context, e Edition) error
	// Editions returns an incident's editions of the kind, oldest first.
	Editions(ctx context.Context, incidentID, kind string) ([]Edition, error)
}

// Fault is why something is not written, for the person who asked.
type Fault struct{ Text lang.Text }

// Error returns the text in English.
func (f *Fault) Error() string { return f.Text.EN }

// Newest returns the newest edition; the zero value when there is none.
func Newest(ctx context.Context, s Store, incidentID, kind string) (Edition, error) {
	all, err := s.Editions(ctx, incidentID, kind)
	if err != nil || len(all) == 0 {
		return Edition{IncidentID: incidentID, Kind: kind, Fields: Fields{}}, err
	}
	return all[len(all)-1], nil
}

// Change is what a person does to a document.
type Change struct {
	Kind   string
	Base   int // version the person saw; another one since is a conflict
	Fields Fields
	By     string
	Sign   bool
	Name   string // of who signs
}

// Write makes the next edition of the incident's document. documents builds it
// in both languages with the fields; a signature needs every required field and a
// name, and keeps what documents returned. The error is a *Fault,
// engine.ErrConflict, or the store's.
func Write(ctx context.Context, s Store, incidentID string, c Change, now time.Time, documents func(Fields) (map[string]Document, error)) (Edition, error) {
	had, err := Newest(ctx, s, incidentID, c.Kind)
	if err != nil {
		return Edition{}, err
	}
	if had.Version != c.Base {
		return Edition{}, fmt.Errorf("write %s: %w", c.Kind, engine.ErrConflict)
	}
	e := Edition{IncidentID: incidentID, Kind: c.Kind, Version: had.Version + 1, Fields: Fields{}, By: c.By, At: now.UTC()}
	known, required := FieldsOf(c.Kind)
	for _, f := range known {
		text := strings.TrimSpace(c.Fields[f])
		if utf8.RuneCountInString(text) > MaxField || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			return e, &Fault{lang.Text{ZH: fmt.Sprintf("%s 超过 %d 字或不是 UTF-8", Word("section."+f, lang.ZH), MaxField), EN: fmt.Sprintf("%s: longer than %d characters or not UTF-8", Word("section."+f, lang.EN), MaxField)}}
		}
		if text != "" {
			e.Fields[f] = text
		}
	}
	if c.Sign {
		if err := e.sign(c, required, documents); err != nil {
			return e, err
		}
	}
	return e, s.PutEdition(ctx, e)
}

func (e *Edition) sign(c Change, required []string, documents func(Fields) (map[string]Document, error)) error {
	var lacks lang.Text
	for _, f := range required {
		if e.Fields[f] == "" {
			lacks.ZH += " " + Word("section."+f, lang.ZH)
			lacks.EN += " " + Word("section."+f, lang.EN) + ";"
		}
	}
	switch {
	case !slices.Contains(Kinds(), c.Kind):
		return errors.New("sign: no such kind of document: " + c.Kind)
	case lacks.ZH != "":
		return &Fault{lang.Text{ZH: "签发前请填写：" + lacks.ZH, EN: "before it is signed, write:" + strings.TrimSuffix(lacks.EN, ";")}}
	case strings.TrimSpace(c.Name) == "" || utf8.RuneCountInString(c.Name) > 80:
		return &Fault{lang.Text{ZH: "签发人请填写姓名", EN: "whoever signs writes their name"}}
	}
	var err error
	e.Signed, e.Name = true, strings.TrimSpace(c.Name)
	e.Documents, err = documents(e.Fields)
	return err
}
