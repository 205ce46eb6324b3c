package syslog

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSockets(t *testing.T) {
	s := open(t, true, func(o *Options) { o.MaxLine = 500 })
	line := func(i int) string {
		return fmt.Sprintf("<30>Nov 22 10:30:00 b1sw systemd-networkd[1]: eth%d: Lost carrier", i)
	}
	dial := func(a net.Addr) net.Conn {
		c, err := net.Dial(a.Network(), a.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	fmt.Fprint(dial(s.udp), line(0))
	c := dial(s.tcp)
	long := line(5) + strings.Repeat("x", 2000)
	// Both framings in one stream, in pieces that fit no boundary.
	stream := fmt.Sprintf("%s\n%d %s%s\x00%d %s%s\n%s\n", line(1), len(line(2)), line(2), line(3), len(long), long, "<30>"+strings.Repeat("y", 3000), line(4))
	for i := 0; i < len(stream); i += 100 {
		fmt.Fprint(c, stream[i:min(i+100, len(stream))])
	}
	got := map[string]bool{}
	for _, e := range s.wait(6) {
		got[e.Component] = true
	}
	for i := range 6 {
		if !got[fmt.Sprint("eth", i)] {
			t.Errorf("eth%d is missing in %v", i, got)
		}
	}
	if _, err := New(s.r.opts); err != nil {
		t.Errorf("a second receiver: %v", err)
	}
	o := s.r.opts
	o.TCP = s.tcp.String()
	if _, err := New(o); err == nil || !strings.Contains(err.Error(), "forward to the agent") {
		t.Errorf("the same address: %v", err)
	}
}

func TestTooManyConnections(t *testing.T) {
	s := open(t, true, func(o *Options) { o.MaxConns = 1; o.UDP = "" })
	first, err := net.Dial("tcp", s.tcp.String())
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	fmt.Fprintln(first, "<30>Nov 22 10:30:00 b1sw systemd-networkd[1]: eth0: Lost carrier")
	s.wait(1)
	second, err := net.Dial("tcp", s.tcp.String())
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	second.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := second.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the second connection: %v", err)
	}
}

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

// TestLogger has util-linux's logger write in all its forms.
func TestLogger(t *testing.T) {
	bin := program(t, "logger", "bsdutils")
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, true, func(o *Options) { o.Hostname = strings.Split(host, ".")[0] })
	_, udpPort, _ := net.SplitHostPort(s.udp.String())
	_, tcpPort, _ := net.SplitHostPort(s.tcp.String())
	for i, args := range [][]string{
		{"-d", "-P", udpPort, "--rfc5424=notq,nohost"}, {"-d", "-P", udpPort, "--rfc3164"}, {"-T", "-P", tcpPort, "--rfc5424=nohost"},
		{"-T", "-P", tcpPort, "--rfc3164"}, {"-T", "-P", tcpPort, "--octet-count", "--rfc5424=nohost"},
	} {
		args = append(args, "-n", "127.0.0.1", "-t", "systemd-networkd", "-p", "daemon.info", fmt.Sprintf("eth%d: Lost carrier", i))
		if out, err := exec.Command(bin, args...).CombinedOutput(); err != nil {
			t.Fatalf("logger %v: %v %s", args, err, out)
		}
	}
	for i, e := range s.wait(5) {
		if e.Device != "b1srv" || e.Attrs["interface"] == "" {
			t.Errorf("event %d: %+v", i, e)
		}
	}
}

// TestRsyslog has Debian's rsyslog forward what it got, as a site's log server
// would.
func TestRsyslog(t *testing.T) {
	bin := program(t, "rsyslogd", "rsyslog")
	s := open(t, true, nil)
	dir := t.TempDir()
	in, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := in.LocalAddr().(*net.UDPAddr).Port
	in.Close()
	_, udpPort, _ := net.SplitHostPort(s.udp.String())
	_, tcpPort, _ := net.SplitHostPort(s.tcp.String())
	conf := fmt.Sprintf(`module(load="imudp")
input(type="imudp" address="127.0.0.1" port="%d")
global(workDirectory="%s")
*.* action(type="omfwd" target="127.0.0.1" port="%s" protocol="udp" template="RSYSLOG_TraditionalForwardFormat")
*.* action(type="omfwd" target="127.0.0.1" port="%s" protocol="tcp" template="RSYSLOG_SyslogProtocol23Format" TCP_Framing="octet-counted")
`, port, dir, udpPort, tcpPort)
	file := filepath.Join(dir, "rsyslog.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "-n", "-f", file, "-i", filepath.Join(dir, "pid"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
	}()
	c, err := net.Dial("udp", fmt.Sprint("127.0.0.1:", port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	heard := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.events)
	}
	for i, begin := 0, time.Now(); heard() < 2 && time.Since(begin) < 20*time.Second; i++ {
		fmt.Fprintf(c, "<30>Nov 22 10:30:00 b1sw systemd-networkd[1]: eth%d: Lost carrier\n", i)
		time.Sleep(100 * time.Millisecond)
	}
	for _, e := range s.wait(2) {
		if e.Device != "b1sw" || e.Attrs["by"] != "name" || e.Attrs["app"] != "systemd-networkd" {
			t.Errorf("event %+v", e)
		}
	}
}
