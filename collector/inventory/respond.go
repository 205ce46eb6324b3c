package inventory

import (
	"cmp"
	"time"
)

// RespondFor returns within which time the vendor answers about a device or line
// by contract, and on which calendar that counts: always where none is agreed.
// respond is "" where no contract says.
func (g *Graph) RespondFor(id, vendor string, at time.Time) (respond, calendar string) {
	if l, ok := g.lines[id]; ok {
		if l.Carrier != vendor {
			return "", ""
		}
		return l.Respond, "always"
	}
	c, _ := g.contract(id, at, func(c Contract) bool { return c.Vendor == vendor })
	return c.Respond, cmp.Or(c.Calendar, "always")
}
