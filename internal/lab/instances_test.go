//go:build unix

package lab_test

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/faultline/faultline/agent/input/inputtest"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/sqlstore/storetest"
	"github.com/faultline/faultline/plugins/bundled/database"
)

// TestTwoDatabasesOnOneHost measures two private PostgreSQL servers on one address, as
// the inventory hands them out: no series of the one is the other's, by the label
// instance alone.
func TestTwoDatabasesOnOneHost(t *testing.T) {
	var ports [2]string
	text := "sites: [{id: hq, kind: hq}]\nagents: [{id: a, site: hq, device: db}]\ndevices:\n  - id: db\n    site: hq\n    kind: database\n    addresses: [127.0.0.1]\n    databases:\n"
	for i := range ports {
		p, err := storetest.StartPostgres()
		if err != nil {
			storetest.SkipOrFail(t, err)
		}
		t.Cleanup(p.Stop)
		u, err := url.Parse(p.URL(t))
		if err != nil {
			t.Fatal(err)
		}
		password, _ := u.User.Password()
		ports[i] = u.Port()
		text += fmt.Sprintf("      - {agent: a, kind: postgresql, component: erp, port: %s, user: %s, password: %q, options: {details_every: 1s}, timeout: 30s}\n", ports[i], u.User.Username(), password)
	}
	inv, err := inventory.Parse("two.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	w, _ := inv.Work("a")
	in, seen := database.New(database.Options{}), map[string]string{}
	t.Cleanup(in.Close)
	for i, tg := range w.Targets {
		if want := "127.0.0.1:" + ports[i]; tg.Labels["instance"] != want || tg.Labels["job"] != "postgres" {
			t.Errorf("labels %v, want instance %s of job postgres", tg.Labels, want)
		}
		var r *inputtest.Recorder
		inputtest.Until(t, "a whole answer of "+tg.Address, func() bool {
			got, err := inputtest.Gather(t, in, tg)
			r = got
			return err == nil && got.Values["pg_up"] == 1
		})
		for s := range r.Values {
			s += " of " + tg.Labels["instance"]
			if other, twice := seen[s]; twice {
				t.Fatalf("%s is written for %s and %s", s, other, tg.ID)
			}
			seen[s] = tg.ID
		}
		if len(r.Values) < 50 {
			t.Errorf("%s has only %d series", tg.ID, len(r.Values))
		}
	}
	if len(w.Targets) != 2 || w.Targets[0].Labels["component"] != w.Targets[1].Labels["component"] {
		t.Errorf("targets %+v", w.Targets)
	}
}
