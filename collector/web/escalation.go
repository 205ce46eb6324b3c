package web

import (
	"github.com/faultline/faultline/collector/people"
	"github.com/faultline/faultline/internal/lang"
)

// Escalation is what an incident's page shows of its chain.
type Escalation struct {
	Title    lang.Text
	Snapshot people.Snapshot
	Standing people.Standing
	Name     func(person string) string
}
