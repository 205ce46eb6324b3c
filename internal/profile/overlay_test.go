package profile_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/internal/profile"
)

// opened returns the set of profiles' texts as it is opened by its index, and
// the files.
func opened(t *testing.T, texts ...string) (*profile.Set, fstest.MapFS) {
	t.Helper()
	files := yamlFS(named(texts...)).(fstest.MapFS)
	whole, err := profile.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	index, err := whole.Index()
	if err != nil {
		t.Fatal(err)
	}
	files[profile.IndexFile] = &fstest.MapFile{Data: index}
	set, err := profile.Open(files)
	if err != nil {
		t.Fatal(err)
	}
	return set, files
}

const shippedOwn = `profile: own
match: {sys_object_id: [1.3.6.1.4.1.99999], has: [1.3.7]}
class: ups
extends: [base]
replaces: [layer]
scalars: [{metric: shipped, oid: 1.3.1, type: gauge}]
`

// TestOpen: the index says of each profile what decides about taking it, and the
// rest is read when it is needed.
func TestOpen(t *testing.T) {
	set, files := opened(t, shippedOwn, scalar("base", "", "base", "1.3.2"), scalar("layer", "match: {always: true}\n", "layer", "1.3.3"), dynamicProfile)
	if d := cmp.Diff([]string{"base", "dyn", "layer", "own"}, set.Names()); d != "" {
		t.Errorf("names (-want +got):\n%s", d)
	}
	id := profile.Identification{SysObjectID: ofMaker + ".1", Has: map[string]bool{"1.3.7": true}}
	plan := set.Select(id)
	if d := cmp.Diff([]string{"own: metric shipped 1.3.1", "base: metric base 1.3.2"}, read(plan)); d != "" || plan.Class != "ups" || plan.Faults != nil {
		t.Errorf("class %q, faults %v, read (-want +got):\n%s", plan.Class, plan.Faults, d)
	}
	if plan := set.Select(profile.Identification{SysObjectID: ofMaker + ".4.7"}); !slices.Contains(read(plan), "dyn: temperature "+ofMaker+".4.7.2.0") {
		t.Errorf("a dynamic profile from the index reads %v", read(plan))
	}
	if set.Profile("nobody") != nil || set.Profile("layer") == nil || set.Profile("layer").File() != "layer.yaml" {
		t.Error("profiles by name")
	}
	names := set.Names()
	names[0] = "changed"
	if set.Names()[0] != "base" {
		t.Error("the set's names can be changed from outside")
	}
	if _, ok := files["own.yaml"]; !ok {
		t.Fatal("no file")
	}
}

// TestOpenFaults: an index that is missing, broken or wrong.
func TestOpenFaults(t *testing.T) {
	for name, tt := range map[string]struct{ index, want string }{
		"missing":            {"", "open profiles"},
		"no JSON":            {"[{", "index.json"},
		"regular expression": {`[{"profile":"a","file":"a.yaml","match":[{"sys_descr":"("}]}]`, "regular expression"},
		"OID":                {`[{"profile":"a","file":"a.yaml","match":[{"has":["iso"]}]}]`, `OID "iso"`},
	} {
		files := fstest.MapFS{}
		if tt.index != "" {
			files[profile.IndexFile] = &fstest.MapFile{Data: []byte(tt.index)}
		}
		if set, err := profile.Open(files); err == nil || set != nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", name, err, tt.want)
		}
	}
}

// TestUnreadableBody: a profile that the index names and that cannot be read is
// told, and the others are used; it is tried again with the next device.
func TestUnreadableBody(t *testing.T) {
	set, files := opened(t, scalar("a", "match: {always: true}\n", "a", "1.3.1"), scalar("b", "match: {always: true}\n", "b", "1.3.2"))
	good := files["a.yaml"]
	for name, file := range map[string]*fstest.MapFile{"gone": nil, "broken": {Data: []byte("profile: a\nclass: toaster\n")}} {
		if files["a.yaml"] = file; file == nil {
			delete(files, "a.yaml")
		}
		plan := set.Select(profile.Identification{})
		if len(plan.Faults) != 1 || !strings.Contains(plan.Faults[0].Error(), "read profile a") {
			t.Errorf("%s: faults %v", name, plan.Faults)
		}
		if d := cmp.Diff([]string{"b: metric b 1.3.2"}, read(plan)); d != "" {
			t.Errorf("%s: read (-want +got):\n%s", name, d)
		}
		if set.Profile("a") != nil {
			t.Errorf("%s: the profile is there", name)
		}
	}
	files["a.yaml"] = good
	if plan := set.Select(profile.Identification{}); plan.Faults != nil || len(read(plan)) != 2 {
		t.Errorf("after it came back: faults %v, reads %v", plan.Faults, read(plan))
	}
}

// TestWith: own profiles stand beside the shipped and in their place; the shipped
// set stays as it was.
func TestWith(t *testing.T) {
	shipped, _ := opened(t, shippedOwn, scalar("base", "", "base", "1.3.2"), scalar("layer", "match: {always: true}\n", "layer", "1.3.3"))
	device := profile.Identification{SysObjectID: ofMaker, Has: map[string]bool{"1.3.7": true}}
	before := shipped.Select(device)
	set, err := shipped.With(yamlFS(map[string]string{
		"any-name.yaml": scalar("layer", "match: {always: true}\n", "own_layer", "1.3.30"),
		"more.yaml":     scalar("more", "match: {sys_object_id: [1.3.6.1.4.1.99999.5]}\nextends: [own]\n", "more", "1.3.31"),
		"notes.txt":     "not a profile",
	}))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		set  *profile.Set
		id   profile.Identification
		want []string
	}{
		"in place of a shipped one": {set, profile.Identification{}, []string{"layer: metric own_layer 1.3.30"}},
		"shipped, untouched":        {shipped, profile.Identification{}, []string{"layer: metric layer 1.3.3"}},
		"extends a shipped one":     {set, profile.Identification{SysObjectID: ofMaker + ".5"}, []string{"more: metric more 1.3.31", "own: metric shipped 1.3.1", "base: metric base 1.3.2"}},
		"unknown to the shipped":    {shipped, profile.Identification{SysObjectID: ofMaker + ".5"}, []string{"layer: metric layer 1.3.3"}},
		"a shipped one beside":      {set, device, []string{"own: metric shipped 1.3.1", "base: metric base 1.3.2"}},
	} {
		plan := tt.set.Select(tt.id)
		if d := cmp.Diff(tt.want, read(plan)); d != "" || plan.Faults != nil {
			t.Errorf("%s: faults %v, read (-want +got):\n%s", name, plan.Faults, d)
		}
	}
	if d := cmp.Diff([]string{"base", "layer", "more", "own"}, set.Names()); d != "" {
		t.Errorf("names (-want +got):\n%s", d)
	}
	if got := set.Profile("layer").File(); got != "any-name.yaml" {
		t.Errorf("the layer stands in %s", got)
	}
	if shipped.Select(device) != before {
		t.Error("plans of the shipped set were lost")
	}
	again, err := set.With(fstest.MapFS{})
	if err != nil || len(again.Names()) != 4 {
		t.Errorf("with an empty directory: %v, %v", again.Names(), err)
	}
}

// TestWithFaults: all faults of own profiles are told with their lines.
func TestWithFaults(t *testing.T) {
	shipped, _ := opened(t, shippedOwn, scalar("base", "", "base", "1.3.2"), scalar("layer", "match: {always: true}\n", "layer", "1.3.3"))
	set, err := shipped.With(yamlFS(map[string]string{
		"class.yaml":   "profile: class\nclass: toaster\n",
		"twin-a.yaml":  "profile: twin\n",
		"twin-b.yaml":  "profile: twin\n",
		"extends.yaml": "profile: extends\n\nextends: [nobody]\n",
		"base.yaml":    "profile: base\nextends: [own]\n", // the shipped own extends base
		"gone.yaml":    "profile: gone\nreplaces: [layer, nothing]\n",
	}))
	if err == nil || set != nil {
		t.Fatal("faulty profiles were taken")
	}
	for _, want := range []string{
		`class.yaml:2: class "toaster"`, `twin-b.yaml:1: profile "twin" is also in twin-a.yaml`, `extends.yaml:3: extends "nobody"`,
		`base.yaml:2: profile "base" extends itself in the end`, `gone.yaml:2: replaces "nothing"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing fault %q in:\n%v", want, err)
		}
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != 5 {
		t.Errorf("%d faults, want 5:\n%v", n, err)
	}
}
