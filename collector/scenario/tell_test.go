package scenario

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/faultline/faultline/rules"
)

// TestFailureIsReadable plays a story with a wrong expectation: who reads the
// failure learns in both languages what was expected, what came, and since when.
func TestFailureIsReadable(t *testing.T) {
	const story = `title: The switch is mute, and somebody expects a power cut.
inventory: company
timeline:
  - {at: 0s, mute: [north-sw]}
expect:
  - {at: 40s, incidents: [{class: power, device: north-sw, proof: [UPS]}]}
  - {at: 45s, incidents: []}
`
	company, err := fs.ReadFile(rules.FS(), "scenarios/inventories/company.yaml")
	if err != nil {
		t.Fatal(err)
	}
	list, err := Load(fstest.MapFS{"wrong.yaml": {Data: []byte(story)}, "inventories/company.yaml": {Data: company}}, nil)
	if err != nil || len(list) != 1 {
		t.Fatalf("%d scenarios, %v", len(list), err)
	}
	rep := Play(t.Context(), list[0], shipped(t), t.TempDir())
	if rep.Err == nil {
		t.Fatal("it went as expected")
	}
	got := rep.Err.Error()
	for _, want := range []string{
		"wrong.yaml:6: expect[0].incidents[0]: at 40s: no incident is like this (没有这样的故障单)", `expected 期望: class="power" device="north-sw" proof="UPS"`,
		`differs 不符: class is "configuration", expected "power"`, "came 实得: open configuration north-sw:", "opened 开单于 ", "by 依据 SNMPSilent (north-sw) since 始于 ",
		"wrong.yaml:7: expect[1].incidents: at 45s: 1 incidents, expected 0 (1 个故障单，期望 0 个)",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("it does not say %q:\n%s", want, got)
		}
	}
}
