package runner

import (
	"context"
	"errors"
	"io"
	"testing"
	"unicode"

	"github.com/faultline/faultline/plugins/remedy"
)

type fixed remedy.Outcome

func (fixed) Name() string { return "fixed" }

func (f fixed) Prepare(remedy.Order) (Job, error) {
	return Job{Pin: "p", Do: func(context.Context, io.Writer) remedy.Outcome { return remedy.Outcome(f) }}, nil
}

// TestSummariesInBothLanguages: what a program came to is said in both languages,
// and the book keeps both.
func TestSummariesInBothLanguages(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for name, o := range map[string]remedy.Outcome{"done": Ended(t.Context(), 0, nil), "failed": Ended(t.Context(), 3, nil), "stopped": Ended(over, -1, errors.New("killed"))} {
		han := 0
		for _, c := range o.SummaryZH {
			if unicode.Is(unicode.Han, c) {
				han++
			}
		}
		if o.Summary == "" || han < 3 {
			t.Errorf("%s: %q, %q", name, o.Summary, o.SummaryZH)
		}
		dir := t.TempDir()
		r, err := New(dir, 0, fixed(o))
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.Run(t.Context(), remedy.Order{Key: "k", Remedy: "x"}, io.Discard)
		if err = errors.Join(err, r.Close()); err != nil {
			t.Fatal(err)
		}
		if r, err = New(dir, 0, fixed{}); err != nil {
			t.Fatal(err)
		}
		kept, found, err := r.Find(t.Context(), "k")
		if err = errors.Join(err, r.Close()); err != nil || !found || kept != got || kept.SummaryZH != o.SummaryZH {
			t.Errorf("%s: kept %+v, %v, %v; want %+v", name, kept, found, err, got)
		}
	}
}
