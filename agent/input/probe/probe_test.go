package probe_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/input/probe"
	"github.com/faultline/faultline/plugins/base"
)

// sink keeps what a probe finds.
type sink struct{ samples []base.Sample }

func (s *sink) Sample(sm base.Sample) { s.samples = append(s.samples, sm) }

// Block keeps the block's samples one by one.
func (s *sink) Block(b base.Block) {
	for sm := range b.Samples() {
		s.Sample(sm)
	}
}

func (s *sink) Event(base.Event) {}

// value returns the value of a series, or false when it is not there.
func (s *sink) value(name string, label ...string) (float64, bool) {
	for _, sm := range s.samples {
		if sm.Labels.Name() == name && (len(label) == 0 || sm.Labels.Get(label[0]) == label[1]) {
			return sm.Value, true
		}
	}
	return 0, false
}

func target(address string, options ...string) base.Target {
	t := base.Target{ID: "t", Input: "probe", Address: address, Options: map[string]string{}}
	for i := 0; i < len(options); i += 2 {
		t.Options[options[i]] = options[i+1]
	}
	return t
}

func newInput() *probe.Input { return probe.New(probe.Options{}) }

// ask runs one probe and checks probe_success.
func ask(t *testing.T, tg base.Target, success float64) *sink {
	t.Helper()
	in := probe.New(probe.Options{})
	if err := in.CheckTarget(tg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	s := &sink{}
	if err := in.Gather(ctx, tg, s); err != nil {
		t.Fatal(err)
	}
	if v, ok := s.value("probe_success"); !ok || v != success {
		t.Fatalf("probe_success %v %v, want %v; all: %v", v, ok, success, s.samples)
	}
	if v, ok := s.value("probe_duration_seconds"); !ok || v <= 0 {
		t.Errorf("probe_duration_seconds %v %v", v, ok)
	}
	seen := map[string]bool{}
	for _, sm := range s.samples {
		if key := fmt.Sprint(sm.Labels); seen[key] {
			t.Errorf("series is there twice: %s", key)
		} else {
			seen[key] = true
		}
	}
	return s
}

func want(t *testing.T, s *sink, value float64, name string, label ...string) {
	t.Helper()
	if v, ok := s.value(name, label...); !ok || v != value {
		t.Errorf("%s%v = %v %v, want %v", name, label, v, ok, value)
	}
}

// mayPing skips where the system lets nobody but root send ICMP.
func mayPing(t *testing.T) {
	t.Helper()
	err := probe.New(probe.Options{}).Gather(t.Context(), target("127.0.0.1", "module", "icmp", "count", "1"), &sink{})
	if err != nil && strings.Contains(err.Error(), "may not send ICMP") && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
}

func TestICMP(t *testing.T) {
	mayPing(t)
	for _, address := range []string{"127.0.0.1", "localhost", "::1"} {
		t.Run(address, func(t *testing.T) {
			if c, err := net.Listen("tcp6", "[::1]:0"); err != nil && address == "::1" {
				t.Skip("no IPv6 here")
			} else if err == nil {
				c.Close()
			}
			begin := time.Now()
			s := ask(t, target(address, "module", "icmp", "spacing", "20ms"), 1)
			if took := time.Since(begin); took > 500*time.Millisecond {
				t.Errorf("three answered packets took %v", took)
			}
			want(t, s, 0, "faultline_probe_loss_ratio")
			want(t, s, 3, "faultline_probe_packets_sent")
			want(t, s, 64, "probe_icmp_reply_hop_limit")
			for _, phase := range []string{"resolve", "setup", "rtt"} {
				if v, ok := s.value("probe_icmp_duration_seconds", "phase", phase); !ok || v < 0 || v > 0.5 {
					t.Errorf("phase %s: %v %v", phase, v, ok)
				}
			}
		})
	}
	t.Run("large", func(t *testing.T) { ask(t, target("127.0.0.1", "module", "icmp", "size", "20000", "count", "1"), 1) })
	t.Run("unreachable", func(t *testing.T) {
		// A group that nobody joined: sent, and answered by nobody.
		s := ask(t, target("224.0.0.253", "module", "icmp", "count", "2", "spacing", "10ms", "timeout", "200ms"), 0)
		want(t, s, 1, "faultline_probe_loss_ratio")
	})
	t.Run("many at once", func(t *testing.T) {
		in := probe.New(probe.Options{})
		done := make(chan error, 50)
		for i := range cap(done) {
			go func() {
				s := &sink{}
				err := in.Gather(t.Context(), base.Target{ID: fmt.Sprint(i), Address: fmt.Sprintf("127.0.1.%d", i), Options: map[string]string{"module": "icmp", "spacing": "5ms"}}, s)
				if v, _ := s.value("faultline_probe_loss_ratio"); err == nil && v != 0 {
					err = fmt.Errorf("target %d: loss %v", i, v)
				}
				done <- err
			}()
		}
		for range cap(done) {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(c, "220 mail ready\r\n")
			c.Close()
		}
	}()
	addr := l.Addr().String()
	want(t, ask(t, target(addr, "module", "tcp"), 1), 4, "probe_ip_protocol")
	want(t, ask(t, target(addr, "module", "tcp", "expect", "^220 "), 1), 0, "probe_failed_due_to_regex")
	want(t, ask(t, target(addr, "module", "tcp", "expect", "^SSH"), 0), 1, "probe_failed_due_to_regex")
	l.Close()
	begin := time.Now()
	ask(t, target(addr, "module", "tcp"), 0)
	if took := time.Since(begin); took > 100*time.Millisecond {
		t.Errorf("a refused connection took %v", took)
	}
	begin = time.Now()
	ask(t, target("192.0.2.1:9", "module", "tcp", "timeout", "200ms"), 0)
	if took := time.Since(begin); took > 400*time.Millisecond {
		t.Errorf("a silent host took %v, want 200ms", took)
	}
}

func TestHTTP(t *testing.T) {
	handler := http.NewServeMux()
	handler.HandleFunc("/ok", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "all is well") })
	handler.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ok", http.StatusFound) })
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer secure.Close()

	s := ask(t, target(plain.URL+"/ok", "module", "http", "body", "well$"), 1)
	want(t, s, 200, "probe_http_status_code")
	want(t, s, 0, "probe_http_ssl")
	want(t, s, 0, "probe_failed_due_to_regex")
	for _, phase := range []string{"resolve", "connect", "tls", "processing", "transfer"} {
		if v, ok := s.value("probe_http_duration_seconds", "phase", phase); !ok || v < 0 || v > 1 {
			t.Errorf("phase %s: %v %v", phase, v, ok)
		}
	}
	want(t, ask(t, target(plain.URL+"/ok", "module", "http", "body_without", "all"), 0), 1, "probe_failed_due_to_regex")
	want(t, ask(t, target(plain.URL+"/none", "module", "http"), 0), 404, "probe_http_status_code")
	want(t, ask(t, target(plain.URL+"/none", "module", "http", "status", "200, 404"), 1), 404, "probe_http_status_code")
	want(t, ask(t, target(plain.URL+"/moved", "module", "http"), 1), 1, "probe_http_redirects")
	want(t, ask(t, target(plain.URL+"/moved", "module", "http", "follow_redirects", "false"), 0), 302, "probe_http_status_code")

	ask(t, target(secure.URL+"/ok", "module", "http"), 0) // a certificate of nobody we trust
	s = ask(t, target(secure.URL+"/ok", "module", "http", "insecure", "true"), 1)
	want(t, s, 1, "probe_http_ssl")
	want(t, s, float64(secure.Certificate().NotAfter.Unix()), "probe_ssl_earliest_cert_expiry")
	s = ask(t, target(strings.TrimPrefix(secure.URL, "https://"), "module", "tcp", "tls", "true", "insecure", "true"), 1)
	want(t, s, float64(secure.Certificate().NotAfter.Unix()), "probe_ssl_earliest_cert_expiry")

	url := plain.URL
	plain.Close()
	want(t, ask(t, target(url, "module", "http"), 0), 0, "probe_http_status_code")
}

// TestDNS asks Debian's dnsmasq.
func TestDNS(t *testing.T) {
	bin, err := exec.LookPath("dnsmasq")
	if err != nil {
		if bin, err = exec.LookPath("/usr/sbin/dnsmasq"); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal("dnsmasq is not installed (Debian package dnsmasq-base)")
			}
			t.Skip("dnsmasq is not installed (Debian package dnsmasq-base)")
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	cmd := exec.Command(bin, "-k", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--no-daemon", "--pid-file=", "--listen-address=127.0.0.1", "--bind-interfaces",
		fmt.Sprint("--port=", port), "--host-record=a.corp.test,10.1.0.1", "--txt-record=big.corp.test,"+strings.Repeat("x", 200)+","+strings.Repeat("y", 200)+","+strings.Repeat("z", 200))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
	}()
	addr := fmt.Sprint("127.0.0.1:", port)
	for deadline := time.Now().Add(10 * time.Second); ; {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			c.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	s := ask(t, target(addr, "module", "dns", "query", "a.corp.test", "expect", `^10\.1\.0\.1$`), 1)
	want(t, s, 1, "probe_dns_query_succeeded")
	want(t, s, 1, "probe_dns_answer_rrs")
	want(t, ask(t, target(addr, "module", "dns", "query", "a.corp.test", "expect", "10.9"), 0), 1, "probe_failed_due_to_regex")
	s = ask(t, target(addr, "module", "dns", "query", "none.example"), 0)
	want(t, s, 1, "probe_dns_query_succeeded")
	if v, _ := s.value("faultline_probe_dns_rcode"); v == 0 {
		t.Error("an unknown name has rcode 0")
	}
	ask(t, target(addr, "module", "dns", "query", "big.corp.test", "type", "TXT", "expect", "z{200}$"), 1) // too big for UDP
	ask(t, target(addr, "module", "dns", "query", "a.corp.test", "transport", "tcp"), 1)
	cmd.Process.Kill()
	cmd.Wait()
	want(t, ask(t, target(addr, "module", "dns", "query", "a.corp.test", "timeout", "300ms"), 0), 0, "probe_dns_query_succeeded")
}

// timeServer answers SNTP with a clock that is ahead by offset.
func timeServer(t *testing.T, offset time.Duration, stratum byte) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		b := make([]byte, 512)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			a := make([]byte, 48)
			a[0], a[1] = 0x24, stratum
			copy(a[24:32], b[40:n])
			now := time.Now().Add(offset)
			for _, at := range []int{32, 40} {
				binary.BigEndian.PutUint32(a[at:], uint32(now.Unix()+2_208_988_800))
				binary.BigEndian.PutUint32(a[at+4:], uint32((int64(now.Nanosecond())<<32)/1_000_000_000))
			}
			wrong := append([]byte(nil), a...)
			wrong[24] ^= 0xff // an answer to somebody else comes first
			c.WriteTo(wrong, from)
			c.WriteTo(a, from)
		}
	}()
	return c.LocalAddr().String()
}

func TestNTP(t *testing.T) {
	for _, offset := range []time.Duration{0, 90 * time.Second, -36 * time.Hour} {
		s := ask(t, target(timeServer(t, offset, 2), "module", "ntp"), 1)
		if v, _ := s.value("faultline_ntp_offset_seconds"); v < offset.Seconds()-0.05 || v > offset.Seconds()+0.05 {
			t.Errorf("offset %v, want %v", v, offset.Seconds())
		}
		want(t, s, 2, "faultline_ntp_stratum")
	}
	s := ask(t, target(timeServer(t, 0, 16), "module", "ntp"), 0)
	if _, ok := s.value("faultline_ntp_offset_seconds"); ok {
		t.Error("the clock of a server that does not trust it was taken")
	}
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ask(t, target(c.LocalAddr().String(), "module", "ntp", "timeout", "100ms"), 0)
}

func TestCheckTarget(t *testing.T) {
	tests := []struct {
		name   string
		target base.Target
		want   string
	}{
		{"no module", target("h"), "want one of dhcp, dns, http, icmp, line, ntp, tcp"},
		{"typo", target("h", "module", "icmp", "cuont", "3"), `option "cuont"`},
		{"several", target("", "module", "icmp", "count", "0", "timeout", "soon"), "address is empty\ncount"},
		{"no port", target("h", "module", "tcp"), "want host:port"},
		{"bad port", target("h:x", "module", "tcp"), "port"},
		{"pattern", target("h:1", "module", "tcp", "expect", "("), "expect"},
		{"URL", target("ftp://h", "module", "http"), "not an http"},
		{"status", target("h", "module", "http", "status", "2xx"), "status"},
		{"no query", target("h", "module", "dns"), "want a name"},
		{"type", target("h", "module", "dns", "query", "x", "type", "Z"), "type"},
		{"large", target("h", "module", "line", "large", "100"), "at least 1280"},
		{"elsewhere", target("h", "module", "line", "elsewhere", "10.0.0.1, x"), `elsewhere "x"`},
		{"token alone", target("h", "module", "line", "token", "x"), "token without reflect_port"},
		{"servers", target("", "module", "dhcp", "servers", "::1"), "want IPv4"},
		{"fine", target("h", "module", "dns", "query", "x"), ""},
	}
	in := probe.New(probe.Options{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := in.CheckTarget(tt.target)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}
