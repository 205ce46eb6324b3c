package discover

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/snmp"
)

func snmpAddress(b ...byte) snmp.Value { return snmp.Value{Type: snmp.IPAddress, Raw: b} }

func TestAddresses(t *testing.T) {
	tests := []struct {
		name              string
		networks, exclude []string
		limit             int
		want              string // addresses, or part of the error
	}{
		{"a network's own address and broadcast are left out", []string{"10.0.0.0/30"}, nil, 10, "10.0.0.1 10.0.0.2"},
		{"of two both count", []string{"10.0.0.0/31"}, nil, 10, "10.0.0.0 10.0.0.1"},
		{"a single address", []string{"10.0.0.255"}, nil, 10, "10.0.0.255"},
		{"each once", []string{"10.0.0.1", "10.0.0.0/30"}, nil, 10, "10.0.0.1 10.0.0.2"},
		{"a network given by one of its addresses", []string{"10.0.0.2/30"}, nil, 10, "10.0.0.1 10.0.0.2"},
		{"excluded", []string{"10.0.0.0/29"}, []string{"10.0.0.4/30", "10.0.0.1"}, 10, "10.0.0.2 10.0.0.3"},
		{"the end of all addresses", []string{"255.255.255.254/31"}, nil, 10, "255.255.255.254 255.255.255.255"},
		{"IPv6", []string{"2001:db8::/127"}, nil, 10, "2001:db8:: 2001:db8::1"},
		{"too many", []string{"10.0.0.0/8"}, nil, 4096, "16777216 addresses are more than the limit of 4096"},
		{"too many of IPv6", []string{"2001:db8::/32"}, nil, 4096, "more than the limit"},
		{"a few too many", []string{"10.0.0.0/28"}, nil, 10, "14 addresses are more than the limit of 10"},
		{"excluding helps", []string{"10.0.0.0/28"}, []string{"10.0.0.8/29"}, 10, "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6 10.0.0.7"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			networks, err := ParseNetworks(tt.networks)
			if err != nil {
				t.Fatal(err)
			}
			exclude, err := ParseNetworks(tt.exclude)
			if err != nil {
				t.Fatal(err)
			}
			all, err := addresses(networks, exclude, tt.limit)
			var got []string
			for _, a := range all {
				got = append(got, a.String())
			}
			text := strings.Join(got, " ")
			if err != nil {
				text = err.Error()
			}
			if text != tt.want && (err == nil || !strings.Contains(text, tt.want)) {
				t.Errorf("%s, want %s", text, tt.want)
			}
		})
	}
	if _, err := ParseNetworks([]string{"10.0.0.0/33"}); err == nil {
		t.Error("10.0.0.0/33 is no network")
	}
}

func TestCredentialFile(t *testing.T) {
	write := func(text string, mode os.FileMode) string {
		name := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(name, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
		return name
	}
	const good = "credentials:\n  - {name: all, community: s3cret}\n  - {version: 3, user: u, auth_protocol: SHA256, auth_password: s3cretpass, priv_protocol: AES, priv_password: s3cretpass}\n"
	all, err := LoadCredentials(write(good, 0o600))
	if err != nil || len(all) != 2 {
		t.Fatalf("%d credentials, %v", len(all), err)
	}
	if got := named(all); got[0].Name != "all" || got[1].Name != "user u" {
		t.Errorf("names %q %q", got[0].Name, got[1].Name)
	}
	if c, err := all[0].configs("10.0.0.1", 161); err != nil || len(c) != 2 || c[0].Version != snmp.V2c || c[1].Version != snmp.V1 {
		t.Errorf("a community is tried as %v, %v", c, err)
	}
	for _, tt := range []struct {
		text string
		mode os.FileMode
		want string
	}{
		{good, 0o640, "others can read"},
		{"credentials:\n  - {community: x, pasword: y}\n", 0o600, ":2: unknown key \"pasword\""},
		{"credentials:\n  - {version: 3, user: u, auth_protocol: SHA256, auth_password: s3cret}\n", 0o600, ":2:"},
		{"credentials:\n  - {version: 4, community: s3cret}\n", 0o600, "want 1, 2c or 3"},
		{"credentials: []\n", 0o600, "no credentials"},
	} {
		_, err := LoadCredentials(write(tt.text, tt.mode))
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
}

// TestOrder: what opened most devices is tried first, and version 1 last.
func TestOrder(t *testing.T) {
	k := &keyring{port: 161, all: named([]Credential{{Name: "a", Community: "a"}, {Name: "b", Community: "b"}}), opened: []int{0, 3}}
	got := func(alive bool) string {
		all, err := k.attempts(netip.MustParseAddr("10.0.0.1"), alive)
		if err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, a := range all {
			texts = append(texts, k.all[a.place].Name+a.config.Version.String())
		}
		return strings.Join(texts, " ")
	}
	if s := got(true); s != "b2c a2c b1 a1" {
		t.Errorf("tried in the order %s", s)
	}
	if s := got(false); s != "b2c a2c" {
		t.Errorf("what is silent is tried in the order %s", s)
	}
}

func TestProgress(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	show := func(terminal bool, step time.Duration) string {
		out.Reset()
		p := &Progress{to: &out, terminal: terminal, now: func() time.Time { return now }}
		for i := range 11 {
			p.Report(Status{Phase: "snmp", Done: 10 * i, Total: 100, Answered: 7, SNMP: i})
			now = now.Add(step)
		}
		p.Close()
		return out.String()
	}
	if got := show(false, time.Second); strings.Count(got, "\n") != 2 || !strings.Contains(got, "asking by SNMP: 50 of 100 addresses, 7 answer, 5 by SNMP, about 5s left\n") {
		t.Errorf("lines:\n%s", got)
	}
	got := show(true, 60*time.Millisecond)
	if n := strings.Count(got, "\r"); n < 5 || n > 8 || !strings.HasSuffix(got, "\r\x1b[K") || !strings.Contains(got, "[########################] asking by SNMP: 100 of 100") {
		t.Errorf("bar of %d drawings: %q", n, got)
	}
}
