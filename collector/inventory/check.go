package inventory

import (
	"encoding/hex"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/internal/lang"
)

// Words that the fields may hold.
var (
	siteKinds   = []string{"hq", "branch"}
	deviceKinds = []string{"router", "switch", "firewall", "server", "ups", "environment", "cooling", "database", "dns",
		"pdu", "storage", "bmc", "printer", "other"}
	dependencyKinds = []string{"", ForNetwork, ForPower}
	lineRoles       = []string{"main", "backup"}
	targetRoles     = []string{"", RoleLine, RolePath, RoleGateway, RoleWANRouter, RoleDevice, RoleService, RoleDatabase, RoleAgentHost}
	vendorKinds     = []string{"carrier", "equipment supplier", "UPS maintainer", "db vendor"}
	contractKinds   = []string{"warranty", "maintenance"}
	languages       = []string{"", lang.ZH, lang.EN}
	staffRoles      = []string{"branch_it", "hq_network", "hq_facility", "hq_dba", "hq_dev", "hq_it_manager", "user", "business_owner", "hq_security", "it_committee", "auditor", "admin"}
	reservedLabels  = []string{"job", "instance", "site", "device", "role", "component", "circuit", "agent"}
)

var (
	idPattern    = regexp.MustCompile(`^[\p{L}\p{N}][\p{L}\p{N}._:@+-]*$`)
	labelPattern = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
	hostPattern  = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*\.?$`)
)

// check finds everything wrong with the merged inventory.
func (a *assembly) check() {
	a.checkIDs()
	a.checkSites()
	a.checkDevices()
	a.checkLines()
	a.checkVendors()
	a.checkContracts()
	a.checkAgents()
	a.checkPeople()
	a.checkRegister()
	a.checkCycles()
}

// checkIDs: every element has an id, unique among its like; devices and lines
// share one set of names, which incidents and labels use.
func (a *assembly) checkIDs() {
	names := map[string]at{}
	inv := a.inv
	ids(a, "sites", inv.Sites, map[string]at{}, func(s Site) string { return s.ID })
	ids(a, "devices", inv.Devices, names, func(d Device) string { return d.ID })
	ids(a, "lines", inv.Lines, names, func(l Line) string { return l.ID })
	ids(a, "vendors", inv.Vendors, names, func(v Vendor) string { return v.ID })
	ids(a, "contracts", inv.Contracts, map[string]at{}, func(c Contract) string { return c.ID })
	ids(a, "agents", inv.Agents, map[string]at{}, func(g Agent) string { return g.ID })
	ids(a, "people", inv.People, map[string]at{}, func(p Person) string { return p.ID })
	ids(a, "certificates", inv.Certificates, map[string]at{}, func(c Certificate) string { return c.ID })
}

func ids[T any](a *assembly, list string, all []T, seen map[string]at, id func(T) string) {
	for i := range all {
		w, name := at{list, i, "id"}, id(all[i])
		first, dup := seen[name]
		switch {
		case name == "":
			a.bad(w, "id is missing")
		case !idPattern.MatchString(name):
			a.bad(w, "id %q: letters, digits and . _ : @ + - only, beginning with a letter or digit", name)
		case dup:
			file, line := a.line(first)
			a.bad(w, "id %q is already used by one of the %s in %s:%d", name, first.list, file, line)
		default:
			seen[name] = w
		}
	}
}

func (a *assembly) checkSites() {
	for i, s := range a.inv.Sites {
		w := at{list: "sites", i: i}
		a.oneOf(w.field("kind"), "kind", s.Kind, siteKinds)
		if s.Zone != "" {
			if _, err := time.LoadLocation(s.Zone); err != nil {
				a.bad(w.field("zone"), "zone %q is not an IANA time zone such as Asia/Shanghai", s.Zone)
			}
		}
	}
}

func (a *assembly) checkDevices() {
	addresses := map[[2]string]string{}
	for i, d := range a.inv.Devices {
		w := at{list: "devices", i: i}
		a.site(w.field("site"), d.Site)
		a.oneOf(w.field("kind"), "kind", d.Kind, deviceKinds)
		for j, addr := range d.Addresses {
			wa, key := w.field("addresses[%d]", j), [2]string{d.Site, addr}
			if !validHost(addr) {
				a.bad(wa, "address %q is neither an IP address nor a host name (no port here)", addr)
			} else if other, ok := addresses[key]; ok && other != d.ID {
				a.bad(wa, "address %s of site %s already belongs to device %s", addr, d.Site, other)
			}
			addresses[key] = d.ID
		}
		a.checkDependencies(w, d)
		a.checkPorts(w, d)
		if d.Host != "" {
			a.device(w.field("host"), d.Host)
		}
		for j, t := range d.Targets {
			a.checkTarget(w.field("targets[%d]", j), t, len(d.Addresses) > 0)
		}
		a.checkDatabases(w, d)
		a.checkScrapes(w, d)
	}
}

func (a *assembly) checkDependencies(w at, d Device) {
	for j, dep := range d.DependsOn {
		wd := w.field("depends_on[%d]", j)
		a.oneOf(wd.field("for"), "for", dep.For, dependencyKinds)
		if len(dep.AnyOf) == 0 {
			a.bad(wd, "any_of is empty")
		}
		for k, id := range dep.AnyOf {
			if id == d.ID {
				a.bad(wd.field("any_of[%d]", k), "device %s depends on itself", id)
			}
			a.thing(wd.field("any_of[%d]", k), id)
		}
	}
}

func (a *assembly) checkPorts(w at, d Device) {
	seen := map[string]bool{}
	for j, p := range d.Ports {
		wp := w.field("ports[%d]", j)
		if p.Name == "" {
			a.bad(wp, "port without name")
		} else if seen[p.Name] {
			a.bad(wp.field("name"), "port %s is named twice", p.Name)
		}
		seen[p.Name] = true
		if p.To != "" {
			a.thing(wp.field("to"), p.To)
		}
	}
}

func (a *assembly) checkTarget(w at, t Target, hasAddress bool) {
	a.agent(w.field("agent"), t.Agent)
	if t.Input == "" {
		a.bad(w, "input is missing (snmp, probe, ...)")
	}
	if t.Address != "" && !validTarget(t.Address) {
		a.bad(w.field("address"), "address %q is no host, host:port or URL", t.Address)
	}
	if t.Address == "" && !hasAddress {
		a.bad(w, "no address: neither the target nor what it stands under has one")
	}
	a.oneOf(w.field("role"), "role", t.Role, targetRoles)
	if t.Interval < 0 || t.Timeout < 0 {
		a.bad(w, "interval and timeout cannot be negative")
	}
	if t.Interval > 0 && t.Timeout > t.Interval {
		a.bad(w.field("timeout"), "timeout %s is longer than the interval %s", t.Timeout, t.Interval)
	}
	for k := range t.Labels {
		if slices.Contains(reservedLabels, k) || strings.HasPrefix(k, "__") || !labelPattern.MatchString(k) {
			a.bad(w.field("labels").field("%s", k), "label %q is no label name or is set by Faultline itself", k)
		}
	}
}

func (a *assembly) checkLines() {
	for i, l := range a.inv.Lines {
		w := at{list: "lines", i: i}
		a.site(w.field("site"), l.Site)
		a.oneOf(w.field("role"), "role", l.Role, lineRoles)
		if v := find(a.inv.Vendors, func(v Vendor) bool { return v.ID == l.Carrier }); v == nil {
			a.bad(w.field("carrier"), "carrier: no vendor %q", l.Carrier)
		} else if v.Kind != "carrier" {
			a.bad(w.field("carrier"), "carrier: vendor %s is of kind %q", l.Carrier, v.Kind)
		}
		a.checkEnd(w.field("a_end"), l.AEnd)
		a.checkEnd(w.field("b_end"), l.BEnd)
		for j, t := range l.Targets {
			a.checkTarget(w.field("targets[%d]", j), t, l.AEnd.Address != "" && l.BEnd.Address != "")
		}
		if l.Mbps < 0 {
			a.bad(w.field("mbps"), "mbps cannot be negative")
		}
	}
}

func (a *assembly) checkEnd(w at, e End) {
	if e.Device != "" {
		a.device(w.field("device"), e.Device)
	}
	if e.Address != "" && !validHost(e.Address) {
		a.bad(w.field("address"), "address %q is neither an IP address nor a host name", e.Address)
	}
}

func (a *assembly) checkVendors() {
	for i, v := range a.inv.Vendors {
		w := at{list: "vendors", i: i}
		a.oneOf(w.field("kind"), "kind", v.Kind, vendorKinds)
		a.oneOf(w.field("language"), "language", v.Language, languages)
		for j, e := range v.Emails {
			a.email(w.field("emails[%d]", j), e)
		}
		if len(v.Emails) == 0 && (v.Desk == "" || v.Desk == "email") {
			a.bad(w, "vendor %s is reached by e-mail but has no address", v.ID)
		}
	}
}

func (a *assembly) checkContracts() {
	for i, c := range a.inv.Contracts {
		w := at{list: "contracts", i: i}
		if find(a.inv.Vendors, func(v Vendor) bool { return v.ID == c.Vendor }) == nil {
			a.bad(w.field("vendor"), "vendor: no vendor %q", c.Vendor)
		}
		a.oneOf(w.field("kind"), "kind", c.Kind, contractKinds)
		for j, id := range c.Sites {
			a.site(w.field("sites[%d]", j), id)
		}
		for j, id := range c.Devices {
			a.device(w.field("devices[%d]", j), id)
		}
		for j, k := range c.Kinds {
			a.oneOf(w.field("kinds[%d]", j), "kinds", k, deviceKinds)
		}
		if _, err := time.Parse(time.DateOnly, c.Until); c.Until != "" && err != nil {
			a.bad(w.field("until"), "until %q is not a date such as 2027-12-31", c.Until)
		}
	}
}

func (a *assembly) checkAgents() {
	tokens := map[string]string{}
	for i, g := range a.inv.Agents {
		w := at{list: "agents", i: i}
		a.site(w.field("site"), g.Site)
		if g.Device != "" || g.Host {
			a.device(w.field("device"), g.Device)
		}
		if g.Interval < 0 {
			a.bad(w.field("interval"), "interval cannot be negative")
		}
		if g.TokenHash == "" {
			continue
		}
		if raw, err := hex.DecodeString(g.TokenHash); err != nil || len(raw) != 32 {
			a.bad(w.field("token_sha256"), "token_sha256 is not 64 hexadecimal digits")
		}
		if other, ok := tokens[strings.ToLower(g.TokenHash)]; ok {
			a.bad(w.field("token_sha256"), "agent %s already has this token", other)
		}
		tokens[strings.ToLower(g.TokenHash)] = g.ID
	}
}

func (a *assembly) checkPeople() {
	for i, p := range a.inv.People {
		w := at{list: "people", i: i}
		if p.Email != "" {
			a.email(w.field("email"), p.Email)
		}
		a.oneOf(w.field("language"), "language", p.Language, languages)
		for j, r := range p.Roles {
			a.oneOf(w.field("roles[%d]", j), "roles", r, staffRoles)
		}
		for j, id := range p.Sites {
			a.site(w.field("sites[%d]", j), id)
		}
	}
}

func (a *assembly) oneOf(w at, what, got string, known []string) {
	if slices.Contains(known, got) {
		return
	}
	words := slices.DeleteFunc(slices.Clone(known), func(s string) bool { return s == "" })
	if got == "" {
		a.bad(w, "%s is missing; one of %s", what, strings.Join(words, ", "))
		return
	}
	a.bad(w, "%s %q is not one of %s", what, got, strings.Join(words, ", "))
}

func (a *assembly) site(w at, id string) {
	if find(a.inv.Sites, func(s Site) bool { return s.ID == id }) == nil {
		a.bad(w, "no site %q", id)
	}
}

func (a *assembly) device(w at, id string) {
	if find(a.inv.Devices, func(d Device) bool { return d.ID == id }) == nil {
		a.bad(w, "no device %q", id)
	}
}

func (a *assembly) thing(w at, id string) {
	if find(a.inv.Devices, func(d Device) bool { return d.ID == id }) == nil &&
		find(a.inv.Lines, func(l Line) bool { return l.ID == id }) == nil {
		a.bad(w, "no device or line %q", id)
	}
}

func (a *assembly) agent(w at, id string) {
	if find(a.inv.Agents, func(g Agent) bool { return g.ID == id }) == nil {
		a.bad(w, "no agent %q", id)
	}
}

func (a *assembly) email(w at, s string) {
	if m, err := mail.ParseAddress(s); err != nil || m.Address != s {
		a.bad(w, "%q is not a mail address", s)
	}
}

func find[T any](all []T, is func(T) bool) *T {
	if i := slices.IndexFunc(all, is); i >= 0 {
		return &all[i]
	}
	return nil
}

// validHost accepts an IP address or a host name. A name that ends in a number
// is a mistyped address.
func validHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	last := strings.TrimSuffix(s, ".")
	last = last[strings.LastIndex(last, ".")+1:]
	_, err := strconv.Atoi(last)
	return err != nil && len(s) <= 253 && hostPattern.MatchString(s)
}

// validTarget accepts host, host:port and URL.
func validTarget(s string) bool {
	if strings.Contains(s, "://") {
		u, err := url.Parse(s)
		return err == nil && validHost(u.Hostname())
	}
	if validHost(s) {
		return true
	}
	host, port := splitPort(s)
	n, err := strconv.Atoi(port)
	return err == nil && n > 0 && n < 65536 && validHost(host)
}
