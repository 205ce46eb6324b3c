package profile_test

import (
	"bytes"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/rules"
)

func embedded(t *testing.T) fs.FS {
	t.Helper()
	sub, err := fs.Sub(rules.FS(), "profiles")
	if err != nil {
		t.Fatal(err)
	}
	return sub
}

func TestEmbeddedProfilesLoad(t *testing.T) {
	set := shipped(t)
	plan := set.Select(profile.Identification{Has: map[string]bool{"1.3.6.1.2.1.33.1.2": true}})
	if !slices.Contains(plan.Profiles, "ups-mib") || !slices.Contains(plan.Profiles, "system") || slices.Contains(plan.Profiles, "printer-mib") || plan.Class != "ups" {
		t.Errorf("plan of a UPS: class %q, %v", plan.Class, plan.Profiles)
	}
}

// TestIndex: the index says of the shipped profiles what they say themselves, so
// that opening it comes to the same as loading all.
func TestIndex(t *testing.T) {
	whole := shipped(t)
	want, err := whole.Index()
	if err != nil {
		t.Fatal(err)
	}
	got, err := fs.ReadFile(embedded(t), profile.IndexFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Fatal("profiles/index.json is older than the profiles: go generate ./rules")
	}
	set, err := profile.Open(embedded(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []profile.Identification{
		{}, {SysObjectID: "1.3.6.1.4.1.9.1.1208", SysDescr: "Cisco IOS Software"}, {SysObjectID: "1.3.6.1.4.1.2011.2.23.291", Has: map[string]bool{"1.3.6.1.2.1.99.1.1.1": true}},
	} {
		if d := cmp.Diff(set.Probes(id), whole.Probes(id)); d != "" {
			t.Errorf("probes of %v (-open +load):\n%s", id, d)
		}
		a, b := set.Select(id), whole.Select(id)
		if d := cmp.Diff(a.Profiles, b.Profiles); d != "" || len(a.Tables) != len(b.Tables) || a.Faults != nil {
			t.Errorf("plan of %v: %d and %d tables, faults %v (-open +load):\n%s", id, len(a.Tables), len(b.Tables), a.Faults, d)
		}
		if set.Select(id) != a {
			t.Errorf("two devices like %v do not share their plan", id)
		}
	}
}

func yamlFS(files map[string]string) fs.FS {
	m := fstest.MapFS{}
	for n, text := range files {
		m[n] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

func scalar(name, match, metric, oid string) string {
	return "profile: " + name + "\n" + match + "scalars:\n  - {metric: " + metric + ", oid: " + oid + ", type: gauge}\n"
}

// scalars are the raw metrics outside tables.
func scalars(p *profile.Plan) []profile.Value {
	var all []profile.Value
	for _, t := range p.Tables {
		if t.Scalar() {
			all = append(all, t.Columns...)
		}
	}
	return all
}

func TestSelect(t *testing.T) {
	set, err := profile.Load(yamlFS(map[string]string{
		"all.yaml":   scalar("all", "match: {always: true}\n", "up_time", "1.3.1"),
		"layer.yaml": scalar("layer", "match: {has: [1.3.7]}\n", "load", "1.3.2"),
		"base.yaml":  scalar("base", "", "load", "1.3.3"),
		"maker.yaml": scalar("maker", "extends: [base]\nmatch: {sys_object_id: [1.3.6.1.4.1.9]}\n", "fan", "1.3.4"),
		"model.yaml": scalar("model", "extends: [maker]\nreplaces: [layer]\nmatch: {sys_object_id: [1.3.6.1.4.1.9.5]}\n", "fan", "1.3.5"),
		"descr.yaml": scalar("descr", "match: {sys_object_id: [1.3.6.1.4.1.9], sys_descr: Model X}\n", "fan", "1.3.6"),
	}))
	if err != nil {
		t.Fatal(err)
	}
	has := map[string]bool{"1.3.7": true}
	tests := []struct {
		name string
		id   profile.Identification
		want []string
		fan  string
	}{
		{"nothing fits", profile.Identification{SysObjectID: "1.3.6.1.4.1.10"}, []string{"all"}, ""},
		{"layer by instances", profile.Identification{Has: has}, []string{"all", "layer"}, ""},
		{"prefix ends at a dot", profile.Identification{SysObjectID: "1.3.6.1.4.1.99"}, []string{"all"}, ""},
		{"maker", profile.Identification{SysObjectID: "1.3.6.1.4.1.9.1", Has: has}, []string{"maker", "base", "all", "layer"}, "1.3.4"},
		{"longest prefix", profile.Identification{SysObjectID: "1.3.6.1.4.1.9.5.1", Has: has}, []string{"model", "maker", "base", "all"}, "1.3.5"},
		{"description", profile.Identification{SysObjectID: "1.3.6.1.4.1.9.1", SysDescr: "Model X 2"}, []string{"descr", "all"}, "1.3.6"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			plan := set.Select(tt.id)
			if d := cmp.Diff(tt.want, plan.Profiles); d != "" {
				t.Errorf("profiles (-want +got):\n%s", d)
			}
			fan := ""
			for _, v := range scalars(plan) {
				if v.Metric == "fan" {
					fan = v.OID
				}
			}
			if fan != tt.fan {
				t.Errorf("fan read from %q, want %q", fan, tt.fan)
			}
		})
	}
}

func TestLaterFileSystemReplacesFile(t *testing.T) {
	set, err := profile.Load(
		yamlFS(map[string]string{"a.yaml": scalar("a", "match: {always: true}\n", "m", "1.3.1")}),
		yamlFS(map[string]string{"a.yaml": scalar("a", "match: {always: true}\n", "m", "1.3.2")}))
	if err != nil {
		t.Fatal(err)
	}
	if got := scalars(set.Select(profile.Identification{}))[0].OID; got != "1.3.2" {
		t.Errorf("got OID %s, want that of the later file", got)
	}
}

func TestEveryFaultHasItsLine(t *testing.T) {
	_, err := profile.Load(yamlFS(map[string]string{
		"bad.yaml": `profile: bad
extends: [nobody]
match:
  has: [1.3.6]
scalars:
  - {metric: ok, oid: 1.3.6.1, type: gauge}
  - {metric: ok, oid: iso.3, type: gouge}
tables:
  - name: t
    index: [i]
    columns:
      - metric: v
        oid: 1.3.6.2
        type: gauge
        sensor: {class: warmth, name: x, status: {1: fine}}
      - {metric: s, oid: 1.3.6.3, type: gauge}
    cells: {kind: {oid: 1.3.6.4, key: "{nowhere}"}}
    sensors:
      - {oid: .5, class: count, name: "{nobody}", when: ["elsewhere = 1"]}
`,
		"refers.yaml":  scalar("refers", "extends: [nobody]\n", "m", "1.3"),
		"loop.yaml":    scalar("loop", "extends: [loop]\n", "m", "1.3"),
		"unknown.yaml": "profile: unknown\nmatch:\n  hass: [1.3]\n",
		"broken.yaml":  "profile: [\n",
		"empty.yaml":   "",
	}))
	if err == nil {
		t.Fatal("bad profiles were loaded")
	}
	for _, want := range []string{
		`bad.yaml:7: metric "ok" is there twice`,
		`bad.yaml:7: OID "iso.3"`,
		`bad.yaml:7: metric ok: type "gouge"`,
		`bad.yaml:15: sensor class "warmth"`,
		`bad.yaml:15: state "fine" of value 1`,
		`bad.yaml:17: "nowhere" is neither a cell`,
		`bad.yaml:19: OID ".5"`,
		`bad.yaml:19: "nobody" is neither a cell`,
		`bad.yaml:19: "elsewhere" is neither a cell`,
		`refers.yaml:2: extends "nobody"`,
		`loop.yaml:2: profile "loop" extends itself`,
		`unknown.yaml:3: unknown field "hass"`,
		`broken.yaml:`,
		`empty.yaml:1: file is empty`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing fault %q in:\n%v", want, err)
		}
	}
}
