package bpmn

import (
	"fmt"
	"strings"

	"github.com/faultline/faultline/collector/process"
)

// remedy says what may be carried out in a step, by whose proposal and whose
// approval: BPMN has no word for what runs beside a task.
func (w *writer) remedy(s *process.StepDef, add func(zh, en, what string)) {
	m := s.Remedy
	if m == nil {
		return
	}
	names := strings.Join(m.Names, ", ")
	if names == "" {
		names = map[bool]string{true: "所有已配置的处置", false: "all that are configured"}[w.lang == "zh-CN"]
	}
	add("可提议处置", "remedies", names)
	add("处置提议", "propose a remedy", w.people(s.Proposers()))
	add("处置批准", "approve a remedy", fmt.Sprintf("%s ×%d", w.people(append([]string{m.Approve.By}, m.Approve.Delegates...)), m.Approve.Min))
	for _, c := range m.Suggest {
		add("流程提议", "the process proposes", c.Name+" ⇐ "+c.When)
	}
}
