package process

import (
	"fmt"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/lang"
)

// sourced adds to a sentence about a clock where its limit is written: in the
// process and the document that it restates, or in the vendor's contract.
func (d *Definition) sourced(c incident.Clock, why lang.Text) lang.Text {
	def, ok := d.Clock(c.Name)
	if !ok || why.IsZero() {
		return why
	}
	if c.Target != def.Target {
		return lang.Text{ZH: why.ZH + "限时出自与厂商的合同。", EN: why.EN + " The limit is that of the contract with the vendor."}
	}
	zh, en := fmt.Sprintf("限时出自流程「%s」第 %d 版", d.Title.In(lang.ZH), d.Version), fmt.Sprintf(" The limit is that of the process %s, version %d", d.Title.In(lang.EN), d.Version)
	if d.Source.Document != "" {
		zh += fmt.Sprintf("（《%s》%s）", d.Source.Document, d.Source.Section)
		en += fmt.Sprintf(" (%s, %s)", d.Source.Document, d.Source.Section)
	}
	return lang.Text{ZH: why.ZH + zh + "。", EN: why.EN + en + "."}
}
