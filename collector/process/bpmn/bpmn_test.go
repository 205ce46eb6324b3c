package bpmn

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/process"
)

const moddle = "9.0.1" // the version of bpmn-moddle whose reading is wanted

func shipped(t *testing.T) *process.Set {
	t.Helper()
	set, err := process.Load(os.DirFS("../../../rules/processes"))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// reader is the directory with bpmn-moddle, fetched once and kept under .cache.
func reader(t *testing.T) string {
	t.Helper()
	without := t.Skip
	if os.Getenv("CI") == "true" {
		without = t.Fatal
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		without("npm is not installed: exports are not opened with bpmn-moddle")
	}
	dir, err := filepath.Abs("../../../.cache/bpmn")
	if err != nil {
		t.Fatal(err)
	}
	var have struct{ Version string }
	b, _ := os.ReadFile(filepath.Join(dir, "node_modules/bpmn-moddle/package.json"))
	if _ = json.Unmarshal(b, &have); have.Version == moddle {
		return dir
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm, "install", "--prefix", dir, "--no-audit", "--no-fund", "--no-save", "bpmn-moddle@"+moddle)
	if out, err := cmd.CombinedOutput(); err != nil {
		without(fmt.Sprintf("bpmn-moddle cannot be fetched: %v\n%s", err, out))
	}
	return dir
}

// script reads files and says, of each, the warnings, the lanes' nodes and the
// diagram's elements that point nowhere.
const script = `import BpmnModdle from 'bpmn-moddle';
import { readFileSync } from 'node:fs';
const out = {};
for (const file of process.argv.slice(2)) {
  const { rootElement, warnings } = await new BpmnModdle().fromXML(readFileSync(file, 'utf8'));
  const flow = rootElement.rootElements.find(e => e.$type === 'bpmn:Process');
  const plane = rootElement.diagrams[0].plane;
  const drawn = new Set(plane.planeElement.map(e => e.bpmnElement?.id));
  out[file] = { warnings: warnings.map(w => w.message), lanes: flow.laneSets[0].lanes.map(l => (l.flowNodeRef || []).length),
    nodes: flow.flowElements.filter(e => e.$type !== 'bpmn:SequenceFlow').length, undrawn: flow.flowElements.filter(e => !drawn.has(e.id)).map(e => e.id),
    loose: plane.planeElement.filter(e => !e.bpmnElement).length, dangling: flow.flowElements.filter(e => e.$type === 'bpmn:SequenceFlow' && (!e.sourceRef || !e.targetRef)).length,
    tasks: flow.flowElements.filter(e => /Task$/.test(e.$type)).length };
}
console.log(JSON.stringify(out));
`

// TestOpensElsewhere opens every shipped process, in both languages, with
// bpmn-moddle: no warning, every node in a lane, everything drawn.
func TestOpensElsewhere(t *testing.T) {
	dir := reader(t)
	set, tmp := shipped(t), t.TempDir()
	args := []string{filepath.Join(dir, "read.mjs")}
	if err := os.WriteFile(args[0], []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	steps := map[string]int{}
	for _, id := range set.IDs() {
		d, _ := set.Latest(id)
		for _, language := range []string{"zh-CN", "en"} {
			out, err := Export(d, language)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(tmp, id+"."+language+".bpmn")
			if err := os.WriteFile(file, out, 0o644); err != nil {
				t.Fatal(err)
			}
			args = append(args, file)
			for _, s := range d.Steps {
				if !s.Final {
					steps[file]++
				}
			}
		}
	}
	cmd := exec.CommandContext(t.Context(), "node", args...)
	cmd.Dir = dir
	b, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	var read map[string]struct {
		Warnings, Undrawn             []string
		Lanes                         []int
		Nodes, Loose, Dangling, Tasks int
	}
	if err := json.Unmarshal(b, &read); err != nil || len(read) != len(args)-1 {
		t.Fatalf("%v\n%s", err, b)
	}
	for file, r := range read {
		inLanes := 0
		for _, n := range r.Lanes {
			inLanes += n
		}
		if len(r.Warnings)+len(r.Undrawn)+r.Loose+r.Dangling > 0 || inLanes != r.Nodes || r.Tasks != steps[file] {
			t.Errorf("%s: %+v, %d steps", filepath.Base(file), r, steps[file])
		}
	}
}

// TestEveryEdgeIsExported: each way of the process is a sequence flow.
func TestEveryEdgeIsExported(t *testing.T) {
	set := shipped(t)
	for _, id := range set.IDs() {
		d, _ := set.Latest(id)
		out, err := Export(d, "en")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range d.Graph().Edges {
			from := []string{`sourceRef="s_` + e.From + `"`, `sourceRef="g_` + e.From + `"`}
			if e.Kind == "timeout" {
				from = []string{`sourceRef="t_` + e.From + `_`}
			}
			found := false
			for _, line := range strings.Split(string(out), "\n") {
				for _, f := range from {
					found = found || strings.Contains(line, f) && strings.Contains(line, `targetRef="s_`+e.To+`"`)
				}
			}
			if !found {
				t.Errorf("%s: no flow for %+v", id, e)
			}
		}
	}
}
