package app

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/plugins/base"
)

func measured(device string) (base.Batch, []base.Event) {
	labels := base.LabelsFrom("ifOperStatus", map[string]string{"device": device})
	return base.Batch{Samples: []base.Sample{{Labels: labels, Time: time.Now().UnixMilli(), Value: 2}}},
		[]base.Event{{Kind: "linkDown", Device: device, Text: "port 3", At: time.Now()}}
}

func TestTailShowsWhatMatches(t *testing.T) {
	a := &App{}
	srv := httptest.NewServer(localOnly(a.tail))
	defer srv.Close()
	resp, err := http.Get(srv.URL + "?match=b1sw")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	a.watch.see(measured("b2sw"))
	a.watch.see(measured("b1sw"))
	lines := bufio.NewScanner(resp.Body)
	for _, want := range []string{" event linkDown b1sw port 3", ` ifOperStatus{device="b1sw"} 2`} {
		if !lines.Scan() || !strings.HasSuffix(lines.Text(), want) {
			t.Errorf("got %q, want … %q", lines.Text(), want)
		}
	}
	_ = resp.Body.Close()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		a.watch.mu.Lock()
		left := len(a.watch.all)
		a.watch.mu.Unlock()
		if left == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("who has gone is still shown lines")
		}
		a.watch.see(measured("b1sw"))
	}
}

// A watcher who does not read costs the measurements nothing, and watchers are few.
func TestSlowWatcher(t *testing.T) {
	a := &App{}
	for range mostWatchers {
		if _, ok := a.watch.add(""); !ok {
			t.Fatal("refused")
		}
	}
	if _, ok := a.watch.add(""); ok {
		t.Error("one more than there may be")
	}
	for range watcherBuffer {
		a.watch.see(measured("b1sw"))
	}
	for w := range a.watch.all {
		if len(w.lines) != watcherBuffer || w.lost != watcherBuffer {
			t.Errorf("%d lines wait, %d were left out", len(w.lines), w.lost)
		}
	}
}

func TestPagesAreForThisMachine(t *testing.T) {
	h := localOnly(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	for host, want := range map[string]int{"127.0.0.1:9099": 200, "[::1]:9099": 200, "localhost:9099": 200, "evil.example": 403, "evil.example:9099": 403} {
		r := httptest.NewRequest(http.MethodGet, "/status.json", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d, want %d", host, w.Code, want)
		}
	}
}
