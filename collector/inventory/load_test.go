package inventory

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func company(t *testing.T) *Inventory {
	t.Helper()
	inv, err := Load("testdata/company")
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

func TestLoadDirectory(t *testing.T) {
	inv := company(t)
	if got := []int{len(inv.Sites), len(inv.Devices), len(inv.Lines), len(inv.Agents)}; !cmp.Equal(got, []int{2, 7, 2, 2}) {
		t.Errorf("sites, devices, lines, agents: %v", got)
	}
	if inv.Agents[0].Interval != 5*time.Second || inv.Company != "Example" || inv.Sites[1].Name.ZH != "一分公司" {
		t.Errorf("values were not read: %+v", inv)
	}
}

func TestLoadMissing(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent path: %v", err)
	}
	if _, err := Load(t.TempDir()); err == nil {
		t.Error("an empty directory was accepted")
	}
}

// base is a sound file that the cases below break.
const sound = `company: X
sites:
- {id: hq, kind: hq}
vendors:
- {id: c, kind: carrier, emails: [a@b.example]}
- {id: s, kind: equipment supplier, emails: [a@b.example]}
agents:
- {id: a, site: hq}
devices:
- {id: d, site: hq, kind: server, addresses: [10.0.0.1]}
`

func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name, yaml string // appended to sound, whose last line is 10
		want       []string
	}{
		{"sound", "", nil},
		{"syntax", "lines: [\n", []string{"f.yaml:11: "}},
		{"unknown keys, all of them", "- {id: e, sit: hq, knd: server}\nfoo: 1\n", []string{`f.yaml:11: unknown key "sit"`, `f.yaml:11: unknown key "knd"`, `f.yaml:12: unknown key "foo"`}},
		{"wrong types, all of them", "- {id: e, site: hq, kind: server, ports: 3}\n- id: f\n  site: hq\n  kind: server\n  targets: [{interval: soon}]\n",
			[]string{"f.yaml:11: ", `f.yaml:12: time: invalid duration "soon"`}},
		{"unknown site and kind", "- id: e\n  site: nowhere\n  kind: toaster\n", []string{`f.yaml:12: no site "nowhere"`, `f.yaml:13: kind "toaster" is not one of`}},
		{"missing id", "- site: hq\n  kind: server\n", []string{"f.yaml:11: id is missing"}},
		{"duplicate id", "- {id: d, site: hq, kind: server}\n", []string{`f.yaml:11: id "d" is already used by one of the devices in f.yaml:10`}},
		{"device and line share names", "lines:\n- {id: d, site: hq, carrier: c, role: main}\n", []string{`f.yaml:12: id "d" is already used`}},
		{"bad address", "- id: e\n  site: hq\n  kind: server\n  addresses: [10.0.0.2, 10.0.0.300]\n", []string{`f.yaml:14: address "10.0.0.300"`}},
		{"address twice", "- {id: e, site: hq, kind: server, addresses: [10.0.0.1]}\n", []string{"f.yaml:11: address 10.0.0.1 of site hq already belongs to device d"}},
		{"target", "- id: e\n  site: hq\n  kind: server\n  targets:\n  - {agent: nobody, input: snmp, role: king}\n",
			[]string{`f.yaml:15: no agent "nobody"`, "f.yaml:15: no address", `f.yaml:15: role "king"`}},
		{"target's address and label", "- id: e\n  site: hq\n  kind: server\n  targets:\n  - agent: a\n    input: probe\n    address: 10.0.0.1:99999\n    labels: {job: x}\n",
			[]string{`f.yaml:17: address "10.0.0.1:99999"`, `f.yaml:18: label "job"`}},
		{"timeout over interval", "- {id: e, site: hq, kind: server, addresses: [10.0.0.9], targets: [{agent: a, input: snmp, interval: 5s, timeout: 6s}]}\n", []string{"f.yaml:11: timeout 6s is longer than the interval 5s"}},
		{"port to nowhere", "- id: e\n  site: hq\n  kind: switch\n  ports:\n  - {name: p1, to: d}\n  - {name: p1, to: ghost}\n", []string{"f.yaml:16: port p1 is named twice", `f.yaml:16: no device or line "ghost"`}},
		{"dependency on nothing", "- {id: e, site: hq, kind: switch, depends_on: [{any_of: [ghost]}, {any_of: []}, {any_of: [d], for: love}]}\n",
			[]string{`no device or line "ghost"`, "any_of is empty", `for "love"`}},
		{"cycle", "- id: e\n  site: hq\n  kind: switch\n  depends_on: [{any_of: [f]}]\n- id: f\n  site: hq\n  kind: switch\n  depends_on: [{any_of: [d, e]}]\n", []string{"f.yaml:14: depends on itself for network: e → f → e"}},
		{"cycle of one", "- {id: e, site: hq, kind: switch, depends_on: [{any_of: [e]}]}\n", []string{"f.yaml:11: device e depends on itself"}},
		{"line", "lines:\n- id: l\n  site: hq\n  carrier: s\n  role: third\n  a_end: {device: ghost, address: 1.2.3}\n",
			[]string{`f.yaml:14: carrier: vendor s is of kind "equipment supplier"`, `f.yaml:15: role "third"`, `f.yaml:16: no device "ghost"`, `f.yaml:16: address "1.2.3"`}},
		{"contract", "contracts:\n- {id: k, vendor: ghost, kind: gift, until: 2027-13-01, sites: [x], devices: [y], kinds: [z]}\n",
			[]string{`no vendor "ghost"`, `kind "gift"`, `until "2027-13-01"`, `no site "x"`, `no device "y"`, `kinds "z"`}},
		{"person", "people:\n- {id: p, email: not a mail, roles: [king], sites: [x], language: fr}\n", []string{`"not a mail"`, `roles "king"`, `no site "x"`, `language "fr"`}},
		{"two documents", "---\ncompany: Y\n", []string{"f.yaml:12: a second YAML document"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("f.yaml", []byte(sound+c.yaml))
			if c.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var faults Faults
			if !errors.As(err, &faults) {
				t.Fatalf("error is %T: %v", err, err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("missing %q in:\n%v", want, err)
				}
			}
			if len(faults) != len(c.want) {
				t.Errorf("%d faults, want %d:\n%v", len(faults), len(c.want), err)
			}
		})
	}
}

func TestFaultsAcrossFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.yaml": sound,
		"b.yaml": "company: Y\ndevices:\n- {id: x, site: hq, kind: server}\n- {id: d, site: hq, kind: server}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, err := Load(dir)
	if err == nil || !strings.Contains(err.Error(), "b.yaml:1: company is already set, to X") {
		t.Errorf("company set twice: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "b.yaml"), []byte("devices:\n- {id: d, site: hq, kind: server}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Load(dir)
	if err == nil || !strings.Contains(err.Error(), "b.yaml:2: id") || !strings.Contains(err.Error(), "a.yaml:10") {
		t.Errorf("id used in two files: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sound))
	f.Add([]byte("devices:\n- &x {id: d}\n- *x\n- {<<: *x}\n"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		inv, err := Parse("f.yaml", data)
		if (inv == nil) == (err == nil) {
			t.Errorf("inventory %v with error %v", inv, err)
		}
		if inv == nil {
			return
		}
		g := NewGraph(inv)
		for _, d := range inv.Devices {
			g.Dependents(d.ID)
		}
		for _, a := range inv.Agents {
			inv.Work(a.ID)
		}
	})
}
