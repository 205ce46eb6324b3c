package app

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRounds(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name  string
		wakes []time.Duration // from the start
		takes time.Duration   // each call
		want  []time.Duration // when calls begin, up to 3.05 s
	}{
		{name: "nothing happens", want: []time.Duration{1000 * ms, 2000 * ms, 3000 * ms}},
		{name: "a change is looked at at once", wakes: []time.Duration{1450 * ms}, want: []time.Duration{1000 * ms, 1450 * ms, 2000 * ms, 3000 * ms}},
		{name: "a change just after a round waits a fifth", wakes: []time.Duration{1010 * ms}, want: []time.Duration{1000 * ms, 1200 * ms, 2000 * ms, 3000 * ms}},
		{name: "a change during a round is not lost", takes: 100 * ms, wakes: []time.Duration{1050 * ms}, want: []time.Duration{1000 * ms, 1300 * ms, 2000 * ms, 3000 * ms}},
		{name: "a storm is bounded", wakes: []time.Duration{1300 * ms, 1310 * ms, 1320 * ms, 1400 * ms, 1490 * ms, 1510 * ms},
			want: []time.Duration{1000 * ms, 1300 * ms, 1500 * ms, 1700 * ms, 2000 * ms, 3000 * ms}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 3050*ms)
				defer cancel()
				start := time.Now()
				wake := make(chan struct{}, 1)
				for _, at := range c.wakes {
					time.AfterFunc(at, func() {
						select {
						case wake <- struct{}{}:
						default:
						}
					})
				}
				var got []time.Duration
				rounds(ctx, time.Second, wake, func() {
					got = append(got, time.Since(start))
					time.Sleep(c.takes)
				})
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}
