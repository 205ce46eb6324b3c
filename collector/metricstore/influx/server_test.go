package influx

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// server is a real InfluxDB or VictoriaMetrics that can be stopped and started
// with the same data and address.
type server struct {
	t     *testing.T
	url   string
	ready string // path that answers when it is up
	args  []string
	cmd   *exec.Cmd
}

func (s *server) start() {
	s.t.Helper()
	log, err := os.OpenFile(filepath.Join(s.t.TempDir(), "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	s.cmd = exec.Command(s.args[0], s.args[1:]...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	waitFor(s.t, s.args[0]+" to start", func() bool {
		r, err := http.Get(s.url + s.ready)
		if err != nil {
			return false
		}
		r.Body.Close()
		return r.StatusCode/100 == 2
	})
}

// stop ends the process as a power cut would, or in order.
func (s *server) stop(sig syscall.Signal) {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(sig)
	_ = s.cmd.Wait()
	s.cmd = nil
}

func (s *server) get(path string, q url.Values) string {
	s.t.Helper()
	r, err := http.Get(s.url + path + "?" + q.Encode())
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(90 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("waited 90 s for %s", what)
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

func missing(t *testing.T, text string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(text)
	}
	t.Skip(text)
}

// influxd returns the path of InfluxDB 1.8.10, which Debian does not have.
func influxd(t *testing.T) string {
	t.Helper()
	root := "."
	for range 6 {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		root = filepath.Join(root, "..")
	}
	places := []string{filepath.Join(root, ".cache", "tools", "influxd")}
	if dir := os.Getenv("FAULTLINE_TOOLS"); dir != "" {
		places = append([]string{filepath.Join(dir, "influxd")}, places...)
	}
	if path, err := exec.LookPath("influxd"); err == nil {
		places = append(places, path)
	}
	for _, path := range places {
		if out, err := exec.Command(path, "version").CombinedOutput(); err == nil && !strings.Contains(string(out), "v1.6") {
			return path
		}
	}
	missing(t, "influxd 1.8.10 is missing: go install github.com/influxdata/influxdb/cmd/influxd@v1.8.10 and put it into PATH, $FAULTLINE_TOOLS or .cache/tools")
	return ""
}

func startInflux(t *testing.T) *server {
	t.Helper()
	path := influxd(t)
	dir, addr := t.TempDir(), freePort(t)
	config := fmt.Sprintf(`
reporting-disabled = true
bind-address = %q
[meta]
  dir = %q
[data]
  dir = %q
  wal-dir = %q
  index-version = "tsi1"
[http]
  bind-address = %q
`, freePort(t), dir+"/meta", dir+"/data", dir+"/wal", addr)
	file := filepath.Join(dir, "influxdb.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, url: "http://" + addr, ready: "/ping", args: []string{path, "-config", file}}
	t.Cleanup(func() { s.stop(syscall.SIGTERM) })
	s.start()
	s.query("CREATE DATABASE fl")
	return s
}

func startVictoria(t *testing.T) *server {
	t.Helper()
	path, err := exec.LookPath("victoria-metrics")
	if err != nil {
		missing(t, "victoria-metrics is missing; install Debian's package victoria-metrics")
	}
	addr := freePort(t)
	s := &server{t: t, url: "http://" + addr, ready: "/health", args: []string{path, "-storageDataPath=" + t.TempDir(), "-httpListenAddr=" + addr, "-retentionPeriod=1", "-loggerLevel=ERROR"}}
	t.Cleanup(func() { s.stop(syscall.SIGTERM) })
	s.start()
	return s
}

// query runs InfluxQL.
func (s *server) query(q string) string {
	s.t.Helper()
	r, err := http.PostForm(s.url+"/query", url.Values{"q": {q}, "db": {"fl"}})
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// countInfluxQL counts all points of a measurement.
func (s *server) countInfluxQL(measurement string) int {
	s.t.Helper()
	var a struct {
		Results []struct {
			Series []struct{ Values [][]any }
		}
	}
	body := s.query(`SELECT count(value) FROM "` + measurement + `"`)
	if err := json.Unmarshal([]byte(body), &a); err != nil {
		s.t.Fatalf("%s: %v", body, err)
	}
	if len(a.Results) == 0 || len(a.Results[0].Series) == 0 {
		return 0
	}
	return int(a.Results[0].Series[0].Values[0][1].(float64))
}

// countPromQL counts the samples of a metric in the hour before at.
func (s *server) countPromQL(metric string, at time.Time) int {
	s.t.Helper()
	body := s.get("/api/v1/query", url.Values{"query": {"sum(count_over_time(" + metric + "[2h]))"}, "time": {fmt.Sprint(at.Unix())}, "nocache": {"1"}})
	var a struct {
		Data struct {
			Result []struct{ Value [2]any }
		}
	}
	if err := json.Unmarshal([]byte(body), &a); err != nil {
		s.t.Fatalf("%s: %v", body, err)
	}
	if len(a.Data.Result) == 0 {
		return 0
	}
	n, err := strconv.Atoi(fmt.Sprint(a.Data.Result[0].Value[1]))
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}
