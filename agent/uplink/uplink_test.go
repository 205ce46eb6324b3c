package uplink

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/agent/spool"
	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
)

func equal(t *testing.T, got, want []string) {
	t.Helper()
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("got (-), want (+):\n%s", diff)
	}
}

// pending returns the bytes of both lanes that nobody has.
func pending(s *spool.Spool) uint64 {
	st := s.Stats()
	return st.Lanes[spool.Events].PendingBytes + st.Lanes[spool.Samples].PendingBytes
}

func seq(from, to int) []float64 {
	var out []float64
	for i := from; i < to; i++ {
		out = append(out, float64(i))
	}
	return out
}

func lines(name string, from, to int) []string {
	var out []string
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprintf("%s %d", name, i))
	}
	return out
}

func TestOrderEventsLiveBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &receiver{}
		s, u := setup(t, f, func(o *Options) { o.BatchBytes = 100; o.BacklogRate = 1e6 })
		addSample(t, s, "m", seq(0, 30)...)
		addEvent(t, s, base.EventTrap, "a", "b")
		stop := start(t, u)
		synctest.Wait()
		got := f.stored()
		// 100 bytes hold the newest few; they come before everything older.
		if got[0] != "event a" || got[1] == "m 0" || !strings.HasPrefix(got[1], "m 2") {
			t.Errorf("order of arrival: %v", got[:5])
		}
		time.Sleep(time.Second)
		synctest.Wait()
		got = f.stored()
		first := slices.Index(got, "m 29")
		if old := slices.Index(got, "m 0"); old < first {
			t.Errorf("backlog came first: %v", got)
		}
		slices.Sort(got)
		want := append(lines("m", 0, 30), "event a", "event b")
		slices.Sort(want)
		equal(t, got, want)
		stop()
		if n := pending(s); n != 0 {
			t.Errorf("%d bytes pending after all was accepted", n)
		}
	})
}

func TestLiveIsSentAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &receiver{}
		s, u := setup(t, f, nil)
		stop := start(t, u)
		defer stop()
		synctest.Wait()
		for i := range 3 {
			before := time.Now()
			addSample(t, s, "m", float64(i))
			synctest.Wait()
			if len(f.stored()) != i+1 || !time.Now().Equal(before) {
				t.Fatalf("sample %d did not arrive without waiting", i)
			}
			time.Sleep(5 * time.Second)
		}
	})
}

func TestBacklogRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &receiver{}
		s, u := setup(t, f, func(o *Options) { o.BatchBytes = 300; o.BacklogRate = 10 })
		addSample(t, s, "m", seq(0, 200)...)
		stop := start(t, u)
		defer stop()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := len(f.stored()); n < 90 || n > 140 {
			t.Errorf("%d samples after 10 s at 10 samples/s", n)
		}
		addSample(t, s, "live", 1)
		synctest.Wait()
		if got := f.stored(); got[len(got)-1] != "live 1" {
			t.Error("a live sample waited behind the backlog")
		}
	})
}

func TestFallBackToV1(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &receiver{v1Only: true}
		s, u := setup(t, f, nil)
		stop := start(t, u)
		defer stop()
		for i := range 3 {
			addSample(t, s, "m", float64(i))
			synctest.Wait()
		}
		equal(t, f.stored(), lines("m", 0, 3))
		equal(t, f.log, []string{"v2", "v1", "v1", "v1"})

		// The receiver is replaced by a newer one, which the next probe finds.
		f.set(func() { f.v1Only = false; f.log = nil })
		time.Sleep(61 * time.Minute)
		addSample(t, s, "m", 3, 4)
		synctest.Wait()
		equal(t, f.stored(), lines("m", 0, 5))
		if f.log[len(f.log)-1] != "v2" || slices.Contains(f.log, "v1") {
			t.Errorf("requests after the probe: %v, want v2", f.log)
		}

		// And back: a success without proof is not believed.
		f.set(func() { f.v1Only = true; f.log = nil })
		addSample(t, s, "m", 5)
		synctest.Wait()
		equal(t, f.stored(), lines("m", 0, 6))
		equal(t, f.log, []string{"v2", "v1"})
	})
}

func TestUnknownFormFallsBack(t *testing.T) {
	for _, status := range []int{400, 406, 415} {
		synctest.Test(t, func(t *testing.T) {
			f := &receiver{}
			f.script = func(w http.ResponseWriter, r *http.Request, _ []string) bool {
				if r.Header.Get("Content-Type") != wire.WriteV2ContentType {
					return false
				}
				w.WriteHeader(status)
				return true
			}
			s, u := setup(t, f, nil)
			stop := start(t, u)
			defer stop()
			addSample(t, s, "m", 1)
			synctest.Wait()
			equal(t, f.stored(), []string{"m 1"})
		})
	}
}

func TestFaultsLoseNothing(t *testing.T) {
	status := func(code int, header ...string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
		}
	}
	cases := map[string]struct {
		fault  func(http.ResponseWriter, *http.Request)
		within time.Duration // after the fault has ended
	}{
		"500":             {status(500), time.Second},
		"502":             {status(502), time.Second},
		"429":             {status(429), time.Second},
		"429 retry after": {status(429, "Retry-After", "20"), 20 * time.Second},
		"401":             {status(401), 30 * time.Second},
		"403":             {status(403), 30 * time.Second},
		"404":             {status(404), 30 * time.Second},
		"redirect":        {status(307, "Location", "http://elsewhere/"), 30 * time.Second},
		"hang":            {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 6 * time.Second},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var broken atomic.Bool
				broken.Store(true)
				f := &receiver{}
				h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if broken.Load() {
						c.fault(w, r)
						return
					}
					f.ServeHTTP(w, r)
				})
				s, u := setup(t, h, nil)
				stop := start(t, u)
				addEvent(t, s, base.EventTrap, "a")
				addSample(t, s, "m", seq(0, 5)...)
				time.Sleep(time.Minute)
				addSample(t, s, "m", seq(5, 10)...)
				addEvent(t, s, base.EventTrap, "b")
				time.Sleep(time.Minute)
				broken.Store(false)
				time.Sleep(c.within)
				synctest.Wait()
				got := f.stored()
				slices.Sort(got)
				equal(t, got, append([]string{"event a", "event b"}, lines("m", 0, 10)...))
				stop()
				if n := pending(s); n != 0 {
					t.Errorf("%d bytes pending", n)
				}
			})
		})
	}
}

func TestBackOffGrowsWithTheOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &receiver{}
		f.script = func(w http.ResponseWriter, _ *http.Request, _ []string) bool {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		s, u := setup(t, f, nil)
		stop := start(t, u)
		defer stop()
		addSample(t, s, "m", 1)
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		for i := 1; i < len(f.at); i++ {
			limit := time.Second
			if f.at[i].Sub(f.at[0]) > 10*time.Minute {
				limit = 30 * time.Second
			}
			if gap := f.at[i].Sub(f.at[i-1]); gap > limit+time.Second {
				t.Errorf("attempt %d came %v after the one before, want at most %v", i, gap, limit)
			}
		}
		if n := len(f.at); n < 600 || n > 2000 {
			t.Errorf("%d attempts in 20 minutes", n)
		}
	})
}

func TestUndecodableRecordIsPutAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &receiver{}
		s, u := setup(t, f, nil)
		for _, l := range []spool.Lane{spool.Events, spool.Samples} {
			if err := s.Append(l, []byte("nonsense")); err != nil {
				t.Fatal(err)
			}
		}
		addSample(t, s, "m", 1)
		addEvent(t, s, base.EventTrap, "a")
		stop := start(t, u)
		synctest.Wait()
		equal(t, f.stored(), []string{"event a", "m 1"})
		stop()
		if n := s.Stats().Quarantined; n != 2 {
			t.Errorf("quarantined %d, want 2", n)
		}
	})
}

// The answer to a check request may not overtake the samples it is about.
func TestCheckResultFollowsItsSamples(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &receiver{}
		s, u := setup(t, f, nil)
		addSample(t, s, "m", 1)
		addEvent(t, s, base.EventCheckDone, "done")
		stop := start(t, u)
		defer stop()
		synctest.Wait()
		equal(t, f.stored(), []string{"m 1", "event done"})
	})
}
