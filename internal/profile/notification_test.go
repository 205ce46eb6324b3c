package profile_test

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/rules"
)

func shippedProfiles(t testing.TB) fs.FS {
	t.Helper()
	dir, err := fs.Sub(rules.FS(), "profiles")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestShippedNotifications: what is shipped loads, is found by its OID and has
// words; files that nothing here proves say where they come from.
func TestShippedNotifications(t *testing.T) {
	dir := shippedProfiles(t)
	s, err := profile.LoadNotifications(dir)
	if err != nil {
		t.Fatal(err)
	}
	files, err := fs.Glob(dir, "notifications*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	n := 0
	for _, file := range files {
		text, err := fs.ReadFile(dir, file)
		if err != nil {
			t.Fatal(err)
		}
		p, _, err := profile.Parse(file, text)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Match) > 0 || p.Verified == "" || len(p.Source) == 0 || len(p.Notifications) == 0 {
			t.Errorf("%s: match %v, verified %q, %d sources, %d notifications", file, p.Match, p.Verified, len(p.Source), len(p.Notifications))
		}
		for _, x := range p.Notifications {
			n++
			oid, family := strings.CutSuffix(x.OID, ".*")
			if family {
				oid += ".4711.4711"
			}
			found := s.Find(oid)
			if found == nil || found.Name != x.Name {
				t.Errorf("%s is found as %+v, want %s", oid, found, x.Name)
			}
			if words := x.Text.Expand(func(name string) string { return "<" + name + ">" }); words == "" || strings.Contains(words, "index.index") {
				t.Errorf("%s says %q", x.Name, words)
			}
		}
	}
	if s.Len() != n {
		t.Errorf("%d notifications, want %d", s.Len(), n)
	}
}

const sample = `profile: notifications-x
verified: none
source: [X-MIB]
base: 1.3.6.1.4.1.99999
notifications:
  - {oid: .0.1, name: fanBad, severity: critical, text: "fan {fan|fan.index} is {state}", values: {fan: .1.1, state: {oid: .1.2, map: {1: slow, 2: stopped}}},
     severity_from: {cell: state, map: {1: warning}}}
  - {oid: .0.2, name: fanGood, severity: ok, clears: fanBad}
  - {oid: .0.*, name: any, severity: info}
  - {oid: .7, name: odd, severity: info, values: {reason: {oid: .1.3, map: {.5.1: worn out}}}}
`

func load(t *testing.T, text string) (*profile.Notifications, error) {
	t.Helper()
	return profile.LoadNotifications(fstest.MapFS{"notifications-x.yaml": {Data: []byte(text)}, "other.yaml": {Data: []byte("not: [a profile")}})
}

func TestNotifications(t *testing.T) {
	s, err := load(t, sample)
	if err != nil {
		t.Fatal(err)
	}
	for oid, want := range map[string]string{
		"1.3.6.1.4.1.99999.0.1": "fanBad", "1.3.6.1.4.1.99999.1": "fanBad", "1.3.6.1.4.1.99999.0.2": "fanGood", "1.3.6.1.4.1.99999.0.9": "any",
		"1.3.6.1.4.1.99999.0.9.9": "any", "1.3.6.1.4.1.99999.0.7": "odd", "1.3.6.1.4.1.99999.7": "odd", "1.3.6.1.4.1.99998.0.1": "", "1": "", "": "",
	} {
		got := ""
		if n := s.Find(oid); n != nil {
			got = n.Name
		}
		if got != want {
			t.Errorf("%q is %q, want %q", oid, got, want)
		}
	}
	fan := s.Find("1.3.6.1.4.1.99999.0.1")
	if name, index, v := s.Value(fan, "1.3.6.1.4.1.99999.1.2.17.4"); name != "state" || index != "17.4" || v.Text("2") != "stopped" || v.Text("3") != "3" {
		t.Errorf("%s %s %+v", name, index, v)
	}
	if name, index, v := s.Value(nil, "1.3.6.1.4.1.99999.1.3.0"); name != "reason" || index != "0" || v.Text("1.3.6.1.4.1.99999.5.1") != "worn out" {
		t.Errorf("%s %s %+v", name, index, v)
	}
	if name, _, v := s.Value(fan, "1.3.6.1.4.1.99999.1.20.1"); name != "" || v.Text("raw") != "raw" {
		t.Errorf("a column that begins alike is %s", name)
	}
	for raw, want := range map[string]string{"1": "warning", "2": "critical", "": "critical"} {
		if got := fan.State(func(string) string { return raw }); got != want {
			t.Errorf("severity of %q is %s, want %s", raw, got, want)
		}
	}
	var none *profile.Notifications
	if name, _, _ := none.Value(nil, "1.3"); none.Find("1.3") != nil || name != "" || none.Len() != 0 {
		t.Error("no notifications know something")
	}
}

// TestNotificationFaults: every fault is named with its line.
func TestNotificationFaults(t *testing.T) {
	for _, tt := range []struct{ name, notification, want string }{
		{"oid", "{oid: .x, name: a, severity: ok}", `:6: OID "1.3.6.1.4.1.99999.x"`},
		{"name", "{oid: .1, name: a b, severity: ok}", `:6: notification name "a b"`},
		{"severity", "{oid: .1, name: a, severity: bad}", `:6: severity "bad": want one of ok, info, warning, critical`},
		{"no severity", "{oid: .1, name: a}", `:6: severity ""`},
		{"severity by an unknown value", "{oid: .1, name: a, severity: ok, severity_from: {cell: v, map: {1: ok}}}", `:6: "v" is none of the values`},
		{"severity in the map", "{oid: .1, name: a, severity: ok, values: {v: .2}, severity_from: {cell: v, map: {1: bad}}}", `:6: severity "bad"`},
		{"text", `{oid: .1, name: a, severity: ok, text: "{v}"}`, `:6: "v" is none of the values`},
		{"reserved", "{oid: .1, name: a, severity: ok, values: {source: .2}}", `:6: value name "source"`},
		{"empty value", "{oid: .1, name: a, severity: ok, values: {v: }}", `:6: value "v" is empty`},
		{"format", "{oid: .1, name: a, severity: ok, values: {v: {oid: .2, format: upside}}}", `:6: format "upside"`},
		{"unknown key", "{oid: .1, name: a, severity: ok, colour: red}", `:6: unknown field "colour"`},
		{"twice", "{oid: .1, name: a, severity: ok}\n  - {oid: .1, name: b, severity: ok}", `:7: notification 1.3.6.1.4.1.99999.1 is there twice`},
		{"clears", "{oid: .1, name: a, severity: ok, clears: b}", `notification a clears "b", which does not exist`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := load(t, "profile: notifications-x\nverified: none\nsource: [X-MIB]\nbase: 1.3.6.1.4.1.99999\nnotifications:\n  - "+tt.notification+"\n")
			if err == nil || s != nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "notifications-x.yaml") {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

// TestOwnNotifications: a directory of one's own takes the place of what is
// shipped, OID by OID.
func TestOwnNotifications(t *testing.T) {
	own := fstest.MapFS{"notifications-own.yaml": {Data: []byte("profile: notifications-own\nnotifications: [{oid: 1.3.6.1.6.3.1.1.5.3, name: lineDown, severity: warning}]\n")}}
	s, err := profile.LoadNotifications(shippedProfiles(t), own)
	if err == nil || !strings.Contains(err.Error(), `linkUp clears "linkDown"`) {
		t.Fatalf("%v, %v", s, err)
	}
	own["notifications-own.yaml"].Data = []byte("profile: notifications-own\nnotifications: [{oid: 1.3.6.1.6.3.1.1.5.3, name: linkDown, severity: warning}]\n")
	if s, err = profile.LoadNotifications(shippedProfiles(t), own); err != nil {
		t.Fatal(err)
	}
	if n := s.Find("1.3.6.1.6.3.1.1.5.3"); n.Severity != "warning" {
		t.Errorf("%+v", n)
	}
}

// BenchmarkLoadNotifications measures what an agent pays for them.
func BenchmarkLoadNotifications(b *testing.B) {
	dir := shippedProfiles(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := profile.LoadNotifications(dir); err != nil {
			b.Fatal(err)
		}
	}
}
