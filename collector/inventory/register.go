package inventory

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Contact is a person or desk of a vendor.
type Contact struct {
	Name  string `yaml:"name"`
	Title string `yaml:"title"` // dispatcher, account manager, ...
	Phone string `yaml:"phone"`
	Email string `yaml:"email"`
	Hours string `yaml:"hours"` // when it is reached: 7x24, 工作日 8:30-17:30; "" as the vendor's
	Level int    `yaml:"level"` // 1 is called first, 2 when that brings nothing, ...
	After string `yaml:"after"` // so long after the opening this level is called: 2h
}

// Reached returns the contact with the hours that count: the vendor's where it
// has none of its own.
func (v Vendor) Reached(c Contact) Contact {
	if strings.TrimSpace(c.Hours) == "" {
		c.Hours = v.Hours
	}
	return c
}

// Certificate is anything bought or issued that ends on a day: a TLS
// certificate, a licence, a maintenance subscription.
type Certificate struct {
	ID     string `yaml:"id"`
	Kind   string `yaml:"kind"` // tls, licence, subscription, other
	Name   string `yaml:"name"`
	Site   string `yaml:"site"`
	Device string `yaml:"device"`
	Vendor string `yaml:"vendor"`
	Until  string `yaml:"until"` // date, 2027-12-31
}

// Patch is one port of a patch panel: what is plugged into its back and front.
type Patch struct {
	Site       string `yaml:"site"`
	Panel      string `yaml:"panel"`
	Port       string `yaml:"port"`
	Switch     string `yaml:"switch"`      // device
	SwitchPort string `yaml:"switch_port"` // ifName
	Outlet     string `yaml:"outlet"`      // the socket in the room
	Device     string `yaml:"device"`      // what is plugged in there: a device of the inventory, or a MAC address
	Note       string `yaml:"note"`
}

// Key names the patch: site, panel and port.
func (p Patch) Key() string { return p.Site + "/" + p.Panel + "/" + p.Port }

var (
	certificateKinds  = []string{"tls", "licence", "subscription", "other"}
	contractCalendars = []string{"", "work", "always"}
)

// checkRegister finds what is wrong with the register's own entries.
func (a *assembly) checkRegister() {
	a.checkContacts()
	a.checkContractTerms()
	a.checkLineTerms()
	a.checkCertificates()
	a.checkPatches()
}

func (a *assembly) checkContacts() {
	for i, v := range a.inv.Vendors {
		for j, c := range v.Contacts {
			w := at{list: "vendors", i: i}.field("contacts[%d]", j)
			if c.Name == "" {
				a.bad(w, "contact without name")
			}
			if c.Email != "" {
				a.email(w.field("email"), c.Email)
			}
			a.span(w.field("after"), "after", c.After)
			if c.Level < 0 {
				a.bad(w.field("level"), "level cannot be negative")
			}
		}
	}
}

func (a *assembly) checkContractTerms() {
	for i, c := range a.inv.Contracts {
		w := at{list: "contracts", i: i}
		a.date(w.field("from"), "from", c.From)
		a.span(w.field("respond"), "respond", c.Respond)
		a.span(w.field("repair"), "repair", c.Repair)
		a.oneOf(w.field("calendar"), "calendar", c.Calendar, contractCalendars)
		if c.From != "" && c.Until != "" && c.Until < c.From {
			a.bad(w.field("until"), "until %s is before from %s", c.Until, c.From)
		}
	}
}

func (a *assembly) checkLineTerms() {
	for i, l := range a.inv.Lines {
		w := at{list: "lines", i: i}
		if l.Availability < 0 || l.Availability > 100 {
			a.bad(w.field("availability"), "availability %v is no percentage such as 99.9", l.Availability)
		}
		a.date(w.field("from"), "from", l.From)
		a.date(w.field("until"), "until", l.Until)
		a.span(w.field("respond"), "respond", l.Respond)
		a.span(w.field("repair"), "repair", l.Repair)
	}
}

func (a *assembly) checkCertificates() {
	for i, c := range a.inv.Certificates {
		w := at{list: "certificates", i: i}
		a.oneOf(w.field("kind"), "kind", c.Kind, certificateKinds)
		if c.Site != "" {
			a.site(w.field("site"), c.Site)
		}
		if c.Device != "" {
			a.thing(w.field("device"), c.Device)
		}
		if c.Vendor != "" && find(a.inv.Vendors, func(v Vendor) bool { return v.ID == c.Vendor }) == nil {
			a.bad(w.field("vendor"), "vendor: no vendor %q", c.Vendor)
		}
		if c.Until == "" {
			a.bad(w, "until is missing: a certificate ends on a day")
		}
		a.date(w.field("until"), "until", c.Until)
	}
}

func (a *assembly) checkPatches() {
	sites, devices := map[string]bool{}, map[string]bool{}
	for _, s := range a.inv.Sites {
		sites[s.ID] = true
	}
	for _, d := range a.inv.Devices {
		devices[d.ID] = true
	}
	keys, plugs := map[string]bool{}, map[string]string{}
	for i, p := range a.inv.Patches {
		w := at{list: "patches", i: i}
		switch {
		case !sites[p.Site]:
			a.bad(w.field("site"), "no site %q", p.Site)
		case p.Panel == "" || p.Port == "":
			a.bad(w, "panel and port are needed")
		case keys[p.Key()]:
			a.bad(w.field("port"), "port %s of panel %s is entered twice", p.Port, p.Panel)
		}
		keys[p.Key()] = true
		if p.Switch == "" {
			if p.SwitchPort != "" {
				a.bad(w.field("switch_port"), "switch_port without switch")
			}
			continue
		}
		if !devices[p.Switch] {
			a.bad(w.field("switch"), "no device %q", p.Switch)
		}
		plug := p.Switch + " " + p.SwitchPort
		if other, ok := plugs[plug]; ok && p.SwitchPort != "" {
			a.bad(w.field("switch_port"), "port %s of %s is already patched to %s", p.SwitchPort, p.Switch, other)
		}
		plugs[plug] = p.Key()
	}
}

func (a *assembly) date(w at, what, s string) {
	if _, err := time.Parse(time.DateOnly, s); s != "" && err != nil {
		a.bad(w, "%s %q is not a date such as 2027-12-31", what, s)
	}
}

// span takes 30m, 4h and whole days such as 2d.
func (a *assembly) span(w at, what, s string) {
	if _, err := ParseSpan(s); err != nil {
		a.bad(w, "%s %q is not a duration such as 30m, 4h or 2d", what, s)
	}
}

// ParseSpan reads a contractual limit: a Go duration, or whole days as 2d, which
// are days of 24 h. "" is 0: no limit is agreed.
func ParseSpan(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	if days, ok := strings.CutSuffix(s, "d"); ok && !strings.ContainsFunc(days, func(r rune) bool { return r < '0' || r > '9' }) && days != "" {
		h, err := time.ParseDuration(days + "h")
		return 24 * h, err
	}
	d, err := time.ParseDuration(s)
	if err == nil && d < 0 {
		return 0, fmt.Errorf("duration %q is negative", s)
	}
	return d, err
}

// ContractsOf returns every contract that covers a device on the day of at,
// the closest first, as ContractFor chooses.
func (g *Graph) ContractsOf(device string, at time.Time) []Contract {
	d, ok := g.devices[device]
	if !ok {
		return nil
	}
	today := at.In(g.Location(d.Site)).Format(time.DateOnly)
	out := filter(g.inv.Contracts, func(c Contract) bool { return covers(c, d, today) > 0 })
	slices.SortStableFunc(out, func(x, y Contract) int { return covers(y, d, today) - covers(x, d, today) })
	return out
}

// PatchesOf returns the patches of a site, in the inventory's order.
func (g *Graph) PatchesOf(site string) []Patch {
	return filter(g.inv.Patches, func(p Patch) bool { return p.Site == site })
}
