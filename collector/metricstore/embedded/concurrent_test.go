package embedded

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestConcurrent appends and queries while the log fails and is reopened three
// times: nothing hangs, and what was acknowledged is there at the end.
func TestConcurrent(t *testing.T) {
	s := open(t, Options{SyncInterval: 5 * time.Millisecond})
	now := time.Now()
	var wg sync.WaitGroup
	var stop atomic.Bool
	var clock, acknowledged atomic.Int64
	for range 4 {
		wg.Go(func() {
			for !stop.Load() {
				at := now.Add(time.Duration(clock.Add(1)) * time.Millisecond)
				if _, err := s.Append(context.Background(), batch(20, at)); err == nil {
					acknowledged.Add(20)
				} else if !errors.Is(err, ErrUnavailable) {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		for !stop.Load() {
			if _, err := s.Range(context.Background(), "sum(rate(m[1m])) / count(m)", now.Add(-time.Minute), now, time.Second, 0); err != nil && !errors.Is(err, ErrUnavailable) {
				t.Error(err)
			}
		}
	})
	for range 3 {
		before := s.Epoch()
		s.fail(errors.New("input/output error"))
		waitFor(t, func() bool { return s.Epoch() != before && acknowledged.Load() > 0 })
	}
	stop.Store(true)
	wg.Wait()
	if got := count(t, s, "sum(count_over_time(m[1h]))", now.Add(9*time.Minute)); int64(got) != acknowledged.Load() {
		t.Errorf("%v samples, %d acknowledged", got, acknowledged.Load())
	}
}
