package assign

import (
	"encoding/json"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/plugins/base"
)

const company = `
company: x
sites:
  - {id: hq, name: {zh-CN: 总, en: HQ}, kind: hq}
  - {id: b1, name: {zh-CN: 一, en: One}, kind: branch}
  - {id: b2, name: {zh-CN: 二, en: Two}, kind: branch}
devices:
  - {id: srv1, name: {zh-CN: 一, en: One}, site: b1, kind: server, addresses: [10.1.0.1]}
  - id: sw1
    name: {zh-CN: 一, en: One}
    site: b1
    kind: switch
    addresses: [10.1.0.2]
    targets:
      - {agent: b1-a, input: snmp}
      - {agent: b1-a, input: snmp, component: own, interval: 20s, options: {version: "2c", community: inventory-word}}
agents:
  - {id: b1-a, site: b1, device: srv1, host: true, roles: [edge], labels: {tier: gold}}
  - {id: b2-a, site: b2, interval: 7s}
`

func inv(t *testing.T) *inventory.Inventory {
	t.Helper()
	i, err := inventory.Parse("inv.yaml", []byte(company))
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func set(t *testing.T, i *inventory.Inventory, files map[string]string) *Set {
	t.Helper()
	s, err := Load(dir(files), i)
	if err != nil {
		t.Fatal(err)
	}
	s.Intervals(i)
	return s
}

func dir(files map[string]string) fs.FS {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

func value(h Handout, key string) Value {
	for _, v := range h.Values {
		if v.Key == key {
			return v
		}
	}
	return Value{}
}

func TestWithoutAssignmentsNothingChanges(t *testing.T) {
	i := inv(t)
	h, ok := set(t, i, nil).Handout(i, "b1-a")
	w, _ := i.Work("b1-a")
	if !ok || h.Work.Version != w.Version || h.Work.Settings != nil {
		t.Errorf("version %d, want the inventory's %d", h.Work.Version, w.Version)
	}
	if v := value(h, "interval"); v.From != "default" {
		t.Errorf("interval from %q", v.From)
	}
}

// What is more particular counts more, wherever it stands.
func TestPrecedence(t *testing.T) {
	layers := []struct{ match, name string }{{"", "all"}, {"match: {kinds: [branch]}", "kind"}, {"match: {sites: [b1]}", "site"},
		{"match: {roles: [edge]}", "role"}, {"match: {labels: {tier: gold}}", "label"}, {"match: {agents: [b1-a]}", "agent"}}
	for n := range layers {
		var text strings.Builder
		text.WriteString("assignments:\n")
		for k := n; k >= 0; k-- { // the most particular first in the file
			l := layers[k]
			text.WriteString("  - {name: " + l.name + ", concurrency: " + string(rune('1'+k)) + ", intervals: {snmp: " + string(rune('1'+k)) + "0s}")
			if l.match != "" {
				text.WriteString(", " + l.match)
			}
			text.WriteString("}\n")
		}
		i := inv(t)
		h, _ := set(t, i, map[string]string{"a.yaml": text.String()}).Handout(i, "b1-a")
		if h.Work.Settings == nil || h.Work.Settings.Concurrency != n+1 {
			t.Fatalf("with %s: settings %+v, want concurrency %d", layers[n].name, h.Work.Settings, n+1)
		}
		if v := value(h, "concurrency"); !strings.HasPrefix(v.From, layers[n].name+" (a.yaml:") {
			t.Errorf("with %s: from %q", layers[n].name, v.From)
		}
		for _, tg := range h.Work.Targets {
			if want := time.Duration(n+1) * 10 * time.Second; tg.ID == "sw1/snmp" && tg.Interval != want {
				t.Errorf("interval %s, want %s", tg.Interval, want)
			}
			if tg.ID == "sw1/snmp/own" && tg.Interval != 20*time.Second {
				t.Errorf("the inventory's own interval gave way: %s", tg.Interval)
			}
		}
	}
}

const full = `
rollout: {stages: [{sites: [b2]}, {percent: 100}], patience: 3m, soak: 10s}
assignments:
  - name: branches
    match: {kinds: [branch]}
    interval: 30s
    credentials:
      - {input: snmp, options: {version: "3", user: watch}, secrets: {auth_password: hunter2}, files: {priv_password: priv}}
    targets:
      - {id: dns, input: probe, address: "10.0.0.53:53", options: {module: dns}}
    profiles: [mine.yaml]
    program: 0.1.9
`

func TestCredentialsTargetsAndTheRest(t *testing.T) {
	i := inv(t)
	s := set(t, i, map[string]string{"a.yaml": full, "secrets/priv": "hunter3\n", "profiles/mine.yaml": "x"})
	h, _ := s.Handout(i, "b1-a")
	got := map[string]base.Target{}
	for _, tg := range h.Work.Targets {
		got[tg.ID] = tg
	}
	if o := got["sw1/snmp"].Options; o["auth_password"] != "hunter2" || o["priv_password"] != "hunter3" || o["user"] != "watch" {
		t.Errorf("options %v", o)
	}
	if o := got["sw1/snmp/own"].Options; o["community"] != "inventory-word" || o["user"] != "" {
		t.Errorf("a target with a secret of its own was filled: %v", o)
	}
	if d := got["assigned/dns"]; d.Labels["site"] != "b1" || d.Labels["device"] != "srv1" || d.Labels["job"] != "blackbox" {
		t.Errorf("further target %+v", d)
	}
	if h.Work.Interval != 30*time.Second || h.Program != "0.1.9" || h.Work.Settings.Profiles["mine.yaml"] != "x" {
		t.Errorf("handout %+v", h)
	}
	text, err := json.Marshal(h.Values)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"hunter2", "hunter3", "inventory-word"} {
		if strings.Contains(string(text), word) {
			t.Errorf("where values come from shows the secret %s", word)
		}
	}
	other, _ := s.Handout(i, "b2-a")
	if other.Work.Interval != 7*time.Second {
		t.Errorf("the inventory's interval gave way: %s", other.Work.Interval)
	}
}

func TestFaultsNameFileAndLine(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"unknown key":     {"assignments:\n  - {name: a, intervall: 5s}", "a.yaml:2: unknown key \"intervall\""},
		"no such site":    {"assignments:\n  - {name: a, match: {sites: [b9]}}", "a.yaml:2:"},
		"no such agent":   {"assignments:\n  - {name: a, match: {agents: [b9]}}", `no agent "b9"`},
		"no such role":    {"assignments:\n  - {name: a, match: {roles: [x]}}", `role "x"`},
		"secret in clear": {"assignments:\n  - {name: a, credentials: [{input: snmp, options: {community: x}}]}", "is a secret"},
		"not kept secret": {"assignments:\n  - {name: a, credentials: [{input: snmp, secrets: {user: x}}]}", "would not be kept secret"},
		"file outside":    {"assignments:\n  - {name: a, credentials: [{input: snmp, files: {community: ../../etc/passwd}}]}", "cannot be read"},
		"same name":       {"assignments:\n  - {name: a}\n  - {name: a}", "a name of its own"},
		"stage":           {"rollout: {stages: [{}]}", "names nobody"},
		"no profile":      {"assignments:\n  - {name: a, profiles: [x.yaml]}", "profiles/x.yaml cannot be read"},
	} {
		_, err := Load(dir(map[string]string{"a.yaml": c.text}), inv(t))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
