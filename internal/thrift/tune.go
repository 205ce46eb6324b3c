package thrift

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	growth   = 30      // percent by which a heap may grow before it is cleaned: instead of Go's 100 a few percent of the time for a third of the memory
	room     = 3 << 20 // bytes by which a small heap of a program that stays may grow: cleaning costs by the time too, not by what is cleaned alone
	smallest = 4 << 20 // Go's own bound at 100 percent, in bytes: no smaller heap is cleaned
)

// Collect has garbage collected early, unless GOGC says when.
func Collect() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(growth)
	}
}

// CollectSeldom does so for a program that measures all day: a small heap may grow by
// a few MiB, a large one by a third. It follows the heap for as long as the program runs.
func CollectSeldom() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(growth)
		follow(&follower{})
	}
}

// follower is collected in every cycle, and comes back.
type follower struct{ _ *byte }

func follow(f *follower) {
	runtime.SetFinalizer(f, func(f *follower) {
		is := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/gogc:percent"}}
		metrics.Read(is)
		p, now := percentOf(is[0].Value.Uint64()), int(is[1].Value.Uint64()) //nolint:gosec // a percentage
		if p > now*9/8 || p < now*7/8 {                                      // a change halts the program for a moment
			debug.SetGCPercent(p)
		}
		follow(f)
	})
}

// percentOf is by how many percent a heap may grow of which so many bytes are in use.
func percentOf(live uint64) int {
	const most = 400
	live = max(live, 1)
	byRoom, bySmallest := 100*uint64(room)/live, 100*(live+room)/smallest
	return int(max(growth, min(byRoom, bySmallest, most))) //nolint:gosec // at most 400
}
