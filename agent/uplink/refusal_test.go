package uplink

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faultline/faultline/internal/selfmetric"
	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
)

func TestRefusedRecordIsPutAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &receiver{}
		f.script = func(w http.ResponseWriter, _ *http.Request, got []string) bool {
			if !slices.Contains(got, "m 3") && !slices.Contains(got, "event bad") {
				return false
			}
			w.WriteHeader(http.StatusBadRequest)
			return true
		}
		s, u := setup(t, f, nil)
		addEvent(t, s, base.EventTrap, "a", "bad", "c")
		addSample(t, s, "m", seq(0, 8)...)
		stop := start(t, u)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		got := f.stored()
		slices.Sort(got)
		want := append([]string{"event a", "event c"}, lines("m", 0, 8)...)
		equal(t, got, slices.DeleteFunc(want, func(x string) bool { return x == "m 3" }))
		stop()
		if st := s.Stats(); st.Quarantined != 2 || pending(s) != 0 {
			t.Errorf("quarantined %d, pending %d; want 2 and 0", st.Quarantined, pending(s))
		}
	})
}

func TestEverythingRefusedFillsQuarantineSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &receiver{}
		f.script = func(w http.ResponseWriter, _ *http.Request, _ []string) bool {
			w.WriteHeader(http.StatusBadRequest)
			return true
		}
		s, u := setup(t, f, nil)
		addSample(t, s, "m", seq(0, 200)...)
		stop := start(t, u)
		time.Sleep(5 * time.Minute)
		stop()
		if n := s.Stats().Quarantined; n > manyRefusals+15 {
			t.Errorf("%d records quarantined in 5 minutes", n)
		}
		if pending(s) == 0 {
			t.Error("nothing kept")
		}
	})
}

// A receiver that refuses everything late must not keep live samples waiting.
func TestRefusedBacklogDoesNotHoldUpLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &receiver{v1Only: true}
		f.script = func(w http.ResponseWriter, r *http.Request, got []string) bool {
			if r.Header.Get("Content-Type") == wire.WriteV2ContentType || !strings.HasPrefix(got[0], "late") {
				return false
			}
			w.WriteHeader(http.StatusBadRequest)
			return true
		}
		s, u := setup(t, f, func(o *Options) { o.BatchBytes = 600; o.MaxSamples = 10 })
		addSample(t, s, "late", seq(0, 300)...)
		stop := start(t, u)
		time.Sleep(2 * time.Second)
		for i := range 20 {
			addSample(t, s, "live", float64(i))
			synctest.Wait()
			if n := len(f.stored()); n != i+1 {
				t.Fatalf("live sample %d waits: %d stored", i, n)
			}
			time.Sleep(5 * time.Second)
		}
		stop()
		if n := s.Stats().Quarantined; n == 0 || n > 150 {
			t.Errorf("%d late records in quarantine after 100 s", n)
		}
	})
}

// A refusal that carries the header proves remote write 2.0.
func TestRefusalWithHeaderIsNotTriedAsV1(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &receiver{}
		f.script = func(w http.ResponseWriter, _ *http.Request, _ []string) bool {
			w.Header().Set(wire.HeaderSamplesWritten, "0")
			w.WriteHeader(http.StatusBadRequest)
			return true
		}
		s, u := setup(t, f, nil)
		addSample(t, s, "m", 1)
		stop := start(t, u)
		synctest.Wait()
		stop()
		equal(t, f.log, []string{"v2"})
		if n := s.Stats().Quarantined; n != 1 {
			t.Errorf("quarantined %d, want 1", n)
		}
	})
}

func TestPartialWriteDoesNotBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &receiver{}
		f.script = func(w http.ResponseWriter, _ *http.Request, got []string) bool {
			f.order = append(f.order, got[0])
			w.Header().Set(wire.HeaderSamplesWritten, "1")
			w.WriteHeader(http.StatusBadRequest)
			return true
		}
		reg := selfmetric.NewRegistry()
		s, u := setup(t, f, func(o *Options) { o.Registerer = reg })
		addSample(t, s, "m", 0, 1, 2)
		stop := start(t, u)
		synctest.Wait()
		equal(t, f.stored(), []string{"m 0"})
		stop()
		if pending(s) != 0 || len(f.log) != 1 {
			t.Errorf("pending %d bytes after %d requests, want none after one", pending(s), len(f.log))
		}
		if text := string(reg.Text()); !strings.Contains(text, "\nfaultline_uplink_rejected_samples_total 2\n") {
			t.Errorf("want 2 rejected:\n%s", text)
		}
	})
}

func TestTooLargeIsSplit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &receiver{}
		f.script = func(w http.ResponseWriter, _ *http.Request, got []string) bool {
			if len(got) <= 3 {
				return false
			}
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return true
		}
		s, u := setup(t, f, nil)
		addSample(t, s, "m", seq(0, 20)...)
		addEvent(t, s, base.EventTrap, "a", "b", "c", "d", "e")
		stop := start(t, u)
		synctest.Wait()
		stop()
		if n := len(f.stored()); n != 25 {
			t.Errorf("%d of 25 arrived", n)
		}
	})
}
