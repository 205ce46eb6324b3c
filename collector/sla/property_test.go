package sla

import (
	"errors"
	"math/rand/v2"
	"testing"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"
)

// zones are calendars of the same hours where clocks are never and twice a
// year put forward and back; one is worked at night, over the change.
func zones(t testing.TB) []*Calendar {
	fsys := shippedFiles(t)
	for id, zone := range map[string]string{"sha": "Asia/Shanghai", "lon": "Europe/London", "nyc": "America/New_York"} {
		hours := `["09:00-12:00", "13:00-17:00"]`
		fsys[id+".yaml"] = &fstest.MapFile{Data: []byte("apiVersion: faultline/v1\nkind: Calendar\nid: " + id + "\nzone: " + zone + "\ncountry: cn\nweek:\n  monday: " + hours +
			"\n  tuesday: " + hours + "\n  wednesday: " + hours + "\n  thursday: " + hours + "\n  friday: " + hours +
			"\n  sunday: [\"00:30-01:15\", \"01:20-03:00\", \"22:00-24:00\"]\nexchange: [\"08:30-12:00\"]\n")}
	}
	c, err := Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	var out []*Calendar
	for _, id := range []string{"sha", "lon", "nyc"} {
		cal, _ := c.Get(id)
		out = append(out, cal)
	}
	return out
}

// TestArithmetic draws 60,000 cases: what is due after w of work has taken w
// of work, and time adds up wherever it is split.
func TestArithmetic(t *testing.T) {
	cals := zones(t)
	begin := time.Date(2025, 1, 2, 0, 0, 0, 0, time.UTC)
	cases := 0
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 5545))
		for _, cal := range cals {
			for range 200 {
				cases++
				from := begin.Add(time.Duration(r.Int64N(int64(690 * 24 * time.Hour))))
				work := time.Duration(1 + r.Int64N(int64(60*time.Hour)))
				due, err := Due(cal, from, Span{Time: work})
				if work%(24*time.Hour) == 0 {
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				got, err := Elapsed(cal, from, due)
				if err != nil || got != work {
					t.Fatalf("%s: Elapsed(%v, Due(%v)) = %v, %v", cal.ID, from, work, got, err)
				}
				pauseOnce(t, r, cal, from, due, work)
				split := from.Add(time.Duration(r.Int64N(1 + int64(due.Sub(from)))))
				a, err1 := Elapsed(cal, from, split)
				b, err2 := Elapsed(cal, split, due)
				if err := errors.Join(err1, err2); err != nil || a+b != work {
					t.Fatalf("%s: %v + %v is not %v (%v)", cal.ID, a, b, work, err)
				}
			}
		}
	})
	if cases < 60_000 {
		t.Errorf("%d cases", cases)
	}
}

// TestReadEqualsSumOfRuns compares a replayed clock with its runs added up.
func TestReadEqualsSumOfRuns(t *testing.T) {
	cals := zones(t)
	rapid.Check(t, func(t *rapid.T) {
		cal := cals[rapid.IntRange(0, 2).Draw(t, "zone")]
		now := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
		marks, want, what := []Mark{{now, "start"}}, time.Duration(0), "pause"
		for range rapid.IntRange(0, 8).Draw(t, "marks") {
			next := now.Add(time.Duration(rapid.Int64Range(0, int64(100*time.Hour)).Draw(t, "step")))
			if what == "pause" {
				e, err := Elapsed(cal, now, next)
				if err != nil {
					t.Fatal(err)
				}
				want += e
			}
			marks = append(marks, Mark{next, what})
			now = next
			if what == "pause" {
				what = "resume"
			} else {
				what = "pause"
			}
		}
		target := Span{Time: time.Duration(rapid.Int64Range(1, int64(23*time.Hour)).Draw(t, "target"))}
		r, err := Read(cal, target, marks, now)
		if err != nil || r.Elapsed != want {
			t.Fatalf("Elapsed = %v, %v, want %v", r.Elapsed, err, want)
		}
		if over := r.Elapsed >= target.Time; over != (!r.Due.IsZero() && !r.Due.After(now)) {
			t.Fatalf("elapsed %v of %v but due %v at %v", r.Elapsed, target.Time, r.Due, now)
		}
	})
}

// pauseOnce adds a pause to a case: the work still comes out exactly, counted
// in the two runs, and a pause never brings the due time forward.
func pauseOnce(t *rapid.T, draw *rand.Rand, cal *Calendar, from, plain time.Time, work time.Duration) {
	p := from.Add(time.Duration(draw.Int64N(1 + int64(plain.Sub(from)))))
	r := p.Add(time.Duration(draw.Int64N(int64(5 * 24 * time.Hour))))
	marks := []Mark{{from, "start"}, {p, "pause"}, {r, "resume"}}
	got, err := Read(cal, Span{Time: work}, marks, r)
	var unknown *UnknownYear
	if errors.As(err, &unknown) {
		return // the pause reaches beyond the entered years
	}
	if err != nil || got.Due.IsZero() || got.Due.Before(plain) {
		t.Fatalf("%s: due %v, %v before the plain %v", cal.ID, got.Due, err, plain)
	}
	before, err1 := Elapsed(cal, from, p)
	after, err2 := Elapsed(cal, r, got.Due)
	if err := errors.Join(err1, err2); err != nil || before+after != work && before != work {
		t.Fatalf("%s: %v before the pause and %v after it is not %v (%v)", cal.ID, before, after, work, err)
	}
}

// TestLedgerEqualsMarks compares clocks read from one ledger with the same
// clocks read each from its own marks, over random waits that overlap.
func TestLedgerEqualsMarks(t *testing.T) {
	cals := shipped(t)
	limits := cals.Limits()
	clocks := Clocks{History: NewHistory(Published{At: at(t, "2025-01-01 00:00"), Calendars: cals})}
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 1, 5, 1, 0, 0, 0, time.UTC)
		var l Ledger
		var err error
		add := func(e Entry) {
			e.Seq, e.At, e.Version = int64(len(l.entries)+1), now, cals.Version()
			if l, err = l.Add(limits, e); err != nil {
				t.Fatal(err)
			}
		}
		for _, lim := range limits.Limits {
			e := Entry{What: EntryStart, Clock: lim.ID}
			if lim.Target == Contract {
				e.Target = "8h"
			}
			add(e)
		}
		open := map[string]bool{}
		for n := range rapid.IntRange(0, 12).Draw(t, "entries") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(30*time.Hour)).Draw(t, "step")))
			reason := rapid.SampledFrom(limits.Reasons).Draw(t, "reason").ID
			if open[reason] {
				add(Entry{What: EntryResume, Wait: reason})
			} else {
				add(Entry{What: EntryPause, Wait: reason, Reason: reason, By: "li", Owner: string(rune('a' + n%3))})
			}
			open[reason] = !open[reason]
		}
		for _, lim := range limits.Limits {
			s := clocks.Read(l, lim, now)
			cal, _ := clocks.Calendar(lim.Calendar, "")
			r, err := Read(cal, s.Target, l.Marks(lim), now)
			if err != nil || s.Problem != nil || s.Elapsed != r.Elapsed || r.Running && !s.Due.Equal(r.Due) || (s.Phase == PhasePaused) != r.Paused {
				t.Fatalf("%s: %+v is not %+v (%v)", lim.ID, s, r, err)
			}
			if len(lim.PausedBy) == 0 && s.Phase != PhaseRunning {
				t.Fatalf("%s cannot be paused but is %s", lim.ID, s.Phase)
			}
		}
	})
}
