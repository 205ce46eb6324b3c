package reflect

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/faultline/faultline/internal/selfmetric"
)

const token = "0123456789abcdef"

func start(t *testing.T, o Options) *Reflector {
	t.Helper()
	o.Listen, o.Token = "127.0.0.1:0", token
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
	return r
}

func dial(t *testing.T, r *Reflector) net.Conn {
	t.Helper()
	c, err := net.Dial("udp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// ask sends a packet and returns what came back, or nil.
func ask(t *testing.T, c net.Conn, p []byte) []byte {
	t.Helper()
	if _, err := c.Write(p); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 10_000)
	c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	n, err := c.Read(b)
	if err != nil {
		return nil
	}
	return b[:n]
}

func TestReflect(t *testing.T) {
	r := start(t, Options{})
	c, other := dial(t, r), dial(t, r)
	for i, size := range []int{0, 112, 500, 1472} {
		sent := time.Now()
		p := AppendRequest(nil, Request{Seq: uint32(10 * i), Sent: sent}, []byte(token), size)
		got := ask(t, c, p)
		if len(got) != len(p) {
			t.Fatalf("asked with %d bytes, answered with %d", len(p), len(got))
		}
		reply, err := ParseReply(got, []byte(token), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if reply.Seq != uint32(i) || reply.SenderSeq != uint32(10*i) {
			t.Errorf("reply %+v, want the reflector's count %d to %d", reply, i, 10*i)
		}
		if d := reply.Received.Sub(sent); d < -time.Millisecond || d > time.Second || reply.Sent.Before(reply.Received) {
			t.Errorf("received %v after the sending, sent %v after that", d, reply.Sent.Sub(reply.Received))
		}
	}
	if reply, err := ParseReply(ask(t, other, AppendRequest(nil, Request{}, []byte(token), 0)), []byte(token), time.Now()); err != nil || reply.Seq != 0 {
		t.Errorf("another session begins with %+v %v", reply, err)
	}
}

func TestRefused(t *testing.T) {
	r := start(t, Options{})
	c := dial(t, r)
	good := AppendRequest(nil, Request{Seq: 1, Sent: time.Now()}, []byte(token), 0)
	changed := append([]byte(nil), good...)
	changed[3] ^= 1
	for name, p := range map[string][]byte{
		"forged": changed, "another token": AppendRequest(nil, Request{}, []byte("another token 1234"), 0), "plain": AppendRequest(nil, Request{}, nil, 0),
		"plain and long": AppendRequest(nil, Request{}, nil, 500), "short": good[:100], "empty": {}, "too large": AppendRequest(nil, Request{}, []byte(token), mostSize+1),
	} {
		if got := ask(t, c, p); got != nil {
			t.Errorf("%s: answered with %d bytes", name, len(got))
		}
	}
	if got := ask(t, c, good); got == nil {
		t.Error("a good packet after them is not answered")
	}
	if n := selfmetric.Sum(r.packets.WithLabelValues("forged")); n != 3 {
		t.Errorf("%v forged packets counted, want 3", n)
	}
}

func TestRate(t *testing.T) {
	r := start(t, Options{Rate: 0.001, Burst: 20})
	c := dial(t, r)
	answered := 0
	for range 10 {
		if ask(t, c, AppendRequest(nil, Request{}, []byte(token), 0)) != nil {
			answered++
		}
	}
	if answered != 5 {
		t.Errorf("%d answers to one sender, want 5", answered)
	}
}

func TestSessionsAreBounded(t *testing.T) {
	r, err := New(Options{Listen: "127.0.0.1:0", Token: token})
	if err != nil {
		t.Fatal(err)
	}
	defer r.conn.Close()
	from := r.conn.LocalAddr().(*net.UDPAddr).AddrPort()
	now := time.Now()
	made := 0
	for i := range mostSession + 10 {
		a := from.Addr().As4()
		a[1], a[2] = byte(i>>8), byte(i)
		if r.session(addrPort(a, from.Port()), now) != nil {
			made++
		}
	}
	if made != mostSession || len(r.sessions) != mostSession {
		t.Errorf("%d sessions made, %d kept", made, len(r.sessions))
	}
	if r.session(from, now.Add(2*sessionLife)) == nil || len(r.sessions) != 1 {
		t.Errorf("ended sessions make no room: %d kept", len(r.sessions))
	}
}

func TestOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"no address": {Token: token}, "no token": {Listen: "127.0.0.1:0"}, "short token": {Listen: "127.0.0.1:0", Token: "short"}, "negative": {Listen: "127.0.0.1:0", Token: token, Rate: -1},
		"bad address": {Listen: "nowhere", Token: token},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzPackets(f *testing.F) {
	f.Add(AppendRequest(nil, Request{Seq: 7}, []byte(token), 200))
	f.Add(make([]byte, PlainSize))
	f.Fuzz(func(t *testing.T, p []byte) {
		if _, err := ParseRequest(p, []byte(token)); err == nil {
			before := len(p)
			fillReply(p, 1, time.Now(), time.Now(), []byte(token))
			if _, err := ParseReply(p, []byte(token), time.Now()); err != nil || len(p) != before {
				t.Errorf("own reply of %d bytes to %d: %v", len(p), before, err)
			}
		}
		_, _ = ParseReply(p, nil, time.Now())
	})
}

func addrPort(a [4]byte, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4(a), port)
}
