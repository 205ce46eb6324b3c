package process

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/faultline/faultline/collector/incident"
)

// TestWhySaysWhereTheLimitIsWritten: the answer to "why is this due then?" ends
// with the document, or the contract.
func TestWhySaysWhereTheLimitIsWritten(t *testing.T) {
	_, cals := shipped(t)
	env := func(at string) Env { return Env{Now: beijing(t, at), Calendars: cals} }
	d, i := friday(t, env)
	why := reading(t, d, i, "handle", env("2026-02-14 09:00")).Why
	for _, want := range []string{"《IT 部门工作流程管理制度》网络故障管理流程", fmt.Sprintf("第 %d 版", d.Version)} {
		if !strings.Contains(why.ZH, want) {
			t.Errorf("%q is not in %s", want, why.ZH)
		}
	}
	if !strings.Contains(why.EN, fmt.Sprintf("process Network fault, version %d (", d.Version)) {
		t.Errorf("in English: %s", why.EN)
	}
	promised := env("2026-02-13 16:30")
	promised.Promise = func(string, incident.Diagnosis) Promise { return Promise{Repair: "6h", Calendar: "always"} }
	at := promised.Now
	first := incident.Event{IncidentID: "i2", Kind: incident.Opened, At: at, VendorID: "carrier-a", Diagnosis: diagnosisOf("carrier_line", incident.VendorCarrier, "network")}
	if i = mustStep(t, d, incident.Incident{}, first, promised); !strings.Contains(reading(t, d, i, "vendor", promised).Why.ZH, "出自与厂商的合同") {
		t.Errorf("a contract's limit: %s", reading(t, d, i, "vendor", promised).Why.ZH)
	}
}

// TestDocumentedLimits holds the table of docs/processes.md to the shipped files.
func TestDocumentedLimits(t *testing.T) {
	b, err := os.ReadFile("../../docs/processes.md")
	if err != nil {
		t.Fatal(err)
	}
	said := regexp.MustCompile("(?m)^\\| `[a-z_]+` \\| `[a-z_]+` \\| .*$").FindAllString(string(b), -1)
	set, _ := shipped(t)
	var want []string
	for _, id := range set.IDs() {
		d, _ := set.Latest(id)
		for _, c := range d.Clocks {
			late := c.Late.After
			if late == "" {
				late = "–"
			}
			want = append(want, fmt.Sprintf("| `%s` | `%s` | %s | %s | %s |", id, c.ID, c.Target, c.Calendar, late))
		}
	}
	slices.Sort(said)
	slices.Sort(want)
	if !slices.Equal(said, want) {
		t.Errorf("docs/processes.md has\n%s\nthe files have\n%s", strings.Join(said, "\n"), strings.Join(want, "\n"))
	}
	for _, row := range []string{"| `security` | `report` | 1h | always | 2h |", "| `network` | `handle` | 4h | work | 2h |"} {
		if !slices.Contains(want, row) {
			t.Errorf("the handbook's %s is not shipped", row)
		}
	}
}
