package uplink

import (
	"net/http"
	"strings"
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
		var marked, plain int
		f.script = func(w http.ResponseWriter, r *http.Request, got []string) bool {
			if r.Header.Get(wire.HeaderBacklog) == "" {
				plain++
				return false
			}
			if marked++; marked > 2 {
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
		if marked != 1 {
			t.Fatalf("the backlog was tried %d times within 3 s of 20", marked)
		}
		time.Sleep(60 * time.Second)
		synctest.Wait()
		n := 0
		for _, line := range f.stored() {
			if strings.HasPrefix(line, "old ") {
				n++
			}
		}
		if n != 30 || marked < 3 || plain < 3 {
			t.Errorf("%d of 30 kept samples arrived by %d requests, beside %d live ones", n, marked, plain)
		}
	})
}
