package profile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/internal/profile"
)

// setOf makes a set of profiles' texts, each named by its profile line.
func setOf(t *testing.T, texts ...string) *profile.Set {
	t.Helper()
	set, err := profile.Load(yamlFS(named(texts...)))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// named are files of profiles' texts.
func named(texts ...string) map[string]string {
	files := map[string]string{}
	for _, text := range texts {
		first, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
		files[strings.TrimPrefix(first, "profile: ")+".yaml"] = text
	}
	return files
}

// read lists what a plan reads: metrics, sensors and tables with their OIDs.
func read(p *profile.Plan) []string {
	var all []string
	for _, t := range p.Tables {
		for _, v := range t.Columns {
			all = append(all, fmt.Sprintf("%s: metric %s %s", t.Name, v.Metric, v.OID))
		}
		for _, s := range t.Sensors {
			all = append(all, fmt.Sprintf("%s: %s %s", t.Name, s.Class, s.OID))
		}
		for _, s := range t.Processors {
			all = append(all, fmt.Sprintf("%s: processor %s", t.Name, s.OID))
		}
		for _, m := range t.Memory {
			all = append(all, fmt.Sprintf("%s: memory %s", t.Name, m.Name))
		}
	}
	return all
}

const ofMaker = "1.3.6.1.4.1.99999"

// TestOwnBeforeLayers: the device's own profile wins, then what it extends in
// its order, then layers by name; what only others have is read too.
func TestOwnBeforeLayers(t *testing.T) {
	set := setOf(t, `profile: own
extends: [second, first]
match: {sys_object_id: [1.3.6.1.4.1.99999]}
class: ups
sensors: [{oid: 1.3.1, class: charge, name: own}]
scalars: [{metric: load, oid: 1.3.2, type: gauge}]
tables: [{name: t, entry: 1.3.9, index: [i], columns: [{metric: own, oid: .1, type: gauge}]}]
`, `profile: first
class: pdu
scalars: [{metric: load, oid: 1.3.3, type: gauge}, {metric: first, oid: 1.3.30, type: gauge}, {metric: both, oid: 1.3.31, type: gauge}]
tables: [{name: t, entry: 1.3.9, index: [i], columns: [{metric: first, oid: .2, type: gauge}]}]
`, `profile: second
scalars: [{metric: both, oid: 1.3.32, type: gauge}]
`, `profile: alayer
match: {always: true}
class: network
sensors: [{oid: 1.3.1, class: charge, name: layer}, {oid: 1.3.1, class: percent, name: another class}, {oid: 1.3.5, class: charge, name: another object}]
processors: [{oid: 1.3.6, name: layer}]
`, `profile: blayer
match: {has: [1.3.7]}
processors: [{oid: 1.3.6, name: again}, {oid: 1.3.8, name: more}]
tables: [{name: u, entry: 1.3.9, index: [i], sensors: [{oid: .1, class: load}, {oid: .1, class: load, when: ["value > 0"]}]}]
`)
	plan := set.Select(profile.Identification{SysObjectID: ofMaker + ".1", Has: map[string]bool{"1.3.7": true}})
	if d := cmp.Diff([]string{"own", "second", "first", "alayer", "blayer"}, plan.Profiles); d != "" || plan.Own != "own" || plan.Class != "ups" {
		t.Errorf("own %q of class %q, profiles (-want +got):\n%s", plan.Own, plan.Class, d)
	}
	want := []string{
		"own: metric load 1.3.2", "own: charge 1.3.1", "t: metric own 1.3.9.1",
		"second: metric both 1.3.32",
		"first: metric first 1.3.30",
		"alayer: percent 1.3.1", "alayer: charge 1.3.5", "alayer: processor 1.3.6",
		"blayer: processor 1.3.8", "u: load 1.3.9.1", "u: load 1.3.9.1",
	}
	if d := cmp.Diff(want, read(plan)); d != "" {
		t.Errorf("read (-want +got):\n%s", d)
	}
	if len(plan.Identity) != 5 || plan.Identity[0].Profile != "own" || plan.Identity[4].Profile != "blayer" {
		t.Errorf("identities %+v", plan.Identity)
	}
}

// TestClassOfLayers: a device without a profile of its own is of the class of the
// first layer that has one.
func TestClassOfLayers(t *testing.T) {
	set := setOf(t, "profile: a\nmatch: {always: true}\n", "profile: b\nmatch: {has: [1.3.7]}\nclass: ups\n", "profile: c\nmatch: {always: true}\nclass: pdu\n")
	for name, tt := range map[string]struct {
		has  bool
		want string
	}{"with": {true, "ups"}, "without": {false, "pdu"}} {
		plan := set.Select(profile.Identification{Has: map[string]bool{"1.3.7": tt.has}})
		if plan.Class != tt.want || plan.Own != "" {
			t.Errorf("%s: class %q own %q, want %q", name, plan.Class, plan.Own, tt.want)
		}
	}
}

// TestReplaces: layers that the device's own profile replaces, or one that it
// extends does, are left out; a layer replaces nothing that comes before it.
func TestReplaces(t *testing.T) {
	set := setOf(t, "profile: own\nmatch: {sys_object_id: [1.3.6.1.4.1.99999]}\nextends: [base]\nreplaces: [layer-a]\n",
		"profile: base\nreplaces: [layer-b]\n",
		"profile: layer-a\nmatch: {always: true}\n", "profile: layer-b\nmatch: {always: true}\n",
		"profile: layer-c\nmatch: {always: true}\nreplaces: [layer-d]\nextends: [layer-e]\n", "profile: layer-d\nmatch: {always: true}\n", "profile: layer-e\nmatch: {has: [1.3.1]}\n")
	for id, want := range map[string][]string{
		ofMaker: {"own", "base", "layer-c", "layer-e"},
		"1.3.6": {"layer-a", "layer-b", "layer-c", "layer-e"},
	} {
		if d := cmp.Diff(want, set.Select(profile.Identification{SysObjectID: id}).Profiles); d != "" {
			t.Errorf("profiles of %s (-want +got):\n%s", id, d)
		}
	}
}

// TestMatch: which alternatives fit, and which of two own profiles fits better.
func TestMatch(t *testing.T) {
	set := setOf(t,
		"profile: maker\nmatch: {sys_object_id: [1.3.6.1.4.1.99999]}\n",
		"profile: line\nmatch: [{sys_object_id: [1.3.6.1.4.1.99999.1, 1.3.6.1.4.1.99998.1.1]}]\n",
		"profile: descr\nmatch: [{sys_object_id: [1.3.6.1.4.1.99999.1], sys_descr: '(?i)turbo'}]\n",
		"profile: has\nmatch: [{sys_object_id: [1.3.6.1.4.1.99999.1], has: [1.3.5, 1.3.6]}]\n",
		"profile: words\nmatch: [{sys_descr: '^Wordy'}]\n",
		"profile: either\nmatch: [{sys_object_id: [1.3.6.1.4.1.99997]}, {sys_descr: '^Either'}]\n",
		"profile: twin-b\nmatch: [{sys_object_id: [1.3.6.1.4.1.99996]}]\n", "profile: twin-a\nmatch: [{sys_object_id: [1.3.6.1.4.1.99996]}]\n")
	tests := []struct {
		name, object, descr, want string
		has                       []string
	}{
		{"prefix", ofMaker + ".2", "", "maker", nil},
		{"whole", ofMaker, "", "maker", nil},
		{"prefix ends at a dot", ofMaker + "9", "", "", nil},
		{"longer prefix", ofMaker + ".1.5", "", "line", nil},
		{"second prefix of an alternative", "1.3.6.1.4.1.99998.1.1.7", "", "line", nil},
		{"sysDescr breaks the tie", ofMaker + ".1", "A Turbo", "descr", nil},
		{"an instance breaks the tie", ofMaker + ".1", "", "has", []string{"1.3.6"}},
		{"sysDescr before an instance", ofMaker + ".1", "turbo", "descr", []string{"1.3.5"}},
		{"an instance of something else", ofMaker + ".1", "", "line", []string{"1.3.7"}},
		{"sysDescr alone", "1.3.6.1.4.1.8072", "Wordy device", "words", nil},
		{"sysObjectID beats sysDescr alone", ofMaker, "Wordy device", "maker", nil},
		{"sysDescr alone, not at the beginning", "", "A Wordy device", "", nil},
		{"second alternative", "", "Either way", "either", nil},
		{"first alternative", "1.3.6.1.4.1.99997.3", "", "either", nil},
		{"equals: the first by name", "1.3.6.1.4.1.99996", "", "twin-a", nil},
		{"nothing known", "", "", "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id := profile.Identification{SysObjectID: tt.object, SysDescr: tt.descr, Has: map[string]bool{}}
			for _, oid := range tt.has {
				id.Has[oid] = true
			}
			if got := set.Select(id).Own; got != tt.want {
				t.Errorf("own profile %q, want %q", got, tt.want)
			}
		})
	}
}

// TestProbes: only subtrees are asked for that can still decide.
func TestProbes(t *testing.T) {
	set := setOf(t, "profile: layer\nmatch: [{has: [1.3.9, 1.3.5]}, {has: [1.3.5]}]\n",
		"profile: own\nmatch: [{sys_object_id: [1.3.6.1.4.1.99999], has: [1.3.7]}]\n",
		"profile: words\nmatch: [{sys_descr: Wordy, has: [1.3.8]}]\n", "profile: plain\nmatch: {always: true}\n")
	for name, tt := range map[string]struct {
		id   profile.Identification
		want []string
	}{
		"unknown device": {profile.Identification{}, []string{"1.3.5", "1.3.9"}},
		"of the maker":   {profile.Identification{SysObjectID: ofMaker + ".4"}, []string{"1.3.5", "1.3.7", "1.3.9"}},
		"by its words":   {profile.Identification{SysDescr: "So Wordy"}, []string{"1.3.5", "1.3.8", "1.3.9"}},
	} {
		if d := cmp.Diff(tt.want, set.Probes(tt.id)); d != "" {
			t.Errorf("%s: probes (-want +got):\n%s", name, d)
		}
	}
}

// TestSharedPlan: devices of a kind share one plan; another set of layers is
// another kind.
func TestSharedPlan(t *testing.T) {
	set := setOf(t, "profile: own\nmatch: {sys_object_id: [1.3.6.1.4.1.99999]}\n", "profile: layer\nmatch: {has: [1.3.5]}\n")
	a := set.Select(profile.Identification{SysObjectID: ofMaker + ".1", SysName: "a"})
	if b := set.Select(profile.Identification{SysObjectID: ofMaker + ".2", SysName: "b", Has: map[string]bool{"1.3.6": true}}); a != b {
		t.Error("two devices of a kind do not share their plan")
	}
	if b := set.Select(profile.Identification{SysObjectID: ofMaker, Has: map[string]bool{"1.3.5": true}}); a == b || len(b.Profiles) != 2 {
		t.Errorf("a device with another layer has the plan %v", b.Profiles)
	}
}

// TestOwnIsPartOfThePlan: two profiles that extend each other's layers are told
// apart though the same profiles are read.
func TestOwnIsPartOfThePlan(t *testing.T) {
	set := setOf(t, "profile: a\nmatch: {sys_object_id: [1.3.6.1.4.1.1]}\nextends: [l]\n", "profile: l\nmatch: {always: true}\n")
	own, none := set.Select(profile.Identification{SysObjectID: "1.3.6.1.4.1.1"}), set.Select(profile.Identification{})
	if own.Own != "a" || none.Own != "" || own == none {
		t.Errorf("own profiles %q and %q", own.Own, none.Own)
	}
}

const dynamicProfile = `profile: dyn
match: {sys_object_id: [1.3.6.1.4.1.99999]}
base: "{sys_object_id}"
identity: {model: {oid: .1.0}}
scalars: [{metric: parent, oid: "{sys_object_parent}.9.0", type: gauge}]
sensors: [{oid: .2.0, class: temperature, name: inside}]
tables: [{name: t, entry: "{sys_object_id}.5", index: [i], columns: [{metric: own, oid: .1, type: gauge}]}]
`

// TestDynamic: objects below the device's own sysObjectID; such plans are the
// device's alone.
func TestDynamic(t *testing.T) {
	files := yamlFS(named(dynamicProfile))
	whole, err := profile.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	for _, model := range []string{ofMaker + ".4.7", ofMaker + ".4.8"} {
		plan := whole.Select(profile.Identification{SysObjectID: model})
		want := []string{"dyn: metric parent " + ofMaker + ".4.9.0", "dyn: temperature " + model + ".2.0", "t: metric own " + model + ".5.1"}
		if d := cmp.Diff(want, read(plan)); d != "" {
			t.Errorf("read of %s (-want +got):\n%s", model, d)
		}
		if got := plan.Identity[0].Model[0].OID; got != model+".1.0" {
			t.Errorf("model of %s stands in %s", model, got)
		}
	}
	// A number beyond 32 bits is no OID that could be asked for.
	plan := whole.Select(profile.Identification{SysObjectID: ofMaker + ".4294967296"})
	for _, line := range read(plan) {
		if strings.Contains(line, "4294967296") {
			t.Errorf("an OID that cannot be: %s", line)
		}
	}
}
