package uplink

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faultline/faultline/internal/wire"
)

// A collector that puts off what was kept gets what is live at once, and the rest
// when the time it named is over.
func TestLiveGoesOnWhileBacklogIsPutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &receiver{}
		var marked, plain atomic.Int64
		f.script = func(w http.ResponseWriter, r *http.Request, got []string) bool {
			if r.Header.Get(wire.HeaderBacklog) == "" {
				plain.Add(1)
				return false
			}
			if marked.Add(1) > 2 {
				return false
			}
			w.Header().Set("Retry-After", "20")
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		s, u := setup(t, f, func(o *Options) { o.BatchBytes = 100; o.BacklogRate = 1e6 })
		addSample(t, s, "old", seq(0, 30)...)
		stop := start(t, u)
		defer stop()
		synctest.Wait()
		for i := range 3 {
			addSample(t, s, "live", float64(i))
			synctest.Wait()
			if got := f.stored(); got[len(got)-1] != lines("live", i, i+1)[0] {
				t.Fatalf("live sample %d waited: %v", i, got)
			}
			time.Sleep(time.Second)
		}
		if n := marked.Load(); n != 1 {
			t.Fatalf("the backlog was tried %d times within 3 s of 20", n)
		}
		time.Sleep(60 * time.Second)
		synctest.Wait()
		n := 0
		for _, line := range f.stored() {
			if strings.HasPrefix(line, "old ") {
				n++
			}
		}
		if n != 30 || marked.Load() < 3 || plain.Load() < 3 {
			t.Errorf("%d of 30 kept samples arrived by %d requests, beside %d live ones", n, marked.Load(), plain.Load())
		}
	})
}
