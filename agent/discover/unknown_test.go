package discover

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/internal/lab/need"
	"github.com/faultline/faultline/internal/profile"
)

// unknownDevice serves an environment unit of a make that nobody has.
func unknownDevice(t testing.TB, address string, flags ...string) {
	t.Helper()
	m := device(1, "unit", "1.3.6.1.4.1.99998.7", "Acme A700 climate unit", 1)
	at := func(column, row string) string { return "1.3.6.1.4.1.99998.2.1." + column + "." + row }
	for row, name := range map[string]string{"1": "Rack temperature", "2": "Room temperature", "3": "Room humidity"} {
		m.text(at("2", row), name)
	}
	m.number(at("3", "1"), 241).number(at("3", "2"), 228).number(at("3", "3"), 43).number(at("4", "1"), 1).number(at("4", "2"), 1).number(at("4", "3"), 2)
	m.text("1.3.6.1.4.1.99998.1.1.0", "A700").number("1.3.6.1.4.1.2021.11.11.0", 90)
	m["1.3.6.1.4.1.99998.1.2.0"] = "65|12"
	m.serve(t, address, "labpub", flags...)
}

func TestDraft(t *testing.T) {
	address := hostPort("127.0.0.1", freePort(t))
	unknownDevice(t, address)
	u := Unknown{Config: snmp.Config{Address: address, Version: snmp.V2c, Community: "labpub", Timeout: 500 * time.Millisecond}, Profiles: profiles(t)}
	d, err := u.Draft(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d.Tables != 1 || d.Scalars != 2 || d.Objects != 11 || !strings.HasSuffix(d.Name, "-99998-draft") {
		t.Errorf("%s: %d tables, %d scalars of %d objects:\n%s", d.Name, d.Tables, d.Scalars, d.Objects, d.Text)
	}
	for _, want := range []string{"sys_object_id: [1.3.6.1.4.1.99998.7]", "class: temperature", "class: humidity", "type: counter", "- {oid: .1.1.0} # A700"} {
		if !strings.Contains(string(d.Text), want) {
			t.Errorf("%q is not in\n%s", want, d.Text)
		}
	}
	set, err := profile.Load(fstest.MapFS{d.Name + ".yaml": {Data: d.Text}})
	if err != nil {
		t.Fatal(err)
	}
	if p := set.Select(profile.Identification{SysObjectID: "1.3.6.1.4.1.99998.7"}); p.Own != d.Name {
		t.Errorf("the device is not taken by its draft but by %q", p.Own)
	}
	u.Name = "Not A Name"
	if _, err := u.Draft(t.Context()); err == nil || !strings.Contains(err.Error(), "name") {
		t.Errorf("a bad name: %v", err)
	}
}

// TestDraftInTime: what was read when the time is over is drafted, and it is said.
func TestDraftInTime(t *testing.T) {
	data, err := filepath.Abs(filepath.Join(shared(), "data", "snmp", "dev"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(data); err != nil {
		need.Missing(t, "no recorded devices: set FAULTLINE_SHARED to where they are")
	}
	address := hostPort("127.0.0.1", freePort(t))
	replay(t, address, data, "vrp_5720", "-serial", "-per-varbind", "2ms")
	u := Unknown{Config: snmp.Config{Address: address, Version: snmp.V2c, Community: "vrp_5720", Timeout: 2 * time.Second}, Profiles: profiles(t), All: true}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	d, err := u.Draft(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if d.Objects < 100 || d.Took > 6*time.Second || !strings.Contains(string(d.Text), "the time was over after") {
		t.Errorf("%d objects in %v", d.Objects, d.Took)
	}
}

func TestDraftOfNothing(t *testing.T) {
	address := hostPort("127.0.0.1", freePort(t))
	device(1, "plain", "1.3.6.1.4.1.99998.7", "Acme", 1).serve(t, address, "labpub")
	u := Unknown{Config: snmp.Config{Address: address, Version: snmp.V2c, Community: "labpub", Timeout: 500 * time.Millisecond}, Profiles: profiles(t)}
	if _, err := u.Draft(t.Context()); err == nil || !strings.Contains(err.Error(), "no objects of enterprises") {
		t.Errorf("%v", err)
	}
	u.Config.Address = hostPort("127.0.0.1", freePort(t))
	if _, err := u.Draft(t.Context()); !snmp.Silent(err) {
		t.Errorf("nobody listens: %v", err)
	}
}
