package trap

import (
	"net/netip"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/plugins/base"
)

// datagrams records what net-snmp sends to a receiver that does not answer.
func datagrams(t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	c := listenRaw(t)
	if err := send(t, dir, "snmptrap", append(append(args, c.LocalAddr().String()), linkDown()...)...); err != nil {
		t.Fatal(err)
	}
	return answered(t, c)
}

// TestReplay: what somebody recorded and sends again is not taken, and neither is
// what an engine says that went back in time, unless that is allowed.
func TestReplay(t *testing.T) {
	args := []string{"-v3", "-u", "u", "-l", "authPriv", "-a", "SHA-256", "-A", authPassword, "-x", "AES", "-X", privPassword, "-e", "0x80001f880123456789"}
	at := func(boots, seconds string) []byte {
		return datagrams(t, t.TempDir(), append(args, "-Z", boots+","+seconds)...)
	}
	old, before, now, next, reset := at("3", "100"), at("3", "9000"), at("3", "10000"), at("4", "0"), at("1", "7")
	user := snmp.User{Name: "u", Auth: snmp.SHA256, AuthPassword: authPassword, Priv: snmp.AES128, PrivPassword: privPassword}
	from := answer{to: netip.MustParseAddrPort("10.0.0.1:162")}
	take := func(r *Receiver, datagram []byte) bool {
		was := count(r.metrics.received.WithLabelValues("3"))
		r.receive(append([]byte(nil), datagram...), from)
		return count(r.metrics.received.WithLabelValues("3")) > was
	}
	clock := time.Now()
	r := receiver(t, Options{Users: []snmp.User{user}, Now: func() time.Time { return clock }, SourceBurst: 100})
	for i, step := range []struct {
		datagram []byte
		want     bool
		name     string
	}{
		{now, true, "the first of an engine"}, {now, true, "a repeat within the window (folded later)"}, {before, false, "of sixteen minutes ago"}, {old, false, "of long ago"},
		{next, true, "after a restart"}, {now, false, "of before the restart"}, {reset, false, "of an engine that forgot its boots"},
	} {
		if got := take(r, step.datagram); got != step.want {
			t.Errorf("step %d, %s: taken %v, want %v", i, step.name, got, step.want)
		}
	}
	clock = clock.Add(10 * time.Minute)
	if take(r, next) {
		t.Error("sent again after ten minutes, and taken")
	}
	if got := testRejected(r, reasonTime); got != 5 {
		t.Errorf("%v rejected for their time, want 5", got)
	}
	r = receiver(t, Options{Users: []snmp.User{user}, EngineResets: true})
	if !take(r, now) || !take(r, reset) {
		t.Error("an engine that forgets its boots is not taken though that is allowed")
	}
	flipped := append([]byte(nil), now...)
	flipped[len(flipped)-1] ^= 1
	if take(r, flipped) || testRejected(r, reasonDigest) != 1 {
		t.Error("a changed message was taken")
	}
}

// TestUsersOfOneName: devices that are polled as users of one name with different
// passwords are told apart, and one without a password is only its own.
func TestUsersOfOneName(t *testing.T) {
	d := NewDirectory()
	target := func(id, address string, options map[string]string) base.Target {
		options["version"], options["user"] = "3", "monitor"
		return base.Target{ID: id, Input: "snmp", Address: address, Labels: map[string]string{"device": id}, Options: options}
	}
	d.Set([]base.Target{
		target("a", "127.0.0.2", map[string]string{"auth_protocol": "SHA", "auth_password": "password of a"}),
		target("b", "10.0.0.3", map[string]string{"auth_protocol": "SHA-256", "auth_password": "password of b"}),
		target("c", "10.0.0.4", map[string]string{}),
		target("bad", "10.0.0.5", map[string]string{"auth_protocol": "ROT13", "auth_password": "password of e"}),
	})
	r := receiver(t, Options{Directory: d})
	dir := t.TempDir()
	as := func(args ...string) []byte {
		return datagrams(t, dir, append([]string{"-v3", "-u", "monitor"}, args...)...)
	}
	a := as("-l", "authNoPriv", "-a", "SHA", "-A", "password of a")
	b := as("-l", "authNoPriv", "-a", "SHA-256", "-A", "password of b")
	plain := as("-l", "noAuthNoPriv")
	for _, tt := range []struct {
		name     string
		datagram []byte
		from     string
		want     bool
	}{
		{"a from a", a, "127.0.0.2", true}, {"b from b", b, "10.0.0.3", true}, {"a from an address unknown", a, "10.0.0.77", true}, {"b from an address unknown", b, "10.0.0.77", true},
		{"b from a", b, "127.0.0.2", false}, {"without a password from c", plain, "10.0.0.4", true}, {"without a password from a", plain, "127.0.0.2", false},
		{"without a password from an address unknown", plain, "10.0.0.77", false},
	} {
		was := count(r.metrics.received.WithLabelValues("3"))
		r.receive(append([]byte(nil), tt.datagram...), answer{to: netip.MustParseAddrPort(tt.from + ":162")})
		if got := count(r.metrics.received.WithLabelValues("3")) > was; got != tt.want {
			t.Errorf("%s: taken %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestRestart: informs reach a receiver that was started anew, with its engine's
// boots counted on, from a sender that knows it from before.
func TestRestart(t *testing.T) {
	user := snmp.User{Name: "u", Auth: snmp.SHA1, AuthPassword: authPassword}
	data, dir := t.TempDir(), t.TempDir()
	addr := "127.0.0.1:0"
	for i := range 2 {
		x := run(t, Options{Listen: []string{addr}, Dir: data, Users: []snmp.User{user}})
		addr = x.addr
		if err := send(t, dir, "snmpinform", append([]string{"-v3", "-u", "u", "-l", "authNoPriv", "-a", "SHA", "-A", authPassword, "-r", "2", "-t", "5", x.addr}, linkDown()...)...); err != nil {
			t.Fatalf("start %d: %v", i+1, err)
		}
		isLinkDown(t, x.next(t), "3")
		if x.usm.engine.boots != uint32(i+1) {
			t.Errorf("boots %d after %d starts", x.usm.engine.boots, i+1)
		}
		x.stop()
	}
}

// TestReports: whoever asks for our engine is told, but not without end.
func TestReports(t *testing.T) {
	r := receiver(t, Options{})
	discovery := discoverEngine()
	from := answer{to: netip.MustParseAddrPort("10.0.0.1:162")}
	reports := 0
	for range 1000 {
		if b := r.receive(append([]byte(nil), discovery...), from); b != nil {
			reports++
			m, err := snmp.ParseMessage(b)
			if err != nil || string(m.Engine) != r.usm.engine.id || m.OpenPlain() != nil || m.PDU.Tag != 0xa8 {
				t.Fatalf("report %x, %v", b, err)
			}
		}
	}
	if reports < 100 || reports > 400 {
		t.Errorf("%d reports to 1000 questions, want about 200", reports)
	}
	for _, why := range reasons {
		if n := testRejected(r, why); n != 0 {
			t.Errorf("discovery counts as rejected: %v for %s", n, why)
		}
	}
}

func TestClock(t *testing.T) {
	now := time.Unix(1e9, 0)
	var c clock
	for i, s := range []struct {
		boots, t uint32
		after    time.Duration
		want     bool
	}{
		{5, 1000, 0, true}, {5, 900, 0, true}, {5, 849, 0, false}, {5, 1000, 151 * time.Second, false}, {5, 1200, 0, true}, {4, 5000, 0, false}, {6, 0, 0, true}, {1<<31 - 1, 0, 0, false},
	} {
		now = now.Add(s.after)
		if got := c.accept(s.boots, s.t, now); got != s.want {
			t.Errorf("step %d: %v, want %v", i, got, s.want)
		}
	}
	a := snmp.Authority{Boots: 2, Time: 1000}
	for _, s := range []struct {
		boots, t uint32
		want     bool
	}{{2, 1000, true}, {2, 850, true}, {2, 849, false}, {2, 1150, true}, {2, 1151, false}, {1, 1000, false}, {3, 1000, false}} {
		if got := timely(a, s.boots, s.t); got != s.want {
			t.Errorf("%+v: %v", s, got)
		}
	}
}
