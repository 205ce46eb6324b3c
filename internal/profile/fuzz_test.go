package profile_test

import (
	"io/fs"
	"math"
	"strings"
	"testing"

	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/rules"
)

// FuzzParse: a file that is taken can be used: whatever a device answers, its
// plan reads without a panic, and every OID in it can be asked for.
func FuzzParse(f *testing.F) {
	names, err := fs.Glob(rules.FS(), "profiles/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, n := range names {
		text, err := fs.ReadFile(rules.FS(), n)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, text := range []string{
		"profile: a\nextends: !!!![b]\n", // the YAML library panics
		"profile: a\ntables:\n  - {name: t, index: [i], columns: [{metric: m, oid: 1.3, type: gauge}]}\n",
		"profile: a\nmatch: {always: true}\nsensors: [{oid: 1.3.1, class: state, name: x, status_bits: {-1: ok, 70: critical}}]\n",
		"profile: a\nmatch: {always: true}\nmemory: [{name: x, percent: '{c}', less: [1.3.4294967296], unit: .inf}]\ncells: {c: 1.3}\n",
		dynamicProfile,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		set, err := profile.Load(yamlFS(map[string]string{"f.yaml": string(text)}))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f.yaml") {
				t.Fatalf("a fault without its file: %v", err)
			}
			return
		}
		for _, object := range []string{"", "0.0", "2.4294967295.1", ofMaker + ".1"} {
			id := profile.Identification{SysObjectID: object, SysDescr: "Linux", Has: map[string]bool{}}
			for _, oid := range set.Probes(id) {
				possible(t, oid)
				id.Has[oid] = true
			}
			for _, tab := range set.Select(id).Tables {
				use(t, tab)
			}
		}
	})
}

// use reads a table with answers of all kinds.
func use(t *testing.T, tab *profile.Table) {
	t.Helper()
	if !tab.Scalar() && len(tab.Index) == 0 {
		t.Fatalf("table %q passed without index", tab.Name)
	}
	for i := range tab.Columns {
		possible(t, tab.Columns[i].OID)
	}
	for _, row := range []string{"", "1", "-3", "\x00\xff"} {
		get := func(name string) string {
			if part, ok := profile.IndexPart(row+".7.7", name); ok {
				return part
			}
			return row
		}
		for _, sensors := range [][]profile.Sensor{tab.Sensors, tab.Processors} {
			for i := range sensors {
				useSensor(t, &sensors[i], get)
			}
		}
		for _, pools := range [][]profile.Pool{tab.Memory, tab.Storage} {
			for i := range pools {
				pools[i].Name.Expand(get)
				pools[i].Usage(func(r *profile.Ref) (float64, bool) { return r.Number(text(row), row != "", get) }, get)
			}
		}
	}
}

func useSensor(t *testing.T, s *profile.Sensor, get profile.Get) {
	t.Helper()
	possible(t, s.OID)
	r, ok := s.Resolve(get)
	if !ok {
		return
	}
	for _, raw := range []profile.Raw{{}, numeric(-1), numeric(math.NaN()), numeric(math.Inf(-1)), numeric(1 << 63), text(""), text("\xff\x00\x80"), text("12.5 C")} {
		if v, ok := r.Read(raw); ok && (math.IsNaN(v) || math.IsInf(v, 0)) {
			t.Fatalf("%s reads %+v as %v", s.OID, raw, v)
		}
		switch state := r.Status(raw); state {
		case profile.StatusOK, profile.StatusWarning, profile.StatusCritical, profile.StatusUnknown:
		default:
			t.Fatalf("%s: %+v is in the state %q", s.OID, raw, state)
		}
	}
}

// possible fails unless an OID can be asked for.
func possible(t *testing.T, oid string) {
	t.Helper()
	numbers := strings.Split(oid, ".")
	if len(numbers) < 2 || len(numbers) > 128 {
		t.Fatalf("OID %q has %d numbers", oid, len(numbers))
	}
	for i, n := range numbers {
		if n == "" || len(n) > 10 || len(n) == 10 && n > "4294967295" || strings.Trim(n, "0123456789") != "" || i == 0 && n > "2" || i == 1 && numbers[0] != "2" && (len(n) > 2 || len(n) == 2 && n > "39") {
			t.Fatalf("OID %q cannot be asked for: %q", oid, n)
		}
	}
}

// FuzzTemplate: a template that is taken can be expanded, and a name's value is
// never read as syntax.
func FuzzTemplate(f *testing.F) {
	for _, text := range []string{"{a|b|'c'} d", "{a", "}", "{'a|}'}", "{''|a}", "{ a }", "{a}{b}", "'", "{a'b'}", ""} {
		f.Add(text, "value")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		tpl, err := profile.ParseTemplate(text)
		if err != nil {
			return
		}
		if tpl.String() != text {
			t.Fatalf("%q is written as %q", text, tpl.String())
		}
		asked := 0
		got := tpl.Expand(func(name string) string {
			if asked++; name == "" || strings.ContainsAny(name, "{}'|") {
				t.Fatalf("%q asks for %q", text, name)
			}
			return value
		})
		if got != strings.Join(strings.Fields(got), " ") {
			t.Fatalf("%q gives %q", text, got)
		}
		if clean := strings.Join(strings.Fields(value), " "); asked > 0 && clean != "" && !strings.Contains(got, clean) {
			t.Fatalf("%q with %q gives %q", text, value, got)
		}
		if !strings.ContainsAny(text, "{}") && got != strings.Join(strings.Fields(text), " ") {
			t.Fatalf("the literal %q gives %q", text, got)
		}
	})
}

// FuzzCond: an operator and its opposite never agree, and equality is of texts.
func FuzzCond(f *testing.F) {
	for _, c := range [][2]string{{"1|2", "1"}, {"", ""}, {"a b", " a"}, {"-5.5", "-5.50 V"}, {"1e3", "1000"}, {"^a.*", "abc"}, {"nan", "nan"}, {"0x10", "16"}, {"|", "x"}} {
		f.Add(c[0], c[1])
	}
	f.Fuzz(func(t *testing.T, values, cell string) {
		for _, pair := range [][2]string{{"=", "!="}, {"~", "!~"}, {">", "<="}, {"<", ">="}} {
			yes, err := profile.ParseCond("c " + pair[0] + " " + values)
			no, err2 := profile.ParseCond("c " + pair[1] + " " + values)
			if (err == nil) != (err2 == nil) {
				t.Fatalf("%s and %s of %q: %v, %v", pair[0], pair[1], values, err, err2)
			}
			if err != nil {
				continue
			}
			a, b := yes.Holds(cell), no.Holds(cell)
			if a && b || !a && !b && pair[0] != ">" && pair[0] != "<" {
				t.Fatalf("%q: %s is %v and %s is %v", cell, yes, a, no, b)
			}
		}
		if c, err := profile.ParseCond("c = " + cell); err == nil && cell == strings.TrimSpace(cell) && !strings.ContainsAny(cell, "|\n") && !c.Holds(cell) {
			t.Fatalf("%q is not itself", cell)
		}
	})
}
