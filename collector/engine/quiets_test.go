package engine

import (
	"context"
	"errors"
	"testing"
	"time"
)

type texts map[string]string

func (k texts) KVGet(_ context.Context, name string) (string, error) {
	if v, ok := k[name]; ok {
		return v, nil
	}
	return "", ErrNotFound
}

func (k texts) KVPut(_ context.Context, name, value string) error {
	if value == "" {
		return errDisk
	}
	k[name] = value
	return nil
}

func TestQuietsOutliveARestart(t *testing.T) {
	kept := texts{}
	q, err := OpenQuiets(t.Context(), kept)
	if err != nil {
		t.Fatal(err)
	}
	one, err := q.Announce(t.Context(), Quiet{Kind: QuietWorks, Until: t0.Add(time.Hour), Subjects: []string{"l1"}, Reason: "works 7", By: "carrier"}, t0)
	if err != nil {
		t.Fatal(err)
	}
	if q, err = OpenQuiets(t.Context(), kept); err != nil || len(q.Around(t0)) != 1 {
		t.Fatalf("after a restart: %+v, %v", q.List(), err)
	}
	if err := q.Lift(t.Context(), one.ID, t0.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	later := t0.Add(2 * time.Minute)
	if got := q.Around(later); len(got) != 1 || got[0].active(later) || !got[0].lifted(later) {
		t.Errorf("lifted: %+v", got)
	}
	if got := q.Around(t0.Add(2 * time.Hour)); len(got) != 0 {
		t.Errorf("long over: %+v", got)
	}
	if err := q.Lift(t.Context(), "none", t0); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestQuietsThatSayTooLittleAreRefused(t *testing.T) {
	q, _ := OpenQuiets(t.Context(), texts{})
	for name, one := range map[string]Quiet{
		"of everything":  {Kind: QuietSilence, Reason: "r", By: "b"},
		"without reason": {Kind: QuietSilence, Subjects: []string{"x"}, By: "b"},
		"of no kind":     {Kind: "nap", Subjects: []string{"x"}, Reason: "r", By: "b"},
		"backwards":      {Kind: QuietSilence, Subjects: []string{"x"}, Reason: "r", By: "b", From: t0, Until: t0.Add(-time.Second)},
		"for ever":       {Kind: QuietSilence, Subjects: []string{"x"}, Reason: "r", By: "b", From: t0, Until: t0.Add(2 * longestTime)},
	} {
		if _, err := q.Announce(t.Context(), one, t0); err == nil {
			t.Errorf("one %s was taken", name)
		}
	}
	if len(q.List()) != 0 {
		t.Errorf("kept %+v", q.List())
	}
}
