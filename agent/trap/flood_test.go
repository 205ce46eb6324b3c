package trap

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/internal/secret"
	"github.com/faultline/faultline/plugins/base"
)

// TestFlood: one source that sends without end is bounded and said to be, and
// another is heard all the same.
func TestFlood(t *testing.T) {
	checks := make(chan string, 1000)
	x := run(t, Options{Communities: []secret.String{"public"}, SourceRate: 1, SourceBurst: 5, SummaryEvery: 50 * time.Millisecond,
		Lookup: func(a netip.Addr) (Device, bool) {
			return Device{ID: "dev-" + a.String(), Site: "bj", Targets: []string{"t"}}, true
		},
		Check: func(context.Context, []string) error { checks <- ""; return nil }})
	loud, quiet := dial(t, "127.0.0.2", x.addr), dial(t, "127.0.0.3", x.addr)
	for i := range 201 {
		write(t, loud, v2c("public", 0xa7, 1000+i, 5000+i, ifDown, ifIndex(i)))
		if i%50 == 0 { // so that the kernel's buffer holds them
			write(t, quiet, v2c("public", 0xa7, 1000+i, 5000+i, ifUp, ifIndex(i)))
			await(t, func() bool { return count(x.metrics.received.WithLabelValues("2c")) == float64(i+i/50+2) })
		}
	}
	write(t, quiet, v2c("public", 0xa7, 9999, 99999, ifUp, ifIndex(9999)))
	taken, said := map[string]int{}, 0
	for said == 0 || taken["127.0.0.3"] < 5 {
		e := x.next(t)
		if e.Attrs["name"] != "notificationsSuppressed" {
			taken[e.Attrs["source"]]++
			continue
		}
		if e.Attrs["source"] != "127.0.0.2" {
			continue
		}
		said++
		if e.Attrs["severity"] != "warning" || e.Attrs["suppressed"] == "" || e.Device != "dev-127.0.0.2" || e.Site != "bj" || !strings.Contains(e.Text, "of 127.0.0.2 suppressed") ||
			!strings.Contains(e.Text, "the last was linkDown") {
			t.Errorf("event %+v", e)
		}
	}
	if n := taken["127.0.0.2"]; n < 5 || n > 10 {
		t.Errorf("%d of the loud source's taken, want about 5", n)
	}
	if count(x.metrics.suppressed) == 0 {
		t.Error("nothing counted as suppressed")
	}
	<-checks
	x.stop()
	if n := len(checks); n > 8 {
		t.Errorf("%d checks for two devices in a moment", n)
	}
}

// TestGate: an address that sends more than can be worth looking at is not looked
// at, others are.
func TestGate(t *testing.T) {
	g := newGate(10)
	loud, quiet := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	passed := 0
	for range 1000 {
		if g.allow(loud) {
			passed++
		}
	}
	if passed < 20 || passed > 40 || !g.allow(quiet) {
		t.Errorf("%d of 1000 passed, want 20", passed)
	}
}

// TestBoundedMemory: whoever sends as from thousands of addresses fills nothing.
func TestBoundedMemory(t *testing.T) {
	x := receiver(t, Options{Communities: []secret.String{"public"}, Sources: 16, SourceBurst: 1, GlobalBurst: 4, Queue: 8})
	for i := range 2000 {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 162)
		for j := range 3 {
			x.receive(v2c("public", 0xa7, j, i*10+j+1, ifDown, ifIndex(i)), answer{to: from})
			x.receive(v2c("wrong", 0xa7, j, i*10+j+1, ifDown, ifIndex(i)), answer{to: from})
		}
	}
	if x.sources.len() > 16 || len(x.owing) > 16 || len(x.complained) > mostComplaints || len(x.queue) > 8 {
		t.Errorf("%d sources, %d owing, %d complaints, %d queued", x.sources.len(), len(x.owing), len(x.complained), len(x.queue))
	}
	events := make(chan []base.Event, 100)
	x.opts.Sink = func(es []base.Event) error { events <- es; return nil }
	x.sayDebts(time.Now().Add(time.Minute), false)
	es := <-events
	if len(es) > mostSummaries+1 {
		t.Errorf("%d summaries", len(es))
	}
	total := 0
	for _, e := range es {
		n := 0
		_, _ = fmt.Sscan(e.Attrs["suppressed"], &n)
		total += n
	}
	if got := count(x.metrics.suppressed); total != int(got) {
		t.Errorf("%d said to be suppressed, %v counted", total, got)
	}
}

// receiver makes a Receiver with an engine but without sockets.
func receiver(t testing.TB, o Options) *Receiver {
	t.Helper()
	if o.Sink == nil {
		o.Sink = func([]base.Event) error { return nil }
	}
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	e, err := openEngine("")
	if err != nil {
		t.Fatal(err)
	}
	r.usm = newUSM(&r.opts, e)
	return r
}
