package trap

import (
	"context"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/internal/secret"
	"github.com/faultline/faultline/plugins/base"
)

// upTime is the sender's, in hundredths of a second.
var upTime atomic.Uint32

// linkDown is what snmptrap and snmpinform are given for a line that fails, each
// time at another time of the sender: what the same line says twice in the same
// hundredth of a second is one notification, whatever its version.
func linkDown() []string {
	return []string{strconv.Itoa(int(1000 + upTime.Add(1))), "1.3.6.1.6.3.1.1.5.3", "1.3.6.1.2.1.2.2.1.1.7", "i", "7", "1.3.6.1.2.1.2.2.1.7.7", "i", "1",
		"1.3.6.1.2.1.2.2.1.8.7", "i", "2", "1.3.6.1.2.1.31.1.1.1.1.7", "s", "GigabitEthernet0/0/7"}
}

func isLinkDown(t testing.TB, e base.Event, version string) {
	t.Helper()
	want := map[string]string{"oid": "1.3.6.1.6.3.1.1.5.3", "name": "linkDown", "severity": "critical", "version": version, "source": "127.0.0.1",
		"ifIndex": "7", "ifAdminStatus": "up", "ifOperStatus": "down", "ifName": "GigabitEthernet0/0/7", "interface": "GigabitEthernet0/0/7"}
	for k, v := range want {
		if e.Attrs[k] != v {
			t.Errorf("attribute %s is %q, want %q", k, e.Attrs[k], v)
		}
	}
	if e.Kind != base.EventTrap || e.ID == "" || e.At.IsZero() || e.Text != "interface GigabitEthernet0/0/7 is down" {
		t.Errorf("event %+v", e)
	}
}

// TestVersions receives what net-snmp sends in versions 1 and 2c.
func TestVersions(t *testing.T) {
	dir := t.TempDir()
	x := run(t, Options{Communities: []secret.String{"public"}, Agent: "a1"})
	if err := send(t, dir, "snmptrap", append([]string{"-v2c", "-c", "public", x.addr}, linkDown()...)...); err != nil {
		t.Fatal(err)
	}
	e := x.next(t)
	isLinkDown(t, e, "2c")
	if e.Agent != "a1" || e.Device != "" || e.Attrs["inform"] != "" {
		t.Errorf("event %+v", e)
	}
	if err := send(t, dir, "snmpinform", append([]string{"-v2c", "-c", "public", "-r", "3", "-t", "5", x.addr}, linkDown()...)...); err != nil {
		t.Fatalf("not acknowledged: %v", err)
	}
	e = x.next(t)
	isLinkDown(t, e, "2c")
	if e.Attrs["inform"] != "true" {
		t.Errorf("event %+v", e)
	}
	down := linkDown()
	v1 := append([]string{"-v1", "-c", "public", x.addr, "1.3.6.1.4.1.8072.3.2.10", "127.0.0.1", "2", "0"}, down[0])
	if err := send(t, dir, "snmptrap", append(v1, down[2:]...)...); err != nil {
		t.Fatal(err)
	}
	e = x.next(t)
	isLinkDown(t, e, "1")
	if e.Attrs["enterprise"] != "1.3.6.1.4.1.8072.3.2.10" {
		t.Errorf("event %+v", e)
	}
	if err := send(t, dir, "snmptrap", "-v1", "-c", "public", x.addr, "1.3.6.1.4.1.318", "127.0.0.1", "6", "5", "12345",
		"1.3.6.1.4.1.318.2.3.3.0", "s", "UPS: On battery power in response to an input power problem."); err != nil {
		t.Fatal(err)
	}
	if e = x.next(t); e.Attrs["oid"] != "1.3.6.1.4.1.318.0.5" || e.Attrs["name"] != "upsOnBattery" || e.Attrs["severity"] != "critical" ||
		!strings.Contains(e.Text, "in response to an input power problem") {
		t.Errorf("event %+v", e)
	}
	for version, want := range map[string]float64{"1": 2, "2c": 2, "3": 0} {
		if got := count(x.metrics.received.WithLabelValues(version)); got != want {
			t.Errorf("%v received of version %s, want %v", got, version, want)
		}
	}
	if got := count(x.metrics.acknowledged); got != 1 {
		t.Errorf("%v acknowledged, want 1", got)
	}
}

// TestWrongCommunity: nothing is taken, nothing is acknowledged, the reason is
// counted.
func TestWrongCommunity(t *testing.T) {
	x := run(t, Options{Communities: []secret.String{"public"}})
	if err := send(t, t.TempDir(), "snmpinform", append([]string{"-v2c", "-c", "wrong", "-r", "0", "-t", "0.2", x.addr}, linkDown()...)...); err == nil {
		t.Error("an inform of an unknown community was acknowledged")
	}
	x.none(t)
	if got := x.rejected(reasonCommunity); got != 1 {
		t.Errorf("%v rejected for the community, want 1", got)
	}
}

const authPassword, privPassword = "auth-secret-1", "priv-secret-1"

// pair is a pair of algorithms as net-snmp and we call them.
type pair struct {
	auth, priv string
	user       snmp.User
}

func (p pair) args() []string {
	args := []string{"-v3", "-u", p.user.Name, "-l", "noAuthNoPriv"}
	if p.auth != "" {
		args = append(args, "-l", "authNoPriv", "-a", p.auth, "-A", authPassword)
	}
	if p.priv != "" {
		args = append(args, "-l", "authPriv", "-x", p.priv, "-X", privPassword)
	}
	return args
}

func pairs() []pair {
	all := []pair{{user: snmp.User{Name: "plain"}}}
	for _, a := range []struct {
		name string
		auth snmp.Auth
	}{{"MD5", snmp.MD5}, {"SHA", snmp.SHA1}, {"SHA-224", snmp.SHA224}, {"SHA-256", snmp.SHA256}, {"SHA-384", snmp.SHA384}, {"SHA-512", snmp.SHA512}} {
		for _, p := range []struct {
			name string
			priv snmp.Priv
		}{{"", snmp.NoPriv}, {"DES", snmp.DES}, {"AES", snmp.AES128}, {"AES-192", snmp.AES192}, {"AES-256", snmp.AES256}, {"AES-192-C", snmp.AES192C}, {"AES-256-C", snmp.AES256C}} {
			u := snmp.User{Name: "u" + a.name + p.name, Auth: a.auth, AuthPassword: authPassword, Priv: p.priv}
			if p.priv != snmp.NoPriv {
				u.PrivPassword = privPassword
			}
			all = append(all, pair{a.name, p.name, u})
		}
	}
	return all
}

// TestEveryAlgorithm receives traps and informs of version 3 from net-snmp with
// every pair of algorithms that it offers.
func TestEveryAlgorithm(t *testing.T) {
	o := Options{Dir: t.TempDir(), SourceBurst: 1000, GlobalBurst: 1000, Communities: []secret.String{"public"}}
	for _, p := range pairs() {
		o.Users = append(o.Users, p.user)
	}
	x := run(t, o)
	dir := t.TempDir()
	for _, p := range pairs() {
		t.Run(p.user.Name, func(t *testing.T) {
			if err := send(t, dir, "snmptrap", append(append(p.args(), x.addr), linkDown()...)...); err != nil {
				t.Fatal(err)
			}
			e := x.next(t)
			isLinkDown(t, e, "3")
			if len(e.Attrs["engine"]) < 10 {
				t.Errorf("engine %q", e.Attrs["engine"])
			}
			time.Sleep(20 * time.Millisecond) // of the same hundredth of a second's up-time they would be one
			if err := send(t, dir, "snmpinform", append(append(p.args(), "-r", "2", "-t", "5", x.addr), linkDown()...)...); err != nil {
				t.Fatalf("not acknowledged: %v", err)
			}
			e = x.next(t)
			isLinkDown(t, e, "3")
			if e.Attrs["engine"] != "" || e.Attrs["inform"] != "true" {
				t.Errorf("event %+v", e)
			}
		})
	}
	if got := count(x.metrics.received.WithLabelValues("3")); got != float64(2*len(pairs())) {
		t.Errorf("%v received, want %d", got, 2*len(pairs()))
	}
	for _, why := range reasons {
		if got := x.rejected(why); got != 0 {
			t.Errorf("%v rejected for %s", got, why)
		}
	}
}

// TestRefusals: a trap or inform of version 3 that is not as its user is set up is
// counted with the reason, makes no event and is not acknowledged.
func TestRefusals(t *testing.T) {
	good := pair{"SHA-256", "AES", snmp.User{Name: "u", Auth: snmp.SHA256, AuthPassword: authPassword, Priv: snmp.AES128, PrivPassword: privPassword}}
	x := run(t, Options{Users: []snmp.User{good.user, {Name: "low", Auth: snmp.SHA1, AuthPassword: authPassword}}, Communities: []secret.String{"public"}})
	tests := []struct {
		name string
		args []string
		why  reason
	}{
		{"unknown user", []string{"-u", "who", "-l", "authPriv", "-a", "SHA-256", "-A", authPassword, "-x", "AES", "-X", privPassword}, reasonUser},
		{"wrong password", []string{"-u", "u", "-l", "authPriv", "-a", "SHA-256", "-A", "something else", "-x", "AES", "-X", privPassword}, reasonDigest},
		{"wrong protocol", []string{"-u", "u", "-l", "authPriv", "-a", "SHA", "-A", authPassword, "-x", "AES", "-X", privPassword}, reasonDigest},
		{"wrong privacy password", []string{"-u", "u", "-l", "authPriv", "-a", "SHA-256", "-A", authPassword, "-x", "AES", "-X", "something else"}, reasonDecrypt},
		{"not encrypted", []string{"-u", "u", "-l", "authNoPriv", "-a", "SHA-256", "-A", authPassword}, reasonLevel},
		{"not authenticated", []string{"-u", "u", "-l", "noAuthNoPriv"}, reasonLevel},
		{"encrypted as never agreed", []string{"-u", "low", "-l", "authPriv", "-a", "SHA", "-A", authPassword, "-x", "AES", "-X", privPassword}, reasonLevel},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, before := t.TempDir(), x.rejected(tt.why)
			if err := send(t, dir, "snmptrap", append(append([]string{"-v3"}, append(tt.args, x.addr)...), linkDown()...)...); err != nil {
				t.Fatal(err)
			}
			x.none(t)
			if got := x.rejected(tt.why) - before; got != 1 {
				t.Errorf("the trap was rejected %v times for %s, want once", got, tt.why)
			}
			err := send(t, dir, "snmpinform", append(append([]string{"-v3", "-r", "0", "-t", "0.2"}, append(tt.args, x.addr)...), linkDown()...)...)
			if err == nil {
				t.Error("the inform was acknowledged")
			}
			x.none(t)
			if got := x.rejected(tt.why) - before; got < 2 {
				t.Errorf("the inform was not rejected for %s", tt.why)
			}
		})
	}
}

// TestEngineIsKept: an engine keeps its identity and counts its starts, so that
// senders need not discover it again and old messages stay old.
func TestEngineIsKept(t *testing.T) {
	dir := t.TempDir()
	first, err := openEngine(dir)
	if err != nil {
		t.Fatal(err)
	}
	second, err := openEngine(dir)
	if err != nil {
		t.Fatal(err)
	}
	if first.id != second.id || first.boots != 1 || second.boots != 2 || len(first.id) != 17 || first.id[0] != 0x80 {
		t.Errorf("first %x %d, second %x %d", first.id, first.boots, second.id, second.boots)
	}
	if err := os.WriteFile(dir+"/"+engineFile, []byte("{damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	third, err := openEngine(dir)
	if err != nil || third.id == first.id || third.boots != 1 {
		t.Errorf("after damage %x %d, %v", third.id, third.boots, err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left in the directory: %v", left)
	}
	if _, err := openEngine(dir + "/missing"); err == nil {
		t.Error("a directory that is not there was taken")
	}
}

// TestPolledCredentials: what devices are polled with is taken from them.
func TestPolledCredentials(t *testing.T) {
	d := NewDirectory()
	d.Set([]base.Target{
		{ID: "t1", Input: "snmp", Address: "127.0.0.1:161", Labels: map[string]string{"device": "sw1", "site": "bj"}, Options: map[string]string{"community": "polled"}},
		{ID: "t2", Input: "snmp", Address: "127.0.0.1", Labels: map[string]string{"device": "sw1", "site": "bj"}, Options: map[string]string{
			"version": "3", "user": "u", "auth_protocol": "SHA", "auth_password": authPassword, "priv_protocol": "AES", "priv_password": privPassword}},
	})
	checked := make(chan []string, 10)
	x := run(t, Options{Directory: d, Check: func(_ context.Context, ids []string) error { checked <- ids; return nil }})
	if err := send(t, t.TempDir(), "snmpinform", append([]string{"-v2c", "-c", "polled", "-r", "2", "-t", "5", x.addr}, linkDown()...)...); err != nil {
		t.Fatal(err)
	}
	e := x.next(t)
	isLinkDown(t, e, "2c")
	if e.Device != "sw1" || e.Site != "bj" {
		t.Errorf("event %+v", e)
	}
	if got := <-checked; !slices.Equal(got, []string{"t1", "t2"}) {
		t.Errorf("checked %v", got)
	}
	if err := send(t, t.TempDir(), "snmpinform", append([]string{"-v3", "-u", "u", "-l", "authPriv", "-a", "SHA", "-A", authPassword, "-x", "AES", "-X", privPassword,
		"-r", "2", "-t", "5", x.addr}, linkDown()...)...); err != nil {
		t.Fatal(err)
	}
	if e = x.next(t); e.Device != "sw1" {
		t.Errorf("event %+v", e)
	}
	d.Set(nil)
	if err := send(t, t.TempDir(), "snmpinform", append([]string{"-v2c", "-c", "polled", "-r", "0", "-t", "0.2", x.addr}, linkDown()...)...); err == nil {
		t.Error("taken though no longer polled")
	}
}

// TestUnknownAddress: what is not known is an event with the address.
func TestUnknownAddress(t *testing.T) {
	x := run(t, Options{Communities: []secret.String{"public"}, Lookup: func(netip.Addr) (Device, bool) { return Device{}, false }})
	if err := send(t, t.TempDir(), "snmptrap", "-v2c", "-c", "public", x.addr, "", "1.3.6.1.4.1.99999.1.2.3", "1.3.6.1.4.1.99999.9.1.0", "s", "door open"); err != nil {
		t.Fatal(err)
	}
	e := x.next(t)
	if e.Device != "" || e.Attrs["source"] != "127.0.0.1" || e.Attrs["severity"] != "info" || e.Attrs["1.3.6.1.4.1.99999.9.1.0"] != "door open" ||
		e.Text != "notification 1.3.6.1.4.1.99999.1.2.3: door open" {
		t.Errorf("event %+v", e)
	}
	x.stop()
	if got := count(x.metrics.unknown); got != 1 {
		t.Errorf("%v unknown, want 1", got)
	}
}
