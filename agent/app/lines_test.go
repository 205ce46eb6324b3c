package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/config"
	"github.com/faultline/faultline/collector/ingest"
	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/plugins/base"
)

// office takes what agents send, by the collector's own handler, and hands out no
// work.
type office struct {
	mu     sync.Mutex
	events []base.Event
	series map[string]float64 // by pattern and origin: lines matched
}

func (o *office) Append(_ context.Context, all []metricstore.Series) (metricstore.Stats, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range all {
		if s.Labels.Name() == "faultline_syslog_matched_total" && len(s.Points) > 0 {
			o.series[s.Labels.Get("pattern")+" "+s.Labels.Get("origin")+" "+s.Labels.Get("device")] = s.Points[len(s.Points)-1].V
		}
	}
	return metricstore.Stats{}, nil
}

func (o *office) take(_ context.Context, _ string, events []base.Event) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range events {
		if !slices.ContainsFunc(o.events, func(have base.Event) bool { return have.ID == e.ID }) {
			o.events = append(o.events, e)
		}
	}
	return nil
}

// open starts the collector's part and returns its address.
func (o *office) open(t *testing.T) string {
	t.Helper()
	o.series = map[string]float64{}
	h, err := ingest.New(ingest.Options{Appender: o, Events: o.take, Logger: slog.New(slog.DiscardHandler),
		Authenticate: func(*http.Request) (ingest.Source, error) { return ingest.Source{Agent: "a", Site: "branch"}, nil }})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(ingest.PathWrite, h)
	mux.Handle(ingest.PathEvents, h)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/work") {
			select {
			case <-r.Context().Done():
			case <-time.After(20 * time.Second):
			}
		}
		w.WriteHeader(http.StatusNotFound)
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	return srv.URL
}

// of are the texts of the events of a pattern.
func (o *office) of(pattern string) (out []base.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range o.events {
		if e.Attrs["pattern"] == pattern {
			out = append(out, e)
		}
	}
	return out
}

// eventually waits until ok, for long.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for begin := time.Now(); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Since(begin) > time.Minute {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// start runs an agent until the returned function is called.
func start(t *testing.T, yaml string) (*App, func()) {
	t.Helper()
	cfg, err := config.Parse("test", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(cfg, Options{Logger: slog.New(slog.DiscardHandler), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	var once sync.Once
	stop := func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return a, stop
}

// made tells whether a receiver was made for lines of files.
func made(a *App) bool {
	a.lines.mu.Lock()
	defer a.lines.mu.Unlock()
	return a.lines.receiver != nil
}

// looked waits until the log has been read once: what is written then is new.
func looked(t *testing.T, a *App) {
	t.Helper()
	eventually(t, "the first look at the log", func() bool {
		for _, s := range a.schedule.Status() {
			if s.ID == "shop" && s.Up {
				return true
			}
		}
		return false
	})
}

func add(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.WriteString(f, text); err != nil {
		t.Fatal(err)
	}
}

// agentYAML is an agent that follows a log; more is put in front of its targets.
func agentYAML(url, dir, more string) string {
	return fmt.Sprintf(`agent: a
data: %q
collector: {url: %q, token: sixteen-bytes-at-least}
interval: 1s
%stargets:
  - id: shop
    input: log
    labels: {device: srv, site: branch}
    options:
      path: %q
      patterns: |
        patterns:
          - name: order_failed
            severity: major
            text: {zh-CN: "订单 {order} 失败", en: "order {order} failed"}
            lines:
              - regexp: 'order (?P<order>\d+) failed'
                example: '2026-11-22 10:11:12 ERROR shop: order 17 failed'
`, filepath.Join(dir, "data"), url, more, filepath.Join(dir, "shop.log"))
}

// TestLogLineReachesCollector: a line of a file becomes an event at the collector,
// also one that was written while the agent was not there, each once; an agent that
// hears no syslog makes the receiver with the first line.
func TestLogLineReachesCollector(t *testing.T) {
	dir := t.TempDir()
	var o office
	url := o.open(t)
	log := filepath.Join(dir, "shop.log")
	add(t, log, "2026-11-22 10:00:00 ERROR shop: order 1 failed\n") // before the agent: passed over
	a, stop := start(t, agentYAML(url, dir, ""))
	looked(t, a)
	if a.hear.syslog != nil || made(a) {
		t.Error("a receiver is there before any line was read")
	}
	add(t, log, "all is well\n2026-11-22 10:11:12 ERROR shop: order 17 failed\n")
	eventually(t, "the event", func() bool { return len(o.of("order_failed")) == 1 })
	e := o.of("order_failed")[0]
	if e.Attrs["summary_zh"] != "订单 17 失败" || e.Attrs["summary_en"] != "order 17 failed" || e.Device != "srv" || e.Site != "branch" || e.Agent != "a" || e.Attrs["source"] != log || e.Attrs["severity"] != "major" {
		t.Errorf("event %+v", e)
	}
	stop()
	add(t, log, "2026-11-22 10:12:12 ERROR shop: order 18 failed\n")
	if err := os.Rename(log, log+".1"); err != nil { // rotated while nobody looked
		t.Fatal(err)
	}
	add(t, log, "2026-11-22 10:13:12 ERROR shop: order 19 failed\n")
	_, stop = start(t, agentYAML(url, dir, ""))
	eventually(t, "the event of the new file", func() bool {
		return slices.ContainsFunc(o.of("order_failed"), func(e base.Event) bool { return e.Attrs["summary_en"] == "order 19 failed" })
	})
	eventually(t, "the series", func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.series["order_failed target srv"] > 0
	})
	stop()
	told := map[string]int{}
	for _, e := range o.of("order_failed") {
		told[e.Attrs["summary_en"]]++
	}
	if told["order 1 failed"] != 0 || told["order 17 failed"] != 1 || told["order 19 failed"] != 1 {
		t.Errorf("told %v", told)
	}
}

// TestLinesShareTheReceiver: an agent that hears syslog takes lines of files with
// the same receiver; over TLS with a certificate of its own that outlives it.
func TestLinesShareTheReceiver(t *testing.T) {
	dir := t.TempDir()
	var o office
	url := o.open(t)
	more := "syslog: {tls: \"127.0.0.1:0\"}\n"
	log := filepath.Join(dir, "shop.log")
	add(t, log, "")
	a, stop := start(t, agentYAML(url, dir, more))
	looked(t, a)
	certificate := func() []byte {
		b, err := os.ReadFile(filepath.Join(dir, "data", ownCertificate))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	first := certificate()
	if st, err := os.Stat(filepath.Join(dir, "data", ownKey)); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("key: %v %v", st, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(first) {
		t.Fatal("no certificate")
	}
	c, err := tls.Dial("tcp", a.hear.syslog.TLSAddr().String(), &tls.Config{RootCAs: roots, ServerName: "a"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "<30>1 2026-11-22T10:30:00Z srv systemd 1 - - nginx.service: Failed with result 'exit-code'.\n"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the line over TLS", func() bool { return len(o.of("unit_failed")) == 1 })
	if e := o.of("unit_failed")[0]; e.Device != "srv" {
		t.Errorf("event %+v", e)
	}
	add(t, log, "2026-11-22 10:11:12 ERROR shop: order 17 failed\n")
	eventually(t, "the line of the file", func() bool { return len(o.of("order_failed")) == 1 })
	if made(a) {
		t.Error("a second receiver was made")
	}
	stop()
	start(t, agentYAML(url, dir, more))
	if string(certificate()) != string(first) {
		t.Error("the certificate is another one after a restart: senders do not know it")
	}
}
