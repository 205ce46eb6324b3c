package uplink

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestRequestsGrow: over a fast line requests hold up to four times MaxSamples,
// after a slow answer or none MaxSamples again; all arrives once, in order.
func TestRequestsGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		answer := time.Duration(0)
		f := &receiver{script: func(_ http.ResponseWriter, _ *http.Request, got []string) bool {
			sizes = append(sizes, len(got))
			time.Sleep(answer)
			return false
		}}
		s, u := setup(t, f, func(o *Options) { o.MaxSamples = 2; o.BacklogRate = 1e6 })
		send := func(from, to int) {
			t.Helper()
			sizes = nil
			addSample(t, s, "m", seq(from, to)...)
			stop := start(t, u)
			time.Sleep(30 * time.Second)
			stop()
		}
		send(0, 60)
		if want := []int{2, 4, 8, 8, 8, 8, 8, 8, 6}; !slices.Equal(sizes, want) {
			t.Errorf("fast line: requests of %v samples, want %v", sizes, want)
		}
		answer = 2 * time.Second
		send(60, 80)
		if want := []int{8, 2, 2, 2, 2, 2, 2}; !slices.Equal(sizes, want) {
			t.Errorf("slow line: requests of %v samples, want %v", sizes, want)
		}
		answer = 500 * time.Millisecond // neither fast nor slow
		send(80, 84)
		if want := []int{2, 2}; !slices.Equal(sizes, want) {
			t.Errorf("between: requests of %v samples, want %v", sizes, want)
		}
		equal(t, f.stored(), lines("m", 0, 84))
	})
}
