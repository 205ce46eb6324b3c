package snmp

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var one = []OID{cell(1, 1)}

func TestSilence(t *testing.T) {
	f := newFake(t, grid(1, 1)).breaks(func(_ request, a *answer) { a.silent = true })
	s := f.session(nil)
	begin := time.Now()
	_, err := s.Do(context.Background(), Get, one, 0, 0)
	took := time.Since(begin)
	var silence Silence
	if !errors.As(err, &silence) || silence.Tries != 2 || silence.Address != f.addr() || silence.Cause != nil {
		t.Errorf("error %v", err)
	}
	if took < 80*time.Millisecond || took > 200*time.Millisecond {
		t.Errorf("took %v, want twice the time-out", took)
	}
	if st := s.Stats(); st.Sent != 2 || st.Retried != 1 || st.Received != 0 {
		t.Errorf("stats %+v", st)
	}
}

// TestClosedPort: ICMP tells at once that no agent listens, to the session asked
// and to no other.
func TestClosedPort(t *testing.T) {
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := c.LocalAddr().String()
	c.Close()
	f := newFake(t, grid(1, 1))
	tr := NewTransport(Options{})
	defer tr.Close()
	var wg sync.WaitGroup
	for i := range 20 {
		addr := f.addr().String()
		if i%2 == 1 {
			addr = closed
		}
		s, err := tr.Open(context.Background(), Config{Address: addr, Version: V2c, Community: "public", Timeout: 2 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			for range 20 {
				begin := time.Now()
				_, err := s.Do(context.Background(), Get, one, 0, 0)
				if (err == nil) != (i%2 == 0) || i%2 == 1 && (!Silent(err) || !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), "no agent listens")) {
					t.Errorf("session %d: %v", i, err)
				}
				if took := time.Since(begin); took > time.Second {
					t.Errorf("session %d: took %v", i, took)
				}
			}
		})
	}
	wg.Wait()
}

func TestOtherAddress(t *testing.T) {
	f := newFake(t, grid(1, 1))
	other, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)})
	if err != nil {
		t.Skip("no second address: ", err)
	}
	defer other.Close()
	f.set(func() { f.other = other })
	s := f.session(nil)
	_, err = s.Do(context.Background(), Get, one, 0, 0)
	if !Silent(err) || !strings.Contains(err.Error(), "came from 127.0.0.2") {
		t.Errorf("error %v", err)
	}
	s = f.session(func(c *Config) { c.AnySource = true })
	r, err := s.Do(context.Background(), Get, one, 0, 0)
	if err != nil || r.From.Addr().String() != "127.0.0.2" || s.Stats().Strays != 1 {
		t.Errorf("any source: %v, %+v", err, s.Stats())
	}
	o, err := s.Walk(context.Background(), &Learned{}, columnsOf(1), func(int, []byte, Value) {})
	if err != nil || len(o.Notes) != 1 || !strings.Contains(o.Notes[0], "come from 127.0.0.2:") {
		t.Errorf("walk: %v, %q", err, o.Notes)
	}
}

// TestLateAnswer: an answer to an earlier try counts; one to an earlier request
// does not, but is counted.
func TestLateAnswer(t *testing.T) {
	f := newFake(t, grid(1, 2))
	var first uint32
	n := 0
	f.breaks(func(q request, a *answer) {
		switch n++; n {
		case 1:
			first, a.silent = q.id, true
		case 2: // the retry: answer the first try
			a.id = first
		case 3:
			first, a.silent = q.id, true
		case 4:
			a.silent = true
		case 5: // another request: answer the one that was given up
			a.id = first
		}
	})
	s := f.session(nil)
	r, err := s.Do(context.Background(), Get, one, 0, 0)
	if err != nil || r.RTT < 40*time.Millisecond || r.Tries != 2 {
		t.Fatalf("%v, %+v", err, r)
	}
	if _, err := s.Do(context.Background(), Get, one, 0, 0); !Silent(err) {
		t.Fatalf("want silence: %v", err)
	}
	if _, err := s.Do(context.Background(), Get, one, 0, 0); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Late != 1 || st.Retried != 3 || st.Sent != 6 {
		t.Errorf("stats %+v", st)
	}
}

// TestGarbage: what is no answer is not taken for one.
func TestGarbage(t *testing.T) {
	f := newFake(t, grid(1, 1))
	f.breaks(func(q request, _ *answer) {
		whole := appendMessage(nil, V2c, "public", pdu{op: pduResponse, id: q.id}, bind(f.entries))
		strange := [][]byte{
			nil, {0}, {0x30}, whole[:4], whole[:12], // cut where nothing can be told
			appendMessage(nil, V2c, "public", pdu{op: pduResponse, id: q.id ^ 1}, bind(f.entries)),
			appendMessage(nil, V2c, "public", pdu{op: Get, id: q.id}, bind(f.entries)),
			appendMessage(nil, Version(7), "public", pdu{op: pduResponse, id: q.id}, bind(f.entries)),
			append(slices.Clone(whole[:len(whole)-len(bind(f.entries))-2]), 0x31, 0), // a list that is none
		}
		for _, m := range strange {
			f.conn.WriteToUDPAddrPort(m, f.from)
		}
	})
	s := f.session(nil)
	r, err := s.Do(context.Background(), Get, one, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	vb := r.Varbinds()
	if !vb.Next() || vb.Value.Type != Integer {
		t.Errorf("answer %+v", vb)
	}
	if got := s.t.Counts(); got.Garbage != 7 || got.Unknown != 1 || s.Stats().Garbage != 1 {
		t.Errorf("counts %+v, %+v", got, s.Stats())
	}
}

func TestCloseEndsWaiting(t *testing.T) {
	f := newFake(t, grid(1, 1)).breaks(func(_ request, a *answer) { a.silent = true })
	s := f.session(func(c *Config) { c.Timeout = time.Minute })
	done := make(chan error)
	go func() {
		_, err := s.Do(context.Background(), Get, one, 0, 0)
		done <- err
	}()
	for f.asked.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := s.t.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, ErrClosed) {
		t.Errorf("error %v", err)
	}
	if _, err := s.Do(context.Background(), Get, one, 0, 0); !errors.Is(err, ErrClosed) {
		t.Errorf("afterwards: %v", err)
	}
	if _, err := s.t.Open(context.Background(), s.cfg); !errors.Is(err, ErrClosed) {
		t.Errorf("open: %v", err)
	}
	s.Close()
}

// TestManySessions asks many agents at once, some of them dead, and finds each
// answer with who asked.
func TestManySessions(t *testing.T) {
	tr := NewTransport(Options{})
	defer tr.Close()
	var wg sync.WaitGroup
	for i := range 40 {
		f := newFake(t, []entry{{cell(1, 1), integer(int64(i + 1))}})
		if i%8 == 0 {
			f.breaks(func(_ request, a *answer) { a.silent = true })
		}
		s, err := tr.Open(context.Background(), Config{Address: f.addr().String(), Version: V2c, Community: "public", Timeout: 100 * time.Millisecond, Retries: 1})
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			for range 50 {
				got := int64(0)
				_, err := s.Get(context.Background(), one, func(_ int, v Value) { got, _ = v.Int64() })
				if i%8 == 0 {
					if !Silent(err) {
						t.Errorf("dead agent %d: %v", i, err)
					}
					return
				}
				if err != nil || got != int64(i+1) {
					t.Errorf("agent %d: %d, %v", i, got, err)
				}
			}
		})
	}
	wg.Wait()
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if len(tr.waiting) != 0 || len(tr.asked) > 40*keptPast {
		t.Errorf("%d wait, %d ids are kept", len(tr.waiting), len(tr.asked))
	}
}

func TestIPv6(t *testing.T) {
	c, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6loopback})
	if err != nil {
		t.Skip("no IPv6: ", err)
	}
	defer c.Close()
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := c.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			q, community, _ := parseRequest(buf[:n])
			c.WriteToUDPAddrPort(appendMessage(nil, V2c, community, pdu{op: pduResponse, id: q.id}, bind(grid(1, 1))), from)
		}
	}()
	tr := NewTransport(Options{})
	defer tr.Close()
	s, err := tr.Open(context.Background(), Config{Address: c.LocalAddr().String(), Version: V2c, Community: "public"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Do(context.Background(), Get, one, 0, 0); err != nil {
		t.Error(err)
	}
}

func TestConfig(t *testing.T) {
	user := User{Name: "u", Auth: SHA1, AuthPassword: "long enough", Priv: AES128, PrivPassword: "long enough"}
	with := func(change func(*User)) Config {
		u := user
		change(&u)
		return Config{Address: "192.0.2.1", Version: V3, User: u}
	}
	tests := []struct {
		name string
		c    Config
		want string // the error, or the address
	}{
		{"plain", Config{Address: "192.0.2.1", Community: "x"}, "192.0.2.1:161"},
		{"port", Config{Address: "192.0.2.1:1161", Community: "x"}, "192.0.2.1:1161"},
		{"IPv6", Config{Address: "2001:db8::1", Community: "x"}, "[2001:db8::1]:161"},
		{"IPv6 in brackets", Config{Address: "[2001:db8::1]", Community: "x"}, "[2001:db8::1]:161"},
		{"IPv6 and port", Config{Address: "[2001:db8::1]:99", Community: "x"}, "[2001:db8::1]:99"},
		{"mapped", Config{Address: "::ffff:192.0.2.1", Community: "x"}, "192.0.2.1:161"},
		{"user", with(func(*User) {}), "192.0.2.1:161"},
		{"no address", Config{Community: "x"}, "address is empty"},
		{"bad port", Config{Address: "a:b", Community: "x"}, `port "b"`},
		{"no community", Config{Address: "a"}, "needs a community"},
		{"version", Config{Address: "a", Version: 2}, "want 1, 2c or 3"},
		{"retries", Config{Address: "a", Community: "x", Retries: 99}, "99 retries"},
		{"no user", with(func(u *User) { u.Name = "" }), "1 to 32 bytes"},
		{"short password", with(func(u *User) { u.AuthPassword = "short" }), "at least 8"},
		{"short privacy password", with(func(u *User) { u.PrivPassword = "" }), "at least 8"},
		{"privacy alone", with(func(u *User) { u.Auth = NoAuth }), "needs authentication"},
		{"unknown algorithm", with(func(u *User) { u.Priv = 99 }), "unknown"},
	}
	tr := NewTransport(Options{})
	defer tr.Close()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := tr.Open(context.Background(), tt.c)
			var got string
			if err == nil {
				got = s.Address().String()
			} else {
				got = err.Error()
			}
			if (err == nil) != (got == tt.want) || !strings.Contains(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
	for _, s := range []string{"", "md5", "SHA", "sha1", "SHA-224", "sha_256", "SHA384", "SHA512"} {
		if _, err := ParseAuth(s); err != nil {
			t.Error(err)
		}
	}
	for _, s := range []string{"", "des", "AES", "aes-128", "AES192", "AES-256", "AES192C", "aes-256-c"} {
		if _, err := ParsePriv(s); err != nil {
			t.Error(err)
		}
	}
	if _, err := ParseAuth("SHA3"); err == nil {
		t.Error("SHA3 was taken")
	}
	if _, err := ParsePriv("3DES"); err == nil {
		t.Error("3DES was taken")
	}
}
