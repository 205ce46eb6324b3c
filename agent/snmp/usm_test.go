package snmp

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/faultline/faultline/internal/secret"
)

// TestKeys checks the keys of RFC 3414, appendix A.3, and of
// draft-reeder-snmpv3-usm-3desede-00, section B.
func TestKeys(t *testing.T) {
	const password = "maplesyrup"
	engine := string(append(make([]byte, 11), 2))
	for a, want := range map[Auth][2]string{
		MD5:  {"9faf3283884e92834ebc9847d8edd963", "526f5eed9fcce26f8964c2930787d82b"},
		SHA1: {"9fb5cc0381497b3793528939ff788d5d79145211", "6695febc9288e36282235fc7151f128497b38f3f"},
	} {
		key := passwordKey(a, password)
		if got := hex.EncodeToString(key); got != want[0] {
			t.Errorf("key of the password is %s, want %s", got, want[0])
		}
		if got := hex.EncodeToString(localize(a, key, engine)); got != want[1] {
			t.Errorf("localized key is %s, want %s", got, want[1])
		}
	}
	local := localize(SHA1, passwordKey(SHA1, password), engine)
	got := hex.EncodeToString(privacyKey(AES256C, SHA1, local, engine))
	if want := "6695febc9288e36282235fc7151f128497b38f3f9b8b6d78936ba6e7d19dfd9c"; got != want {
		t.Errorf("lengthened key is %s, want %s", got, want)
	}
}

var gosnmpAuths = map[Auth]gosnmp.SnmpV3AuthProtocol{NoAuth: gosnmp.NoAuth, MD5: gosnmp.MD5, SHA1: gosnmp.SHA, SHA224: gosnmp.SHA224, SHA256: gosnmp.SHA256, SHA384: gosnmp.SHA384, SHA512: gosnmp.SHA512}
var gosnmpPrivs = map[Priv]gosnmp.SnmpV3PrivProtocol{NoPriv: gosnmp.NoPriv, DES: gosnmp.DES, AES128: gosnmp.AES, AES192: gosnmp.AES192, AES256: gosnmp.AES256, AES192C: gosnmp.AES192C, AES256C: gosnmp.AES256C}

// peers returns an engine of ours that knows its agent, and gosnmp as that agent.
func peers(t *testing.T, u User) (*engine, *gosnmp.GoSNMP) {
	t.Helper()
	const id = "\x80\x00\x1f\x88\x04engine"
	e := newEngine(NewTransport(Options{}), Config{User: u, Context: "ctx"}, func() netip.AddrPort { return netip.AddrPort{} })
	e.adopt(secured{engine: []byte(id), boots: 3, time: 70000})
	sp := &gosnmp.UsmSecurityParameters{UserName: u.Name, AuthoritativeEngineID: id, AuthoritativeEngineBoots: 3, AuthoritativeEngineTime: 70000,
		AuthenticationProtocol: gosnmpAuths[u.Auth], AuthenticationPassphrase: u.AuthPassword.Reveal(),
		PrivacyProtocol: gosnmpPrivs[u.Priv], PrivacyPassphrase: u.PrivPassword.Reveal()}
	if err := sp.InitSecurityKeys(); err != nil {
		t.Fatal(err)
	}
	g := &gosnmp.GoSNMP{Version: gosnmp.Version3, SecurityModel: gosnmp.UserSecurityModel, MsgFlags: gosnmp.SnmpV3MsgFlags(u.flags()),
		SecurityParameters: sp, ContextEngineID: id, ContextName: "ctx"}
	g.SetMsgID(1<<25 - 1)
	g.SetRequestID(1<<25 - 1)
	return e, g
}

func everyUser() []User {
	users := []User{{Name: "plain"}}
	for a := MD5; a <= SHA512; a++ {
		for p := NoPriv; p <= AES256C; p++ {
			users = append(users, User{Name: "someone", Auth: a, AuthPassword: "maplesyrup", Priv: p, PrivPassword: secret.String(fmt.Sprintf("privacy %d", p))})
		}
	}
	return users
}

// TestSecuredAgainstGosnmp reads what gosnmp secures, and has it read what we
// secure, with every algorithm.
func TestSecuredAgainstGosnmp(t *testing.T) {
	for _, u := range everyUser() {
		t.Run(fmt.Sprint(u.Auth, u.Priv), func(t *testing.T) {
			e, g := peers(t, u)
			for n := range 9 { // lengths of every padding
				vs := samples()
				vs[0].Value = []byte(strings.Repeat("x", 100+n))
				b, err := g.SnmpEncodePacket(gosnmp.GetResponse, vs, 0, 0)
				if err != nil {
					t.Fatal(err)
				}
				var r Reply
				if v, err := e.decode(bytes.Clone(b), &r); v != taken || err != nil {
					t.Fatalf("verdict %d, %v, %s", v, err, e.why)
				}
				same(t, r, vs)
				if u.Auth != NoAuth {
					b[len(b)-20] ^= 1
					if v, _ := e.decode(b, &r); v != ignored {
						t.Errorf("a changed message got verdict %d", v)
					}
				}
			}
			b, err := e.encode([]byte("before"), pdu{op: Get, id: 1 << 26}, appendAsked(nil, asks(samples())))
			if err != nil {
				t.Fatal(err)
			}
			g.Version = gosnmp.Version3
			p, err := g.SnmpDecodePacket(b[len("before"):])
			if err != nil || p.RequestID != 1<<26 || p.MsgID != 1<<26 || p.PDUType != gosnmp.GetRequest || p.ContextName != "ctx" || len(p.Variables) != len(samples()) {
				t.Fatalf("gosnmp reads %v, %+v", err, p)
			}
		})
	}
}

// TestNotBelieved: what is not authenticated as asked for is no answer.
func TestNotBelieved(t *testing.T) {
	u := User{Name: "someone", Auth: SHA256, AuthPassword: "maplesyrup", Priv: AES128, PrivPassword: "maplesyrup2"}
	lower := func(change func(*User)) User {
		l := u
		change(&l)
		return l
	}
	tests := []struct {
		name string
		from User // what gosnmp answers as
		why  string
	}{
		{"well", u, ""},
		{"without authentication", User{Name: "someone"}, "another security level"},
		{"without privacy", lower(func(u *User) { u.Priv = NoPriv }), "another security level"},
		{"with another password", lower(func(u *User) { u.AuthPassword = "not the same" }), "not authentic"},
		{"with another algorithm", lower(func(u *User) { u.Auth = SHA1 }), "not authentic"},
		{"with another privacy password", lower(func(u *User) { u.PrivPassword = "not the same" }), "no sense when decrypted"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, _ := peers(t, u)
			_, g := peers(t, tt.from)
			b, err := g.SnmpEncodePacket(gosnmp.GetResponse, samples(), 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			var r Reply
			v, err := e.decode(b, &r)
			if err != nil || (v == taken) != (tt.why == "") || !strings.Contains(e.why, tt.why) {
				t.Errorf("verdict %d, %v, %q, want %q", v, err, e.why, tt.why)
			}
		})
	}
}

// TestClock: the engine's clock goes on by itself, so that a device asked seldom
// does not have to be asked twice.
func TestClock(t *testing.T) {
	e, _ := peers(t, everyUser()[1])
	e.at = time.Now().Add(-200 * time.Second)
	if got := e.now(); got < 70199 || got > 70202 {
		t.Errorf("clock %d, want 70200", got)
	}
}

// engineAgent answers version 3 on a fake's socket by script: each request gets
// the next function's reply.
func engineAgent(t *testing.T, script ...func(m secured) []byte) *Session {
	t.Helper()
	f := newFake(t, nil)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.raw = func(b []byte) []byte {
		m, err := parseSecured(b)
		if err != nil || len(script) == 0 {
			t.Errorf("unexpected request: %v", err)
			return nil
		}
		reply := script[0](m)
		script = script[1:]
		return reply
	}
	return f.session(func(c *Config) {
		c.Version, c.User = V3, User{Name: "u"}
	})
}

// says makes a reply of the kind with one variable binding.
func says(kind byte, engine, oid string) func(m secured) []byte {
	return func(m secured) []byte {
		b, _ := appendSecured(nil, secured{id: m.id, engine: []byte(engine), boots: 1, time: 1, user: m.user,
			scoped: appendScoped(nil, engine, "", pdu{op: Op(kind), id: m.id}, bind([]entry{{MustParseOID(oid), integer(7)}}))})
		return b
	}
}

func TestEngineScripts(t *testing.T) {
	const usm = "1.3.6.1.6.3.15.1.1."
	found := says(pduReport, "engine-1", usm+"4.0")
	tests := []struct {
		name   string
		script []func(secured) []byte
		want   string // of the error
	}{
		{"discovery", []func(secured) []byte{found, says(pduResponse, "engine-1", "1.3.9.1.1.1")}, ""},
		{"discovery answered with unknownUserNames", []func(secured) []byte{says(pduReport, "engine-1", usm+"3.0"), says(pduResponse, "engine-1", "1.3.9.1.1.1")}, ""},
		{"another engine in the middle", []func(secured) []byte{found, says(pduReport, "engine-2", usm+"4.0"), says(pduResponse, "engine-2", "1.3.9.1.1.1")}, ""},
		{"its clock went on", []func(secured) []byte{found, says(pduReport, "engine-1", usm+"2.0"), says(pduResponse, "engine-1", "1.3.9.1.1.1")}, ""},
		{"its clock cannot be followed", append([]func(secured) []byte{found}, says(pduReport, "engine-1", usm+"2.0"), says(pduReport, "engine-1", usm+"2.0"),
			says(pduReport, "engine-1", usm+"2.0"), says(pduReport, "engine-1", usm+"2.0")), "changes with every answer"},
		{"unknown context", []func(secured) []byte{found, says(pduReport, "engine-1", "1.3.6.1.6.3.12.1.5.0")}, "snmpUnknownContexts"},
		{"something else", []func(secured) []byte{found, says(pduReport, "engine-1", "1.3.9.9")}, "reports 1.3.9.9"},
		{"no engine", []func(secured) []byte{says(pduReport, "", usm+"4.0")}, "usmStatsUnknownEngineIDs"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := engineAgent(t, tt.script...)
			_, err := s.Do(context.Background(), Get, one, 0, 0)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}
