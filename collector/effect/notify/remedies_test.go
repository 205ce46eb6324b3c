package notify

import (
	"strings"
	"testing"

	"github.com/faultline/faultline/collector/effect"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/lang"
)

// TestRemediesHaveTheirTitle: people read the title of a remedy in their own
// language, not its name in the configuration; without a title its name.
func TestRemediesHaveTheirTitle(t *testing.T) {
	for reason, want := range map[string][2]string{
		effect.ReasonRemedyProposed: {"有处置（重启接入端口）等待批准", "A remedy (Restart the access port) waits for approval"},
		effect.ReasonRemedyEnded:    {"处置已结束：重启接入端口，中途终止，已做的部分不会撤销。", "The remedy has ended: Restart the access port: was ended in the middle; what it had done is not undone."},
		effect.ReasonRemedyUnknown:  {"处置（重启接入端口）是否执行无法确定", "Nobody knows whether the remedy (Restart the access port) ran"},
	} {
		j := job(effect.Role, "hq_network", effect.Reason, reason, effect.Remedy, "restart-access", effect.Says, incident.RemedyStopped)
		j.Incident.Remedies = []incident.Remedy{{ID: "r1", Name: "restart-access", Title: lang.Text{ZH: "旧名", EN: "old"}},
			{ID: "r2", Name: "restart-access", Title: lang.Text{ZH: "重启接入端口", EN: "Restart the access port"}}, {ID: "r3", Name: "other", Title: lang.Same("other")}}
		c := &planner{}
		if _, err := executor(t, c).Execute(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		if text := c.told["li"].Text; !strings.Contains(text.ZH, want[0]) || !strings.Contains(text.EN, want[1]) || strings.Contains(text.ZH+text.EN, "restart-access") {
			t.Errorf("%s: %+v", reason, text)
		}
		j.Incident.Remedies = nil
		if _, err := executor(t, c).Execute(t.Context(), j); err != nil || !strings.Contains(c.told["li"].Text.ZH, "restart-access") {
			t.Errorf("%s without a title: %v %+v", reason, err, c.told["li"].Text)
		}
	}
}
