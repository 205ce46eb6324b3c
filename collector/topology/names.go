package topology

import (
	"strings"
	"time"

	"github.com/faultline/faultline/collector/inventory"
)

// Found is what is known of who stands at whose port, and what follows from it.
type Found struct {
	At        time.Time // when it was compared; zero: not yet
	Sightings []Sighting
	Drift     []Drift
	Proposals []Proposal
}

// Names are what devices are called beside their inventory names: what they call
// themselves (sysName) and their MAC addresses, in lower case. A word that two
// devices answer to names neither.
type Names struct {
	byWord map[string]string
}

// NewNames makes Names without any.
func NewNames() *Names { return &Names{byWord: map[string]string{}} }

// Add notes that the device is called so.
func (n *Names) Add(word, device string) {
	word = strings.ToLower(word)
	if word == "" || device == "" {
		return
	}
	if other, taken := n.byWord[word]; taken && other != device {
		device = ""
	}
	n.byWord[word] = device
}

// Device returns whose word it is, "" when nobody's or not one device's alone.
func (n *Names) Device(word string) string {
	word = strings.ToLower(word)
	if d := n.byWord[word]; d != "" {
		return d
	}
	short, _, _ := strings.Cut(word, ".")
	return n.byWord[short]
}

// Resolve returns the sightings with the neighbours that are known under other
// words called by their inventory names. What the inventory knows itself, it knows
// better. Two devices that see the same neighbour by several words are one sight.
func Resolve(g *inventory.Graph, n *Names, seen []Sighting) []Sighting {
	out := make([]Sighting, 0, len(seen))
	for _, s := range seen {
		if _, known := resolve(g, s.Device, s.Neighbor); !known {
			if d := n.Device(s.Neighbor); d != "" {
				s.Neighbor = d
			} else if d := n.Device(s.FarPort); s.By == ByARP && d != "" {
				s.Neighbor = d
			}
		}
		if s.Neighbor != s.Device {
			out = append(out, s)
		}
	}
	return out
}

// Latest leaves out what a device no longer says: whoever it saw before, and not
// any more when it looked last. A device looks at its neighbours at intervals; two
// sights within apart are of one look.
func Latest(seen []Sighting, apart time.Duration) []Sighting {
	type look struct{ device, by string }
	newest := map[look]time.Time{}
	for _, s := range seen {
		if k := (look{s.Device, s.By}); s.At.After(newest[k]) {
			newest[k] = s.At
		}
	}
	var out []Sighting
	for _, s := range seen {
		if newest[look{s.Device, s.By}].Sub(s.At) <= apart {
			out = append(out, s)
		}
	}
	return out
}
