package trap

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/internal/selfmetric"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/rules"
)

// running is a Receiver at work, and what it hands over.
type running struct {
	*Receiver
	addr   string
	events chan base.Event
	stop   func()
}

// run starts a Receiver on a free port of loopback.
func run(t testing.TB, o Options) *running {
	t.Helper()
	x := &running{events: make(chan base.Event, 4096)}
	if len(o.Listen) == 0 {
		o.Listen = []string{"127.0.0.1:0"}
	}
	if o.Sink == nil {
		o.Sink = func(es []base.Event) error {
			for _, e := range es {
				x.events <- e
			}
			return nil
		}
	}
	if o.Notifications == nil {
		o.Notifications = shipped(t)
	}
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Listen(); err != nil {
		t.Fatal(err)
	}
	x.Receiver, x.addr = r, r.Addrs()[0].String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	stopped := false
	x.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v", err)
		}
	}
	t.Cleanup(x.stop)
	return x
}

// shipped are the notifications that come with the program.
func shipped(t testing.TB) *profile.Notifications {
	t.Helper()
	dir, err := fs.Sub(rules.FS(), "profiles")
	if err != nil {
		t.Fatal(err)
	}
	n, err := profile.LoadNotifications(dir)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// next waits for an event.
func (x *running) next(t testing.TB) base.Event {
	t.Helper()
	select {
	case e := <-x.events:
		return e
	case <-time.After(20 * time.Second):
		t.Fatal("no event came")
		return base.Event{}
	}
}

// none tells that there is no event, once a trap sent after whatever should not
// have made one has come.
func (x *running) none(t testing.TB) {
	t.Helper()
	x.mark(t)
	if e := x.next(t); e.Attrs["name"] != "coldStart" || e.Attrs["enterprise"] != "1.3.6.1.4.1.8072.9.9" {
		t.Errorf("unexpected event %+v", e)
	}
}

// mark sends a trap that is always taken.
func (x *running) mark(t testing.TB) {
	t.Helper()
	c, err := net.Dial("udp", x.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	marks++
	if _, err := c.Write(v2c("public", 0xa7, marks, marks, "1.3.6.1.6.3.1.1.5.1", bind0("1.3.6.1.6.3.1.1.4.3.0", 0x06, oid("1.3.6.1.4.1.8072.9.9")))); err != nil {
		t.Fatal(err)
	}
}

var marks = 1_000_000

func (x *running) rejected(why reason) float64 {
	return selfmetric.Sum(x.metrics.rejected.WithLabelValues(string(why)))
}

func count(c selfmetric.Collector) float64 { return selfmetric.Sum(c) }

// program returns the path of a Debian program, or skips the test; in CI its
// absence is a failure.
func program(t testing.TB, name string) string {
	t.Helper()
	p, err := exec.LookPath(name)
	if err == nil {
		return p
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed (Debian package snmp)", name)
	}
	t.Skipf("%s is not installed (Debian package snmp)", name)
	return ""
}

// send runs snmptrap or snmpinform and returns what it says when it fails. Each
// test has its own directory for their engine.
func send(t testing.TB, dir, name string, args ...string) error {
	t.Helper()
	cmd := exec.Command(program(t, name), append([]string{"-m", ""}, args...)...)
	cmd.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+dir, "SNMPCONFPATH="+dir, "MIBS=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %v: %w: %s", name, args, err, out)
	}
	return nil
}

// dial sends as from an address of loopback.
func dial(t testing.TB, from, to string) *net.UDPConn {
	t.Helper()
	c, err := net.DialUDP("udp", &net.UDPAddr{IP: net.ParseIP(from)}, net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to)))
	if err != nil {
		t.Skipf("this machine has no %s: %v", from, err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func write(t testing.TB, c net.Conn, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

// answered waits for a Response and returns it.
func answered(t testing.TB, c net.Conn) []byte {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	b := make([]byte, 1<<16)
	n, err := c.Read(b)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	return b[:n]
}

// await waits until something holds that nothing announces.
func await(t testing.TB, holds func() bool) {
	t.Helper()
	tick, end := time.NewTicker(time.Millisecond), time.After(20*time.Second)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("waited in vain")
		}
	}
}

// listenRaw listens at a free port without answering.
func listenRaw(t testing.TB) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func testRejected(r *Receiver, why reason) float64 {
	return count(r.metrics.rejected.WithLabelValues(string(why)))
}
