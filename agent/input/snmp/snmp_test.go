package snmp_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

const secret, secret2 = "auth-secret-1", "priv-secret-1"

func v3(auth, priv string) map[string]string {
	return map[string]string{"version": "3", "user": "u", "auth_protocol": auth, "auth_password": secret, "priv_protocol": priv, "priv_password": secret2}
}

func gather(t testing.TB, in input.Input, tg base.Target) (*sink, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	s := &sink{}
	err := in.Gather(ctx, tg, s)
	return s, err
}

func TestRealAgent(t *testing.T) {
	addr := snmpd(t,
		"rocommunity public", "createUser u256 SHA-256 "+secret+" AES "+secret2, "rouser u256 priv",
		"createUser u512 SHA-512 "+secret+" AES-256 "+secret2, "rouser u512 priv",
		"createUser u1 SHA "+secret+" AES "+secret2, "rouser u1 priv",
		"createUser u224 SHA-224 "+secret+" AES-192 "+secret2, "rouser u224 priv",
		"createUser u384 SHA-384 "+secret+" AES "+secret2, "rouser u384 priv",
		"createUser umd5 MD5 "+secret+" DES "+secret2, "rouser umd5 priv",
		"createUser uauth SHA "+secret, "rouser uauth auth")
	options := map[string]map[string]string{
		"v1":               {"version": "1", "community": "public"},
		"v2c":              {"version": "2c", "community": "public"},
		"v3 SHA256 AES":    v3("SHA256", "AES"),
		"v3 SHA512 AES256": v3("SHA-512", "AES-256"),
		"v3 SHA AES":       v3("SHA", "AES"),
		"v3 SHA224 AES192": v3("SHA224", "AES192"),
		"v3 SHA384 AES":    v3("SHA384", "AES"),
		"v3 MD5 DES":       v3("MD5", "DES"),
		"v3 SHA alone":     {"version": "3", "auth_protocol": "SHA", "auth_password": secret},
	}
	users := map[string]string{
		"v3 SHA256 AES": "u256", "v3 SHA512 AES256": "u512", "v3 SHA AES": "u1", "v3 SHA224 AES192": "u224",
		"v3 SHA384 AES": "u384", "v3 MD5 DES": "umd5", "v3 SHA alone": "uauth",
	}
	for name, o := range options {
		t.Run(name, func(t *testing.T) {
			o := maps.Clone(o)
			if u := users[name]; u != "" {
				o["user"] = u
			}
			in := newInput(t)
			tg := base.Target{ID: "a", Address: addr, Options: o}
			if err := in.CheckTarget(tg); err != nil {
				t.Fatal(err)
			}
			for round := range 3 {
				begin := time.Now()
				s, err := gather(t, in, tg)
				took := time.Since(begin)
				if err != nil {
					if strings.Contains(err.Error(), "wrong_p") && strings.Contains(name, "DES") {
						t.Skip("this snmpd offers no DES")
					}
					t.Fatal(err)
				}
				checkReal(t, s, o["version"])
				if round > 0 && took > 500*time.Millisecond {
					t.Errorf("a healthy device took %v", took)
				}
			}
		})
	}
}

func checkReal(t *testing.T, s *sink, version string) {
	t.Helper()
	s.noTwins(t)
	if got := s.find("sysName", "sysName", "real"); len(got) != 1 {
		t.Errorf("sysName: %v", got)
	}
	if got := s.find("sysLocation", "sysLocation", "机房 1"); len(got) != 1 {
		t.Errorf("sysLocation: %v", s.find("sysLocation"))
	}
	lo := []string{"ifName", "lo", "ifDescr", "lo", "ifIndex", "1"}
	if v := s.value(t, "ifOperStatus", lo...); v != 1 {
		t.Errorf("lo is %v", v)
	}
	if got := s.find("ifType_info", append(lo, "ifType", "softwareLoopback")...); len(got) != 1 {
		t.Errorf("ifType_info: %v", s.find("ifType_info"))
	}
	if version != "1" { // v1 has no 64-bit counters
		if v := s.value(t, "ifHCInOctets", lo...); v <= 0 {
			t.Errorf("ifHCInOctets %v", v)
		}
	}
	if v := s.value(t, "faultline_snmp_clock_offset_seconds"); v < -3 || v > 3 {
		t.Errorf("clock offset %v on the same machine", v)
	}
	if v := s.value(t, "faultline_snmp_table_success", "table", "ifTable"); v != 1 {
		t.Error("ifTable not read whole")
	}
	if len(s.find("hrStorageUsed")) == 0 { // hrProcessorLoad comes a minute after snmpd's start
		t.Error("hrStorageTable is missing")
	}
	failures := s.find("faultline_snmp_auth_failure")
	if (version == "3") != (len(failures) == 5) {
		t.Errorf("auth failures: %v", failures)
	}
	for _, f := range failures {
		if f.Value != 0 {
			t.Errorf("%v = 1 although all is well", f.Labels)
		}
	}
}

func TestRefusals(t *testing.T) {
	addr := snmpd(t, "createUser u SHA-256 "+secret+" AES "+secret2, "rouser u priv",
		"createUser blind SHA-256 "+secret+" AES "+secret2, "createUser plain SHA-256 "+secret)
	with := func(o map[string]string, name, value string) map[string]string {
		o = maps.Clone(o)
		o[name] = value
		return o
	}
	good := v3("SHA256", "AES")
	tests := []struct {
		name, reason, text string
		options            map[string]string
	}{
		{"unknown user", "unknown_user", "does not know the user", with(good, "user", "nobody")},
		{"wrong password", "wrong_password", "password", with(good, "auth_password", "not-the-secret")},
		{"wrong algorithm", "wrong_password", "password", with(good, "auth_protocol", "SHA")},
		{"no such level", "security_level", "level", with(good, "user", "plain")},
		{"no access", "authorization", "may not read", with(good, "user", "blind")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			begin := time.Now()
			s, err := gather(t, newInput(t), base.Target{ID: "a", Address: addr, Options: tt.options})
			if err == nil || !strings.Contains(err.Error(), tt.text) || errors.As(err, new(input.Partial)) {
				t.Fatalf("error %v, want %q", err, tt.text)
			}
			if strings.Contains(err.Error(), secret) {
				t.Fatalf("error tells the secret: %v", err)
			}
			if v := s.value(t, "faultline_snmp_auth_failure", "reason", tt.reason); v != 1 {
				t.Errorf("auth failure %v = %v", tt.reason, v)
			}
			if took := time.Since(begin); took > 2500*time.Millisecond {
				t.Errorf("refusal took %v", took)
			}
		})
	}
	t.Run("wrong privacy password", func(t *testing.T) { // net-snmp drops what it cannot decrypt or reports it
		_, err := gather(t, newInput(t), base.Target{ID: "a", Address: addr, Options: with(good, "priv_password", "not-the-secret")})
		if err == nil || errors.As(err, new(input.Partial)) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("wrong community", func(t *testing.T) {
		s, err := gather(t, newInput(t), base.Target{ID: "a", Address: addr, Options: map[string]string{"community": "wrong", "request_timeout": "200ms"}})
		if err == nil || len(s.find("faultline_snmp_auth_failure")) != 0 {
			t.Errorf("silence was taken for a refusal: %v", err)
		}
	})
}

func TestDeadDeviceIsCheap(t *testing.T) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0") // listens and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	tg := base.Target{ID: "a", Address: c.LocalAddr().String(), Options: map[string]string{"community": "public", "request_timeout": "200ms"}}
	in := newInput(t)
	begin := time.Now()
	s, err := gather(t, in, tg)
	if took := time.Since(begin); err == nil || took < 390*time.Millisecond || took > 1500*time.Millisecond {
		t.Errorf("took %v with error %v, want 2 × 200ms and an error", took, err)
	}
	if len(s.find("snmp_scrape_packets_sent")) != 1 || s.value(t, "snmp_scrape_packets_sent") != 2 {
		t.Errorf("packets sent: %v", s.find("snmp_scrape_packets_sent"))
	}
	c.Close() // now the port refuses
	in = newInput(t)
	begin = time.Now()
	if _, err = gather(t, in, tg); err == nil || time.Since(begin) > 390*time.Millisecond {
		t.Errorf("a closed port took %v, error %v", time.Since(begin), err)
	}
}

// TestRestartedAgent: an SNMPv3 agent that comes back with another engine is
// read again by the same client, and its restart is told.
func TestRestartedAgent(t *testing.T) {
	port := freePort(t)
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	startOnce := func(t *testing.T, dir string) {
		conf := []string{"agentAddress udp:" + addr, "rocommunity ready", "createUser u SHA-256 " + secret + " AES " + secret2, "rouser u priv"}
		file := filepath.Join(dir, "snmpd.conf")
		if err := os.WriteFile(file, []byte(strings.Join(conf, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, []string{"SNMP_PERSISTENT_DIR=" + dir, "MIBS="}, program(t, "snmpd", "snmpd"), "-f", "-m", "", "-Lf", filepath.Join(dir, "log"),
			"-C", "-c", file, "-p", filepath.Join(dir, "pid"), "-x", filepath.Join(dir, "agentx"))
		awaitAnswer(t, addr, "ready")
	}
	in := newInput(t)
	tg := base.Target{ID: "a", Address: addr, Options: v3("SHA256", "AES")}
	t.Run("first", func(t *testing.T) {
		startOnce(t, t.TempDir())
		if _, err := gather(t, in, tg); err != nil {
			t.Fatal(err)
		}
		deadline := time.After(3 * time.Second) // its clock has to be ahead of the second one's
		<-deadline
		if _, err := gather(t, in, tg); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("second", func(t *testing.T) {
		startOnce(t, t.TempDir())
		s, err := gather(t, in, tg)
		if err != nil {
			t.Fatal(err)
		}
		if len(s.events) != 1 || s.events[0].Kind != base.EventRestart {
			t.Errorf("events %v, want a restart", s.events)
		}
	})
}

func TestCheckTarget(t *testing.T) {
	in := newInput(t)
	tests := []struct {
		name, address, want string
		options             map[string]string
	}{
		{"fine", "10.0.0.1", "", map[string]string{"community": "x"}},
		{"port", "[::1]:1161", "", map[string]string{"community": "x"}},
		{"no address", "", "address is empty", map[string]string{"community": "x"}},
		{"bad port", "h:99999", "port", map[string]string{"community": "x"}},
		{"no community", "h", "needs a community", nil},
		{"version", "h", "want 1, 2c or 3", map[string]string{"version": "4"}},
		{"no user", "h", "want 1 to 32 bytes", map[string]string{"version": "3"}},
		{"algorithm", "h", `auth_protocol "SHA3"`, map[string]string{"version": "3", "user": "u", "auth_protocol": "SHA3", "auth_password": "long enough"}},
		{"short", "h", "at least 8", map[string]string{"version": "3", "user": "u", "auth_protocol": "SHA", "auth_password": "hidden"}},
		{"privacy alone", "h", "privacy needs authentication", map[string]string{"version": "3", "user": "u", "priv_protocol": "AES", "priv_password": "long enough"}},
		{"typo", "h", `option "comunity"`, map[string]string{"comunity": "x"}},
		{"retries", "h", "retries", map[string]string{"community": "x", "retries": "-1"}},
		{"timeout", "h", "request_timeout", map[string]string{"community": "x", "request_timeout": "1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := in.CheckTarget(base.Target{ID: "a", Address: tt.address, Options: tt.options})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "hidden") {
				t.Errorf("error tells the secret: %v", err)
			}
		})
	}
}
