package shelf

import (
	"errors"
	"io/fs"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/mailin"
)

var t0 = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

func open(t *testing.T) Queue {
	t.Helper()
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s.Queue()
}

func waiting(t *testing.T, q Queue) int {
	t.Helper()
	list, err := q.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// TestThereAndBackAgain: dealt with, brought back, dealt with again.
func TestThereAndBackAgain(t *testing.T) {
	for _, outcome := range []string{Filed, Discarded} {
		q, ctx := open(t), t.Context()
		e := mailin.Event{ID: "ab12", Subject: "回复", At: t0}
		for range 2 {
			if err := q.Put(ctx, e, []byte("raw")); err != nil {
				t.Fatal(err)
			}
		}
		h := Handled{Event: e, Outcome: outcome, By: "chen", At: t0}
		for range 2 {
			if err := q.Settle(ctx, h); err != nil {
				t.Fatal(err)
			}
		}
		if err := q.Put(ctx, e, []byte("raw")); err != nil { // the mailbox hands it in once more
			t.Fatal(err)
		}
		if n := waiting(t, q); n != 0 {
			t.Errorf("%s: %d mails wait", outcome, n)
		}
		if _, err := q.Event(ctx, "ab12"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: waits still: %v", outcome, err)
		}
		back, err := q.Back(ctx, "ab12")
		if err != nil || back.By != "chen" {
			t.Fatalf("%+v, %v", back, err)
		}
		again, err := q.Event(ctx, "ab12")
		want := map[string]int{Filed: 1, Discarded: 0}[outcome]
		if raw, errRaw := q.Raw(ctx, "ab12"); err != nil || errRaw != nil || string(raw) != "raw" || again.Filed != want {
			t.Errorf("%s: back %+v, %v, %q, %v", outcome, again, err, raw, errRaw)
		}
		if _, err := q.Back(ctx, "ab12"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: brought back twice: %v", outcome, err)
		}
	}
}

func TestNamesAreNoPaths(t *testing.T) {
	q := open(t)
	for _, id := range []string{"", "../x", "a/b", "zz", "."} {
		_, errEvent := q.Event(t.Context(), id)
		_, errBack := q.Back(t.Context(), id)
		for _, err := range []error{errEvent, errBack, q.Settle(t.Context(), Handled{Event: mailin.Event{ID: id}})} {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%q: %v", id, err)
			}
		}
	}
}

func TestPrune(t *testing.T) {
	q, ctx := open(t), t.Context()
	for n, id := range []string{"aa", "bb"} {
		e := mailin.Event{ID: id}
		if err := errors.Join(q.Put(ctx, e, []byte("raw")), q.Settle(ctx, Handled{Event: e, Outcome: Discarded, At: t0.Add(time.Duration(n) * time.Hour)})); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.Prune(ctx, t0.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	left, err := q.Handled(ctx)
	if err != nil || len(left) != 1 || left[0].Event.ID != "bb" {
		t.Errorf("%+v, %v", left, err)
	}
	if _, err := q.Raw(ctx, "aa"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the mail is still there: %v", err)
	}
}
