package doctor_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/doctor"
	"github.com/faultline/faultline/agent/link"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// collector is the far end of one case: status and body are its answers, ahead
// is by how much its clock is ahead.
func collector(t *testing.T, status int, body string, ahead time.Duration) *httptest.Server {
	t.Helper()
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/agents/self" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(srv.Close)
	return srv
}

func trusting(srv *httptest.Server) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

func examine(t *testing.T, o link.Options) []doctor.Finding {
	t.Helper()
	c, err := link.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return doctor.Collector(c, o.URL, "branch-2-a")(t.Context())
}

func TestCollector(t *testing.T) {
	const me = `{"agent":"branch-2-a","site":"branch-2"}`
	for name, c := range map[string]struct {
		status      int
		body        string
		ahead       time.Duration
		state, says string // of the answer
		clock       string
	}{
		"well":           {200, me, 0, doctor.OK, "site branch-2", doctor.OK},
		"clock behind":   {200, me, 90 * time.Second, doctor.OK, "branch-2", doctor.Warn},
		"clock ahead":    {200, me, -90 * time.Second, doctor.OK, "branch-2", doctor.Warn},
		"revoked":        {401, `{"error":"the certificate was revoked"}`, 0, doctor.Bad, "revoked", doctor.OK},
		"somebody else":  {200, `{"agent":"branch-3-a","site":"branch-3"}`, 0, doctor.Bad, `"branch-3-a"`, doctor.OK},
		"a sign-in page": {200, "<html>please sign in", 0, doctor.Bad, "please sign in", doctor.OK},
		"too old":        {404, `{"error":"no such path"}`, 0, doctor.Warn, "too old", doctor.OK},
	} {
		t.Run(name, func(t *testing.T) {
			srv := collector(t, c.status, c.body, c.ahead)
			got := examine(t, link.Options{URL: srv.URL, TLS: trusting(srv)})
			if len(got) != 2 || got[0].State != c.state || !strings.Contains(got[0].Text.EN, c.says) || got[1].State != c.clock {
				t.Errorf("got %+v", got)
			}
			for _, f := range got {
				if (f.State == doctor.OK) != f.Hint.IsZero() {
					t.Errorf("%s is %s and its hint is %q", f.Check, f.State, f.Hint.EN)
				}
			}
		})
	}
}

func TestUnreached(t *testing.T) {
	srv := collector(t, 200, "{}", 0)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = free.Close()
	for name, c := range map[string]struct {
		o    link.Options
		hint string
	}{
		"name":      {link.Options{URL: "https://no-such-host.invalid"}, "DNS"},
		"authority": {link.Options{URL: srv.URL, TLS: &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}}, "ca_file"},
		"refused":   {link.Options{URL: "https://" + free.Addr().String()}, "nobody listens"},
		"no TLS":    {link.Options{URL: strings.Replace(plain.URL, "http:", "https:", 1)}, "no HTTPS"},
		"silence":   {link.Options{URL: "https://" + silent.Addr().String()}, "firewalls"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := examine(t, c.o)
			if len(got) != 1 || got[0].State != doctor.Bad || !strings.Contains(got[0].Hint.EN, c.hint) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	spool := filepath.Join(dir, "spool")
	must(t, os.MkdirAll(filepath.Join(spool, "quarantine"), 0o700))
	must(t, os.WriteFile(filepath.Join(spool, "a"), make([]byte, 3<<20), 0o600))
	got := doctor.Directory(dir, 8<<20)(t.Context())
	if len(got) != 2 || got[0].State != doctor.OK || got[1].State != doctor.OK || !strings.Contains(got[1].Text.EN, "3.0 MiB in use of at most 8.0 MiB") {
		t.Errorf("well: %+v", got)
	}
	must(t, os.WriteFile(filepath.Join(spool, "quarantine", "x"), nil, 0o600))
	must(t, os.Chmod(dir, 0o755))
	got = doctor.Directory(dir, 1<<60)(t.Context())
	if len(got) != 3 || got[0].State != doctor.Warn || got[1].State != doctor.Warn || got[2].State != doctor.Warn {
		t.Errorf("open to others, a bound beyond the disk, quarantine: %+v", got)
	}
	if got := doctor.Directory(filepath.Join(dir, "none"), 1)(t.Context()); got[0].State != doctor.Bad || !strings.Contains(got[0].Hint.EN, "install -d") {
		t.Errorf("none: %+v", got)
	}
	if list, _ := filepath.Glob(filepath.Join(dir, ".doctor*")); len(list) > 0 {
		t.Errorf("left behind: %v", list)
	}
}

func TestListening(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := []string{l.Addr().String()}
	if f := doctor.Listening("tcp", taken, false)(t.Context()); f[0].State != doctor.Bad {
		t.Errorf("another program's: %+v", f)
	}
	if f := doctor.Listening("tcp", taken, true)(t.Context()); f[0].State != doctor.OK {
		t.Errorf("the agent's own: %+v", f)
	}
	if f := doctor.Listening("udp", []string{"127.0.0.1:0"}, false)(t.Context()); f[0].State != doctor.OK {
		t.Errorf("free: %+v", f)
	}
}

// asked is an input whose targets answer as their address says.
type asked struct{}

func (asked) Name() string { return "asked" }

func (asked) CheckTarget(t base.Target) error {
	if t.Address == "nonsense" {
		return errors.New("cannot be read")
	}
	return nil
}

func (asked) Gather(ctx context.Context, t base.Target, sink input.Sink) error {
	sink.Sample(base.Sample{})
	switch t.Address {
	case "half":
		return input.Partial{Err: errors.New("one table is missing")}
	case "hangs":
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

func TestTargets(t *testing.T) {
	var targets []base.Target
	for _, a := range []string{"well", "half", "hangs", "nonsense"} {
		targets = append(targets, base.Target{ID: a, Input: "asked", Address: a, Timeout: 50 * time.Millisecond})
	}
	targets = append(targets, base.Target{ID: "plugin", Input: "meter"})
	var got []string
	bad := doctor.Examine(t.Context(), []doctor.Check{doctor.Targets(map[string]input.Input{"asked": asked{}}, targets, time.Second, 2)}, func(f doctor.Finding) {
		got = append(got, f.About+" "+f.State)
	})
	if want := "[well ok half warn hangs bad nonsense bad plugin skipped]"; fmt.Sprint(got) != want || bad != 2 {
		t.Errorf("got %v, %d bad; want %s", got, bad, want)
	}
}

func TestPrint(t *testing.T) {
	var b bytes.Buffer
	doctor.Print(&b, doctor.Finding{Check: "clock", State: doctor.Warn, Text: lang.Text{ZH: "慢", EN: "behind"}, Hint: lang.Text{ZH: "校准", EN: "set it"}}, lang.ZH)
	if want := "!   clock                    慢\n                             → 校准\n"; b.String() != want {
		t.Errorf("%q", b.String())
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
