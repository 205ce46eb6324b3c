package trap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/internal/secret"
	"github.com/faultline/faultline/internal/selfmetric"
	"github.com/faultline/faultline/plugins/base"
)

const ifDown, ifUp = "1.3.6.1.6.3.1.1.5.3", "1.3.6.1.6.3.1.1.5.4"

func ifIndex(n int) []byte {
	return element(0x30, element(6, oid("1.3.6.1.2.1.2.2.1.1.7")), integer(n))
}

// TestDuplicates: a repeat is no second event, but an inform that is repeated is
// acknowledged again; a line that goes down twice is two events.
func TestDuplicates(t *testing.T) {
	x := run(t, Options{Communities: []secret.String{"public"}})
	c := dial(t, "127.0.0.2", x.addr)
	inform := v2c("public", 0xa6, 77, 1000, ifDown, ifIndex(7))
	write(t, c, inform)
	first := answered(t, c)
	write(t, c, inform)
	if again := answered(t, c); string(again) != string(first) {
		t.Errorf("acknowledged as %x, then as %x", first, again)
	}
	write(t, c, v2c("public", 0xa7, 78, 1000, ifDown, ifIndex(7)))                            // sent twice, to two destinations that are both ours
	write(t, c, v1("public", "1.3.6.1.4.1.9", [4]byte{127, 0, 0, 2}, 2, 0, 1000, ifIndex(7))) // and in version 1
	write(t, c, v2c("public", 0xa7, 79, 1100, ifUp, ifIndex(7)))
	write(t, c, v2c("public", 0xa7, 80, 1200, ifDown, ifIndex(7)))
	var got []string
	for range 3 {
		e := x.next(t)
		got = append(got, e.Attrs["name"])
	}
	if text := strings.Join(got, " "); text != "linkDown linkUp linkDown" {
		t.Errorf("events %s", text)
	}
	other := dial(t, "127.0.0.3", x.addr)
	write(t, other, v2c("public", 0xa7, 78, 1000, ifDown, ifIndex(7)))
	if e := x.next(t); e.Attrs["source"] != "127.0.0.3" {
		t.Errorf("another device's is no repeat: %+v", e)
	}
	x.stop()
	if got := count(x.metrics.duplicates); got != 3 {
		t.Errorf("%v duplicates, want 3", got)
	}
	if got := count(x.metrics.acknowledged); got != 2 {
		t.Errorf("%v acknowledged, want 2", got)
	}
}

// TestRepeats is about which notification repeats which.
func TestRepeats(t *testing.T) {
	now := time.Unix(1e9, 0)
	s := &source{}
	a := &notice{content: 1, uptime: 100, request: 11}
	s.remember(a, now)
	s.remember(&notice{content: 2, request: 12}, now)
	s.remember(&notice{content: 3}, now)
	s.remember(&notice{content: 4}, now)
	tests := []struct {
		name  string
		n     notice
		after time.Duration
		want  bool
	}{
		{"same time of the sender", notice{content: 1, uptime: 100, request: 99}, time.Minute, true},
		{"too long ago", notice{content: 1, uptime: 100, request: 11}, 3 * time.Minute, false},
		{"without a time, same request", notice{content: 2, request: 12}, time.Minute, true},
		{"without a time, another request", notice{content: 2, request: 13}, time.Minute, false},
		{"version 1 without a time, the one before", notice{content: 4}, time.Minute, true},
		{"version 1 without a time, an earlier one", notice{content: 3}, time.Minute, false},
		{"other content", notice{content: 5, uptime: 100}, 0, false},
	}
	for _, tt := range tests {
		if got := s.repeats(&tt.n, now.Add(tt.after), 2*time.Minute) != nil; got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	for i := range 10 * mostSeen {
		s.remember(&notice{content: uint64(100 + i), uptime: 1}, now)
	}
	if len(s.seen) != mostSeen || cap(s.seen) > 4*mostSeen {
		t.Errorf("%d remembered in room for %d, want %d", len(s.seen), cap(s.seen), mostSeen)
	}
}

// TestNotKept: what cannot be kept is not acknowledged, and taken when it is sent
// again.
func TestNotKept(t *testing.T) {
	full := true
	events := make(chan base.Event, 10)
	tried := make(chan bool, 10)
	x := run(t, Options{Communities: []secret.String{"public"}, Sink: func(es []base.Event) error {
		defer func() { tried <- full; full = false }()
		if full {
			return errors.New("disk full")
		}
		for _, e := range es {
			events <- e
		}
		return nil
	}})
	c := dial(t, "127.0.0.2", x.addr)
	inform := v2c("public", 0xa6, 77, 1000, ifDown, ifIndex(7))
	write(t, c, inform)
	<-tried
	write(t, c, inform)
	answered(t, c)
	if e := <-events; e.Attrs["name"] != "linkDown" {
		t.Errorf("event %+v", e)
	}
	x.stop()
	if kept, refused := count(x.metrics.acknowledged), x.rejected(reasonSink); kept != 1 || refused != 1 {
		t.Errorf("%v acknowledged, %v not kept, want 1 and 1", kept, refused)
	}
}

// TestWaiting: an inform that is repeated while it still waits to be kept is not
// acknowledged early; one more than the queue holds is not taken.
func TestWaiting(t *testing.T) {
	release := make(chan struct{})
	entered := make(chan int, 10)
	x := run(t, Options{Communities: []secret.String{"public"}, Queue: 1, Sink: func(es []base.Event) error {
		entered <- len(es)
		<-release
		return nil
	}})
	c := dial(t, "127.0.0.2", x.addr)
	inform := v2c("public", 0xa6, 77, 1000, ifDown, ifIndex(7))
	write(t, c, inform)
	<-entered
	write(t, c, inform)
	await(t, func() bool { return count(x.metrics.duplicates) == 1 })
	if got := count(x.metrics.acknowledged); got != 0 {
		t.Errorf("%v acknowledged before it was kept", got)
	}
	write(t, c, v2c("public", 0xa7, 78, 1100, ifUp, ifIndex(7)))
	write(t, c, v2c("public", 0xa7, 79, 1200, ifDown, ifIndex(7)))
	await(t, func() bool { return x.rejected(reasonQueue) == 1 })
	close(release)
	answered(t, c)
	if got := count(x.metrics.acknowledged); got != 1 {
		t.Errorf("%v acknowledged, want 1", got)
	}
}

// TestRelay: who speaks for another is told from whom he speaks for.
func TestRelay(t *testing.T) {
	known := map[string]Device{"127.0.0.2": {ID: "relay"}, "10.7.0.1": {ID: "ups"}, "127.0.0.4": {ID: "sw"}, "10.9.0.1": {ID: "sw"}}
	lookup := func(a netip.Addr) (Device, bool) { d, ok := known[a.String()]; return d, ok }
	x := run(t, Options{Communities: []secret.String{"public"}, Lookup: lookup, Notifications: shipped(t)})
	relay, sw, stranger := dial(t, "127.0.0.2", x.addr), dial(t, "127.0.0.4", x.addr), dial(t, "127.0.0.5", x.addr)
	address := func(a ...byte) []byte { return bind0("1.3.6.1.6.3.18.1.3.0", 0x40, a) }
	n := 0
	trap := func(binds ...[]byte) []byte {
		n++
		return v2c("public", 0xa7, n, 1000+n, ifDown, append(binds, bind0("1.3.6.1.6.3.18.1.4.0", 4, []byte("inner-secret")))...)
	}
	tests := []struct {
		name                         string
		from                         net.Conn
		datagram                     []byte
		device, source, relay, agent string
	}{
		{"version 1 through a relay", relay, v1("public", "1.3.6.1.4.1.318", [4]byte{10, 7, 0, 1}, 6, 5, 1), "ups", "10.7.0.1", "127.0.0.2", ""},
		{"snmpTrapAddress through a relay", relay, trap(address(10, 7, 0, 1)), "ups", "10.7.0.1", "127.0.0.2", ""},
		{"the relay itself", relay, trap(), "relay", "127.0.0.2", "", ""},
		{"for an unknown device", relay, trap(address(10, 7, 0, 99)), "relay", "127.0.0.2", "", "10.7.0.99"},
		{"another address of itself", sw, trap(address(10, 9, 0, 1)), "sw", "127.0.0.4", "", "10.9.0.1"},
		{"an unknown relay for a known device", stranger, trap(address(10, 7, 0, 1)), "ups", "10.7.0.1", "127.0.0.5", ""},
		{"an unknown relay for an unknown device", stranger, trap(address(10, 7, 0, 99)), "", "127.0.0.5", "", "10.7.0.99"},
		{"no address at all", sw, trap(address(0, 0, 0, 0)), "sw", "127.0.0.4", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			write(t, tt.from, tt.datagram)
			e := x.next(t)
			if e.Device != tt.device || e.Attrs["source"] != tt.source || e.Attrs["relay"] != tt.relay || e.Attrs["agent_address"] != tt.agent {
				t.Errorf("event %+v", e)
			}
			if strings.Contains(fmt.Sprintf("%+v", e), "secret") || strings.Contains(fmt.Sprintf("%+v", e), "public") {
				t.Errorf("the event tells a community: %+v", e)
			}
		})
	}
	x = run(t, Options{Communities: []secret.String{"public"}, Lookup: lookup, Notifications: shipped(t), Relays: []netip.Prefix{netip.MustParsePrefix("127.0.0.9/32")}})
	write(t, dial(t, "127.0.0.2", x.addr), trap(address(10, 7, 0, 1)))
	if e := x.next(t); e.Device != "relay" || e.Attrs["agent_address"] != "10.7.0.1" {
		t.Errorf("believed who is no relay: %+v", e)
	}
}

// TestWildcard: an inform is acknowledged from the address it was sent to, though
// all are listened at.
func TestWildcard(t *testing.T) {
	x := run(t, Options{Listen: []string{":0"}, Communities: []secret.String{"public"}})
	port := netip.MustParseAddrPort(x.addr).Port()
	c := dial(t, "127.0.0.2", fmt.Sprintf("127.0.0.77:%d", port)) // connected: answers from elsewhere do not arrive
	write(t, c, v2c("public", 0xa6, 1, 1000, ifDown, ifIndex(7)))
	answered(t, c)
	if e := x.next(t); e.Attrs["source"] != "127.0.0.2" {
		t.Errorf("event %+v", e)
	}
	six, err := net.Dial("udp", fmt.Sprintf("[::1]:%d", port))
	if err != nil {
		t.Skipf("this machine has no IPv6: %v", err)
	}
	defer six.Close()
	write(t, six, v2c("public", 0xa6, 2, 1000, ifDown, ifIndex(7)))
	answered(t, six)
	if e := x.next(t); e.Attrs["source"] != "::1" {
		t.Errorf("event %+v", e)
	}
}

// TestStop: what was received when the end comes is kept and acknowledged.
func TestStop(t *testing.T) {
	entered, release := make(chan struct{}, 10), make(chan struct{})
	kept := 0
	x := run(t, Options{Communities: []secret.String{"public"}, Sink: func(es []base.Event) error {
		entered <- struct{}{}
		<-release
		kept += len(es)
		return nil
	}})
	c := dial(t, "127.0.0.2", x.addr)
	write(t, c, v2c("public", 0xa6, 1, 1000, ifDown, ifIndex(7)))
	<-entered
	write(t, c, v2c("public", 0xa6, 2, 2000, ifUp, ifIndex(7)))
	await(t, func() bool { return count(x.metrics.received.WithLabelValues("2c")) == 2 })
	done := make(chan struct{})
	go func() { x.stop(); close(done) }()
	close(release)
	<-done
	answered(t, c)
	answered(t, c)
	if kept != 2 {
		t.Errorf("%d kept, want 2", kept)
	}
}

// TestSettings: what is wrong is said, all at once.
func TestSettings(t *testing.T) {
	sink := func([]base.Event) error { return nil }
	if _, err := New(Options{}); err == nil {
		t.Error("taken without a sink")
	}
	_, err := New(Options{Sink: sink, Listen: []string{"nowhere", "name.example:162"}, Communities: []secret.String{""}, SourceRate: -1})
	for _, want := range []string{`listen "nowhere"`, `listen "name.example:162"`, "community 1 is empty", "negative setting"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %s", err, want)
		}
	}
	x := run(t, Options{Communities: []secret.String{"public"}})
	reg := selfmetric.NewRegistry()
	r, err := New(Options{Sink: sink, Listen: []string{x.addr}, Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "another receiver of traps runs there") {
		t.Errorf("a port in use: %v", err)
	}
	if found := reg.Gather(); len(found) < 9 {
		t.Errorf("%d metrics", len(found))
	}
}
