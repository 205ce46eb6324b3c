package yamlfile

import (
	"strings"
	"testing"
	"testing/fstest"
)

const sample = `a: 1
steps:
  triage:
    next:
      - {when: "acked", to: x}
      - when: "choice"
        to: y
`

func TestLine(t *testing.T) {
	f, err := Parse("p.yaml", []byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{
		"a": 1, "steps.triage.next[0].when": 5, "steps.triage.next[1].to": 7, "steps.triage.next[1].missing": 6, "nothing": 1,
	} {
		if got := f.Line(path); got != want {
			t.Errorf("Line(%s) = %d, want %d", path, got, want)
		}
	}
	for path, want := range map[string]string{"a": "1", "steps.triage.next[1].to": "y", "steps": "", "b": ""} {
		if got := f.Text(path); got != want {
			t.Errorf("Text(%s) = %q, want %q", path, got, want)
		}
	}
	for path, want := range map[string]int{"steps.triage.next": 2, "steps": 0, "b": 0} {
		if got := f.Len(path); got != want {
			t.Errorf("Len(%s) = %d, want %d", path, got, want)
		}
	}
	if got := f.Faultf("steps.triage.next[1].to", "no step %q", "y").Error(); got != `p.yaml:7: steps.triage.next[1].to: no step "y"` {
		t.Errorf("Faultf = %s", got)
	}
}

func TestFaultsNameTheLine(t *testing.T) {
	var v struct {
		A int `yaml:"a"`
	}
	for text, want := range map[string]string{
		"a: 1\nb: 2\n":     "p.yaml:2:",
		"a: 1\na: 2\n":     "p.yaml:2:",
		"a: [1,\n":         "p.yaml:1:",
		"a: x\n":           "p.yaml:1:",
		"a: 1\n---\na: 2":  "one YAML document",
		"":                 "one YAML document",
		"# only a comment": "p.yaml",
	} {
		f, err := Parse("p.yaml", []byte(text))
		if err == nil {
			err = f.Decode(&v)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestEveryUnknownKeyIsReported(t *testing.T) {
	var v struct {
		A     int `yaml:"a"`
		Steps []*struct {
			ID   string `yaml:"id"`
			Each map[string]struct {
				Y int `yaml:"y"`
			} `yaml:"each"`
		} `yaml:"steps"`
	}
	f, err := Parse("p.yaml", []byte("a: 1\nb: 2\nsteps:\n  - id: x\n    idd: y\n  - {id: z, each: {k: {y: 1, z: 2}}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	err = f.Decode(&v)
	for _, want := range []string{`p.yaml:2: unknown key "b"; known here: a, steps`, `p.yaml:5: unknown key "idd"; known here: id, each`, `p.yaml:6: unknown key "z"; known here: y`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}

func TestParseAllKeepsGoodFiles(t *testing.T) {
	fsys := fstest.MapFS{"b.yaml": {Data: []byte("a: 1")}, "a.yaml": {Data: []byte("a: [")}, "x.txt": {Data: []byte("[")}}
	files, err := ParseAll(fsys)
	if err == nil || !strings.HasPrefix(err.Error(), "a.yaml:1:") || len(files) != 1 || files[0].Name != "b.yaml" {
		t.Fatalf("ParseAll = %d files, %v", len(files), err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte("a: &x [*x]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse("f.yaml", data)
		if err != nil {
			return
		}
		var v map[string]any
		_ = file.Decode(&v)
		var strict struct {
			A     []int                          `yaml:"a"`
			Steps map[string]map[string]struct{} `yaml:"steps"`
		}
		_ = file.Decode(&strict)
		file.Line("a.b[3].c")
		file.Text("a.b")
	})
}

func TestLibraryPanicsAreErrors(t *testing.T) {
	f, err := Parse("p.yaml", []byte("list: !0000 00"))
	if err == nil {
		err = f.Decode(&struct {
			List []string `yaml:"list"`
		}{})
	}
	if err == nil || !strings.HasPrefix(err.Error(), "p.yaml:1: ") {
		t.Errorf("a list with a tag that is none: %v", err)
	}
}
