package replay

import (
	"slices"

	"github.com/faultline/faultline/collector/incident"
)

// remedy is what the company's configuration had of this name, as far as the
// past shows: what nobody ever proposed is proposed by no draft.
func (p *player) remedy(name string, _ incident.Incident) (incident.Remedy, bool) {
	m, ok := p.remedies[name]
	return m, ok
}

// sameRemedy is the remedy that a word of the past is about: the draft may number
// it otherwise, so it is the newest of the name. One the draft never had stays as
// it is, and is refused.
func (p *player) sameRemedy(m incident.Remedy) *incident.Remedy {
	name := ""
	for _, e := range p.past {
		if e.Kind == incident.RemedyProposed && e.Remedy.ID == m.ID {
			name = e.Remedy.Name
		}
	}
	for _, now := range slices.Backward(p.i.Remedies) {
		if now.Name == name {
			m.ID = now.ID
			break
		}
	}
	return &m
}
