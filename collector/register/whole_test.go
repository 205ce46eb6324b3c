package register

import (
	"slices"
	"testing"

	"github.com/faultline/faultline/collector/inventory"
)

// whole has something in every column of every sheet, some of it awkward: a
// serial number with zeros before it, a port that looks like a date, quotes,
// commas, several values, both languages.
const whole = `
company: Example
sites:
  - {id: hq, name: {zh-CN: 总公司, en: HQ}, kind: hq}
  - {id: b1, name: {zh-CN: 一分公司, en: Branch 1}, kind: branch}
vendors:
  - {id: ct, kind: carrier, name: {zh-CN: "电信，“专线”部", en: 'Telecom "lines"'}, language: en, emails: [noc@ct.example, duty@ct.example], phone: "010-0001", hours: 7x24, desk: email, contacts: [{level: 1, name: 陈工, title: 值班, phone: "0138", email: chen@ct.example, hours: "工作日 8:30-12:00, 13:30-17:30; 周六 9-12"}, {level: 2, name: 李经理, after: 2h, hours: "22:00-06:00"}]}
contracts:
  - {id: c1, number: "007", vendor: ct, kind: warranty, sites: [b1, hq], devices: [rtr], kinds: [router, switch], from: 2026-01-01, until: 2026-12-31, respond: 30m, repair: 2d, calendar: work, note: "a: b, {c} # d"}
agents:
  - {id: a, site: hq}
devices:
  - {id: rtr, site: b1, kind: router, name: {zh-CN: 出口, en: Edge}, addresses: [10.0.0.1, "2001:db8::1"], vendor: Huawei, model: AR651, serial: "000042", targets: [{agent: a, input: snmp, options: {community: x}}]}
lines:
  - {id: "ct:1", site: b1, carrier: ct, circuit: "1-2", name: {zh-CN: 一, en: one}, role: main, mbps: 0.5, a_end: {device: rtr, interface: GE0/0/1, address: 10.9.0.1}, b_end: {device: rtr, interface: GE0/0/2, address: 10.9.0.2}, availability: 99.95, respond: 30m, repair: 4h, from: 2026-01-01, until: 2027-12-31}
certificates:
  - {id: web, kind: tls, name: www, site: hq, device: rtr, vendor: ct, until: 2027-03-01}
patches:
  - {site: b1, panel: A, port: "01", switch: rtr, switch_port: "1/3", outlet: 3F-01, device: rtr, note: "  spaced  "}
`

// TestEveryColumnThereAndBack: the export of everything the register can hold,
// read again in each format and language, changes nothing.
func TestEveryColumnThereAndBack(t *testing.T) {
	all := []inventory.File{{Name: "whole.yaml", Data: []byte(whole)}}
	inv, err := inventory.ParseFiles(all)
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	for _, s := range Sheets() {
		rows := Rows(inv, s)
		want += len(rows)
		for _, c := range s.Columns {
			if !slices.ContainsFunc(rows, func(r Row) bool { return r.Cells[c.Path] != "" }) {
				t.Errorf("nothing stands in column %s of %s: the test shows nothing of it", c.Path, s.Name)
			}
		}
	}
	for name, f := range thereAndBack(t, inv) {
		rows, problems, err := f()
		if err != nil || len(problems) > 0 {
			t.Fatalf("%s: %v %+v", name, err, problems)
		}
		p, err := MakePlan(all, "register.yaml", rows)
		if err != nil || len(p.Edits) > 0 || len(p.Problems) > 0 || p.Same != want {
			t.Errorf("%s: %d the same, want %d; edits %+v, problems %+v, %v", name, p.Same, want, p.Edits, p.Problems, err)
		}
	}
}
