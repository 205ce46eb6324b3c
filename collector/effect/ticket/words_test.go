package ticket

import (
	"testing"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/lang"
)

// TestLineRoleIsSaidOnce: a line whose name says what it is for is not called
// "main line (main line)".
func TestLineRoleIsSaidOnce(t *testing.T) {
	for name, want := range map[string]string{"Main line": "", "Shanghai main line": "", "Shanghai, China Telecom": "main line"} {
		g := inventory.NewGraph(&inventory.Inventory{Lines: []inventory.Line{{ID: "l", Name: lang.Text{ZH: "专线", EN: name}, Role: "main"}}})
		if got := lineOf(g, incident.Diagnosis{Device: "l"}, lang.EN); got == nil || got.Role != want {
			t.Errorf("%s: %+v, want the role %q", name, got, want)
		}
	}
	g := inventory.NewGraph(&inventory.Inventory{Lines: []inventory.Line{{ID: "l", Name: lang.Text{ZH: "上海主用线路", EN: "x"}, Role: "main"}}})
	if got := lineOf(g, incident.Diagnosis{Device: "l"}, lang.ZH); got.Role != "" {
		t.Errorf("in Chinese: %q", got.Role)
	}
}
