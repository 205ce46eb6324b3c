// Package thrift keeps a program that runs for months small: it has garbage
// collected early and gives back memory that only the start needed. It bounds
// nothing and measures nothing.
package thrift

import (
	"context"
	"log/slog"
	"runtime/debug"
	"time"
)

// When memory is given back after the start: at once, for what building the program
// took; soon; and when the first rounds of measuring are over.
const (
	soon  = 5 * time.Second
	later = 15 * time.Second // after soon
)

// How often memory is given back then. A program that does next to nothing collects
// no garbage but every two minutes, for which it touches a third of its code: with a
// collection and a return of its own every minute it never keeps those pages.
const (
	Hourly   = time.Hour
	Minutely = time.Minute
)

// Stay gives back, after the start and every so often, the free part of the heap and
// the pages of the program's own file, most of which only the start needed. What
// it returns ends that and waits.
func Stay(ctx context.Context, every time.Duration, log *slog.Logger) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		var own program
		defer own.close()
		waits := []time.Duration{0, soon, later, every}
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-time.After(waits[min(n, len(waits)-1)]):
			}
			debug.FreeOSMemory() // first: it touches many of the program's pages
			if _, err := own.giveBack(); err != nil {
				log.Debug("memory is not given back", "error", err)
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}
