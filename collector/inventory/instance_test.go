package inventory

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestInstances: two databases on one host are told apart by host:port; a probe and
// a device are their address.
func TestInstances(t *testing.T) {
	inv, err := Parse("test.yaml", []byte(`
sites: [{id: hq, kind: hq}]
devices:
  - id: db
    site: hq
    kind: database
    addresses: [10.0.0.9]
    databases: [{agent: a, kind: postgresql}, {agent: a, kind: postgresql, port: 5433, component: second}, {agent: a, kind: mariadb}]
    targets:
      - {agent: a, input: database, component: third, address: "10.0.0.9:5434", options: {kind: postgres}}
      - {agent: a, input: database, component: six, address: "fd00::9", options: {kind: mysql}}
      - {agent: a, input: database, component: named, address: "10.0.0.9:5435", options: {kind: postgresql}, labels: {tier: core}}
      - {agent: a, input: enterprise_database, component: ora, options: {kind: oracle, service: X}}
      - {agent: a, input: enterprise_database, component: ms, address: db.example, options: {kind: sqlserver}}
      - {agent: a, input: probe, component: port, address: "10.0.0.9:5432", options: {module: tcp}}
      - {agent: a, input: snmp}
agents: [{id: a, site: hq, device: db}]
`))
	if err != nil {
		t.Fatal(err)
	}
	w, _ := inv.Work("a")
	got := map[string]string{}
	for _, tg := range w.Targets {
		got[tg.Input+" "+tg.Labels["component"]] = tg.Labels["job"] + " " + tg.Labels["instance"]
	}
	want := map[string]string{
		"database postgresql:5432": "postgres 10.0.0.9:5432", "database second": "postgres 10.0.0.9:5433", "database mariadb:3306": "mysql 10.0.0.9:3306",
		"database third": "postgres 10.0.0.9:5434", "database six": "mysql [fd00::9]:3306", "database named": "postgres 10.0.0.9:5435",
		"enterprise_database ora": "oracle 10.0.0.9:1521", "enterprise_database ms": "mssql db.example:1433",
		"probe port": "blackbox 10.0.0.9", "snmp ": "snmp 10.0.0.9",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d, slices.Collect(maps.Keys(got)))
	}
}
