package register

import (
	"cmp"
	"net"
	"slices"
	"strings"

	"github.com/faultline/faultline/collector/inventory"
)

// Sighting is somebody seen at a device's port: faultline_neighbour_info.
type Sighting struct {
	Device  string `json:"device"` // whose port it is
	Port    string `json:"port"`
	Who     string `json:"who"`                // name, MAC or IP address
	FarPort string `json:"far_port,omitempty"` // of ARP: the MAC address
	By      string `json:"by"`                 // lldp, cdp, fdb, arp
}

// Verdicts on a patch.
const (
	PatchSame    = "same"
	PatchDiffers = "differs"
	PatchEmpty   = "empty"   // nobody is seen at the port
	PatchUnknown = "unknown" // nothing is known: no switch port, no device, or a switch that tells nothing
	PatchExtra   = "extra"   // somebody is seen at a port that is not registered
)

// PatchCheck is a patch beside what was seen.
type PatchCheck struct {
	inventory.Patch
	Verdict string   `json:"verdict"`
	Seen    []string `json:"seen,omitempty"` // names of devices where they are known, else addresses
	By      []string `json:"by,omitempty"`
}

// accessHosts is how many hosts may be seen at a port that is one outlet's and
// no uplink's.
const accessHosts = 3

// CheckPatches compares a site's patches with what its switches see. Ports that
// nobody registered and on which few are seen follow, those that lead to other
// devices of the inventory left out.
func CheckPatches(g *inventory.Graph, site string, seen []Sighting) []PatchCheck {
	at, talks, names := sightingsAt(g, site, seen)
	var out []PatchCheck
	registered := map[string]bool{}
	for _, p := range g.PatchesOf(site) {
		c := PatchCheck{Patch: p, Verdict: PatchUnknown}
		key := portKey(p.Switch, p.SwitchPort)
		registered[key] = true
		for _, s := range at[key] {
			c.Seen, c.By = put(c.Seen, names.of(s.Who)), put(c.By, s.By)
		}
		switch {
		case p.Switch == "" || p.SwitchPort == "" || !talks[p.Switch] && len(c.Seen) == 0:
		case len(c.Seen) == 0:
			c.Verdict = PatchEmpty
		case p.Device == "":
			c.Verdict = PatchDiffers
		case slices.Contains(c.Seen, names.of(p.Device)):
			c.Verdict = PatchSame
		default:
			c.Verdict = PatchDiffers
		}
		out = append(out, c)
	}
	return append(out, extras(g, site, at, registered, names)...)
}

func put(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

func portKey(device, port string) string { return device + "\n" + strings.ToLower(port) }

// sightingsAt sorts sightings by the port of a device of the site, tells which devices
// tell of anybody, and learns whose addresses are whose.
func sightingsAt(g *inventory.Graph, site string, seen []Sighting) (at map[string][]Sighting, talks map[string]bool, n known) {
	at, talks, n = map[string][]Sighting{}, map[string]bool{}, known{}
	for _, d := range g.Inventory().Devices {
		for _, name := range []string{d.ID, d.Name.ZH, d.Name.EN} {
			if name != "" {
				n[strings.ToLower(name)] = d.ID
			}
		}
	}
	for _, s := range seen {
		if g.SiteOf(s.Device) != site {
			continue
		}
		if s.By == "arp" {
			if d, ok := g.DeviceAt(site, s.Who); ok {
				n[mac(s.FarPort)] = d.ID
			}
			continue
		}
		talks[s.Device] = true
		at[portKey(s.Device, s.Port)] = append(at[portKey(s.Device, s.Port)], s)
	}
	return at, talks, n
}

// known are devices by the names and addresses they are seen under.
type known map[string]string

func (n known) of(who string) string {
	if id, ok := n[mac(who)]; ok {
		return id
	}
	if id, ok := n[strings.ToLower(who)]; ok {
		return id
	}
	return mac(who)
}

// mac writes a MAC address in one way; other text stays.
func mac(s string) string {
	if a, err := net.ParseMAC(strings.ReplaceAll(s, "-", ":")); err == nil {
		return a.String()
	}
	if a, err := net.ParseMAC(s); err == nil { // 488e.ef71.66e0
		return a.String()
	}
	if hex := strings.ReplaceAll(s, "-", ""); len(hex) == 12 { // 488e-ef71-66e0
		if a, err := net.ParseMAC(hex[:4] + "." + hex[4:8] + "." + hex[8:]); err == nil {
			return a.String()
		}
	}
	return s
}

func extras(g *inventory.Graph, site string, at map[string][]Sighting, registered map[string]bool, n known) []PatchCheck {
	var out []PatchCheck
	for key, ss := range at {
		if registered[key] || links(g, ss[0]) {
			continue
		}
		c := PatchCheck{Patch: inventory.Patch{Site: site, Switch: ss[0].Device, SwitchPort: ss[0].Port}, Verdict: PatchExtra}
		for _, s := range ss {
			c.Seen, c.By = put(c.Seen, n.of(s.Who)), put(c.By, s.By)
		}
		if len(c.Seen) <= accessHosts {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b PatchCheck) int {
		return cmp.Or(cmp.Compare(a.Switch, b.Switch), cmp.Compare(a.SwitchPort, b.SwitchPort))
	})
	return out
}

// links tells whether the inventory says what hangs on the port: it is no
// outlet's.
func links(g *inventory.Graph, s Sighting) bool {
	d, _ := g.Device(s.Device)
	return slices.ContainsFunc(d.Ports, func(p inventory.Port) bool { return strings.EqualFold(p.Name, s.Port) && p.To != "" })
}

// Differences counts what is not as registered.
func Differences(all []PatchCheck) int {
	n := 0
	for _, c := range all {
		if c.Verdict == PatchDiffers || c.Verdict == PatchExtra {
			n++
		}
	}
	return n
}
