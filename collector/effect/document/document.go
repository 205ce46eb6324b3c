// Package document carries out the effect "document": it drafts the paper that
// a process ends with, in both languages, and stores it with the incident. The
// same effect leads to the same documents however often it is repeated.
package document

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/faultline/faultline/collector/document"
	"github.com/faultline/faultline/collector/effect"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/outbox"
	"github.com/faultline/faultline/internal/lang"
)

// Options are what the executor needs; all are required.
type Options struct {
	Store  document.Store
	Events func(ctx context.Context, id string) ([]incident.Event, error)
	// Source fills in the words and the zone of the incident's process and site.
	Source func(i incident.Incident) document.Source
	Now    func() time.Time
	// Writers are the kinds that have a form of their own; others are plain.
	Writers document.Registry
}

// New returns the executor.
func New(o Options) (outbox.Executor, error) {
	if o.Store == nil || o.Events == nil || o.Source == nil || o.Now == nil {
		return nil, errors.New("document effect: Store, Events, Source and Now are required")
	}
	return outbox.Func(o.execute), nil
}

func (o Options) execute(ctx context.Context, j outbox.Job) (outbox.Outcome, error) {
	kind := j.Effect.Params["document"]
	if kind == "" {
		return outbox.Fail("the effect does not say which document"), nil
	}
	events, err := o.Events(ctx, j.Incident.ID)
	if err != nil {
		return outbox.Outcome{}, err
	}
	result := map[string]string{"document": kind}
	for _, l := range []string{lang.ZH, lang.EN} {
		src := o.Source(j.Incident)
		src.Incident, src.Events, src.Effect, src.Language, src.Now = j.Incident, events, j.Effect, l, o.Now()
		d, err := o.Writers.Write(ctx, kind, src)
		if err != nil {
			return outbox.Outcome{}, err
		}
		if err := o.Store.PutDocument(ctx, d); err != nil {
			return outbox.Outcome{}, fmt.Errorf("store %s: %w", kind, err)
		}
		result["id."+l] = d.ID
	}
	return outbox.Finish(effect.OutcomeWritten, result), nil
}
