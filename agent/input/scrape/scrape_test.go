package scrape_test

import (
	"bufio"
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/input/inputtest"
	"github.com/faultline/faultline/agent/input/scrape"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/plugintest"
)

func target(address string, options ...string) base.Target {
	t := base.Target{ID: address, Input: "scrape", Address: address, Options: map[string]string{},
		Labels: map[string]string{"site": "s", "device": "srv", "instance": "srv", "job": "node"}}
	for i := 0; i < len(options); i += 2 {
		t.Options[options[i]] = options[i+1]
	}
	return t
}

// exporter answers every request with f.
func exporter(t *testing.T, f http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func says(page string, contentType ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if len(contentType) > 0 {
			w.Header().Set("Content-Type", contentType[0])
		}
		_, _ = w.Write([]byte(page))
	}
}

// TestNodeExporter scrapes Debian's node_exporter and compares with the page itself.
func TestNodeExporter(t *testing.T) {
	bin := inputtest.Program(t, "prometheus-node-exporter", "prometheus-node-exporter")
	at := inputtest.FreePort(t)
	inputtest.Start(t, exec.Command(bin, "--web.listen-address="+at))
	inputtest.Until(t, "an answer of node_exporter", func() bool {
		resp, err := http.Get("http://" + at + "/")
		if err == nil {
			_ = resp.Body.Close()
		}
		return err == nil
	})
	in := scrape.New(scrape.Options{})
	defer func() { _ = in.Close() }()
	r := inputtest.Up(t, in, target(at))
	r.Want(t, "node_scrape_collector_success{collector=cpu}", 1)
	r.Want(t, "go_info{version="+versionOf(r)+"}", 1)
	resp, err := http.Get("http://" + at + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	n, missing := 0, 0
	for s := bufio.NewScanner(resp.Body); s.Scan(); {
		name, _, _ := strings.Cut(s.Text(), " ")
		if strings.HasPrefix(name, "#") || strings.Contains(s.Text(), `"`) {
			continue
		}
		n++
		if _, ok := r.Values[name]; !ok {
			missing++
		}
	}
	if n < 100 || missing > 5 { // some come and go between two pages
		t.Errorf("of %d series without labels %d were not scraped", n, missing)
	}
	if len(r.Values) < 400 {
		t.Errorf("%d samples", len(r.Values))
	}
}

func versionOf(r *inputtest.Recorder) string {
	for s := range r.Values {
		if v, ok := strings.CutPrefix(s, "go_info{version="); ok {
			return strings.TrimSuffix(v, "}")
		}
	}
	return ""
}

func TestPages(t *testing.T) {
	now := time.Now().Truncate(time.Millisecond)
	page := fmt.Sprintf("up 1\nscrape_samples_scraped 9\na{device=\"eth0\",job=\"j\",instance=\"i\",site=\"other\",agent=\"x\"} 1\n"+
		"b 2 %d\nold 3 1000\nahead 4 %d\nc 5\nc 6\n", now.Add(-time.Minute).UnixMilli(), now.Add(time.Hour).UnixMilli())
	in := scrape.New(scrape.Options{})
	r, err := inputtest.Gather(t, in, target(exporter(t, says(page))))
	if err == nil || !strings.Contains(err.Error(), "1 samples left out because their series was there already, 2 because their time") {
		t.Errorf("got %v", err)
	}
	r.Want(t, "a{device=eth0,exported_agent=x,exported_instance=i,exported_job=j,exported_site=other}", 1)
	r.Want(t, "b", 2)
	r.Want(t, "c", 5)
	if got := r.Times["b"]; got != now.Add(-time.Minute).UnixMilli() {
		t.Errorf("b is of %d", got)
	}
	for _, s := range []string{"up", "scrape_samples_scraped", "old", "ahead"} {
		r.Without(t, s)
	}
	t.Run("timestamps not honoured", func(t *testing.T) {
		r, _ := inputtest.Gather(t, in, target(exporter(t, says("old 3 1000\n")), "honor_timestamps", "false"))
		r.Want(t, "old", 3)
	})
	t.Run("gzip", func(t *testing.T) {
		r := inputtest.Up(t, in, target(exporter(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = z.Write([]byte("z 1\n"))
			_ = z.Close()
		})))
		r.Want(t, "z", 1)
	})
	t.Run("OpenMetrics", func(t *testing.T) {
		r := inputtest.Up(t, in, target(exporter(t, says("# TYPE a gauge\na 1\n# EOF\n", "application/openmetrics-text; version=1.0.0; charset=utf-8"))))
		r.Want(t, "a", 1)
	})
	t.Run("path, and what is asked for", func(t *testing.T) {
		var got *http.Request
		at := exporter(t, func(w http.ResponseWriter, r *http.Request) {
			got = r
			_, _ = w.Write([]byte("a 1\n"))
		})
		inputtest.Up(t, in, target("http://"+at+"/probe?target=x"))
		if got.URL.String() != "/probe?target=x" || got.Header.Get("X-Prometheus-Scrape-Timeout-Seconds") == "" || !strings.Contains(got.Header.Get("Accept"), "openmetrics") {
			t.Errorf("%s %v", got.URL, got.Header)
		}
		inputtest.Up(t, in, target(at, "path", "/x"))
		if got.URL.Path != "/x" {
			t.Error(got.URL)
		}
	})
}

func TestFailures(t *testing.T) {
	in := scrape.New(scrape.Options{})
	bomb := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		line := strings.Repeat(" ", 1<<16) + "\n"
		for range 6 {
			if _, err := z.Write([]byte(line)); err != nil {
				return
			}
		}
		_ = z.Close()
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	moved := exporter(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.2:9/metrics", http.StatusFound)
	})
	for name, tc := range map[string]struct {
		tg     base.Target
		reason string
	}{
		"nobody there":        {target(inputtest.FreePort(t)), "refused"},
		"wrong password":      {target(exporter(t, status(401))), "denied"},
		"not found":           {target(exporter(t, status(404))), "status"},
		"elsewhere":           {target(moved), "status"},
		"a page for people":   {target(exporter(t, says("<html>", "text/html"))), "malformed"},
		"half a page":         {target(exporter(t, says("a 1\nb{x=\"", "text/plain"))), "malformed"},
		"a label is faulty":   {target(exporter(t, says("a 1\nb{1=\"\"} 2"))), "malformed"},
		"too many samples":    {target(exporter(t, says(strings.Repeat("a 1\n", 20))), "max_samples", "10"), "too_large"},
		"too large unpacked":  {target(exporter(t, bomb), "max_bytes", "100000"), "too_large"},
		"plain HTTP for TLS":  {target(exporter(t, says("a 1\n")), "scheme", "https"), "tls"},
		"a token that is not": {target(exporter(t, says("a 1\n")), "token_file", "/nonexistent/token"), "missing"},
	} {
		t.Run(name, func(t *testing.T) { inputtest.Down(t, in, tc.tg, tc.reason) })
	}
}

// TestRecovery: the reason of a failure is taken back once.
func TestRecovery(t *testing.T) {
	well := false
	at := exporter(t, func(w http.ResponseWriter, r *http.Request) {
		if !well {
			w.WriteHeader(500)
			return
		}
		_, _ = w.Write([]byte("a 1\n"))
	})
	in, tg := scrape.New(scrape.Options{}), target(at)
	inputtest.Down(t, in, tg, "status")
	well = true
	inputtest.Up(t, in, tg).Want(t, "faultline_input_failed{input=scrape,reason=status}", 0)
	inputtest.Up(t, in, tg).Without(t, "faultline_input_failed{input=scrape,reason=status}")
}

func TestCredentials(t *testing.T) {
	at := exporter(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if user+"/"+password != "u/p" && r.Header.Get("Authorization") != "Bearer t0ken" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte("a 1\n"))
	})
	dir := inputtest.Write(t, map[string]string{"token": "t0ken\n", "password": "p\n"})
	in := scrape.New(scrape.Options{SecretDir: dir})
	inputtest.Up(t, in, target(at, "username", "u", "password", "p"))
	inputtest.Up(t, in, target(at, "username", "u", "password_file", filepath.Join(dir, "password")))
	inputtest.Up(t, in, target(at, "token_file", filepath.Join(dir, "token")))
	t.Setenv("FAULTLINE_TEST_TOKEN", "t0ken")
	inputtest.Up(t, in, target(at, "token_env", "FAULTLINE_TEST_TOKEN"))
	inputtest.Down(t, in, target(at, "token", "wrong"), "denied")
	for _, bad := range [][]string{{"token_file", "/etc/shadow"}, {"token_env", "HOME"}, {"password", "p"}, {"username", "u", "token", "t"}, {"colour", "red"}, {"max_bytes", "0"}, {"path", "x"}} {
		if err := in.CheckTarget(target(at, bad...)); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}

func TestTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(says("a 1\n"))
	clients := x509.NewCertPool()
	s.TLS = &tls.Config{ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: clients}
	s.StartTLS()
	defer s.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	dir := inputtest.Write(t, map[string]string{"ca.pem": string(ca)})
	in := scrape.New(scrape.Options{})
	inputtest.Up(t, in, target(s.URL, "ca_file", filepath.Join(dir, "ca.pem")))
	inputtest.Up(t, in, target(s.URL, "insecure", "true"))
	inputtest.Down(t, in, target(s.URL), "certificate")
	inputtest.Down(t, in, target(s.URL, "ca_file", filepath.Join(dir, "ca.pem"), "server_name", "else.example"), "certificate")
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), []byte("no"), 0o600); err != nil {
		t.Fatal(err)
	}
	inputtest.Down(t, scrape.New(scrape.Options{}), target(s.URL, "ca_file", filepath.Join(dir, "ca.pem")), "other")
}

func TestContract(t *testing.T) {
	in := scrape.New(scrape.Options{})
	defer func() { _ = in.Close() }()
	good := says("a{b=\"c\"} 1\nd_total 2\n")
	two := target(exporter(t, good))
	two.ID = "two"
	plugintest.Run(t, plugintest.Input(plugintest.InputCase{Input: in, Targets: []base.Target{target(exporter(t, good), "username", "u", "password", "p"), two},
		Silent: target(inputtest.Mute(t)), Closed: target(inputtest.FreePort(t)), Bad: []base.Target{target("x:y:z"), target("a", "port", "no")}, Patience: 300 * time.Millisecond}))
}
