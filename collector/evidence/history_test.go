package evidence

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/truth"
)

var power = map[string]string{"device": "u"}

// TestLateSamplesCorrectThePast: what an agent saw while it was cut off arrives
// after what it sees now, and says what was before.
func TestLateSamplesCorrectThePast(t *testing.T) {
	s, k := newStore(t, Options{}), Key{Element: Line, Subject: "l", Vantage: "a"}
	feed(s, "a", "probe_success", line, 100, 1)
	feed(s, "a", "probe_success", line, 200, 1) // back
	if r := s.Snapshot(at(205)).Get(k); r.Before != truth.Unknown || !r.Since.Equal(at(100)) {
		t.Fatalf("before the spool came: %+v", r)
	}
	for _, sec := range []int{130, 135, 140} {
		feed(s, "a", "probe_success", line, sec, 0)
	}
	feed(s, "a", "probe_success", line, 180, 1)
	feed(s, "a", "probe_success", line, 205, 1)
	want := Reading{Truth: truth.OK, Value: 1, At: at(205), Since: at(180), Before: truth.Bad, BeforeAt: at(140), BeforeSince: at(130), Changes: 2}
	if d := cmp.Diff(want, s.Snapshot(at(206)).Get(k)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// TestLateAttributesNeverOverwrite: an attribute is of the newest moment.
func TestLateAttributesNeverOverwrite(t *testing.T) {
	s := newStore(t, Options{})
	feed(s, "a", "upsOutputSource", power, 100, 3)
	feed(s, "a", "upsEstimatedMinutesRemaining", power, 100, 30)
	feed(s, "a", "upsEstimatedMinutesRemaining", power, 50, 2)
	if r := s.Snapshot(at(101)).Get(Key{Element: UPS, Subject: "u", Vantage: "a"}); r.Attrs["minutes"] != "30" {
		t.Errorf("minutes %q", r.Attrs["minutes"])
	}
}

// TestHeldBackReadingsEndAsInOrder: whatever was seen during cuts, delivered after
// newer readings, leads to the history that it would have led to in order.
func TestHeldBackReadingsEndAsInOrder(t *testing.T) {
	const silence = 20 * time.Second
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 3))
		type sight struct {
			sec int
			t   truth.Truth
		}
		var all []sight
		is := truth.OK
		for sec := 5; sec < 600; sec += 5 {
			if r.IntN(25) == 0 {
				is = truth.OK + truth.Bad - is
			}
			all = append(all, sight{sec, is})
		}
		from := 20 + r.IntN(60)
		to := from + 8 + r.IntN(30)
		live := append(append([]sight{}, all[:from]...), all[to:]...)
		at2 := from + 1 + r.IntN(len(live)-from)
		var a, b cell
		for _, x := range all {
			a.observe(x.t, 0, at(x.sec), silence)
		}
		for _, x := range append(append(append([]sight{}, live[:at2]...), all[from:to]...), live[at2:]...) {
			b.observe(x.t, 0, at(x.sec), silence)
		}
		if len(a.runs) > mostRuns-2 { // what is forgotten cannot be corrected
			continue
		}
		if d := cmp.Diff(a.Reading, b.Reading); d != "" {
			t.Fatalf("seed %d: (-in order +held back)\n%s\n%v\n%v", seed, d, a.runs, b.runs)
		}
		if len(b.gaps) > mostGaps || len(b.runs) > mostRuns {
			t.Fatalf("seed %d: %d runs, %d gaps", seed, len(b.runs), len(b.gaps))
		}
	}
}
