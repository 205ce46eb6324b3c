package app

import (
	"context"
	"time"
)

// rounds calls do at every interval until ctx ends, and in between soon after
// something came from wake. Between the end of a call and an early one lies a
// fifth of the interval, so that a storm of changes costs five times the usual
// work at most. A call that takes longer than half the interval is followed by a
// rest of half its time: a third of it all stays for everybody else.
func rounds(ctx context.Context, interval time.Duration, wake <-chan struct{}, do func()) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	rest := time.NewTimer(interval / 5)
	defer rest.Stop()
	var early <-chan struct{} // wake when rest is over, else nil
	for {
		select {
		case <-tick.C:
		case <-early:
		case <-rest.C:
			early = wake
			continue
		case <-ctx.Done():
			return
		}
		begun := time.Now()
		do()
		if took := time.Since(begun); took > interval/2 && !rested(ctx, took/2) {
			return
		}
		early = nil
		rest.Reset(interval / 5)
	}
}

// rested waits; false when ctx ended.
func rested(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
