// Package writeup writes what the handbook wants in writing about an incident:
// the emergency report (紧急情况报告) while it lasts, the incident report
// (事故总结报告) afterwards, and the record of a changed configuration (配置变更记录).
// Build is pure: what is known of the incident in, a Document out; HTML, Markdown
// and DOCX are made of the Document; package document keeps papers. What only a person can say (lessons,
// improvements) is handed in as Fields and marked as missing until then; Ledger
// keeps them with their versions and signatures. Nothing here decides about incidents.
package writeup

import (
	"fmt"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/internal/lang"
)

// Kinds of documents.
const (
	Emergency      = "emergency_report"
	IncidentReport = process.DocIncidentReport
	ConfigRecord   = process.DocConfigRecord
)

// Fields are what a person writes into a document, by the words below.
type Fields map[string]string

// Words of Fields.
const (
	FieldCause        = "cause"        // the root cause as people found it
	FieldImpact       = "impact"       // what it meant for the business
	FieldLessons      = "lessons"      // 教训
	FieldImprovements = "improvements" // 改进措施, with who and until when
	FieldMeasures     = "measures"     // emergency report: what is being done
	FieldNext         = "next"         // emergency report: when the next report comes
	FieldChange       = "change"       // configuration record: what was changed
	FieldBackup       = "backup"       // configuration record: where the backup is
)

// MaxField bounds one field, in characters.
const MaxField = 8000

// View is the incident with the names of what it speaks of. Functions may be
// nil: ids are written then. They are called by Build only.
type View struct {
	Incident incident.Incident
	Fields   Fields
	Place    lang.Text                                  // of the site: name and address
	Users    int                                        // people at the sites that were cut off; 0 unknown
	Name     func(id string) (kind string, t lang.Text) // of a site, line or device; kind is site, line or device
	Step     func(step string) lang.Text
	Choice   func(choice string) lang.Text
	Role     func(role string) lang.Text
	Zone     *time.Location // of the reader; nil: UTC
	Progress []Notice       // 进展上报: what those above were told, in any order
}

// Notice is one message to one person above.
type Notice struct {
	At     time.Time // when it was sent; where it was not, planned
	Person string    // the name
	Title  lang.Text
	State  string // as of people.Message
}

// Document is one document in one language.
type Document struct {
	Kind       string    `json:"kind"`
	Language   string    `json:"language"`
	Title      string    `json:"title"`
	Number     string    `json:"number"` // of the incident
	IncidentID string    `json:"incident_id"`
	Version    int64     `json:"version"` // of the incident it was made from
	At         time.Time `json:"at"`
	Practice   bool      `json:"practice,omitempty"` // 演练: marked on every page
	Mark       string    `json:"mark,omitempty"`     // the watermark's words
	Made       string    `json:"made"`               // when and from what it was made
	Sections   []Section `json:"sections"`
	Missing    []string  `json:"missing,omitempty"` // words of Fields that nobody has written
}

// Section is a chapter. It has facts, a table, paragraphs or several of them.
type Section struct {
	ID         string      `json:"id"`
	Title      string      `json:"title"`
	Facts      [][2]string `json:"facts,omitempty"` // name and value
	Head       []string    `json:"head,omitempty"`  // of the table
	Rows       [][]string  `json:"rows,omitempty"`
	Paragraphs []string    `json:"paragraphs,omitempty"`
	Field      string      `json:"field,omitempty"` // word of Fields that a person writes here
	Empty      bool        `json:"empty,omitempty"` // nobody has written it yet
}

// Kinds returns the kinds that Build knows.
func Kinds() []string { return []string{Emergency, IncidentReport, ConfigRecord} }

// FieldsOf returns the fields that a person writes in a document of the kind, in
// order; those that a signature needs are required.
func FieldsOf(kind string) (fields, required []string) {
	switch kind {
	case Emergency:
		return []string{FieldMeasures, FieldImpact, FieldNext}, []string{FieldMeasures, FieldNext}
	case IncidentReport:
		return []string{FieldCause, FieldImpact, FieldLessons, FieldImprovements}, []string{FieldCause, FieldLessons, FieldImprovements}
	case ConfigRecord:
		return []string{FieldChange, FieldBackup}, []string{FieldChange, FieldBackup}
	}
	return nil, nil
}

// Build writes the document of the kind in the language. events are the
// incident's whole log; now is when it is written. An unknown kind is an error.
func Build(kind string, v View, events []incident.Event, now time.Time, language string) (Document, error) {
	if !slices.Contains(Kinds(), kind) {
		return Document{}, fmt.Errorf("document %q: want one of %v", kind, Kinds())
	}
	if v.Zone == nil {
		v.Zone = time.UTC
	}
	w := &writer{View: v, events: events, now: now, language: language}
	d := Document{Kind: kind, Language: language, Title: w.say("title." + kind), Number: v.Incident.Number, IncidentID: v.Incident.ID,
		Version: v.Incident.Version, At: now.UTC(), Practice: v.Incident.Practice}
	if d.Practice {
		d.Mark = w.say("practice")
	}
	d.Made = w.say("made", w.time(now), v.Incident.Version, v.Incident.LastHash)
	switch kind {
	case Emergency:
		d.Sections = []Section{w.when(), w.symptoms(), w.scope(), w.measured(), w.field(FieldMeasures), w.field(FieldImpact), w.upward(), w.field(FieldNext)}
	case IncidentReport:
		d.Sections = []Section{w.when(), w.symptoms(), w.scope(), w.measured(), w.cause(), w.field(FieldImpact), w.course(), w.clocks(), w.vendors(), w.upward(),
			w.field(FieldLessons), w.field(FieldImprovements)}
	case ConfigRecord:
		d.Sections = []Section{w.when(), w.changes(), w.field(FieldChange), w.field(FieldBackup)}
	}
	d.Sections = slices.DeleteFunc(d.Sections, Section.nothing)
	for _, s := range d.Sections {
		if s.Empty {
			d.Missing = append(d.Missing, s.Field)
		}
	}
	return d, nil
}

// nothing tells whether there is nothing to say in the chapter.
func (s Section) nothing() bool {
	return s.Field == "" && len(s.Facts) == 0 && len(s.Rows) == 0 && len(s.Paragraphs) == 0
}
