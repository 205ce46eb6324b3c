package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/metricstore/embedded"
	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
)

// program returns the path of a program of a Debian package.
func program(t *testing.T, name, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing; install Debian's package %s", name, pkg)
		}
		t.Skipf("%s is missing; install Debian's package %s", name, pkg)
	}
	return path
}

// start runs a program until the test ends and waits until url answers.
func start(t *testing.T, url string, args ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		log.Close()
		if t.Failed() {
			b, _ := os.ReadFile(log.Name())
			t.Logf("%s said:\n%s", args[0], b[max(0, len(b)-3000):])
		}
	})
	waitFor(t, args[0], func() bool {
		r, err := http.Get(url)
		if err != nil {
			return false
		}
		r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(60 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("waited 60 s for %s", what)
		case <-tick.C:
		}
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// receiver is our side: handler, engine and API on one address.
func receiver(t *testing.T) *httptest.Server {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	store, err := embedded.Open(embedded.Options{Dir: t.TempDir(), MinFree: 1 << 20, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(Options{
		Appender: store, Durable: store, Metadata: store,
		Authenticate: func(r *http.Request) (Source, error) {
			if _, token, _ := r.BasicAuth(); token != "" && token != "right" {
				return Source{}, fmt.Errorf("wrong password: %w", ErrUnauthorized)
			}
			return Source{Agent: "a1", Site: "sh"}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", h)
	mux.Handle("/prometheus/", http.StripPrefix("/prometheus", store.Handler(embedded.APIOptions{Version: "test"})))
	srv := httptest.NewServer(mux)
	t.Cleanup(func() {
		srv.Close()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return srv
}

func get(t *testing.T, base, path string, q url.Values) (int, string) {
	t.Helper()
	r, err := http.Get(base + "/api/v1/" + path + "?" + q.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

// scalar returns the value of an instant query of one element, or 0.
func scalar(t *testing.T, base, expr string) string {
	t.Helper()
	_, body := get(t, base, "query", url.Values{"query": {expr}})
	var a struct {
		Data struct {
			Result []struct{ Value [2]any }
		}
	}
	if err := json.Unmarshal([]byte(body), &a); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	if len(a.Data.Result) == 0 {
		return ""
	}
	return fmt.Sprint(a.Data.Result[0].Value[1])
}

// branchSamples is half an hour of a small branch, with a gap, a counter reset,
// a stale marker, infinities, and Chinese labels. No sample lies on the edge of a
// range, which Prometheus 3 excludes and 2.42 includes.
func branchSamples(now time.Time) []base.Sample {
	var out []base.Sample
	stale := math.Float64frombits(0x7ff0000000000002)
	for i := range 120 {
		at := now.Add(time.Duration(i-120)*15*time.Second - time.Second).UnixMilli()
		add := func(v float64, name string, pairs ...string) {
			out = append(out, sample(at, v, name, append(pairs, "agent", "a1", "site", "sh")...))
		}
		for _, dev := range []string{"sh-r1", "sh-sw1", "上海-防火墙"} {
			if i < 50 || i > 60 || dev != "sh-sw1" {
				add(float64(i%70)*1000, "ifHCInOctets", "device", dev, "ifName", "GE0/0/1", "job", "snmp")
			}
			add(float64((i+len(dev))%2), "up", "device", dev, "job", "snmp")
		}
		switch {
		case i < 100:
			add(20+math.Sin(float64(i)), "faultline_sensor_value", "class", "temperature", "sensor", `机房 "1" \ 号`)
		case i == 100:
			add(stale, "faultline_sensor_value", "class", "temperature", "sensor", `机房 "1" \ 号`)
		}
		for b, le := range []string{"0.1", "1", "+Inf"} {
			add(float64(i*(b+1)), "probe_seconds_bucket", "le", le, "job", "blackbox")
		}
		add(math.Inf(1-2*(i%2)), "odd", "kind", "infinite")
	}
	return out
}

// TestAnswersAsPrometheus fills a real Prometheus and our engine by the same
// remote write request and compares the answers of the API.
func TestAnswersAsPrometheus(t *testing.T) {
	addr := freePort(t)
	prometheus := "http://" + addr
	start(t, prometheus+"/-/ready", program(t, "prometheus", "prometheus"), "--config.file="+writeFile(t, "global: {scrape_interval: 1h}\n"),
		"--storage.tsdb.path="+t.TempDir(), "--web.listen-address="+addr, "--web.enable-remote-write-receiver")
	ours := receiver(t)
	now := time.Now().Truncate(time.Second)
	var e wire.WriteEncoder
	body := e.V1(branchSamples(now)).Data
	for _, base := range []string{prometheus, ours.URL} {
		r, err := http.Post(base+PathWrite, wire.WriteV1ContentType, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if r.StatusCode != http.StatusNoContent {
			t.Fatalf("%s: %d %s", base, r.StatusCode, text(r))
		}
	}
	stamp := func(d time.Duration) string { return fmt.Sprint(now.Add(d).Unix()) }
	span := func(more ...string) url.Values {
		v := url.Values{"start": {stamp(-time.Hour)}, "end": {stamp(0)}}
		for i := 0; i < len(more); i += 2 {
			v.Add(more[i], more[i+1])
		}
		return v
	}
	for _, c := range []struct {
		path string
		q    url.Values
	}{
		{"query", url.Values{"query": {"up"}, "time": {stamp(0)}}},
		{"query", url.Values{"query": {"up == 0"}, "time": {stamp(-7 * time.Minute)}}},
		{"query", url.Values{"query": {"faultline_sensor_value"}, "time": {stamp(-5 * time.Minute)}}},
		{"query", url.Values{"query": {"faultline_sensor_value"}, "time": {stamp(-4 * time.Minute)}}},
		{"query", url.Values{"query": {`sum by (device) (rate(ifHCInOctets[5m]))`}, "time": {stamp(0)}}},
		{"query", url.Values{"query": {`ifHCInOctets{device=~".*防火墙"}[2m]`}, "time": {stamp(0)}}},
		{"query", url.Values{"query": {`odd`}, "time": {stamp(0)}}},
		{"query", url.Values{"query": {`scalar(count(up))`}, "time": {stamp(0)}}},
		{"query", url.Values{"query": {`"text"`}, "time": {stamp(0)}}},
		{"query", url.Values{"query": {`absent(nothing{a="b"})`}, "time": {stamp(0)}}},
		{"query", url.Values{"query": {`up offset 10m`}, "time": {stamp(0)}}},
		{"query", url.Values{"query": {`up @ ` + stamp(-10*time.Minute)}, "time": {stamp(0)}}},
		{"query", url.Values{"query": {`histogram_quantile(0.9, rate(probe_seconds_bucket[5m]))`}, "time": {stamp(0)}}},
		{"query", url.Values{"query": {`topk(2, ifHCInOctets)`}, "time": {stamp(0)}}},
		{"query", url.Values{"query": {`label_replace(up, "d", "$1", "device", "sh-(.*)")`}, "time": {stamp(0)}}},
		{"query_range", span("query", `up`, "step", "15")},
		{"query_range", span("query", `rate(ifHCInOctets[1m])`, "step", "30")},
		{"query_range", span("query", `faultline_sensor_value`, "step", "60s")},
		{"query_range", span("query", `avg_over_time(faultline_sensor_value[5m:1m])`, "step", "5m")},
		{"query_range", span("query", `count(up == 1) or vector(0)`, "step", "1m")},
		{"query_range", span("query", `1`, "step", "10m")},
		{"labels", span()},
		{"labels", span("match[]", `up`)},
		{"label/device/values", span()},
		{"label/__name__/values", span()},
		{"label/sensor/values", span("match[]", `faultline_sensor_value`)},
		{"label/nothing/values", span()},
		{"series", span("match[]", `up`)},
		{"series", span("match[]", `{class="temperature"}`, "match[]", `odd`)},
		{"series", span("match[]", `nothing`)},
		{"query_exemplars", span("query", `up`)},
		{"format_query", url.Values{"query": {"sum( up )by(a)"}}},
		{"metadata", url.Values{"limit": {"x"}}},
		{"metadata", url.Values{"metric": {"nothing"}}},
		{"alerts", nil},
		{"rules", nil},
		{"rules", url.Values{"type": {"alert"}}},
		{"query", url.Values{"query": {"up"}, "time": {"yesterday"}}},
		{"query", url.Values{"query": {"up"}, "timeout": {"x"}}},
		{"query_range", span("query", `up`, "step", "0")},
		{"query_range", span("query", `up`, "step", "0.01")},
		{"series", span()},
	} {
		t.Run(c.path+" "+c.q.Get("query")+c.q.Get("match[]"), func(t *testing.T) {
			wantCode, want := get(t, prometheus, c.path, c.q)
			gotCode, got := get(t, ours.URL+"/prometheus", c.path, c.q)
			if gotCode != wantCode {
				t.Errorf("code %d, Prometheus %d\n%s\n%s", gotCode, wantCode, got, want)
			}
			if d := cmp.Diff(parse(t, want), parse(t, got), sameNumber); d != "" {
				t.Errorf("Prometheus -, ours +\n%s", d)
			}
		})
	}
}

// parse returns the answer without what differs between Prometheus 2.42 and the
// linked release on purpose: hints about queries and the wording of errors.
func parse(t *testing.T, body string) any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	delete(v, "infos")
	if v["error"] != nil {
		v["error"] = "some text"
	}
	return v
}

// sameNumber lets values differ in their last digit: later releases sum with
// less rounding.
var sameNumber = cmp.FilterValues(func(a, b string) bool {
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	return errX == nil && errY == nil && math.Abs(x-y) <= 1e-12*math.Abs(x)
}, cmp.Comparer(func(_, _ string) bool { return true }))

// TestPrometheusSends lets a real Prometheus scrape itself and write to us.
func TestPrometheusSends(t *testing.T) {
	ours := receiver(t)
	addr := freePort(t)
	config := fmt.Sprintf(`
global: {scrape_interval: 500ms}
scrape_configs: [{job_name: prometheus, static_configs: [{targets: ["%s"], labels: {agent: liar}}]}]
remote_write: [{url: "%s%s", basic_auth: {username: hq, password: right}, metadata_config: {send_interval: 1s}, queue_config: {batch_send_deadline: 200ms}}]
`, addr, ours.URL, PathWrite)
	start(t, "http://"+addr+"/-/ready", program(t, "prometheus", "prometheus"), "--config.file="+writeFile(t, config),
		"--storage.tsdb.path="+t.TempDir(), "--web.listen-address="+addr)
	waitFor(t, "samples from Prometheus", func() bool {
		return scalar(t, ours.URL+"/prometheus", `up{job="prometheus",agent="a1",site="sh"}`) == "1"
	})
	waitFor(t, "metadata from Prometheus", func() bool {
		_, body := get(t, ours.URL+"/prometheus", "metadata", url.Values{"metric": {"go_goroutines"}})
		return strings.Contains(body, `"go_goroutines":[{"type":"gauge","help":"Number of goroutines that currently exist.","unit":""}]`)
	})
	_, body := get(t, "http://"+addr, "query", url.Values{"query": {`prometheus_remote_storage_samples_failed_total > 0 or prometheus_remote_storage_samples_dropped_total > 0`}})
	if !strings.Contains(body, `"result":[]`) {
		t.Errorf("Prometheus lost samples: %s", body)
	}
}

// TestVMAgentSends lets a real vmagent scrape itself and write to us.
func TestVMAgentSends(t *testing.T) {
	ours := receiver(t)
	addr := freePort(t)
	config := fmt.Sprintf("scrape_configs: [{job_name: vm, scrape_interval: 500ms, static_configs: [{targets: [\"%s\"]}]}]\n", addr)
	start(t, "http://"+addr+"/health", program(t, "vmagent", "victoria-metrics"), "-promscrape.config="+writeFile(t, config),
		"-remoteWrite.url="+ours.URL+PathWrite, "-remoteWrite.tmpDataPath="+t.TempDir(), "-remoteWrite.flushInterval=200ms", "-httpListenAddr="+addr)
	waitFor(t, "samples from vmagent", func() bool {
		return scalar(t, ours.URL+"/prometheus", `up{job="vm",agent="a1"}`) == "1"
	})
	if got := scalar(t, ours.URL+"/prometheus", `count({job="vm"}) > bool 100`); got != "1" {
		t.Errorf("fewer than 100 series from vmagent: %s", got)
	}
}

// TestWrongPassword is what a person sees who configured a sender wrongly.
func TestWrongPassword(t *testing.T) {
	ours := receiver(t)
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, ours.URL+PathWrite, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("hq", "wrong")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if got := text(answer); answer.StatusCode != http.StatusUnauthorized || !strings.Contains(got, "wrong password") {
		t.Errorf("%d %s", answer.StatusCode, got)
	}
}
