package spool

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// flushes makes a file system that counts the flushes of the samples lane.
func flushes() (*memFS, *atomic.Int64) {
	m, n := newMemFS(), new(atomic.Int64)
	m.fault = func(op, name string) error {
		if op == "sync" && strings.Contains(name, Samples.String()) && strings.HasSuffix(name, ".seg") {
			n.Add(1)
		}
		return nil
	}
	return m, n
}

// TestPace: the first append goes at once, those that follow share a flush, and
// none is acknowledged before it.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, n := flushes()
		s := open(t, Options{FS: m, Pace: 100 * time.Millisecond})
		start := time.Now()
		add(t, s, Samples, "first")
		if since := time.Since(start); since != 0 || n.Load() != 1 {
			t.Fatalf("the first took %v and %d flushes", since, n.Load())
		}
		time.Sleep(30 * time.Millisecond)
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				add(t, s, Samples, fmt.Sprint(i))
				if since := time.Since(start); since != 100*time.Millisecond || n.Load() != 2 {
					t.Errorf("append %d: done after %v and %d flushes, want 100ms and 2", i, since, n.Load())
				}
			})
		}
		time.Sleep(time.Millisecond)
		add(t, s, Events, "at once")
		if since := time.Since(start); since != 31*time.Millisecond {
			t.Errorf("an event waited until %v", since)
		}
		wg.Wait()
		time.Sleep(time.Second)
		start = time.Now()
		add(t, s, Samples, "after a pause")
		if since := time.Since(start); since != 0 || n.Load() != 3 {
			t.Errorf("after a pause: %v and %d flushes", since, n.Load())
		}
		b, err := s.Peek(SamplesLive, 1<<20)
		if err != nil || len(b.Records) != 7 {
			t.Errorf("%d records, %v", len(b.Records), err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestPaceEnds: Close does not wait for the pace, and what waited is on disk.
func TestPaceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, n := flushes()
		s := open(t, Options{FS: m, Pace: time.Second})
		add(t, s, Samples, "first")
		start := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() { add(t, s, Samples, "second") })
		synctest.Wait()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if since := time.Since(start); since != 0 || n.Load() != 2 {
			t.Errorf("closed after %v with %d flushes, want at once with 2", since, n.Load())
		}
	})
}
