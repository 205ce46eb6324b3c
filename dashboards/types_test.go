package dashboards

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// schemaVersion is the release of Grafana's published types that boards are
// checked against: the newest; older Grafanas ignore what they do not know.
const schemaVersion = "13.2.3"

// TestGrafanaTypes writes every board as a literal of Grafana's own TypeScript
// types and lets the compiler judge it: a literal, since with a cast nothing
// would be checked.
func TestGrafanaTypes(t *testing.T) {
	dir := schema(t)
	var files []string
	for _, b := range boards(t) {
		file := filepath.Join(dir, b.name+".ts")
		if err := os.WriteFile(file, literal(t, b), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	if out, err := compile(t, dir, files...); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// A check that accepts everything checks nothing.
func TestGrafanaTypesRefuse(t *testing.T) {
	dir := schema(t)
	for name, change := range map[string][2]string{
		"unknown-key":    {`"schemaVersion": 37`, `"schemaVersion": 37, "colour": "red"`},
		"wrong-type":     {`"graphTooltip": 1`, `"graphTooltip": "yes"`},
		"unknown-option": {`"colorMode": "background"`, `"colorMode": "rainbow"`},
		"unknown-custom": {`"drawStyle": "line"`, `"drawStile": "line"`},
	} {
		t.Run(name, func(t *testing.T) {
			b := boards(t)[0]
			b.raw = bytes.Replace(b.raw, []byte(change[0]), []byte(change[1]), 1)
			file := filepath.Join(dir, "refuse-"+name+".ts")
			if err := os.WriteFile(file, literal(t, b), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := compile(t, dir, file); err == nil {
				t.Errorf("taken\n%s", out)
			}
		})
	}
}

// schema returns the directory of Grafana's types and the compiler, fetched once
// and kept under .cache.
func schema(t *testing.T) string {
	t.Helper()
	without := t.Skip
	if os.Getenv("CI") == "true" {
		without = t.Fatal
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		without("npm is not installed: boards are not checked against Grafana's types")
	}
	dir, err := filepath.Abs("../.cache/grafana-schema")
	if err != nil {
		t.Fatal(err)
	}
	var have struct{ Version string }
	b, _ := os.ReadFile(filepath.Join(dir, "node_modules/@grafana/schema/package.json"))
	_ = json.Unmarshal(b, &have) // nothing there yet: fetch
	if _, err := os.Stat(filepath.Join(dir, "node_modules/typescript/bin/tsc")); err == nil && have.Version == schemaVersion {
		return dir
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm, "install", "--prefix", dir, "--no-audit", "--no-fund", "--no-save", "@grafana/schema@"+schemaVersion, "typescript@5")
	if out, err := cmd.CombinedOutput(); err != nil {
		without(fmt.Sprintf("Grafana's types cannot be fetched: %v\n%s", err, out))
	}
	return dir
}

func compile(t *testing.T, dir string, files ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	args := append([]string{filepath.Join(dir, "node_modules/typescript/bin/tsc"), "--noEmit", "--strict", "--skipLibCheck",
		"--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler"}, files...)
	cmd := exec.CommandContext(ctx, "node", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// prelude makes types that JSON can be written in: the generated ones name
// their words by enums, which no JSON text is assignable to. What the panels'
// packages leave to defaults may be left out.
const prelude = `import type * as g from '@grafana/schema';
type Plain<T> = unknown extends T ? T : T extends string ? ` + "`${T}`" + ` : T extends number | boolean | null | undefined ? T
  : T extends (infer U)[] ? Plain<U>[] : { [K in keyof T]: Plain<T[K]> };
type Annotation = Plain<g.AnnotationQuery> & { expr: string; step: string; tagKeys: string; textFormat: string; titleFormat: string; useValueForTime: boolean };
type Target = { datasource: g.DataSourceRef; refId: string; expr: string; editorMode: 'code'; format: 'time_series' | 'table'; instant: boolean; range: boolean; legendFormat?: string };
type DataLink = { title: string; url: string; targetBlank: boolean };
`

// literal is the board in TypeScript: each part as a literal of its own type.
func literal(t *testing.T, b board) []byte {
	t.Helper()
	var tree map[string]any
	if err := json.Unmarshal(b.raw, &tree); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	out.WriteString(prelude)
	n := 0
	constant := func(typ string, value any) {
		n++
		text, err := json.MarshalIndent(value, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "export const c%d: %s = %s;\n", n, typ, text)
	}
	packages := map[string]string{}
	for _, p := range tree["panels"].([]any) {
		panel := p.(map[string]any)
		kind := panel["type"].(string)
		if kind == "row" {
			constant("Plain<g.RowPanel>", panel)
			continue
		}
		pkg := strings.ReplaceAll(kind, "-", "")
		packages[pkg] = pkg
		constant("Partial<Plain<"+pkg+".Options>>", panel["options"])
		config := panel["fieldConfig"].(map[string]any)
		defaults := config["defaults"].(map[string]any)
		if custom, ok := defaults["custom"]; ok {
			constant("Partial<Plain<"+pkg+".FieldConfig>>", custom)
		}
		if links, ok := defaults["links"]; ok {
			constant("DataLink[]", links)
		}
		constant("Target[]", panel["targets"])
		for _, o := range config["overrides"].([]any) {
			for _, property := range o.(map[string]any)["properties"].([]any) {
				overridden(constant, property.(map[string]any))
			}
		}
		constant("Plain<g.Panel>", panel)
	}
	constant("Annotation[]", tree["annotations"].(map[string]any)["list"])
	delete(tree, "annotations")
	variables := tree["templating"].(map[string]any)["list"].([]any)
	for _, v := range variables {
		delete(v.(map[string]any), "definition") // an older Grafana's copy of query
	}
	delete(tree, "panels")
	constant("Plain<g.Dashboard>", tree)
	for pkg, alias := range packages {
		fmt.Fprintf(&out, "import type * as %s from '%s';\n", alias, panelTypes(pkg))
	}
	return out.Bytes()
}

// overridden writes one property of a column as a literal of its type.
func overridden(constant func(string, any), property map[string]any) {
	switch id := property["id"].(string); id {
	case "custom.cellOptions":
		constant("Plain<g.TableCellOptions>", property["value"])
	case "custom.width", "custom.fillOpacity":
		constant("number", property["value"])
	case "custom.lineStyle":
		constant("Plain<g.LineStyle>", property["value"])
	case "links":
		constant("DataLink[]", property["value"])
	default:
		constant("Plain<g.FieldConfig>['"+id+"']", property["value"])
	}
}

// panelTypes is where the package keeps a panel's types.
func panelTypes(pkg string) string {
	names := map[string]string{"stat": "Stat", "gauge": "Gauge", "bargauge": "BarGauge", "timeseries": "TimeSeries", "statetimeline": "StateTimeline", "table": "Table"}
	return "@grafana/schema/dist/esm/raw/composable/" + pkg + "/panelcfg/x/" + names[pkg] + "PanelCfg_types.gen"
}
