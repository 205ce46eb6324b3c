package inventory

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const withDatabases = `company: c
sites: [{id: hq, name: {zh-CN: 总, en: HQ}, kind: hq}]
agents: [{id: a, site: hq, device: d, host: true}]
devices:
  - id: d
    name: {zh-CN: 库, en: db}
    site: hq
    kind: database
    addresses: [10.0.0.9]
    databases:
`

func TestDatabases(t *testing.T) {
	inv, err := Parse("x", []byte(withDatabases+`      - {agent: a, kind: postgresql, user: watcher, password: hidden-word, tls: require, options: {slow_after: 10s}}
      - {agent: a, kind: mariadb, port: 3307, component: shop, timeout: 2s, password_file: /etc/faultline/secrets/shop}
`))
	if err != nil {
		t.Fatal(err)
	}
	w, _ := inv.Work("a")
	if len(w.Targets) != 3 {
		t.Fatalf("%d targets", len(w.Targets))
	}
	pg, my := w.Targets[1], w.Targets[2]
	if diff := cmp.Diff(map[string]string{"kind": "postgresql", "user": "watcher", "password": "hidden-word", "tls": "require", "slow_after": "10s"}, pg.Options); diff != "" {
		t.Error(diff)
	}
	if pg.Address != "10.0.0.9:5432" || pg.Labels["component"] != "postgresql:5432" || pg.Labels["role"] != "database" || pg.Labels["job"] != "postgres" || pg.Timeout != 4*time.Second {
		t.Errorf("PostgreSQL: %+v", pg)
	}
	if my.Address != "10.0.0.9:3307" || my.Labels["component"] != "shop" || my.Options["password_file"] == "" || my.Timeout != 2*time.Second {
		t.Errorf("MariaDB: %+v", my)
	}
	if s := inv.Devices[0].Databases[0].Password.String(); s != "<secret>" {
		t.Errorf("the password prints as %s", s)
	}
}

func TestDatabaseFaults(t *testing.T) {
	_, err := Parse("x", []byte(withDatabases+`      - {agent: ghost, kind: oracle, port: 99999, password: a, password_env: FAULTLINE_X, options: {user: u}, timeout: -1s}
`))
	for _, want := range []string{"ghost", `"oracle"`, "99999", "exclude each other", "not an option", "negative"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not reported in %v", want, err)
		}
	}
	if err != nil && strings.Contains(err.Error(), "hidden-word") {
		t.Error("a fault prints a password")
	}
}

func TestWarnings(t *testing.T) {
	inv, err := Parse("x", []byte(strings.ReplaceAll(withDatabases, "databases:", "targets:")+`      - {agent: a, input: probe, address: "10.0.0.9:3306", role: database, component: "orders:3306", options: {module: tcp}}
      - {agent: a, input: probe, address: "10.0.0.9:5432", role: database, component: "postgresql:5432", options: {module: tcp}}
`))
	if err != nil {
		t.Fatal(err)
	}
	if ws := inv.Warnings(); len(ws) != 1 || !strings.Contains(ws[0], "10.0.0.9:3306") {
		t.Errorf("warnings: %q", ws)
	}
}
