package diff

import (
	"os"
	"strings"
	"testing"

	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/process/mutation"
)

func shipped(t testing.TB) *process.Set {
	t.Helper()
	set, err := process.Load(os.DirFS("../../../rules/processes"))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func changed(t *testing.T, id string, change ...string) []Change {
	t.Helper()
	old, _ := shipped(t).Latest(id)
	text := strings.NewReplacer(change...).Replace(old.Text())
	if text == old.Text() {
		t.Fatalf("%v changes nothing", change)
	}
	n, err := process.Parse("new.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return Compare(old, n)
}

func TestWords(t *testing.T) {
	for name, c := range map[string]struct {
		id     string
		change []string
		en, zh string
	}{
		"limit of a step": {"network", []string{"{after: 1h, calendar: work, to: hq_assist}", "{after: 6h, calendar: work, to: hq_assist}"},
			`limit of step "Judge and analyse" (go on to “HQ assists”): from 1 h working time to 6 h working time`,
			"“故障判断与原因分析”的时限（转入“总公司网管协助处理”）：由“1 小时（工作时间）”改为“6 小时（工作时间）”"},
		"limit of a clock": {"network", []string{"    target: 4h\n    calendar: work", "    target: 6h\n    calendar: work"},
			`limit "Handling by branch IT": from 4 h working time to 6 h working time`, "时限“分公司处理”：由“4 小时（工作时间）”改为“6 小时（工作时间）”"},
		"a working day": {"network", []string{"target: 1d", "target: 2d"}, `limit "Handling by HQ": from 1 working day to 2 working days`, "时限“总公司处理”：由“1 个工作日”改为“2 个工作日”"},
		"who confirms": {"network", []string{"\n    approve: {by: hq_network,", "\n    approve: {by: hq_it_manager,"},
			`who confirms "HQ confirms the restart of the access device": from HQ network team to HQ IT manager`,
			"“总公司网管确认重启接入设备”由谁批准：由“总公司网络管理员”改为“信息技术部领导”"},
		"a choice elsewhere": {"network", []string{`en: Configuration}, to: hq_config}`, `en: Configuration}, to: hq_assist}`, `en: Change the configuration}, to: hq_config}`, `en: Change the configuration}, to: hq_config}`},
			`in "Judge and analyse", after "Configuration": from HQ changes and backs up the configuration to HQ assists`,
			"“故障判断与原因分析”中“设备配置变更”之后：由“总公司变更并备份设备配置”改为“总公司网管协助处理”"},
		"a document": {"infrastructure", []string{`            - {document: running_report, when: visited("supplier_repair")}` + "\n", ""},
			`in "Recovery confirmed", documents without which "It runs" needs a reason: from inspection report (visited("supplier_repair")), normal-running report (visited("supplier_repair")) to inspection report (visited("supplier_repair"))`,
			"“故障恢复确认”中“正常运行”必须提交：由“检查报告（visited(\"supplier_repair\")）、正常运行报告（visited(\"supplier_repair\")）”改为“检查报告（visited(\"supplier_repair\")）”"},
	} {
		t.Run(name, func(t *testing.T) {
			list := changed(t, c.id, c.change...)
			if len(list) != 1 || list[0].Text.EN != c.en || list[0].Text.ZH != c.zh {
				t.Fatalf("got %d: %+v", len(list), list)
			}
		})
	}
}

func TestNothingToSay(t *testing.T) {
	if list := changed(t, "network", "# The network fault process", "# This network fault process", "version: 2", "version: 3"); len(list) != 0 {
		t.Fatalf("a comment is a change: %v", list)
	}
}

// TestEveryChangeIsSaid: whatever is broken in a file that still loads is told.
func TestEveryChangeIsSaid(t *testing.T) {
	for _, id := range []string{"network", "change"} {
		old, _ := shipped(t).Latest(id)
		said := 0
		for n, m := range mutation.All(old.Text()) {
			if n%7 != 0 {
				continue // the others are alike
			}
			d, err := process.Parse("new.yaml", []byte(m.Text))
			if err != nil {
				continue
			}
			list := Compare(old, d)
			if len(list) == 0 {
				t.Errorf("nothing is said of %s", m.Name)
			}
			for _, c := range list {
				if strings.Contains(c.Text.EN+c.Text.ZH, "%!") || c.Text.ZH == "" || c.Text.EN == "" {
					t.Errorf("%s is said as %+v", m.Name, c.Text)
				}
			}
			said++
		}
		if said < 20 {
			t.Errorf("%s: only %d changes", id, said)
		}
	}
}
