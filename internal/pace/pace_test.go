package pace

import (
	"fmt"
	"testing"
	"time"
)

func TestMinute(t *testing.T) {
	m := Minute{Limit: 2}
	at := time.Date(2026, 11, 22, 8, 0, 30, 0, time.UTC)
	for n, want := range []bool{true, true, false} {
		if got := m.Allow("a", at); got != want {
			t.Errorf("time %d: %v", n+1, got)
		}
	}
	if !m.Allow("b", at) || !m.Allow("a", at.Add(time.Minute)) {
		t.Error("another key, or the next minute, is not free")
	}
}

func TestMinuteIsBounded(t *testing.T) {
	m := Minute{Limit: 1}
	at := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	for n := range 3 * maxKeys {
		m.Allow(fmt.Sprint(n), at)
		if len(m.counts) > maxKeys+1 {
			t.Fatalf("%d keys", len(m.counts))
		}
	}
}
