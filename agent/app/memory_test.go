package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/config"
	"github.com/faultline/faultline/agent/schedule"
)

// manySeries answers as an exporter with so many series.
func manySeries(n *atomic.Int64) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		for k := range n.Load() {
			if _, err := fmt.Fprintf(w, "app_requests_total{customer=\"customer-%08d\",path=\"/some/long/path/of/this/application\"} %d\n", k, k); err != nil {
				return
			}
		}
	}
}

// exporters is how many a test has: one alone is bounded by its input.
const exporters = 8

// TestMemoryIsBounded: exporters that suddenly have twenty thousand series each are
// left out, as many as it takes, and the probe beside them is not; who is taken back
// is read again.
func TestMemoryIsBounded(t *testing.T) {
	var series atomic.Int64
	series.Store(10)
	exporter := httptest.NewServer(manySeries(&series))
	defer exporter.Close()
	targets := `  - {id: line, input: probe, address: "` + strings.TrimPrefix(exporter.URL, "http://") + `", options: {module: tcp}, labels: {device: line, site: s}}
`
	for n := range exporters {
		targets += fmt.Sprintf("  - {id: app%d, input: scrape, address: \"%s/metrics\", labels: {device: app%d, site: s}}\n", n, exporter.URL, n)
	}
	cfg, err := config.Parse("test", []byte(`agent: a
data: `+filepath.ToSlash(t.TempDir())+`
interval: 1s
collector: {url: "http://127.0.0.1:9"}
targets:
`+targets))
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(cfg, Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer func() { cancel(); running.Wait(); _ = a.spool.Close(); _ = a.data.Close() }()
	a.retarget()
	running.Go(func() { _ = a.schedule.Run(ctx) })
	wait := func(what string, good func(line schedule.Status, up, out []schedule.Status) bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			var line schedule.Status
			var up, out []schedule.Status
			for _, s := range a.schedule.Status() {
				switch {
				case s.ID == "line":
					line = s
				case s.LeftOut:
					out = append(out, s)
				case s.Up:
					up = append(up, s)
				}
			}
			if good(line, up, out) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %+v; %d are read, %d left out", what, line, len(up), len(out))
			}
		}
	}
	wait("all answer", func(line schedule.Status, up, _ []schedule.Status) bool { return line.Good && len(up) == exporters })
	debug.FreeOSMemory()
	a.cfg.Memory.MaxBytes = int64(memoryUsed()) + 16<<20
	running.Go(func() { _ = a.boundMemory(ctx, 100*time.Millisecond) })
	series.Store(19_000)
	var left schedule.Status
	wait("some are left out", func(_ schedule.Status, _, out []schedule.Status) bool {
		if len(out) > 0 {
			left = out[0]
		}
		return len(out) > 0
	})
	if left.Up || !strings.Contains(left.Error, "memory.max_bytes") {
		t.Errorf("one that is left out says %+v", left)
	}
	since := time.Now()
	wait("the line is probed", func(line schedule.Status, _, out []schedule.Status) bool {
		return len(out) > 0 && !line.LeftOut && line.Good && line.At.After(since)
	})
	if err := a.schedule.CheckNow(ctx, []string{left.ID}); err == nil || !strings.Contains(err.Error(), "not measured at present") {
		t.Errorf("a check at once of what is left out: %v", err)
	}
	series.Store(10)
	wait("all are read again", func(_ schedule.Status, up, out []schedule.Status) bool {
		for _, s := range out { // again where what the end of so many series took was too much once more
			a.schedule.TakeBack([]string{s.ID})
		}
		return len(up) == exporters
	})
}
