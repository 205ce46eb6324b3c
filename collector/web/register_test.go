package web

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/inspection"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/register"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/rules"
)

const sampleEstateYAML = `company: Example
sites:
  - {id: hq, name: {zh-CN: 总公司, en: Head office}, kind: hq}
  - {id: shanghai, name: {zh-CN: 上海分公司, en: Shanghai branch}, kind: branch}
  - {id: chengdu, name: {zh-CN: 成都分公司, en: Chengdu branch}, kind: branch}
vendors:
  - {id: unicom-sh, kind: carrier, name: {zh-CN: 中国联通上海, en: Unicom Shanghai}, emails: [noc@unicom.example], hours: 7x24, contacts: [{level: 1, name: 陈工, phone: "13800000000"}]}  # by day: 021-1
  - {id: acme, kind: equipment supplier, name: {zh-CN: 安可, en: Acme}, emails: [help@acme.example]}
contracts:
  - {id: c1, number: HT-2026-017, vendor: acme, kind: warranty, devices: [sh-rtr-1], until: 2026-01-31, respond: 30m, repair: 4h}
devices:
  - {id: sh-rtr-1, name: {zh-CN: 出口路由器, en: WAN router}, site: shanghai, kind: router, addresses: [10.0.0.1], model: AR6120, serial: "2102"}
  - {id: sh-sw-1, name: {zh-CN: 接入交换机, en: Access switch}, site: shanghai, kind: switch, addresses: [10.0.0.2]}
  - {id: cd-ups-1, name: {zh-CN: 机房 UPS, en: machine-room UPS}, site: chengdu, kind: ups}
lines:
  - {id: "unicom:line-2", name: {zh-CN: 联通专线 A, en: Unicom line A}, site: shanghai, carrier: unicom-sh, circuit: SH-0231, role: main, mbps: 100, availability: 99.9, repair: 4h, b_end: {device: sh-rtr-1, interface: wan1}}
patches:
  - {site: shanghai, panel: A, port: "1", switch: sh-sw-1, switch_port: GE0/0/1, outlet: 3F-01, device: "48:8e:ef:00:00:01"}
  - {site: shanghai, panel: A, port: "2", switch: sh-sw-1, switch_port: GE0/0/2, outlet: 3F-02, device: sh-rtr-1}
`

// memoryImports keeps imports.
type memoryImports struct {
	mu  sync.Mutex
	all []register.Import
}

func (m *memoryImports) PutImport(_ context.Context, i register.Import) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = append(slices.DeleteFunc(m.all, func(x register.Import) bool { return x.ID == i.ID }), i)
	return nil
}

func (m *memoryImports) Import(_ context.Context, id string) (register.Import, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, i := range m.all {
		if i.ID == id {
			return i, nil
		}
	}
	return register.Import{}, engine.ErrNotFound
}

func (m *memoryImports) Imports(context.Context, int) ([]register.Import, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.all), nil
}

// estateFile is the inventory of the fixture's register; it is written by imports.
func estateFile(t *testing.T) (path string, graph func() *inventory.Graph, reload func(context.Context) error) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "estate.yaml")
	if err := os.WriteFile(path, []byte(sampleEstateYAML), 0o600); err != nil {
		t.Fatal(err)
	}
	var now atomic.Pointer[inventory.Graph]
	reload = func(context.Context) error {
		inv, err := inventory.Load(path)
		if err == nil {
			now.Store(inventory.NewGraph(inv))
		}
		return err
	}
	if err := reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	return path, now.Load, reload
}

func sampleRegister(t *testing.T) *Register {
	t.Helper()
	path, graph, reload := estateFile(t)
	imports := &memoryImports{}
	book, err := register.NewBook(register.BookOptions{Path: path, Store: imports, Reload: reload})
	if err != nil {
		t.Fatal(err)
	}
	return &Register{Book: book, Imports: imports, Graph: graph, Expiries: func() []register.Expiry { return register.Expiries(graph(), nil, testNow) }}
}

// memoryInspections keeps signed sheets.
type memoryInspections struct {
	mu     sync.Mutex
	signed []inspection.Record
	checks []inspection.Check
}

func (m *memoryInspections) Sign(_ context.Context, r inspection.Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if slices.ContainsFunc(m.signed, func(x inspection.Record) bool { return x.Site == r.Site && x.Day == r.Day }) {
		return inspection.ErrSigned
	}
	m.signed = append(m.signed, r)
	return nil
}

func (m *memoryInspections) Signed(_ context.Context, site, from, to string) (out []inspection.Record, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.signed {
		if (site == "" || r.Site == site) && r.Day >= from && r.Day <= to {
			out = append(out, r)
		}
	}
	return out, nil
}

func (m *memoryInspections) PutCheck(_ context.Context, c inspection.Check) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.checks = append(m.checks, c)
	return nil
}

func (m *memoryInspections) Checks(_ context.Context, site, from, to string) (out []inspection.Check, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.checks {
		if (site == "" || c.Site == site) && c.Day >= from && c.Day <= to {
			out = append(out, c)
		}
	}
	return out, nil
}

func sampleInspections(t *testing.T) *inspection.Desk {
	t.Helper()
	sub, err := fs.Sub(rules.FS(), "inspection")
	if err != nil {
		t.Fatal(err)
	}
	lists, err := inspection.Load(sub)
	if err != nil {
		t.Fatal(err)
	}
	zone := zoneOf("")
	d, err := inspection.New(inspection.Options{Store: &memoryInspections{}, List: func() (inspection.List, bool) { return lists[0], true },
		Sites: func() []inspection.Site {
			return []inspection.Site{{ID: "shanghai", Name: lang.Text{ZH: "上海分公司", EN: "Shanghai branch"}, Zone: zone}, {ID: "chengdu", Name: lang.Text{ZH: "成都分公司", EN: "Chengdu branch"}, Zone: zone}}
		},
		Works: func(string, inspection.List) inspection.Works {
			return func(time.Time) (bool, error) { return true, nil }
		},
		Query: func(_ context.Context, expr string, at time.Time) ([]inspection.Value, error) {
			switch {
			case strings.Contains(expr, `class="temperature"`):
				return []inspection.Value{{Subject: "sh-sensor-1", V: 34.5, At: at}}, nil
			case strings.Contains(expr, "upsOutputSource"):
				return []inspection.Value{{Subject: "sh-ups-1", V: 3, At: at}}, nil
			case strings.Contains(expr, "probe_loss"):
				return nil, errors.New("the engine rests")
			}
			return nil, nil
		}, Salt: "s", Now: func() time.Time { return testNow }})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// upload hands in a file as a form does.
func (b *browser) upload(path, field, name string, data []byte) (int, string, string) {
	b.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	f, err := w.CreateFormFile(field, name)
	if err == nil {
		_, err = f.Write(data)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		b.t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, b.srv.URL+path, &body)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header = b.header.Clone()
	req.Header.Set("Content-Type", w.FormDataContentType())
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, resp.Request.URL.RequestURI(), string(out)
}

func TestRegisterIsImported(t *testing.T) {
	f := newFixture(t)
	chen, li := f.browser(), f.browser()
	chen.signIn("chen")
	li.signIn("li")
	if _, _, page := li.get("/register?sheet=devices"); !strings.Contains(page, "sh-rtr-1") || strings.Contains(page, "cd-ups-1") || strings.Contains(page, "/register/preview") {
		t.Error("a branch sees its own devices and imports nothing")
	}
	if _, _, page := li.get("/register/export/register.yaml"); !strings.Contains(page, "sh-rtr-1") || strings.Contains(page, "cd-ups-1") {
		t.Error("a branch exports its own")
	}
	if status, _, _ := li.upload("/register/preview", "file", "x.yaml", []byte("vendors: []")); status != http.StatusForbidden {
		t.Errorf("a branch imports: %d", status)
	}
	status, at, page := chen.upload("/register/preview", "file", "x.yaml", []byte("vendors: [{id: unicom-sh, hours: 工作日}]\ncontracts: [{id: c1, until: 2031-01-31}]"))
	if status != http.StatusOK || !strings.HasPrefix(at, "/register/imports/") || !strings.Contains(page, "2031-01-31") || !strings.Contains(page, at+"/apply") {
		t.Fatalf("preview: %d at %s\n%s", status, at, page)
	}
	if _, _, page := chen.get("/register?sheet=contracts"); strings.Contains(page, "2031-01-31") {
		t.Error("a preview changed something")
	}
	if status, _, page = chen.post(at + "/apply"); status != http.StatusOK || !strings.Contains(page, at+"/undo") {
		t.Fatalf("apply: %d\n%s", status, page)
	}
	if _, _, page := chen.get("/register?sheet=contracts"); !strings.Contains(page, "2031-01-31") {
		t.Error("what was applied is not shown")
	}
	if status, _, _ = li.post(at + "/undo"); status != http.StatusForbidden {
		t.Errorf("a branch undoes: %d", status)
	}
	if status, _, _ = chen.post(at + "/undo"); status != http.StatusOK {
		t.Errorf("undo: %d", status)
	}
	if _, _, page := chen.get("/register?sheet=contracts"); strings.Contains(page, "2031-01-31") {
		t.Error("what was undone is shown")
	}
	if status, _, page = chen.upload("/register/preview", "file", "x.yaml", []byte("contracts: [{id: c9, vendor: ghost, kind: 保修}]")); !strings.Contains(page, "没有这个厂商：ghost") || strings.Contains(page, "/apply") {
		t.Errorf("a faulty file: %d\n%s", status, page)
	}
}

func TestInspectionIsSignedOnceAndChecked(t *testing.T) {
	f := newFixture(t)
	li, chen, guest := f.browser(), f.browser(), f.browser()
	li.signIn("li")
	chen.signIn("chen")
	guest.signIn("guest")
	path := "/inspections/shanghai/" + testNow.In(zoneOf("")).Format(time.DateOnly)
	_, _, page := li.get(path)
	for _, want := range []string{"34.5", `value="abnormal" required checked`, "没有监测数据"} {
		if !strings.Contains(page, want) {
			t.Errorf("the sheet does not show %q", want)
		}
	}
	if status, _, _ := li.get(strings.Replace(path, "shanghai", "chengdu", 1)); status != http.StatusNotFound {
		t.Errorf("another branch's sheet: %d", status)
	}
	sub, err := fs.Sub(rules.FS(), "inspection")
	if err != nil {
		t.Fatal(err)
	}
	lists, err := inspection.Load(sub)
	if err != nil {
		t.Fatal(err)
	}
	var form []string
	for _, x := range lists[0].Items {
		form = append(form, "said."+x.ID, "ok")
	}
	if status, _, page := li.post(path, form...); status != http.StatusUnprocessableEntity || !strings.Contains(page, "与监测结果不一致") {
		t.Fatalf("a measurement overruled without a word: %d\n%s", status, page)
	}
	form = append(form, "note.temperature", "探头被晒")
	if status, _, _ := guest.post(path, form...); status != http.StatusForbidden {
		t.Errorf("a viewer signs: %d", status)
	}
	if status, _, page := li.post(path, form...); status != http.StatusOK || !strings.Contains(page, "探头被晒") || !strings.Contains(page, "内容未被改动") {
		t.Fatalf("signing: %d\n%s", status, page)
	}
	if status, _, _ := li.post(path, form...); status != http.StatusConflict {
		t.Errorf("signed twice: %d", status)
	}
	if status, _, _ := li.post(path+"/check", "result", "agrees"); status != http.StatusForbidden {
		t.Errorf("a branch checks itself: %d", status)
	}
	if _, _, page := chen.get("/inspections"); !strings.Contains(page, "请抽查") {
		t.Error("head office is not asked to check")
	}
	if status, _, _ := chen.post(path+"/check", "result", "differs"); status != http.StatusUnprocessableEntity {
		t.Errorf("a verdict without a word: %d", status)
	}
	if _, _, page := chen.post(path+"/check", "result", "differs", "item", "fire", "note", "灭火器过期"); !strings.Contains(page, "灭火器过期") {
		t.Errorf("the spot check is not shown\n%s", page)
	}
}

// signIn signs the browser in, to Chinese pages.
func (b *browser) signIn(name string) {
	b.t.Helper()
	b.header.Set("Accept-Language", "zh-CN")
	if status, at, _ := b.post("/sign-in", "name", name, "password", testPassword, "next", "/account"); status != http.StatusOK || at != "/account" {
		b.t.Fatalf("sign in as %s: %d at %s", name, status, at)
	}
}

// sampleRegisterInventory is the inventory of the fixture's register.
func sampleRegisterInventory(t *testing.T) *inventory.Inventory {
	t.Helper()
	_, graph, _ := estateFile(t)
	return graph().Inventory()
}
