package process

import (
	"io/fs"
	"os"
	"testing"

	"github.com/faultline/faultline/collector/sla"
)

func shipped(t testing.TB) (*Set, *sla.Calendars) {
	t.Helper()
	set, err := Load(os.DirFS("../../rules/processes"))
	if err != nil {
		t.Fatal(err)
	}
	cals, err := sla.Load(os.DirFS("../../rules/calendars"))
	if err != nil {
		t.Fatal(err)
	}
	return set, cals
}

func definition(t testing.TB, id string) *Definition {
	t.Helper()
	set, _ := shipped(t)
	d, ok := set.Latest(id)
	if !ok {
		t.Fatalf("no process %s", id)
	}
	return d
}

func TestShippedProcesses(t *testing.T) {
	set, cals := shipped(t)
	for _, id := range []string{"network", "database", "infrastructure", "security"} {
		d, ok := set.Latest(id)
		if !ok {
			t.Errorf("no process %s", id)
			continue
		}
		if err := d.CheckCalendars(cals); err != nil {
			t.Error(err)
		}
		if same, ok := set.Version(d.Ref()); !ok || same != d {
			t.Errorf("Version(%s) is not the definition", d.Ref())
		}
	}
}

func text(t testing.TB, name string) string {
	t.Helper()
	b, err := fs.ReadFile(os.DirFS("../../rules/processes"), name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
