package log

import (
	"fmt"
	"testing"
	"time"
)

// TestForgetsTheOldest: of too many places those stay that were met last, else a file
// that is still read would be read again from its start.
func TestForgetsTheOldest(t *testing.T) {
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	s := state{Files: map[string]*place{}}
	const many = mostPlaces + 500
	for i := range many {
		s.Files[fmt.Sprint("f", i)] = &place{Seen: at.Add(time.Duration(i) * time.Minute)}
	}
	s.Files["long ago"] = &place{Seen: at.Add(-forgetAfter)}
	s.forget()
	if len(s.Files) != mostPlaces {
		t.Errorf("%d places are kept, want %d", len(s.Files), mostPlaces)
	}
	for i := many - mostPlaces; i < many; i++ {
		if s.Files[fmt.Sprint("f", i)] == nil {
			t.Fatalf("place %d of %d is forgotten", i, many)
		}
	}
	s = state{Files: map[string]*place{"now": {Seen: at.Add(forgetAfter)}, "just": {Seen: at}, "long ago": {Seen: at.Add(-time.Second)}}}
	s.forget()
	if len(s.Files) != 2 || s.Files["long ago"] != nil {
		t.Errorf("kept %v", s.Files)
	}
	(&state{}).forget()
}
