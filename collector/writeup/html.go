package writeup

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"time"
)

//go:embed document.html
var page string

// Signed is what a document says of its version and signature; the zero value is
// a draft that nobody signed.
type Signed struct {
	Version int       // of the document, from 1; 0 is not kept
	By      string    // the name; "" nobody
	At      time.Time // when
	Zone    *time.Location
}

// Line is the signature in words.
func (s Signed) Line(language string) string {
	if s.By == "" {
		return Word("not_signed", language)
	}
	zone := s.Zone
	if zone == nil {
		zone = time.UTC
	}
	return fmt.Sprintf(Word("signed", language), s.By, s.At.In(zone).Format("2006-01-02 15:04 -07:00"))
}

// HTML returns the document as a page of its own that prints on A4. It has no
// script and refers to nothing outside itself.
func (d Document) HTML(s Signed) ([]byte, error) {
	t, err := template.New("document").Funcs(template.FuncMap{"w": func(key string) string { return Word(key, d.Language) }}).Parse(page)
	if err != nil {
		return nil, fmt.Errorf("document page: %w", err)
	}
	var b bytes.Buffer
	version := ""
	if s.Version > 0 {
		version = fmt.Sprintf(Word("version", d.Language), s.Version)
	}
	if err := t.Execute(&b, map[string]any{"D": d, "Signed": s.Line(d.Language), "IsSigned": s.By != "", "Version": version}); err != nil {
		return nil, fmt.Errorf("document %s of %s: %w", d.Kind, d.Number, err)
	}
	return b.Bytes(), nil
}
