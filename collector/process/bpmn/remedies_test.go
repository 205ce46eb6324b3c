package bpmn

import (
	"strings"
	"testing"
)

// TestRemediesAreExported: what may be carried out in a step, by whose word.
func TestRemediesAreExported(t *testing.T) {
	d, _ := shipped(t).Latest("network")
	for language, want := range map[string][]string{
		"en":    {"remedies: restart-device, reset-port", "propose a remedy: HQ network team, Branch IT", "approve a remedy: HQ network team, HQ IT manager ×1", "the process proposes: restart-device ⇐ diagnosis.device"},
		"zh-CN": {"可提议处置: restart-device, reset-port", "处置提议: 总公司网络管理员, 分公司IT", "处置批准: 总公司网络管理员, 信息技术部领导 ×1", "流程提议: restart-device ⇐ diagnosis.device"},
	} {
		out, err := Export(d, language)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(string(out), w) {
				t.Errorf("%s: no %q", language, w)
			}
		}
	}
}
