package document

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/document"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/outbox"
)

type store struct {
	docs map[string]document.Document
	err  error
}

func (s *store) PutDocument(_ context.Context, d document.Document) error {
	s.docs[d.ID] = d
	return s.err
}

func (s *store) Documents(context.Context, string) ([]document.Document, error) { return nil, nil }

func (s *store) Document(context.Context, string, string) (document.Document, error) {
	return document.Document{}, nil
}

func TestDocumentsAreDraftedOnceInBothLanguages(t *testing.T) {
	s := &store{docs: map[string]document.Document{}}
	x, err := New(Options{Store: s, Now: time.Now, Source: func(incident.Incident) document.Source { return document.Source{} },
		Events: func(context.Context, string) ([]incident.Event, error) { return nil, nil }})
	if err != nil {
		t.Fatal(err)
	}
	j := outbox.Job{Incident: incident.Incident{ID: "i1", Number: "20261121-0042"}, Effect: incident.Effect{Key: "i1/7/document", Params: map[string]string{"document": "incident_report"}}}
	for range 2 {
		out, err := x.Execute(t.Context(), j)
		if err != nil || out.Failed() || len(s.docs) != 2 || s.docs[out.Result()["id.en"]].Kind != "incident_report" {
			t.Fatalf("%+v, %v, %d documents", out, err, len(s.docs))
		}
	}
	s.err = errors.New("disk full")
	if _, err := x.Execute(t.Context(), j); !errors.Is(err, s.err) {
		t.Fatalf("got %v", err)
	}
	j.Effect.Params = nil
	if out, err := x.Execute(t.Context(), j); err != nil || !out.Failed() {
		t.Fatalf("an effect without a kind: %+v, %v", out, err)
	}
}
