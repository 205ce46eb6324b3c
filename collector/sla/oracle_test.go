package sla

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
)

// table is every day of 2025 and 2026 by an independent source: date → worked.
func table(t testing.TB) map[string]bool {
	t.Helper()
	data, err := os.ReadFile("testdata/days-2025-2026.txt")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, l := range strings.Split(string(data), "\n") {
		if day, word, ok := strings.Cut(l, " "); ok && !strings.HasPrefix(l, "#") {
			out[day] = word == "work"
		}
	}
	if len(out) != 730 {
		t.Fatalf("the table has %d days", len(out))
	}
	return out
}

func TestEveryDayAgreesWithTheOracle(t *testing.T) {
	cal, want := calendar(t, "cn-workday"), table(t)
	for d := time.Date(2025, 1, 1, 12, 0, 0, 0, shanghai); d.Year() < 2027; d = d.AddDate(0, 0, 1) {
		day := d.Format(time.DateOnly)
		if works, _, err := cal.Day(d); err != nil || works != want[day] {
			t.Errorf("%s: worked %v, %v; the oracle says %v", day, works, err, want[day])
		}
	}
}

// slowDue counts minute by minute over the oracle's table: no code of this
// package, no zone arithmetic.
func slowDue(days map[string]bool, from time.Time, minutes int) time.Time {
	for t := from.In(shanghai); ; t = t.Add(time.Minute) {
		if minutes == 0 {
			return t
		}
		if worked(days, t) {
			minutes--
		}
	}
}

func worked(days map[string]bool, t time.Time) bool {
	h := t.Hour()
	return (h >= 9 && h < 12 || h >= 13 && h < 17) && days[t.Format(time.DateOnly)]
}

func TestDueAgreesWithTheOracle(t *testing.T) {
	cal, days := calendar(t, "cn-workday"), table(t)
	r := rand.New(rand.NewPCG(2025, 2026))
	for range 400 {
		from := time.Date(2025, 1, 1, 0, r.IntN(700*24*60), 0, 0, shanghai)
		minutes := 1 + r.IntN(30*60)
		if minutes%(24*60) == 0 {
			minutes++
		}
		got, err := Due(cal, from, Span{Time: time.Duration(minutes) * time.Minute})
		if want := slowDue(days, from, minutes); err != nil || !got.Equal(want) {
			t.Errorf("%s + %d min = %s, %v; the oracle says %s", from, minutes, got.In(shanghai), err, want)
		}
		n := 1 + r.IntN(5)
		got, err = Due(cal, from, Span{Days: n})
		if want := slowDays(days, from, n); err != nil || !got.Equal(want) {
			t.Errorf("%s + %d d = %s, %v; the oracle says %s", from, n, got.In(shanghai), err, want)
		}
	}
}

// slowDays finds the first worked minute, then the n-th worked day after it,
// same time.
func slowDays(days map[string]bool, from time.Time, n int) time.Time {
	t := from.In(shanghai)
	for !worked(days, t) {
		t = t.Add(time.Minute)
	}
	for n > 0 {
		t = t.AddDate(0, 0, 1)
		if days[t.Format(time.DateOnly)] {
			n--
		}
	}
	return t
}
