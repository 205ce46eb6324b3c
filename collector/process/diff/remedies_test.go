package diff

import (
	"strings"
	"testing"
)

// TestRemediesAreSaid: what may be carried out in a step, and who has a word in
// it, is told when it changes; nothing else is.
func TestRemediesAreSaid(t *testing.T) {
	block := "    remedy:\n      names: [restart-device, reset-port]\n      propose: [hq_network, branch_it]\n      approve: {by: hq_network, min: 1, deny_self: true, delegates: [hq_it_manager]}\n"
	for name, c := range map[string]struct {
		change []string
		en     []string
	}{
		"one more": {[]string{"names: [restart-device, reset-port]", "names: [restart-device, reset-port, swap-card]"},
			[]string{`remedies that may be carried out in "HQ assists": from reset-port, restart-device to reset-port, restart-device, swap-card`}},
		"any": {[]string{"      names: [restart-device, reset-port]\n", ""},
			[]string{`remedies that may be carried out in "HQ assists": from reset-port, restart-device to all that are configured`}},
		"who proposes": {[]string{"propose: [hq_network, branch_it]", "propose: [hq_network]"},
			[]string{`who may propose remedies in "HQ assists": HQ network team`}},
		"who approves": {[]string{block, strings.Replace(block, "by: hq_network, min: 1", "by: branch_it, min: 1", 1)},
			[]string{`who approves remedies in "HQ assists": from HQ network team to Branch IT`}},
		"in place": {[]string{block, strings.Replace(block, ", delegates: [hq_it_manager]", "", 1)},
			[]string{`who may approve remedies in "HQ assists" in place: from HQ IT manager to none`}},
		"how many": {[]string{block, strings.Replace(block, "min: 1", "min: 2", 1)}, []string{`how many approve a remedy in "HQ assists": from 1 to 2`}},
		"own":      {[]string{block, strings.Replace(block, "deny_self: true", "deny_self: false", 1)}, []string{`who proposes a remedy in "HQ assists" may not approve it: from yes to no`}},
		"by itself": {[]string{`        - {when: diagnosis.device != "", name: restart-device}`, `        - {when: diagnosis.provisional, name: restart-device}`},
			[]string{`remedies that the process proposes by itself in "Restart the access device": from diagnosis.device != "" ⇒ restart-device to diagnosis.provisional ⇒ restart-device`}},
		"gone": {[]string{block, ""}, []string{`remedies that may be carried out in "HQ assists": from reset-port, restart-device to none`}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, x := range changed(t, "network", c.change...) {
				got = append(got, x.Text.EN)
			}
			if strings.Join(got, "\n") != strings.Join(c.en, "\n") {
				t.Errorf("got %q, want %q", got, c.en)
			}
		})
	}
}

// TestRemediesOfAStepAreNew: a step that had none says all of them.
func TestRemediesOfAStepAreNew(t *testing.T) {
	list := changed(t, "network", "    done: {zh-CN: 配置已变更并备份", "    remedy: {names: [roll-back], propose: [branch_it], approve: {by: hq_network, min: 1, deny_self: true}}\n    done: {zh-CN: 配置已变更并备份")
	var zh []string
	for _, c := range list {
		zh = append(zh, c.Text.ZH)
	}
	want := []string{"“总公司变更并备份设备配置”可执行的处置：由“无”改为“roll-back”", "“总公司变更并备份设备配置”可提议处置的角色：分公司IT",
		"“总公司变更并备份设备配置”的处置由谁批准：由“无”改为“总公司网络管理员”", "“总公司变更并备份设备配置”的处置所需批准人数：由 0 改为 1",
		"“总公司变更并备份设备配置”的处置提议人不得自批：由“否”改为“是”"}
	if strings.Join(zh, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q", zh)
	}
}
