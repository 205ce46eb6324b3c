package process

import (
	"strings"

	"github.com/faultline/faultline/internal/lang"
)

// remedyWord stands among a step's limits in the drawing where remedies may be
// proposed.
var remedyWord = lang.Text{ZH: "+ 处置", EN: "+ remedy"}

// remedyTip says in a step's tool tip what may be carried out and who approves.
func (l sheet) remedyTip(id string) string {
	s, ok := l.d.Step(id)
	if !ok || s.Remedy == nil {
		return ""
	}
	tip := lang.Text{ZH: " · 可提议处置", EN: " · remedies"}.In(l.language)
	if len(s.Remedy.Names) > 0 {
		tip += ": " + strings.Join(s.Remedy.Names, ", ")
	}
	by := l.people(append([]string{s.Remedy.Approve.By}, s.Remedy.Approve.Delegates...))
	return tip + lang.Text{ZH: "；批准：", EN: "; approved by "}.In(l.language) + by
}
