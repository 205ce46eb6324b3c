package duty

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/people"
)

// noteName is where the notes of a change of duty are kept.
func noteName(rota string, at time.Time) string {
	return notePrefix + rota + "/" + at.UTC().Format(time.RFC3339)
}

// HandOvers returns the rota's changes of duty in the stretch with their notes.
func (b *Book) HandOvers(ctx context.Context, rota string, from, to time.Time) ([]people.HandOver, error) {
	r, ok := b.Directory().Rota(rota)
	if !ok {
		return nil, ErrNone
	}
	list := r.HandOvers(from, to)
	for n := range list {
		if err := b.notes(ctx, &list[n]); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// notes adds what is stored about the change of duty.
func (b *Book) notes(ctx context.Context, h *people.HandOver) error {
	raw, err := b.o.Store.KVGet(ctx, noteName(h.Rota, h.At))
	if errors.Is(err, engine.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("hand-over: %w", err)
	}
	var kept people.HandOver
	if err := json.Unmarshal([]byte(raw), &kept); err != nil {
		return fmt.Errorf("hand-over: %w", err)
	}
	h.Notes, h.Accepted, h.TakenAt = kept.Notes, kept.Accepted, kept.TakenAt
	return nil
}

// Note adds a note to the change of duty at the time.
func (b *Book) Note(ctx context.Context, by, rota string, at time.Time, text string) error {
	return b.handOver(ctx, by, rota, at, "handover_note", text, func(h people.HandOver) (people.HandOver, error) {
		return h.WithNote(people.Note{By: by, At: b.o.Now().UTC(), Text: text})
	})
}

// Accept takes the duty over.
func (b *Book) Accept(ctx context.Context, by, rota string, at time.Time) error {
	return b.handOver(ctx, by, rota, at, "handover_accepted", "", func(h people.HandOver) (people.HandOver, error) {
		return h.Accept(by, b.o.Now().UTC())
	})
}

func (b *Book) handOver(ctx context.Context, by, rota string, at time.Time, action, detail string, do func(people.HandOver) (people.HandOver, error)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	list, err := b.HandOvers(ctx, rota, at.Add(-time.Second), at.Add(time.Second))
	if err != nil {
		return err
	}
	n := slices.IndexFunc(list, func(h people.HandOver) bool { return h.At.Equal(at) })
	if n < 0 {
		return ErrNone
	}
	h, err := do(list[n])
	if err != nil {
		return refuse("不能这样交接："+err.Error(), err.Error())
	}
	body, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("hand-over: %w", err)
	}
	if err := b.o.Audit(ctx, by, "duty."+action, rota+" "+at.UTC().Format(time.RFC3339), detail); err != nil {
		return err
	}
	if err := b.o.Store.KVPut(ctx, noteName(rota, at), string(body)); err != nil {
		return fmt.Errorf("hand-over: %w", err)
	}
	return nil
}
