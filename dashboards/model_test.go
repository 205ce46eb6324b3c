package dashboards

import (
	"encoding/json"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// board is what the tests read of a dashboard's JSON.
type board struct {
	name string // of the file, without .json
	raw  []byte
	tree any

	UID           string
	ID            *int
	Title         string
	Description   string
	SchemaVersion int
	Tags          []string
	Refresh       string
	Links         []dashboardLink
	Panels        []panel
	Templating    struct{ List []variable }
	Annotations   struct{ List []annotation }
}

type dashboardLink struct {
	Type, Title, URL, Icon string
	Tags                   []string
}

type annotation struct{ Name, Expr, TitleFormat string }

type variable struct {
	Name, Label, Type, Definition, AllValue string
	IncludeAll, Multi                       bool
	Query                                   json.RawMessage
}

type panel struct {
	ID                       int
	Type, Title, Description string
	Collapsed                bool
	GridPos                  struct{ H, W, X, Y int }
	Panels                   []panel // of a collapsed row
	Links                    []dashboardLink
	Targets                  []target
	FieldConfig              struct {
		Defaults  map[string]any
		Overrides []struct {
			Matcher    struct{ ID, Options string }
			Properties []struct {
				ID    string
				Value any
			}
		}
	}
	Options         map[string]any
	Transformations []struct {
		ID      string
		Options map[string]any
	}
}

type target struct {
	RefID, Expr, LegendFormat, Format string
	Instant, Range                    bool
}

// mayBeEmpty tells whether the panel says in words what it means when nothing
// is there.
func (p panel) mayBeEmpty() bool {
	text, _ := p.FieldConfig.Defaults["noValue"].(string)
	return text != ""
}

// boards reads all boards.
func boards(t *testing.T) []board {
	t.Helper()
	names, err := fs.Glob(FS(), "*.json")
	if err != nil || len(names) == 0 {
		t.Fatalf("boards: %v %v", names, err)
	}
	var out []board
	for _, name := range names {
		b := board{name: strings.TrimSuffix(name, ".json")}
		if b.raw, err = fs.ReadFile(FS(), name); err != nil {
			t.Fatal(err)
		}
		for _, into := range []any{&b, &b.tree} {
			if err := json.Unmarshal(b.raw, into); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		out = append(out, b)
	}
	return out
}

// walk calls visit for every key and value of a JSON tree.
func walk(tree any, visit func(key string, value any)) {
	switch tree := tree.(type) {
	case map[string]any:
		for k, v := range tree {
			visit(k, v)
			walk(v, visit)
		}
	case []any:
		for _, v := range tree {
			walk(v, visit)
		}
	}
}

var reference = regexp.MustCompile(`\$(?:\{([a-zA-Z_]\w*)(?:\.[\w.]+)?(?::\w+)?\}|(\w+))|\[\[(\w+)\]\]`)

// references returns the variables a text uses, Grafana's own not among them.
func references(text string) []string {
	var out []string
	for _, m := range reference.FindAllStringSubmatch(text, -1) {
		name := m[1] + m[2] + m[3]
		if name != "" && !strings.HasPrefix(name, "__") && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// fill puts values in the place of variables, Grafana's own among them.
func fill(text string, values map[string]string) string {
	return reference.ReplaceAllStringFunc(text, func(ref string) string {
		m := reference.FindStringSubmatch(ref)
		if v, ok := values[m[1]+m[2]+m[3]]; ok {
			return v
		}
		return ref
	})
}
