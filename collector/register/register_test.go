package register

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/lang"
)

const estate = `# the estate of Example
company: Example
sites:
  - {id: hq, name: {zh-CN: 总公司, en: HQ}, kind: hq}
  - {id: b1, name: {zh-CN: 一分公司, en: Branch 1}, kind: branch}
vendors:
  # carriers
  - {id: ct, kind: carrier, name: {zh-CN: 电信, en: Telecom}, emails: [noc@ct.example]}   # by day
  - id: acme
    kind: equipment supplier
    emails: [help@acme.example]
    contacts:
      - {name: 陈工, phone: "138", level: 1}
contracts:
  - {id: c1, vendor: acme, kind: warranty, devices: [rtr], until: 2026-12-31}
agents:
  - {id: a, site: hq}
devices:
  - id: rtr     # the old one
    site: b1
    kind: router
    addresses: [10.0.0.1]
    targets:
      - {agent: a, input: snmp, options: {community: "x"}}
lines:
  - {id: "ct:1", site: b1, carrier: ct, circuit: SH-1, role: main, mbps: 100}
`

func files(t *testing.T) []inventory.File {
	t.Helper()
	fs := []inventory.File{{Name: "estate.yaml", Data: []byte(estate)}}
	if _, err := inventory.ParseFiles(fs); err != nil {
		t.Fatal(err)
	}
	return fs
}

func mustPlan(t *testing.T, yaml string) Plan {
	t.Helper()
	rows, problems, err := ReadYAML([]byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	p, err := MakePlan(files(t), "register.yaml", rows)
	if err != nil {
		t.Fatal(err)
	}
	p.Problems = append(problems, p.Problems...)
	return p
}

// thereAndBack are the ways in which an inventory is written and read again.
func thereAndBack(t *testing.T, inv *inventory.Inventory) map[string]func() ([]Row, []Problem, error) {
	ways := map[string]func() ([]Row, []Problem, error){"yaml": func() ([]Row, []Problem, error) { return ReadYAML(YAML(inv, nil)) }}
	for _, l := range []string{lang.ZH, lang.EN} {
		ways["excel "+l] = func() ([]Row, []Problem, error) {
			b, err := Excel(inv, l, nil)
			if err != nil {
				t.Fatal(err)
			}
			return ReadExcel(b)
		}
	}
	return ways
}

// TestExportChangesNothing: what is exported and imported again, in both formats
// and languages, is what is there.
func TestExportChangesNothing(t *testing.T) {
	inv, err := inventory.ParseFiles(files(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range thereAndBack(t, inv) {
		rows, problems, err := f()
		if err != nil || len(problems) > 0 {
			t.Fatalf("%s: %v %v", name, err, problems)
		}
		p, err := MakePlan(files(t), "register.yaml", rows)
		if err != nil || len(p.Edits) > 0 || len(p.Problems) > 0 || p.Same != 6 {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

func TestPlanKeepsTheRest(t *testing.T) {
	p := mustPlan(t, `
vendors: [{id: ct, hours: 7x24, name: {en: China Telecom}}]
contracts: [{id: c1, until: 2028-12-31, respond: 30m, repair: 2d}, {id: c2, vendor: acme, kind: maintenance, kinds: [router, switch]}]
lines: [{id: "ct:1", availability: 99.9, mbps: 200}]
devices: [{id: rtr, serial: "0042"}]
patches: [{site: b1, panel: A, port: 1, switch: rtr, switch_port: GE0/1, outlet: 3F-01}]
certificates: [{id: web, kind: tls, until: 2027-01-01, device: rtr}]
contacts: [{vendor: acme, name: 陈工, phone: "139"}, {vendor: acme, name: 李经理, level: 2, after: 2h}]
`)
	if len(p.Problems) > 0 {
		t.Fatalf("problems: %+v", p.Problems)
	}
	if len(p.Files) != 2 || !p.Files[1].New || len(p.Lost) > 0 {
		t.Fatalf("files %+v, lost %v", p.Files, p.Lost)
	}
	want := estate
	for from, to := range map[string]string{
		"name: {zh-CN: 电信, en: Telecom}, emails: [noc@ct.example]}": "name: {zh-CN: 电信, en: China Telecom}, emails: [noc@ct.example], hours: \"7x24\"}",
		"until: 2026-12-31}": "until: \"2028-12-31\", respond: \"30m\", repair: \"2d\"}\n  - {id: c2, vendor: acme, kind: maintenance, kinds: [router, switch]}",
		"mbps: 100}":         "mbps: 200, availability: 99.9}",
		"community: \"x\"}}": "community: \"x\"}}\n    serial: \"0042\"",
		"\n      - {name: 陈工, phone: \"138\", level: 1}": " [{level: 1, name: 陈工, phone: \"139\"}, {level: 2, name: 李经理, after: \"2h\"}]",
	} {
		if strings.Count(want, from) != 1 {
			t.Fatalf("the case's own %q", from)
		}
		want = strings.Replace(want, from, to, 1)
	}
	if d := cmp.Diff(want, p.Files[0].After); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if !strings.Contains(p.Files[1].After, `{site: b1, panel: A, port: "1", switch: rtr, switch_port: GE0/1, outlet: "3F-01"}`) {
		t.Errorf("new file:\n%s", p.Files[1].After)
	}
}

func TestPlanProblems(t *testing.T) {
	for name, c := range map[string]struct{ yaml, sheet, column, say string }{
		"unknown vendor":    {"contracts: [{id: c1, vendor: nobody}]", "contracts", "vendor", "没有这个厂商：nobody"},
		"word":              {"vendors: [{id: ct, kind: 电报}]", "vendors", "kind", "不在可选值中"},
		"date":              {"contracts: [{id: c1, until: 2026-02-30}]", "contracts", "until", "不是日期"},
		"missing":           {"certificates: [{id: x, kind: tls}]", "certificates", "until", "缺少"},
		"twice":             {"devices: [{id: rtr, model: a}, {id: rtr, model: b}]", "devices", "id", "重复"},
		"remove with more":  {"devices: [{id: rtr, action: delete}]", "devices", "", "监测目标"},
		"remove absent":     {"devices: [{id: ghost, action: delete}]", "devices", "id", "不存在"},
		"removed is used":   {"vendors: [{id: acme, action: delete}]", "vendors", "", "仍被引用"},
		"inventory's check": {"devices: [{id: rtr, addresses: [10.0.0.999]}]", "devices", "", "清单校验"},
		"unknown column":    {"devices: [{id: rtr, colour: red}]", "devices", "", "没有 colour"},
		"unknown list":      {"rooms: []", "", "", "没有列表 rooms"},
		"hours":             {"contacts: [{vendor: acme, name: 陈工, hours: 白班}]", "contacts", "hours", "不是服务时间"},
		"span":              {"contracts: [{id: c1, repair: soon}]", "contracts", "repair", "不是时限"},
	} {
		p := mustPlan(t, c.yaml)
		if len(p.Problems) == 0 {
			t.Errorf("%s: no problem", name)
			continue
		}
		got := p.Problems[0]
		if got.Sheet != c.sheet || got.Column != c.column || !strings.Contains(got.Text.ZH, c.say) || got.Row != 1 || got.Text.EN == "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestLostCommentsAreTold: a comment within what is replaced cannot stay, and
// the preview says so.
func TestLostCommentsAreTold(t *testing.T) {
	fs := files(t)
	fs[0].Data = bytes.Replace(fs[0].Data, []byte("    addresses: [10.0.0.1]\n"), []byte("    addresses:\n      - 10.0.0.1  # loopback\n"), 1)
	p, err := MakePlan(fs, "register.yaml", []Row{{Sheet: "devices", Number: 2, Cells: map[string]string{"id": "rtr", "addresses": "10.0.0.2"}}})
	if err != nil || len(p.Problems) > 0 {
		t.Fatal(err, p.Problems)
	}
	if d := cmp.Diff([]string{"loopback"}, p.Lost); d != "" {
		t.Error(d)
	}
}

func TestExcelProblemsNameTheirPlace(t *testing.T) {
	f := excelize.NewFile()
	for i, row := range [][]any{{"编号", "截止日期", "颜色", "操作"}, {"c1", 46387, "", ""}, {"c1x", "someday", "", "改"}, {"", "2027-01-01"}} {
		if err := f.SetSheetRow("Sheet1", "A"+string(rune('1'+i)), &row); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.SetSheetName("Sheet1", "合同与保修"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.NewSheet("旧表"); err != nil {
		t.Fatal(err)
	}
	b, err := f.WriteToBuffer()
	if err != nil {
		t.Fatal(err)
	}
	rows, problems, err := ReadExcel(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if rows[0].Cells["until"] != "2026-12-31" || rows[0].Number != 2 {
		t.Errorf("a date as Excel counts it: %+v", rows[0])
	}
	var got []string
	for _, p := range problems {
		got = append(got, p.Sheet+" "+string(rune('0'+p.Row))+" "+p.Column)
	}
	if d := cmp.Diff([]string{"contracts 1 ", "contracts 3 until", "contracts 3 action", "旧表 0 "}, got); d != "" {
		t.Errorf("problems (-want +got)\n%s", d)
	}
	p, err := MakePlan(files(t), "", rows)
	if err != nil || len(p.Problems) == 0 || p.Problems[0].Row != 3 || p.Problems[len(p.Problems)-1].Row != 4 {
		t.Errorf("%+v %v", p.Problems, err)
	}
}

type memory map[string]Import

func (m memory) PutImport(_ context.Context, i Import) error { m[i.ID] = i; return nil }
func (m memory) Import(_ context.Context, id string) (Import, error) {
	i, ok := m[id]
	if !ok {
		return i, errors.New("none")
	}
	return i, nil
}
func (m memory) Imports(context.Context, int) ([]Import, error) { return nil, nil }

func TestBookAppliesAndUndoes(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "estate.yaml")
	if err := os.WriteFile(path, []byte(estate), 0o600); err != nil {
		t.Fatal(err)
	}
	var veto error
	reloads := 0
	b, err := NewBook(BookOptions{Path: dir, Store: memory{}, Now: time.Now, Reload: func(context.Context) error { reloads++; return veto }})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	text := func() string {
		all, err := inventory.ReadFiles(dir)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		for _, f := range all {
			out.Write(f.Data)
		}
		return out.String()
	}
	change := []byte("patches: [{site: b1, panel: A, port: 1}]\nvendors: [{id: ct, phone: 10000}]\n")
	i, err := b.Preview(ctx, "wang", "x.yaml", change)
	if err != nil || !i.Applicable() || text() != estate {
		t.Fatalf("preview: %+v, %v", i, err)
	}
	veto = errors.New("no")
	if _, err := b.Apply(ctx, "wang", i.ID); err == nil || text() != estate {
		t.Fatalf("what could not be put in force stays: %v", err)
	}
	veto = nil
	if i, err = b.Apply(ctx, "wang", i.ID); err != nil || i.State != Applied || !strings.Contains(text(), "10000") || reloads != 3 {
		t.Fatalf("apply: %+v, %v", i, err)
	}
	if _, err := b.Apply(ctx, "wang", i.ID); err == nil {
		t.Error("applied twice")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if i, err = b.Undo(ctx, "li", i.ID); err != nil || text() != estate || i.ChangedBy != "li" {
		t.Fatalf("undo: %v\n%s", err, text())
	}
	j, err := b.Preview(ctx, "wang", "x.yaml", change)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(estate+"# touched\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var refused *Refused
	if _, err := b.Apply(ctx, "wang", j.ID); !errors.As(err, &refused) || !strings.HasSuffix(text(), "# touched\n") {
		t.Errorf("a file that changed meanwhile: %v", err)
	}
}

func FuzzReadYAML(f *testing.F) {
	f.Add([]byte("vendors: [{id: a}]"))
	f.Add([]byte("vendors:\n- id: a\n  name: {en: x}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, _, err := ReadYAML(data)
		if err != nil {
			return
		}
		if _, err := MakePlan([]inventory.File{{Name: "e", Data: []byte(estate)}}, "r", rows); err != nil {
			t.Fatal(err)
		}
	})
}
