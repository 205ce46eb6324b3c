package probe_test

import (
	"context"
	"fmt"
	"math"
	"net"
	"sync/atomic"
	"testing"

	"github.com/faultline/faultline/agent/reflect"
)

const reflectToken = "0123456789abcdef"

// reflector starts a responder on loopback and returns its port.
func reflector(t *testing.T) int {
	t.Helper()
	r, err := reflect.New(reflect.Options{Listen: "127.0.0.1:0", Token: reflectToken})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return r.Addr().(*net.UDPAddr).Port
}

// wire is a way to a port that drops every so manieth packet in a direction;
// 0 is none, 1 all. Packets longer than most bytes are dropped too.
type wire struct {
	to, from         int
	mostTo, mostFrom int
}

// open returns the port of the wire's near end.
func (w wire) open(t *testing.T, port int) int {
	t.Helper()
	near, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close() })
	var there, back atomic.Int64
	drops := func(n int64, every, size, most int) bool {
		return every > 0 && n%int64(every) == 0 || most > 0 && size > most
	}
	go func() {
		far := map[string]net.Conn{}
		b := make([]byte, 10_000)
		for {
			n, from, err := near.ReadFrom(b)
			if err != nil {
				return
			}
			c := far[from.String()]
			if c == nil {
				if c, err = net.Dial("udp", fmt.Sprint("127.0.0.1:", port)); err != nil {
					return
				}
				far[from.String()] = c
				t.Cleanup(func() { c.Close() })
				go func() {
					b := make([]byte, 10_000)
					for {
						n, err := c.Read(b)
						if err != nil {
							return
						}
						if !drops(back.Add(1), w.from, n, w.mostFrom) {
							near.WriteTo(b[:n], from)
						}
					}
				}()
			}
			if !drops(there.Add(1), w.to, n, w.mostTo) {
				c.Write(b[:n])
			}
		}
	}()
	return near.LocalAddr().(*net.UDPAddr).Port
}

func TestLine(t *testing.T) {
	mayPing(t)
	port := reflector(t)
	s := ask(t, target("127.0.0.1", "module", "line", "count", "10", "spacing", "5ms", "reflect_port", fmt.Sprint(port), "token", reflectToken), 1)
	for _, name := range []string{"faultline_probe_loss_ratio", "faultline_probe_loss_to_ratio", "faultline_probe_loss_from_ratio", "faultline_probe_large_loss_ratio",
		"faultline_probe_large_loss_to_ratio", "faultline_probe_large_loss_from_ratio", "faultline_probe_detour"} {
		want(t, s, 0, name)
	}
	want(t, s, 10, "faultline_probe_packets_sent")
	want(t, s, 1500, "faultline_probe_path_mtu_bytes")
	want(t, s, 1, "faultline_probe_reflector_up")
	for _, name := range []string{"faultline_probe_rtt_min_seconds", "faultline_probe_rtt_max_seconds", "faultline_probe_jitter_seconds", "faultline_probe_jitter_to_seconds",
		"faultline_probe_jitter_from_seconds", "faultline_probe_reflector_rtt_seconds"} {
		if v, ok := s.value(name); !ok || v < 0 || v > 0.1 {
			t.Errorf("%s %v %v", name, v, ok)
		}
	}
	if v, ok := s.value("faultline_probe_reflector_clock_offset_seconds"); !ok || math.Abs(v) > 0.05 {
		t.Errorf("our own clock is off by %v %v", v, ok)
	}
}

// TestDirections has packets lost one way, the other, or both.
func TestDirections(t *testing.T) {
	mayPing(t)
	far := reflector(t)
	for _, c := range []struct {
		name     string
		wire     wire
		to, from float64
	}{
		{"there", wire{to: 5}, 0.2, 0},
		{"back", wire{from: 4}, 0, 0.25},
		{"both", wire{to: 4, from: 3}, 0.25, 1.0 / 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := ask(t, target("127.0.0.1", "module", "line", "count", "60", "spacing", "2ms", "timeout", "200ms", "large", "0", "reflect_port", fmt.Sprint(c.wire.open(t, far)), "token", reflectToken), 1)
			for name, ratio := range map[string]float64{"faultline_probe_loss_to_ratio": c.to, "faultline_probe_loss_from_ratio": c.from} {
				// The last packets lost count in neither direction.
				if v, ok := s.value(name); !ok || math.Abs(v-ratio) > 0.03 {
					t.Errorf("%s %v %v, want %v", name, v, ok, ratio)
				}
			}
			want(t, s, 0, "faultline_probe_loss_ratio") // of ICMP, which takes no part
		})
	}
	t.Run("large ones there", func(t *testing.T) {
		s := ask(t, target("127.0.0.1", "module", "line", "count", "5", "spacing", "2ms", "timeout", "200ms", "reflect_port", fmt.Sprint(wire{mostTo: 1000}.open(t, far)), "token", reflectToken), 1)
		want(t, s, 1, "faultline_probe_large_loss_to_ratio", "bytes", "1500")
		if _, ok := s.value("faultline_probe_large_loss_from_ratio"); ok {
			t.Error("the way back was judged though nothing large arrived")
		}
	})
	t.Run("large ones back", func(t *testing.T) {
		s := ask(t, target("127.0.0.1", "module", "line", "count", "5", "spacing", "2ms", "timeout", "200ms", "reflect_port", fmt.Sprint(wire{mostFrom: 1000}.open(t, far)), "token", reflectToken), 1)
		want(t, s, 0, "faultline_probe_large_loss_to_ratio")
		want(t, s, 1, "faultline_probe_large_loss_from_ratio")
	})
	t.Run("nobody reflects", func(t *testing.T) {
		s := ask(t, target("127.0.0.1", "module", "line", "count", "5", "spacing", "2ms", "timeout", "200ms", "reflect_port", fmt.Sprint(wire{to: 1}.open(t, far)), "token", reflectToken), 1)
		want(t, s, 0, "faultline_probe_reflector_up")
		if _, ok := s.value("faultline_probe_loss_to_ratio"); ok {
			t.Error("a direction is blamed without evidence")
		}
	})
	t.Run("another token", func(t *testing.T) {
		want(t, ask(t, target("127.0.0.1", "module", "line", "count", "3", "timeout", "200ms", "large", "0", "reflect_port", fmt.Sprint(far), "token", "another one 0123"), 1), 0, "faultline_probe_reflector_up")
	})
}

// TestStatelessReflector asks one that copies our numbers: it cannot tell the
// directions apart, and is not believed to.
func TestStatelessReflector(t *testing.T) {
	mayPing(t)
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() {
		b := make([]byte, 2000)
		for i := 0; ; i++ {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			if i%4 == 3 {
				continue
			}
			a := make([]byte, n)
			copy(a, b[:14])
			copy(a[16:24], b[4:12]) // received as it was sent
			copy(a[24:38], b[:14])
			c.WriteTo(a, from)
		}
	}()
	s := ask(t, target("127.0.0.1", "module", "line", "count", "40", "spacing", "2ms", "timeout", "200ms", "large", "0", "reflect_port", fmt.Sprint(c.LocalAddr().(*net.UDPAddr).Port)), 1)
	want(t, s, 0.25, "faultline_probe_reflector_loss_ratio")
	if _, ok := s.value("faultline_probe_loss_to_ratio"); ok {
		t.Error("a direction is blamed")
	}
}

func TestLineIsDead(t *testing.T) {
	mayPing(t)
	s := ask(t, target("224.0.0.253", "module", "line", "count", "3", "spacing", "10ms", "timeout", "100ms"), 0)
	want(t, s, 1, "faultline_probe_loss_ratio")
	for _, name := range []string{"faultline_probe_path_mtu_bytes", "faultline_probe_large_loss_ratio", "faultline_probe_jitter_seconds", "faultline_probe_detour"} {
		if v, ok := s.value(name); ok {
			t.Errorf("%s %v of a line that answers nothing", name, v)
		}
	}
}

// TestNoTimeIsNoLoss holds that packets that the poll's end cut off are not
// called lost.
func TestNoTimeIsNoLoss(t *testing.T) {
	mayPing(t)
	for _, module := range []string{"icmp", "line"} {
		s := &sink{}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		in := newInput()
		if err := in.Gather(ctx, target("224.0.0.253", "module", module, "count", "2", "timeout", "1s"), s); err == nil {
			if v, _ := s.value("faultline_probe_loss_ratio"); v > 0 {
				t.Errorf("%s: loss %v of a poll without time", module, v)
			}
		}
	}
}
