package route

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/lang"
)

var inv = &inventory.Inventory{
	Sites: []inventory.Site{{ID: "east", Kind: "branch"}, {ID: "west", Kind: "branch"}},
	Devices: []inventory.Device{
		{ID: "rtr", Site: "east", Kind: "router"}, {ID: "old", Site: "west", Kind: "router"},
		{ID: "ups", Site: "east", Kind: "ups"}, {ID: "env", Site: "east", Kind: "environment"}},
	Lines: []inventory.Line{{ID: "l1", Site: "east", Carrier: "telco", Circuit: "T-1"}},
	Vendors: []inventory.Vendor{
		{ID: "telco", Kind: "carrier", Name: lang.Text{ZH: "电信", EN: "Telco"}, Language: "zh-CN"},
		{ID: "maker", Kind: "equipment supplier", Name: lang.Same("Maker")},
		{ID: "keeper", Kind: "equipment supplier", Name: lang.Same("Keeper")},
		{ID: "power", Kind: "UPS maintainer", Name: lang.Same("Power")}},
	Contracts: []inventory.Contract{
		{ID: "m", Vendor: "keeper", Kind: "maintenance"},
		{ID: "w", Vendor: "maker", Kind: "warranty", Kinds: []string{"router"}, Until: "2026-06-30"},
		{ID: "u", Vendor: "power", Kind: "maintenance", Kinds: []string{"ups"}}},
}

func TestDecide(t *testing.T) {
	table, err := Load(os.DirFS("../../rules/routes"))
	if err != nil {
		t.Fatal(err)
	}
	in := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name string
		d    incident.Diagnosis
		now  time.Time
		want Decision
	}{
		{"a line goes to its carrier",
			incident.Diagnosis{Class: "carrier_line", Process: "network", VendorKind: "carrier", Device: "l1", Circuit: "T-1", Site: "east", Severity: "major"}, in,
			Decision{Process: "network", VendorID: "telco", VendorName: "电信", VendorKind: "carrier", OwnerRole: "branch_it", Severity: "major", GroupKey: "network/east/T-1"}},
		{"a carrier is its own vendor",
			incident.Diagnosis{Class: "carrier_line", Process: "network", VendorKind: "carrier", Device: "telco", Site: "east", Severity: "critical"}, in,
			Decision{Process: "network", VendorID: "telco", VendorName: "电信", VendorKind: "carrier", OwnerRole: "branch_it", Severity: "critical", GroupKey: "network/east/telco"}},
		{"warranty before maintenance",
			incident.Diagnosis{Class: "device", Process: "network", VendorKind: "equipment supplier", Device: "rtr", Site: "east", Severity: "critical"}, in,
			Decision{Process: "network", VendorID: "maker", VendorName: "Maker", VendorKind: "equipment supplier", OwnerRole: "branch_it", Severity: "critical", GroupKey: "network/east/rtr"}},
		{"maintenance when the warranty is over",
			incident.Diagnosis{Class: "device", Process: "network", VendorKind: "equipment supplier", Device: "rtr", Site: "east", Severity: "critical"}, in.AddDate(0, 2, 0),
			Decision{Process: "network", VendorID: "keeper", VendorName: "Keeper", VendorKind: "equipment supplier", OwnerRole: "branch_it", Severity: "critical", GroupKey: "network/east/rtr"}},
		{"the UPS maintainer",
			incident.Diagnosis{Class: "power", Process: "infrastructure", VendorKind: "UPS maintainer", Device: "ups", Site: "east", Severity: "major"}, in,
			Decision{Process: "infrastructure", VendorID: "power", VendorName: "Power", VendorKind: "UPS maintainer", OwnerRole: "branch_it", Severity: "major", GroupKey: "infrastructure/east/ups"}},
		{"nobody outside is called for a configuration",
			incident.Diagnosis{Class: "configuration", Process: "network", VendorKind: "none", Device: "rtr", Site: "east", Severity: "minor"}, in,
			Decision{Process: "network", VendorKind: "none", OwnerRole: "hq_network", Severity: "minor", GroupKey: "network/east/rtr"}},
		{"a database",
			incident.Diagnosis{Class: "database", Process: "database", VendorKind: "none", Device: "db", Site: "east", Severity: "critical"}, in,
			Decision{Process: "database", VendorKind: "none", OwnerRole: "hq_dba", Severity: "critical", GroupKey: "database/east/db"}},
		{"an unknown root names no vendor",
			incident.Diagnosis{Class: "device", Process: "network", VendorKind: "equipment supplier", Device: "nobody", Site: "east", Severity: "minor"}, in,
			Decision{Process: "network", VendorKind: "equipment supplier", OwnerRole: "branch_it", Severity: "minor", GroupKey: "network/east/nobody"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if d := cmp.Diff(tc.want, table.Decide(tc.d, inventory.NewGraph(inv), tc.now)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestLoadReportsEveryFault(t *testing.T) {
	_, err := Load(fstest.MapFS{"a.yaml": {Data: []byte("routes:\n  - id: x\n    when: {class: [cable]}\n    owner: nobody\n  - when: {process: [network]}\n    group: [moon]\n")}})
	for _, want := range []string{"a.yaml:2: route x: class", "a.yaml:2: route x: owner", "a.yaml:5: route without id", `group "moon"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not reported in %v", want, err)
		}
	}
	for name, text := range map[string]string{"no route": "routes: []\n", "last takes not everything": "routes:\n  - {id: a, owner: hq_dba, when: {process: [database]}}\n",
		"unknown field": "routes:\n  - {id: a, ovner: hq_dba}\n"} {
		if _, err := Load(fstest.MapFS{"a.yaml": {Data: []byte(text)}}); err == nil {
			t.Errorf("%s: loaded", name)
		}
	}
}
