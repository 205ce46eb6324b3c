package thrift

import (
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

func TestPercentOf(t *testing.T) {
	const mib = 1 << 20
	for live, want := range map[uint64]int{0: 75, mib: 100, 2 * mib: 125, 3 * mib: 100, 6 * mib: 50, 10 * mib: 30, 100 * mib: 30} {
		if got := percentOf(live); got != want {
			t.Errorf("%d bytes: %d %%, want %d", live, got, want)
		}
	}
}

// kept is what the test's heap holds, so that nothing of it is garbage.
var kept [][]byte

// The percentage follows a heap that grows, and one that shrinks.
func TestCollectSeldomFollows(t *testing.T) {
	t.Setenv("GOGC", "")
	defer debug.SetGCPercent(100)
	CollectSeldom()
	follows := func(what string, good func(percent uint64) bool) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
			debug.FreeOSMemory()
			now := []metrics.Sample{{Name: "/gc/gogc:percent"}}
			metrics.Read(now)
			if good(now[0].Value.Uint64()) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d %%", what, now[0].Value.Uint64())
			}
		}
	}
	follows("small", func(p uint64) bool { return p > 60 })
	for range 64 {
		kept = append(kept, make([]byte, 1<<20))
	}
	follows("large", func(p uint64) bool { return p <= growth*9/8+1 })
	kept = nil
	follows("small again", func(p uint64) bool { return p > 60 })
}
