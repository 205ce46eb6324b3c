package hooks

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline/faultline/collector/incident"
)

// feed is one subscriber's.
type feed struct {
	sub  Subscriber
	o    *Options
	sent *prometheus.CounterVec
	wake chan struct{} // capacity 1

	// Owned by run.
	began time.Time        // only what happens from then on is told
	told  map[string]int64 // by incident: the last event told
	maybe string           // id of the message that may have arrived already; "" is none
	noted string           // id of the message last noted to be leaving
	tries int              // failures in a row
	until time.Time        // not before, after failures
}

func (f *feed) prefix() string                { return "hook/" + f.sub.Name + "/" }
func (f *feed) name(incidentID string) string { return f.prefix() + "told/" + incidentID }

// run loads and tells until ctx ends.
func (f *feed) run(ctx context.Context) error {
	for {
		err := f.load(ctx)
		for err == nil && ctx.Err() == nil {
			if round := f.round(ctx); round != nil && ctx.Err() == nil {
				f.log().Warn("webhooks wait", "err", round)
			}
			wait := f.o.Poll
			if d := f.until.Sub(f.o.Now()); d > 0 {
				wait = d
			}
			f.pause(ctx, wait)
		}
		if ctx.Err() != nil {
			return nil
		}
		f.log().Error("webhooks cannot begin", "err", err)
		f.pause(ctx, 5*time.Second)
	}
}

func (f *feed) log() *slog.Logger { return f.o.Logger.With("subscriber", f.sub.Name) }

func (f *feed) pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-f.wake:
	}
}

// load reads how far the subscriber was told. A new one begins now.
func (f *feed) load(ctx context.Context) error {
	kept, err := f.o.Store.KVList(ctx, f.prefix())
	if err != nil {
		return fmt.Errorf("read how far it was told: %w", err)
	}
	f.told = map[string]int64{}
	for name, v := range kept {
		if n, err := strconv.ParseInt(v, 10, 64); err == nil && len(name) > len(f.name("")) && name[:len(f.name(""))] == f.name("") {
			f.told[name[len(f.name("")):]] = n
		}
	}
	f.maybe, f.noted = kept[f.sending()], kept[f.sending()]
	if raw, ok := kept[f.prefix()+"began"]; ok {
		if f.began, err = time.Parse(time.RFC3339Nano, raw); err == nil {
			return nil
		}
	}
	f.began = f.o.Now()
	return f.o.Store.KVPut(ctx, f.prefix()+"began", f.began.UTC().Format(time.RFC3339Nano))
}

// round tells what is new in every incident, oldest first. After a failure the
// others wait as well: they go to the same place.
func (f *feed) round(ctx context.Context) error {
	if f.o.Now().Before(f.until) {
		return nil
	}
	recent, err := f.o.Source.Recent(ctx)
	if err != nil {
		return fmt.Errorf("read incidents: %w", err)
	}
	slices.SortFunc(recent, func(a, b incident.Incident) int { return a.OpenedAt.Compare(b.OpenedAt) })
	seen := map[string]bool{}
	for _, i := range recent {
		seen[i.ID] = true
		if f.told[i.ID] >= i.Version || len(f.sub.Sites) > 0 && !slices.Contains(f.sub.Sites, i.Diagnosis.Site) {
			continue
		}
		if err := f.tell(ctx, i); err != nil {
			return fmt.Errorf("incident %s: %w", i.Number, err)
		}
	}
	return f.forget(ctx, seen)
}

// tell sends an incident's news in order and notes each that arrived.
func (f *feed) tell(ctx context.Context, i incident.Incident) error {
	log, err := f.o.Source.Events(ctx, i.ID)
	if err != nil {
		return err
	}
	if len(log) == 0 {
		return nil
	}
	if i, err = incident.Fold(log); err != nil { // the state that belongs to the log
		return err
	}
	messages, err := f.sub.messages(i, log, f.told[i.ID], f.began, f.o.URL(i.ID))
	if err != nil {
		return err
	}
	for _, m := range messages {
		if err := f.send(ctx, m); err != nil {
			return err
		}
		if err := f.note(ctx, i.ID, m.seq); err != nil {
			return err
		}
	}
	return f.note(ctx, i.ID, log[len(log)-1].Seq)
}

// send posts one message; an error means that it is to be sent again.
func (f *feed) send(ctx context.Context, m message) error {
	now := f.o.Now()
	if now.Sub(m.at) > giveUp {
		f.sent.WithLabelValues(f.sub.Name, "expired").Inc()
		f.log().Error("webhook given up after 48 hours", "id", m.id)
		return nil
	}
	if err := f.leave(ctx, m.id); err != nil {
		return err
	}
	before := f.maybe == m.id
	answered, final, err := f.post(ctx, m)
	if answered && !before {
		f.maybe = "" // an answer to this attempt says nothing about one before
	}
	switch {
	case err == nil:
		f.sent.WithLabelValues(f.sub.Name, "taken").Inc()
		f.tries, f.until = 0, time.Time{}
		return nil
	case final:
		f.sent.WithLabelValues(f.sub.Name, "refused").Inc()
		f.log().Error("webhook refused", "id", m.id, "err", err)
		return nil
	}
	f.sent.WithLabelValues(f.sub.Name, "failed").Inc()
	f.tries++
	f.until = now.Add(min(time.Second<<min(f.tries, 12), maxBack))
	return err
}

// note remembers how far an incident was told.
func (f *feed) note(ctx context.Context, incidentID string, seq int64) error {
	if f.told[incidentID] == seq {
		return nil
	}
	if err := f.o.Store.KVPut(ctx, f.name(incidentID), strconv.FormatInt(seq, 10)); err != nil {
		return fmt.Errorf("note event %d: %w", seq, err)
	}
	f.told[incidentID] = seq
	return nil
}

// forget drops the notes of incidents that are over.
func (f *feed) forget(ctx context.Context, seen map[string]bool) error {
	var gone []string
	for id := range f.told {
		if !seen[id] {
			gone = append(gone, f.name(id))
		}
	}
	if len(gone) == 0 {
		return nil
	}
	if err := f.o.Store.KVDelete(ctx, gone...); err != nil {
		return fmt.Errorf("forget %d incidents: %w", len(gone), err)
	}
	for id := range f.told {
		if !seen[id] {
			delete(f.told, id)
		}
	}
	return nil
}
