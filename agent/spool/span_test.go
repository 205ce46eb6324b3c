package spool

import (
	"math/rand/v2"
	"testing"
)

// spans must behave as a set of numbers.
func TestSpansAgainstASet(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	const top = 60
	for range 300 {
		var s spans
		var set [top]bool
		for range 40 {
			a, b := rnd.Uint64N(top), rnd.Uint64N(top)
			insert := rnd.IntN(3) > 0
			if insert {
				s.add(a, b)
			} else {
				s.remove(a, b)
			}
			for i := a; i < b; i++ {
				set[i] = insert
			}
			checkSpans(t, s, set[:])
			if t.Failed() {
				return
			}
		}
	}
}

func checkSpans(t *testing.T, s spans, set []bool) {
	t.Helper()
	for i, x := range s {
		if x.from >= x.to || i > 0 && s[i-1].to >= x.from {
			t.Fatalf("not sorted, merged spans: %v", s)
		}
	}
	n := uint64(0)
	for i, in := range set {
		if in {
			n++
		}
		end := i
		for end < len(set) && set[end] {
			end++
		}
		if got := s.past(uint64(i)); got != uint64(end) {
			t.Fatalf("past(%d) is %d, want %d in %v", i, got, end, s)
		}
		if !in {
			next := i
			for next < len(set) && !set[next] {
				next++
			}
			if got := s.next(uint64(i), uint64(len(set))); got != uint64(next) {
				t.Fatalf("next(%d) is %d, want %d in %v", i, got, next, s)
			}
		}
	}
	if got := s.within(0, uint64(len(set))); got != n {
		t.Fatalf("within is %d, want %d in %v", got, n, s)
	}
}
