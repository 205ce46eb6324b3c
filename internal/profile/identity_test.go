package profile_test

import (
	"strings"
	"testing"

	"github.com/faultline/faultline/internal/profile"
)

// modelSources returns the sources of a model that a profile's lines describe.
func modelSources(t *testing.T, lines string) profile.Sources {
	t.Helper()
	p, _, err := profile.Parse("x.yaml", []byte("profile: x\nbase: 1.3.6.1.4.1.99999\ncells: {maker: .8.0, hardware: .9.0}\nidentity:\n  model: "+lines+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	return p.Identity.Model
}

// TestPick: what a source makes of the text read for it.
func TestPick(t *testing.T) {
	tests := []struct{ name, source, text, want string }{
		{"as it is", "{oid: .1.0}", "S5720-28P", "S5720-28P"},
		{"blanks around", "{oid: .1.0}", "  S5720 \t", "S5720"},
		{"group", `{oid: .1.0, match: '^model (\S+)'}`, "model X7 rev 2", "X7"},
		{"first of two groups", `{oid: .1.0, match: '^(\S+) (\S+)'}`, "X7 rev", "X7"},
		{"no group: all that fits", `{oid: .1.0, match: '[A-Z]\d+'}`, "the X7 itself", "X7"},
		{"group that took no part", `{oid: .1.0, match: '^a(b)?'}`, "ac", ""},
		{"no fit: no value", `{oid: .1.0, match: '^model (\S+)'}`, "X7", ""},
		{"template", `{oid: .1.0, match: '^model ([\w-]+) rev (\d+)', template: '$1-$2'}`, "model X7 rev 2", "X7-2"},
		{"template with names", `{oid: .1.0, match: '(?P<m>X\d)', template: 'Model ${m}!'}`, "an X7", "Model X7!"},
		{"template without a fit", `{oid: .1.0, match: '^model', template: 'Acme'}`, "X7", ""},
		{"template of a group that took no part", `{oid: .1.0, match: '^(a)|(b)', template: 'M$2'}`, "a", "M"},
		{"blanks that a template leaves become one", `{oid: .1.0, match: '^(a?) (b)', template: '$1  x  $2'}`, " b", ""},
		{"blanks inside become one", `{oid: .1.0, match: '^(a.*b)'}`, "a   \t b", "a b"},
		{"map", "{oid: .1.0, map: {1: A700, 2: A900}}", "2", "A900"},
		{"map of what fits", `{oid: .1.0, match: 'type (\d)', map: {1: A700, 2: A900}}`, "type 1", "A700"},
		{"map without the value", "{oid: .1.0, map: {1: A700}}", "7", "7"},
		{"map to nothing", "{oid: .1.0, map: {unknown: ''}}", "unknown", ""},
		{"empty", "{oid: .1.0, map: {'': none}}", " ", "none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := modelSources(t, tt.source)
			if len(s) != 1 || s[0].OID != "1.3.6.1.4.1.99999.1.0" {
				t.Fatalf("sources %+v", s)
			}
			if got := s[0].Pick(tt.text); got != tt.want {
				t.Errorf("of %q picks %q, want %q", tt.text, got, tt.want)
			}
		})
	}
}

// TestStatic: sources that need no reading.
func TestStatic(t *testing.T) {
	id := profile.Identification{SysObjectID: "1.3.6.1.4.1.99999.7.12.3", SysDescr: "Acme OS 4.2, Model  X7 ", SysName: "x7-core.example"}
	tests := []struct{ name, source, want string }{
		{"text", "Acme UPS", "Acme UPS"},
		{"text in its long form", "{text: Acme UPS}", "Acme UPS"},
		{"sysDescr", `{sys_descr: 'Model\s+(\S+)'}`, "X7"},
		{"sysDescr without a fit", `{sys_descr: 'Type (\S+)'}`, ""},
		{"sysDescr with template", `{sys_descr: '(\S+) OS ([\d.]+)', template: '$1-$2'}`, "Acme-4.2"},
		{"sysDescr with map", `{sys_descr: 'Model\s+(\S+)', map: {X7: Xerxes 7}}`, "Xerxes 7"},
		{"sysName", `{sys_name: '^(\w+)-'}`, "x7"},
		{"sysObjectID", "{sys_object_id: {.7: A700, .8: A800}}", "A700"},
		{"sysObjectID, the longest prefix", "{sys_object_id: {.7: A700, .7.12: A712, .7.12.3: A7123, .7.1: A71, .7.12.4: A7124}}", "A7123"},
		{"sysObjectID, a prefix ends at a dot", "{sys_object_id: {.7.1: A71}}", ""},
		{"sysObjectID of others", "{sys_object_id: {1.3.6.1.4.1.9: Cisco}}", ""},
		{"sysObjectID by whole number", "{sys_object_id: {1.3.6.1.4.1.99999: Acme}}", "Acme"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := modelSources(t, tt.source)
			if got := s[0].Static(id); got != tt.want {
				t.Errorf("%s is %q, want %q", tt.source, got, tt.want)
			}
		})
	}
	if got := modelSources(t, "{sys_object_id: {1.3: a}}")[0].Static(profile.Identification{}); got != "" {
		t.Errorf("a device without sysObjectID is %q", got)
	}
}

// TestSources: the forms in which sources are written.
func TestSources(t *testing.T) {
	s := modelSources(t, `
    - {column: .5.2, when: {.5.1: [3, 9]}}
    - {cells: "{maker} {hardware|'box'}", map: {Acme box: Acme}}
    - {text: Acme}`)
	if len(s) != 3 {
		t.Fatalf("sources %+v", s)
	}
	if s[0].Column != "1.3.6.1.4.1.99999.5.2" || len(s[0].When["1.3.6.1.4.1.99999.5.1"]) != 2 {
		t.Errorf("column %+v", s[0])
	}
	for maker, want := range map[string]string{"Acme": "Acme", "Other": "Other box"} {
		if got := s[1].Pick(s[1].Cells.Expand(cells{"maker": maker}.get)); got != want {
			t.Errorf("cells of %s are %q, want %q", maker, got, want)
		}
	}
	one, text := modelSources(t, "{oid: .1.0}"), modelSources(t, "Acme UPS")
	if len(one) != 1 || one[0].OID == "" || len(text) != 1 || text[0].Text != "Acme UPS" {
		t.Errorf("one source %+v, a text %+v", one, text)
	}
}

func TestSourceFaults(t *testing.T) {
	for source, want := range map[string]string{
		"{oid: .1.0, text: x}":                  "exactly one of",
		"{map: {1: x}}":                         "exactly one of",
		"{oid: iso.3}":                          `OID "iso.3"`,
		"{column: 1.3.6, when: {sys: [1]}}":     `OID "sys"`,
		"{sys_object_id: {cisco: x}}":           `OID "cisco"`,
		"{sys_descr: '('}":                      "regular expression",
		"{oid: .1.0, match: '['}":               "regular expression",
		`{cells: "{nobody}"}`:                   `"nobody" is neither`,
		"[{oid: .1.0}, {oids: .1.0}]":           `unknown field "oids"`,
		"{sys_object_id: {.4294967296: large}}": "32 bits",
	} {
		_, _, err := profile.Parse("x.yaml", []byte("profile: x\nbase: 1.3.6\nidentity:\n  model: "+source+"\n"))
		if err == nil || !strings.HasPrefix(err.Error(), "x.yaml:4: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", source, err, want)
		}
	}
}
