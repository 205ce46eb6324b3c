package inventory

import (
	"cmp"
	"slices"
	"time"
)

// ContractFor returns the contract that covers a device at a moment: one that
// names the device before one that names its kind, one for its site before one
// for all, a warranty before maintenance, the earlier written before the later.
func (g *Graph) ContractFor(device string, at time.Time) (Contract, bool) {
	return g.contract(device, at, func(Contract) bool { return true })
}

// VendorFor returns whom a fault of a device, line or carrier goes to, when the
// diagnosis asks for a vendor of that kind: a line's carrier, or the party to
// the device's best contract with a vendor of the kind.
func (g *Graph) VendorFor(id, kind string, at time.Time) (Vendor, bool) {
	if kind == "carrier" {
		if l, ok := g.lines[id]; ok {
			id = l.Carrier
		}
		v, ok := g.Vendor(id)
		return v, ok && v.Kind == kind
	}
	c, ok := g.contract(id, at, func(c Contract) bool {
		v, ok := g.vendors[c.Vendor]
		return ok && v.Kind == kind
	})
	if !ok {
		return Vendor{}, false
	}
	return g.Vendor(c.Vendor)
}

// PromisedFor returns within which time the vendor of the kind repairs a device
// or line by contract, and on which calendar that counts: always where
// none is agreed. repair is "" where no contract says.
func (g *Graph) PromisedFor(id, kind string, at time.Time) (repair, calendar string) {
	if l, ok := g.lines[id]; ok {
		if v, ok := g.Vendor(l.Carrier); !ok || v.Kind != kind {
			return "", ""
		}
		return l.Repair, "always"
	}
	c, _ := g.contract(id, at, func(c Contract) bool {
		v, ok := g.vendors[c.Vendor]
		return ok && v.Kind == kind
	})
	return c.Repair, cmp.Or(c.Calendar, "always")
}

func (g *Graph) contract(device string, at time.Time, fits func(Contract) bool) (Contract, bool) {
	d, ok := g.devices[device]
	if !ok {
		return Contract{}, false
	}
	today := at.In(g.Location(d.Site)).Format(time.DateOnly)
	best, score := Contract{}, 0
	for _, c := range g.inv.Contracts {
		if s := covers(c, d, today); s > score && fits(c) {
			best, score = c, s
		}
	}
	return best, score > 0
}

// Location returns the time zone of a site; Asia/Shanghai when it names none.
func (g *Graph) Location(site string) *time.Location {
	zone := "Asia/Shanghai"
	if s, ok := g.sites[site]; ok && s.Zone != "" {
		zone = s.Zone
	}
	loc, err := time.LoadLocation(zone)
	if err != nil { // a machine without zone data
		return time.FixedZone("CST", 8*60*60)
	}
	return loc
}

// covers returns how closely a contract fits a device on a day, 0 for not at all.
func covers(c Contract, d *Device, today string) int {
	score := 1
	if c.Until != "" && c.Until < today || c.From > today {
		return 0
	}
	if len(c.Sites) > 0 {
		if !slices.Contains(c.Sites, d.Site) {
			return 0
		}
		score += 2
	}
	switch {
	case slices.Contains(c.Devices, d.ID):
		score += 8
	case slices.Contains(c.Kinds, d.Kind):
		score += 4
	case len(c.Devices) > 0 || len(c.Kinds) > 0:
		return 0
	}
	if c.Kind == "warranty" {
		score++
	}
	return score
}
