package people

import (
	"errors"
	"slices"
	"testing"

	"github.com/faultline/faultline/internal/lang"
)

// TestClaimedIsNotBegun: what was handed out and had not begun when the program
// died waits again, unmarked; what had begun may have arrived.
func TestClaimedIsNotBegun(t *testing.T) {
	d, t0 := company(t), at(t, "2026-11-20 10:00")
	k := NewDesk(DefaultPolicy(), nil)
	h := happening("i1", "opened", 2, t0)
	k.Take(h, told("zhou", "qian"))
	if out := k.Due(t0, d); len(out) != 2 {
		t.Fatalf("handed out %+v", out)
	}
	zhou, qian := "i1/1/"+h.ID+"/zhou", "i1/1/"+h.ID+"/qian"
	if err := k.Begin(zhou); err != nil {
		t.Fatal(err)
	}
	if err := k.Begin(zhou); !errors.Is(err, ErrNotClaimed) {
		t.Errorf("begun twice: %v", err)
	}
	k = NewDesk(DefaultPolicy(), k.Messages())
	for key, want := range map[string]string{zhou: MessageMaybe, qian: MessageQueued} {
		if m, _ := k.Message(key); m.State != want || m.Repeat || m.Claimed {
			t.Errorf("%s: %+v, want %s", key, m, want)
		}
	}
	if err := k.Begin(qian); !errors.Is(err, ErrNotClaimed) {
		t.Errorf("an attempt of before the crash: %v", err)
	}
	out := k.Due(t0, d)
	if len(out) != 1 || out[0].Key != qian || out[0].Repeat {
		t.Errorf("handed out again: %+v", out)
	}
}

// TestClaimedOpeningOfWhatIsOver: an opening that never left goes with its round,
// and so does the closing that waited for it.
func TestClaimedOpeningOfWhatIsOver(t *testing.T) {
	d, t0 := company(t), at(t, "2026-11-20 10:00")
	k := NewDesk(DefaultPolicy(), nil)
	k.Take(happening("i1", "opened", 2, t0), told("zhou"))
	k.Due(t0, d)
	k.Take(Happening{ID: "closed", Incident: "i1", Round: 1, Event: "closed", At: t0}, nil)
	k = NewDesk(DefaultPolicy(), k.Messages())
	if out := k.Due(t0, d); len(out) != 0 {
		t.Errorf("sent after its end: %+v", out)
	}
	for _, m := range k.Messages() {
		if m.State != MessageSuppressed || m.Reason.IsZero() {
			t.Errorf("%s is %s (%s)", m.Key, m.State, m.Reason.EN)
		}
	}
}

// TestClaimedDigest: what a digest held that never left waits for itself; of one
// that had begun all may have arrived.
func TestClaimedDigest(t *testing.T) {
	for _, begun := range []bool{false, true} {
		d, t0 := company(t), at(t, "2026-11-20 10:00")
		k := NewDesk(DefaultPolicy(), nil)
		for n := range DefaultPolicy().Fold + 1 {
			k.Take(happening("i"+string(rune('a'+n)), "opened", 3, t0), told("zhou"))
		}
		out := k.Due(t0, d)
		if len(out) != 1 || out[0].Kind != MessageDigest {
			t.Fatalf("handed out %+v", out)
		}
		if begun {
			if err := k.Begin(out[0].Key); err != nil {
				t.Fatal(err)
			}
		}
		k = NewDesk(DefaultPolicy(), k.Messages())
		want := map[bool]string{false: MessageQueued, true: MessageMaybe}[begun]
		for _, key := range out[0].Items {
			if m, _ := k.Message(key); m.State != want || !begun && m.Digest != "" || m.Claimed {
				t.Errorf("begun %v: %+v, want %s", begun, m, want)
			}
		}
		if g, _ := k.Message(out[0].Key); g.State != map[bool]string{false: MessageFailed, true: MessageMaybe}[begun] {
			t.Errorf("begun %v: the digest is %s", begun, g.State)
		}
		if !begun {
			again := k.Due(t0.Add(DefaultPolicy().Every), d)
			if len(again) != 1 || again[0].Repeat || !slices.Equal(again[0].Items, out[0].Items) || k.Outcome(again[0].Key, MessageSent, lang.Text{}) != nil {
				t.Errorf("handed out again: %+v", again)
			}
		}
	}
}
