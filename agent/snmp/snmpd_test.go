package snmp_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/internal/secret"
)

// program returns the path of a Debian program, or skips the test; in CI its
// absence is a failure.
func program(t testing.TB, name, pkg string) string {
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

// agent is Debian's snmpd, started by a test.
type agent struct {
	addr string
	dir  string
	cmd  *exec.Cmd
}

// start starts snmpd with a configuration; it returns once the agent answers.
func start(t testing.TB, addr string, conf ...string) *agent {
	t.Helper()
	bin := program(t, "snmpd", "snmpd")
	a := &agent{addr: addr, dir: t.TempDir()}
	if addr == "" {
		a.addr = fmt.Sprintf("127.0.0.1:%d", freePort(t))
	}
	lines := append([]string{"agentAddress udp:" + a.addr, "sysName real", "sysLocation 机房 1", "rocommunity ready"}, conf...)
	file := filepath.Join(a.dir, "snmpd.conf")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a.cmd = exec.Command(bin, "-f", "-m", "", "-Lf", filepath.Join(a.dir, "log"), "-C", "-c", file,
		"-p", filepath.Join(a.dir, "pid"), "-x", filepath.Join(a.dir, "agentx"))
	a.cmd.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+a.dir, "MIBS=")
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.stop)
	s := open(t, transport(t), snmp.Config{Address: a.addr, Community: "ready", Timeout: 50 * time.Millisecond, Retries: 1})
	for begin := time.Now(); time.Since(begin) < 20*time.Second; {
		if _, err := s.Do(context.Background(), snmp.Get, []snmp.OID{sysName}, 0, 0); err == nil {
			return a
		}
	}
	t.Fatalf("snmpd at %s does not answer", a.addr)
	return nil
}

func (a *agent) stop() {
	a.cmd.Process.Kill()
	a.cmd.Wait()
}

var sysName = snmp.MustParseOID("1.3.6.1.2.1.1.5.0")

const authPassword, privPassword = "auth-secret-1", "priv-secret-1"

// name reads sysName and returns it.
func name(s *snmp.Session) (string, error) {
	var got string
	faults, err := s.Get(context.Background(), []snmp.OID{sysName}, func(_ int, v snmp.Value) { got = string(v.Bytes()) })
	if err == nil && len(faults) > 0 {
		err = faults[0]
	}
	return got, err
}

// TestEveryAlgorithm reads snmpd with every pair of algorithms.
func TestEveryAlgorithm(t *testing.T) {
	auths := map[string]snmp.Auth{"MD5": snmp.MD5, "SHA": snmp.SHA1, "SHA-224": snmp.SHA224, "SHA-256": snmp.SHA256, "SHA-384": snmp.SHA384, "SHA-512": snmp.SHA512}
	privs := map[string]snmp.Priv{"": snmp.NoPriv, "DES": snmp.DES, "AES": snmp.AES128, "AES-192": snmp.AES192, "AES-256": snmp.AES256,
		"AES-192-C": snmp.AES192C, "AES-256-C": snmp.AES256C}
	conf := []string{"createUser plain", "rouser plain noauth"}
	users := map[string]snmp.User{"plain": {Name: "plain"}}
	for an, av := range auths {
		for pn, pv := range privs {
			u := snmp.User{Name: "u" + an + pn, Auth: av, AuthPassword: authPassword, Priv: pv}
			line, level := fmt.Sprintf("createUser %s %s %s", u.Name, an, authPassword), "auth"
			if pv != snmp.NoPriv {
				u.PrivPassword = privPassword
				line, level = line+" "+pn+" "+privPassword, "priv"
			}
			conf = append(conf, line, "rouser "+u.Name+" "+level)
			users[u.Name] = u
		}
	}
	a := start(t, "", conf...)
	tr := transport(t)
	for n, u := range users {
		t.Run(n, func(t *testing.T) {
			s := open(t, tr, snmp.Config{Address: a.addr, Version: snmp.V3, User: u, Retries: 1})
			for range 3 {
				if got, err := name(s); got != "real" || err != nil {
					t.Fatalf("sysName %q, %v", got, err)
				}
			}
			var l snmp.Learned
			rows := 0
			o, err := s.Walk(context.Background(), &l, interfaces()[:12], func(int, []byte, snmp.Value) { rows++ })
			if err != nil || rows == 0 || !o.Whole() {
				t.Errorf("%d values, %v, %+v", rows, err, o)
			}
			if e := s.Engine(); e.ID == "" || e.Boots == 0 || e.Changed != 0 || len(e.Twins) != 0 {
				t.Errorf("engine %+v", e)
			}
		})
	}
}

// TestRefusals tells one refusal from the other, and from silence.
func TestRefusals(t *testing.T) {
	a := start(t, "", "createUser u SHA-256 "+authPassword+" AES "+privPassword, "rouser u priv", "createUser d SHA "+authPassword+" DES "+privPassword, "rouser d priv",
		"createUser low SHA "+authPassword, "rouser low auth", "createUser none SHA "+authPassword)
	good := snmp.User{Name: "u", Auth: snmp.SHA256, AuthPassword: authPassword, Priv: snmp.AES128, PrivPassword: privPassword}
	des := snmp.User{Name: "d", Auth: snmp.SHA1, AuthPassword: authPassword, Priv: snmp.DES, PrivPassword: privPassword}
	with := func(u snmp.User, change func(*snmp.User)) snmp.User { change(&u); return u }
	tests := []struct {
		name string
		user snmp.User
		want snmp.Reason
	}{
		{"unknown user", with(good, func(u *snmp.User) { u.Name = "who" }), snmp.UnknownUser},
		{"wrong password", with(good, func(u *snmp.User) { u.AuthPassword = "something else" }), snmp.WrongPassword},
		{"wrong authentication protocol", with(good, func(u *snmp.User) { u.Auth = snmp.SHA1 }), snmp.WrongPassword},
		{"wrong privacy password, AES", with(good, func(u *snmp.User) { u.PrivPassword = "something else" }), snmp.WrongPrivacy},
		{"wrong privacy password, DES", with(des, func(u *snmp.User) { u.PrivPassword = "something else" }), snmp.WrongPrivacy},
		{"level too low", snmp.User{Name: "u", Auth: snmp.SHA256, AuthPassword: authPassword}, snmp.NotAuthorized},
		{"level too high", snmp.User{Name: "low", Auth: snmp.SHA1, AuthPassword: authPassword, Priv: snmp.AES128, PrivPassword: privPassword}, snmp.WrongLevel},
		{"no access", snmp.User{Name: "none", Auth: snmp.SHA1, AuthPassword: authPassword}, snmp.NotAuthorized},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, transport(t), snmp.Config{Address: a.addr, Version: snmp.V3, User: tt.user, Timeout: 200 * time.Millisecond})
			_, err := name(s)
			var r snmp.Refusal
			if !errors.As(err, &r) || r.Reason != tt.want {
				t.Errorf("%v, want %s", err, tt.want)
			}
			if err != nil && (strings.Contains(err.Error(), authPassword) || strings.Contains(err.Error(), privPassword)) {
				t.Errorf("error tells a secret: %v", err)
			}
		})
	}
	if text := fmt.Sprintf("%+v %#v", snmp.Config{User: good, Community: "hidden-word"}, good); strings.Contains(text, "secret-1") || strings.Contains(text, "hidden-word") {
		t.Errorf("printing tells a secret: %s", text)
	}
}

// TestEngineChanges: a device that restarts, or is replaced by another with the
// same user, is read on by the same session.
func TestEngineChanges(t *testing.T) {
	user := "createUser u SHA-256 " + authPassword + " AES " + privPassword
	a := start(t, "", user, "rouser u priv", "exactEngineID 0x80001f880123456789")
	tr := transport(t)
	c := snmp.Config{Address: a.addr, Version: snmp.V3, Retries: 1, Timeout: 300 * time.Millisecond,
		User: snmp.User{Name: "u", Auth: snmp.SHA256, AuthPassword: authPassword, Priv: snmp.AES128, PrivPassword: secret.String(privPassword)}}
	s := open(t, tr, c)
	if _, err := name(s); err != nil {
		t.Fatal(err)
	}
	sent := s.Stats().Sent
	if _, err := name(s); err != nil || s.Stats().Sent != sent+1 {
		t.Errorf("%v; %d messages for one request: the engine was not kept", err, s.Stats().Sent-sent)
	}
	a.stop()
	if _, err := name(s); !snmp.Silent(err) {
		t.Fatalf("the agent is stopped: %v", err)
	}
	a = start(t, a.addr, user, "rouser u priv", "exactEngineID 0x80001f88ffffffffff") // another engine, boots begin anew
	if got, err := name(s); got != "real" || err != nil {
		t.Fatalf("another engine: %q, %v", got, err)
	}
	if e := s.Engine(); e.Changed != 1 || e.ID != "80001f88ffffffffff" {
		t.Errorf("engine %+v", e)
	}
	a.stop()
	start(t, a.addr, user, "rouser u priv", "exactEngineID 0x80001f88ffffffffff") // the same again, with a clock that went back
	if got, err := name(s); got != "real" || err != nil {
		t.Fatalf("restarted engine: %q, %v", got, err)
	}

	b := start(t, "", user, "rouser u priv", "exactEngineID 0x80001f88ffffffffff")
	c.Address = b.addr
	clone := open(t, tr, c)
	if got, err := name(clone); got != "real" || err != nil {
		t.Fatalf("cloned engine: %q, %v", got, err)
	}
	if e := clone.Engine(); len(e.Twins) != 1 || e.Twins[0] != s.Address() {
		t.Errorf("twins %v, want %s", e.Twins, s.Address())
	}
	clone.Close()
	if e := s.Engine(); len(e.Twins) != 0 {
		t.Errorf("twins %v after the other session was closed", e.Twins)
	}
}
