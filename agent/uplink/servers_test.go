package uplink

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/link"
	"github.com/faultline/faultline/agent/spool"
	"github.com/faultline/faultline/internal/selfmetric"
	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
)

// program finds a Debian program; without it the test is skipped, except in CI.
func program(t *testing.T, name, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing: apt-get install %s", name, pkg)
		}
		t.Skipf("%s is missing: apt-get install %s", name, pkg)
	}
	return path
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// serve starts a private server and stops it when the test ends.
func serve(t *testing.T, ready string, name string, args ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = log.Close()
		if t.Failed() {
			b, _ := os.ReadFile(log.Name())
			t.Logf("%s said:\n%s", name, b[max(0, len(b)-4000):])
		}
	})
	eventually(t, 30*time.Second, func() bool {
		resp, err := http.Get(ready)
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// eventually asks until it is true.
func eventually(t *testing.T, within time.Duration, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(within); !ok(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not within %v", within)
		}
	}
}

// query returns the value of an instant query with one result, -1 without.
func query(t *testing.T, api, expr string, at time.Time) float64 {
	t.Helper()
	resp, err := http.Get(api + "/api/v1/query?query=" + url.QueryEscape(expr) + fmt.Sprintf("&time=%d", at.Unix()))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Data struct {
			Result []struct {
				Value [2]any
			}
		}
	}
	if err := json.Unmarshal(b, &answer); err != nil || len(answer.Data.Result) == 0 {
		return -1
	}
	var v float64
	if _, err := fmt.Sscanf(answer.Data.Result[0].Value[1].(string), "%g", &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// toServer opens a spool with samples of the last three hours, a branch that
// was cut off, and runs an uplink to a real server.
func toServer(t *testing.T, api string, now time.Time) (*spool.Spool, *Uplink) {
	t.Helper()
	client, err := link.New(link.Options{URL: api})
	if err != nil {
		t.Fatal(err)
	}
	s, err := spool.Open(spool.Options{Dir: t.TempDir(), SegmentBytes: 16 << 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for i := range 180 {
		at := now.Add(time.Duration(i-179) * time.Minute).UnixMilli()
		var batch []base.Sample
		for cpu := range 20 {
			batch = append(batch, base.Sample{Time: at, Value: float64(i), Labels: base.LabelsFrom("node_test_total",
				map[string]string{"cpu": fmt.Sprint(cpu), "job": "node", "site": "上海分公司"})})
		}
		b, err := wire.EncodeSamples(batch)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Append(spool.Samples, b); err != nil {
			t.Fatal(err)
		}
	}
	u, err := New(Options{Spool: s, Link: client, Logger: testLog(t), BacklogRate: 1e6, MaxSamples: 500, Registerer: selfmetric.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	return s, u
}

// Both servers answer 204 to remote write 2.0 and store nothing of it; all data
// must be there all the same.
func TestRealPrometheus(t *testing.T) {
	bin := program(t, "prometheus", "prometheus")
	dir, addr := t.TempDir(), freeAddress(t)
	conf := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(conf, []byte("storage: {tsdb: {out_of_order_time_window: 12h}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	api := "http://" + addr
	serve(t, api+"/-/ready", bin, "--config.file="+conf, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr, "--web.enable-remote-write-receiver")
	now := time.Now()
	s, u := toServer(t, api, now)
	stop := start(t, u)
	eventually(t, 30*time.Second, func() bool { return pending(s) == 0 })
	if got := query(t, api, "sum(count_over_time(node_test_total[4h]))", now.Add(time.Second)); got != 180*20 {
		t.Errorf("%v samples read back, want %d", got, 180*20)
	}
	if got := query(t, api, `sum(max_over_time(node_test_total{site="上海分公司"}[4h]))`, now.Add(time.Second)); got != 179*20 {
		t.Errorf("sum of the newest values is %v, want %d", got, 179*20)
	}
	began := time.Now()
	addSample(t, s, "fresh", 42)
	eventually(t, 5*time.Second, func() bool { return query(t, api, "fresh", time.Now().Add(time.Second)) == 42 })
	t.Logf("a fresh sample was readable after %v (asked every 50 ms)", time.Since(began))
	stop()
	if u.version.proven || !u.version.old {
		t.Error("remote write 2.0 taken for proven by a server that loses it")
	}
}

func TestRealVictoriaMetrics(t *testing.T) {
	bin := program(t, "victoria-metrics", "victoria-metrics")
	addr := freeAddress(t)
	api := "http://" + addr
	serve(t, api+"/health", bin, "-storageDataPath="+t.TempDir(), "-httpListenAddr="+addr, "-retentionPeriod=1", "-search.latencyOffset=0s")
	now := time.Now()
	s, u := toServer(t, api, now)
	stop := start(t, u)
	defer stop()
	eventually(t, 30*time.Second, func() bool { return pending(s) == 0 })
	eventually(t, 30*time.Second, func() bool {
		return query(t, api, "sum(count_over_time(node_test_total[4h]))", now.Add(time.Second)) == 180*20
	})
}

// breakable is a TCP server in front of a receiver that can hang, cut answers
// short or refuse connections.
type breakable struct {
	f    *receiver
	mode string // f.mu guards
	hits int    // requests since mode was set; f.mu guards
}

func (b *breakable) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var mode string
	b.f.set(func() { mode = b.mode; b.hits++ })
	switch mode {
	case "hang":
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	case "cut answer": // stored, but the agent never hears of it
		w.Header().Set("Content-Length", "100")
		rec := &headerless{w}
		b.f.ServeHTTP(rec, r)
		panic(http.ErrAbortHandler)
	case "cut body":
		_, _ = io.CopyN(io.Discard, r.Body, 10)
		panic(http.ErrAbortHandler)
	default:
		b.f.ServeHTTP(w, r)
	}
}

// headerless keeps the status from being written.
type headerless struct{ http.ResponseWriter }

func (headerless) WriteHeader(int) {}

// Over real connections: every fault, then all there; repeats are allowed.
func TestNetworkFaults(t *testing.T) {
	b := &breakable{f: &receiver{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: b, ReadHeaderTimeout: time.Second}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	defer func() { _ = srv.Close(); <-done }()

	client, err := link.New(link.Options{URL: "http://" + l.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := spool.Open(spool.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	u, err := New(Options{Spool: s, Link: client, Timeout: 300 * time.Millisecond, Logger: testLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- u.Run(ctx) }()
	n := 0
	for _, mode := range []string{"", "hang", "", "cut body", "", "cut answer", ""} {
		b.f.set(func() { b.mode, b.hits = mode, 0 })
		addSample(t, s, "m", float64(n))
		addEvent(t, s, base.EventTrap, fmt.Sprint(n))
		n++
		if mode == "" {
			eventually(t, 10*time.Second, func() bool { return pending(s) == 0 })
			continue
		}
		eventually(t, 10*time.Second, func() (bitten bool) {
			b.f.set(func() { bitten = b.hits >= 3 })
			return bitten
		})
		if pending(s) == 0 {
			t.Errorf("%s: let go of what was not accepted", mode)
		}
	}
	cancel()
	if err := <-ran; err != nil {
		t.Error(err)
	}
	got := map[string]bool{}
	for _, x := range b.f.stored() {
		got[x] = true
	}
	for i := range n {
		if !got[fmt.Sprintf("m %d", i)] || !got[fmt.Sprintf("event %d", i)] {
			t.Errorf("sample or event %d is lost", i)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
