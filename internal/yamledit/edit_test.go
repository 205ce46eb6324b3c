package yamledit

import (
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const written = `# who we call
company: Example   # legal name

vendors:
  # carriers first
  - {id: a, kind: carrier, name: {zh-CN: 电信, en: "A, Inc."}, emails: [a@x.example]}   # by day only
  - id: b            # the old one
    kind: carrier
    emails:
      - b@x.example  # night desk
    phone: '010-1'

contracts: []        # none yet
lines:
- id: l
  mbps: 100
`

func TestApplyLeavesTheRest(t *testing.T) {
	for name, c := range map[string]struct {
		change Change
		want   map[string]string // old → new text, once each
	}{
		"flow value":       {Change{List: "vendors", Index: 0, Set: []Pair{{"kind", "supplier"}}}, map[string]string{"id: a, kind: carrier": "id: a, kind: supplier"}},
		"flow nested":      {Change{List: "vendors", Index: 0, Set: []Pair{{"name", "{zh-CN: 联通, en: U}"}}}, map[string]string{`{zh-CN: 电信, en: "A, Inc."}`: "{zh-CN: 联通, en: U}"}},
		"flow new key":     {Change{List: "vendors", Index: 0, Set: []Pair{{"hours", "7x24"}}}, map[string]string{"[a@x.example]}": "[a@x.example], hours: 7x24}"}},
		"flow key goes":    {Change{List: "vendors", Index: 0, Unset: []string{"emails"}}, map[string]string{", emails: [a@x.example]": ""}},
		"block value":      {Change{List: "vendors", Index: 1, Set: []Pair{{"phone", `"010-2"`}}}, map[string]string{"'010-1'": `"010-2"`}},
		"block with note":  {Change{List: "vendors", Index: 1, Set: []Pair{{"id", "c"}}}, map[string]string{"id: b ": "id: c "}},
		"block nested":     {Change{List: "vendors", Index: 1, Set: []Pair{{"emails", "[n@x.example]"}}}, map[string]string{"emails:\n      - b@x.example  # night desk": "emails: [n@x.example]"}},
		"block new key":    {Change{List: "vendors", Index: 1, Set: []Pair{{"hours", "7x24"}}}, map[string]string{"'010-1'": "'010-1'\n    hours: 7x24"}},
		"block key goes":   {Change{List: "vendors", Index: 1, Unset: []string{"kind"}}, map[string]string{"    kind: carrier\n    emails": "    emails"}},
		"block last goes":  {Change{List: "vendors", Index: 1, Unset: []string{"phone"}}, map[string]string{"\n    phone: '010-1'": ""}},
		"element goes":     {Change{List: "lines", Index: 0, Remove: true}, map[string]string{"- id: l\n  mbps: 100\n": ""}},
		"element is added": {Change{List: "vendors", Index: -1, Set: []Pair{{"id", "c"}}}, map[string]string{"'010-1'": "'010-1'\n  - {id: c}"}},
		"list is begun":    {Change{List: "contracts", Index: -1, Set: []Pair{{"id", "k"}}}, map[string]string{"contracts: []        # none yet": "contracts: # none yet\n  - {id: k}"}},
		"list is new":      {Change{List: "patches", Index: -1, Set: []Pair{{"panel", "A"}}}, map[string]string{"mbps: 100\n": "mbps: 100\npatches:\n  - {panel: A}\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Apply(written, []Change{c.change})
			if err != nil {
				t.Fatal(err)
			}
			want := written
			for from, to := range c.want {
				if strings.Count(want, from) != 1 {
					t.Fatalf("the case's own text %q occurs %d times", from, strings.Count(want, from))
				}
				want = strings.Replace(want, from, to, 1)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

func TestApplyRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		change Change
	}{
		"list as flow":        {"vendors: [{id: a}]\n", Change{List: "vendors", Index: 0, Set: []Pair{{"id", "b"}}}},
		"no such element":     {written, Change{List: "vendors", Index: 2, Remove: true}},
		"entry on next line":  {"vendors:\n-\n  id: a\n", Change{List: "vendors", Index: 0, Remove: true}},
		"alias":               {"vendors:\n- *a\n", Change{List: "vendors", Index: 0, Set: []Pair{{"id", "b"}}}},
		"brace left open":     {"vendors:\n- {id: a\n", Change{List: "vendors", Index: 0, Set: []Pair{{"id", "b"}}}},
		"text instead of map": {"vendors:\n- hello\n", Change{List: "vendors", Index: 0, Set: []Pair{{"id", "b"}}}},
	} {
		if got, err := Apply(c.text, []Change{c.change}); err == nil {
			t.Errorf("%s: no error, text\n%s", name, got)
		}
	}
}

// TestTextReadsBack holds what Text writes to what a YAML parser reads.
func TestTextReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.StringMatching(`[a-zA-Z0-9 :#,{}\[\]'"\\.@/\-+_是否专线]{0,20}`), rapid.SampledFrom([]string{"true", "No", "2027-12-31", "7x24", "1e3", "0x1f", "~", "", " a", "a ", "- a", "工作日 8:30"})).Draw(t, "s")
		text := "vendors:\n  - " + Flow([]Pair{{"id", Text(s)}, {"list", Texts([]string{s, "x"})}}) + "\n"
		var got struct {
			Vendors []struct {
				ID   string   `yaml:"id"`
				List []string `yaml:"list"`
			} `yaml:"vendors"`
		}
		if err := yaml.Unmarshal([]byte(text), &got); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if len(got.Vendors) != 1 || got.Vendors[0].ID != s || got.Vendors[0].List[0] != s {
			t.Fatalf("%q is read as %+v from %s", s, got, text)
		}
	})
}

// TestRandomChangesReadBack changes random values of random texts in both
// forms and compares with what a parser reads.
func TestRandomChangesReadBack(t *testing.T) {
	value := rapid.StringMatching(`[a-z0-9 #:,{}'"是否]{0,12}`)
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(t, "n")
		want := make([]map[string]string, n)
		var b strings.Builder
		b.WriteString("company: X\nvendors:\n")
		for i := range want {
			want[i] = map[string]string{"id": "v", "a": value.Draw(t, "a"), "b": value.Draw(t, "b")}
			if rapid.Bool().Draw(t, "flow") {
				b.WriteString("  - " + Flow([]Pair{{"id", "v"}, {"a", Text(want[i]["a"])}, {"b", Text(want[i]["b"])}}) + " # note, {it's}\n")
			} else {
				b.WriteString("  # before\n  - id: v # note\n    a: " + Text(want[i]["a"]) + "\n\n    b: " + Text(want[i]["b"]) + " # it's\n")
			}
		}
		b.WriteString("lines: []\n")
		var changes []Change
		for i := range want {
			c := Change{List: "vendors", Index: i}
			for _, k := range []string{"a", "b", "c"} {
				switch rapid.IntRange(0, 2).Draw(t, "do") {
				case 0:
					want[i][k] = value.Draw(t, "new")
					c.Set = append(c.Set, Pair{k, Text(want[i][k])})
				case 1:
					delete(want[i], k)
					c.Unset = append(c.Unset, k)
				}
			}
			changes = append(changes, c)
		}
		got, err := Apply(b.String(), changes)
		if err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
		var read struct{ Vendors []map[string]string }
		if err := yaml.Unmarshal([]byte(got), &read); err != nil {
			t.Fatalf("%v\n%s", err, got)
		}
		if d := cmp.Diff(want, read.Vendors); d != "" {
			t.Fatalf("(-want +got)\n%s\nfrom\n%s\nto\n%s", d, b.String(), got)
		}
		if strings.Count(got, "note") != n {
			t.Fatalf("comments behind ids are lost\n%s", got)
		}
	})
}
