package probe_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"math"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// program returns the path of a Debian program, or skips; in CI its absence is a
// failure.
func program(t *testing.T, name, pkg string) string {
	t.Helper()
	for _, dir := range []string{"", "/usr/sbin/", "/sbin/"} {
		if p, err := exec.LookPath(dir + name); err == nil {
			return p
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed (Debian package %s)", name, pkg)
	}
	t.Skipf("%s is not installed (Debian package %s)", name, pkg)
	return ""
}

// TestChrony asks Debian's chronyd, which does not touch the clock.
func TestChrony(t *testing.T) {
	bin := program(t, "chronyd", "chrony")
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := c.LocalAddr().String()
	port := c.LocalAddr().(*net.UDPAddr).Port
	c.Close()
	dir := t.TempDir()
	conf := filepath.Join(dir, "chrony.conf")
	text := fmt.Sprintf("local stratum 5\nallow 127.0.0.1\nbindaddress 127.0.0.1\nport %d\ncmdport 0\nbindcmdaddress /\npidfile %s/pid\n", port, dir)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "-n", "-x", "-U", "-u", "root", "-f", conf)
	if os.Geteuid() != 0 {
		cmd = exec.Command(bin, "-n", "-x", "-U", "-f", conf)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	tg := target(addr, "module", "ntp", "timeout", "300ms")
	for begin := time.Now(); time.Since(begin) < 20*time.Second; time.Sleep(20 * time.Millisecond) {
		s := &sink{}
		if err := newInput().Gather(t.Context(), tg, s); err != nil {
			t.Fatal(err)
		}
		if has(s, "probe_success", 1) {
			break
		}
	}
	s := ask(t, tg, 1)
	want(t, s, 5, "faultline_ntp_stratum")
	want(t, s, 0, "faultline_ntp_leap")
	if v, ok := s.value("faultline_ntp_offset_seconds"); !ok || math.Abs(v) > 0.1 {
		t.Errorf("the same clock is off by %v %v", v, ok)
	}
	if v, ok := s.value("faultline_ntp_root_distance_seconds"); !ok || v < 0 || v > 1 {
		t.Errorf("root distance %v %v", v, ok)
	}
}

// secure serves TLS with a certificate of its own until a moment.
func secure(t *testing.T, until time.Time) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail.corp.test"}, NotBefore: until.Add(-time.Hour * 24 * 90), NotAfter: until, DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.NotFoundHandler(), ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close() })
	return l.Addr().String()
}

// TestExpiry holds that an expired certificate's end is told, by TCP and HTTP.
func TestExpiry(t *testing.T) {
	until := time.Now().Add(-time.Hour).Truncate(time.Second)
	addr := secure(t, until)
	for _, tg := range []struct {
		address           string
		options, trusting []string
	}{
		{addr, []string{"module", "tcp", "tls", "true"}, []string{"insecure", "true"}},
		{"https://" + addr, []string{"module", "http"}, []string{"insecure", "true", "status", "404"}},
	} {
		s := ask(t, target(tg.address, tg.options...), 0)
		want(t, s, float64(until.Unix()), "probe_ssl_earliest_cert_expiry")
		want(t, s, 0, "faultline_probe_ssl_trusted")
		want(t, s, 1, "faultline_probe_failure_info", "reason", "certificate")
		want(t, s, 1, "probe_ssl_last_chain_info", "subject", "CN=mail.corp.test")
		if _, ok := s.value("probe_ssl_last_chain_expiry_timestamp_seconds"); ok {
			t.Error("an untrusted chain has an end")
		}
		s = ask(t, target(tg.address, append(tg.options, tg.trusting...)...), 1)
		want(t, s, float64(until.Unix()), "probe_ssl_earliest_cert_expiry")
	}
}

// TestReasons holds that a refusal, which proves life, is told from silence.
func TestReasons(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	quiet := l.Addr().String()
	defer l.Close()
	shut, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := shut.Addr().String()
	shut.Close()
	for _, c := range []struct {
		reason  string
		address string
		options []string
	}{
		{"refused", refused, []string{"module", "tcp"}},
		{"timeout", quiet, []string{"module", "tcp", "expect", "x", "timeout", "100ms"}},
		{"name", "no.such.invalid:9", []string{"module", "tcp", "timeout", "2s"}},
		{"refused", "http://" + refused, []string{"module", "http"}},
		{"refused", refused, []string{"module", "ntp", "timeout", "300ms"}},
	} {
		s := ask(t, target(c.address, c.options...), 0)
		if v, ok := s.value("faultline_probe_failure_info", "reason", c.reason); !ok || v != 1 {
			t.Errorf("%s %v: %v, want reason %s", c.address, c.options, s.samples, c.reason)
		}
	}
}

// TestReasonEnds holds that a reason that is over is said to be.
func TestReasonEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tg := target(l.Addr().String(), "module", "tcp")
	l.Close()
	in := newInput()
	probe := func() *sink {
		s := &sink{}
		if err := in.Gather(t.Context(), tg, s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	want(t, probe(), 1, "faultline_probe_failure_info", "reason", "refused")
	if l, err = net.Listen("tcp", tg.Address); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	want(t, probe(), 0, "faultline_probe_failure_info", "reason", "refused")
	if _, ok := probe().value("faultline_probe_failure_info"); ok {
		t.Error("it is said again")
	}
}

func has(s *sink, name string, value float64) bool {
	v, ok := s.value(name)
	return ok && v == value
}
