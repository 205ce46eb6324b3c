package document

import (
	"context"
	"fmt"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/lang"
)

// Source is what a draft is written from.
type Source struct {
	Incident incident.Incident
	Events   []incident.Event
	Effect   incident.Effect // Params document says which kind, reason why
	Language string          // zh-CN or en
	Zone     *time.Location  // of the incident's site
	Now      time.Time
	// Words of the incident's process.
	ProcessTitle lang.Text
	StepTitle    func(step string) lang.Text
	ChoiceTitle  func(choice string) lang.Text
	RoleTitle    func(role string) lang.Text
}

// Draft is a document that was written, in one language.
type Draft struct {
	Name  string // of the file
	Media string
	Body  []byte
}

// Writer writes one kind of document. It is called once for each language and
// may be called again for the same effect; it must not change anything.
type Writer func(ctx context.Context, s Source) (Draft, error)

// Registry is who writes which kind. A kind without a writer of its own is
// written by Plain.
type Registry map[string]Writer

// Write writes the document of the kind and gives it its name for all time: the
// same effect leads to the same ID.
func (r Registry) Write(ctx context.Context, kind string, s Source) (Document, error) {
	w, ok := r[kind]
	if !ok {
		w = Plain(kind)
	}
	d, err := w(ctx, s)
	if err == nil && (d.Name == "" || d.Media == "" || len(d.Body) == 0) {
		err = ErrDraft
	}
	if err != nil {
		return Document{}, fmt.Errorf("draft %s of incident %s: %w", kind, s.Incident.ID, err)
	}
	return Document{ID: idOf(s.Incident.ID, Drafted, s.Effect.Key, s.Language), IncidentID: s.Incident.ID, Origin: Drafted, Kind: kind, Language: s.Language,
		Name: cleanName(d.Name), Media: d.Media, Size: int64(len(d.Body)), Hash: sum(d.Body), At: s.Now.UTC(), By: incident.System, Body: d.Body}, nil
}
