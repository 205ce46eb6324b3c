package main

import (
	"context"
	"log/slog"
	"time"
)

const (
	startTakes  = 20 * time.Second // until what only the start needs has been done
	thriftEvery = time.Hour
)

// stayThrifty gives back, after the start and now and then, the pages of the program
// that are not in use: a third of its memory. What it returns ends that and waits.
func stayThrifty(ctx context.Context, log *slog.Logger) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for wait := startTakes; ; wait = thriftEvery {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
			if _, err := giveBackProgram(); err != nil {
				log.Debug("memory is not given back", "error", err)
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}
