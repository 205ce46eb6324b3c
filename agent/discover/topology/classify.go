package topology

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
)

// Kinds of devices, as inventories know them.
const (
	kindRouter      = "router"
	kindSwitch      = "switch"
	kindFirewall    = "firewall"
	kindServer      = "server"
	kindDatabase    = "database"
	kindDNS         = "dns"
	kindPrinter     = "printer"
	kindOther       = "other"
	roleGateway     = "gateway"
	classNetwork    = "network"
	classHost       = "host"
	manySwitchPorts = 3
	fewPorts        = 10 // of a router; what routes and has more is a switch that routes too
)

// kinds by the class of a profile, where that decides.
var kinds = map[string]string{"firewall": kindFirewall, "ups": "ups", "pdu": "pdu", "environment": "environment", "cooling": "cooling", "bmc": "bmc",
	"storage": "storage", kindPrinter: kindPrinter}

var (
	saysSwitch = regexp.MustCompile(`(?i)\bswitch(es)?\b|交换机|\bCRS\d{3}`) // CRS: MikroTik's switches, which run RouterOS
	saysRouter = regexp.MustCompile(`(?i)\brouter\b|路由器|\bASR ?\d|\bISR ?\d|\bNE\d{2,}E?\b|\bNetEngine\b|\bAR\d{3,4}\w*\b|\bMSR\d|\bMX\d{2,}\b|\bRouterOS\b`)
	saysRadio  = regexp.MustCompile(`(?i)\baccess (point|controller)\b|\bwireless (lan )?controller\b|\bWLC\b|\bAC\d{4}-`)
)

// databases are the ports at which databases answer.
var databases = map[int]string{1433: "SQL Server", 1521: "Oracle", 3306: "MySQL", 5432: "PostgreSQL", 5236: "DM", 54321: "Kingbase", 6379: "Redis", 27017: "MongoDB"}

// classify says of every device what it is and whether it is a gateway.
func (b *builder) classify() {
	gateway := map[*Device]netip.Addr{}
	for _, d := range b.devices {
		for _, a := range d.gateways(&b.sweep.Self) {
			if g := b.byAddress[a]; g != nil && g != d {
				gateway[g] = a
			}
		}
	}
	if g := b.byAddress[b.sweep.Self.Gateway]; g != nil {
		gateway[g], g.GatewayFor = b.sweep.Self.Gateway, b.sweep.Self.Gateway
	}
	for _, d := range b.devices {
		kind, why := b.kind(d, gateway[d].IsValid())
		d.Kind = kind
		d.Because = append(d.Because, fmt.Sprintf("%s: %s", kind, why))
		if a := gateway[d]; a.IsValid() {
			d.Roles = append(d.Roles, roleGateway)
			d.Because = append(d.Because, fmt.Sprintf("gateway: others' default route leads to %s", a))
		}
	}
}

func (b *builder) kind(d *Device, gateway bool) (kind, why string) {
	if k, ok := kinds[d.Class]; ok {
		return k, "its profile's class is " + d.Class
	}
	if d.facts == nil {
		return d.silentKind(gateway)
	}
	text := d.Descr + " " + d.Model
	if d.Class == classNetwork {
		return d.networkKind(text)
	}
	switch {
	case saysSwitch.MatchString(text):
		return kindSwitch, "its description says so"
	case saysRouter.MatchString(text) && (d.facts.Forwards || gateway):
		return kindRouter, "its description says so, and it forwards"
	case d.facts.Forwards && gateway:
		return kindRouter, "it forwards and is others' gateway"
	case d.facts.Forwards && d.facts.Routes:
		return kindRouter, "it forwards and speaks a routing protocol"
	case d.caps&CapBridge != 0 && b.leads(d) >= manySwitchPorts:
		return kindSwitch, "it says by LLDP that it is a bridge, and neighbours hang on several of its ports"
	case d.facts.Also != "" && kinds[d.facts.Also] != "":
		return kinds[d.facts.Also], "it shows what devices of the class " + d.facts.Also + " do"
	case d.Class == classHost || d.IsSelf:
		return d.serverKind("its profile's class is " + classHost)
	}
	return d.serverKind("")
}

// leads counts the ports of a device on which neighbours are known.
func (b *builder) leads(d *Device) int {
	seen := map[int]bool{}
	for _, l := range b.links {
		if l.a == d && l.ai != 0 {
			seen[l.ai] = true
		}
		if l.b == d && l.bi != 0 {
			seen[l.bi] = true
		}
	}
	return len(seen)
}

// networkKind tells routers from switches.
func (d *Device) networkKind(text string) (kind, why string) {
	f := d.facts
	const layer2, layer3 = 2, 4
	switch {
	case saysRadio.MatchString(text) || d.caps&CapAccessPoint != 0:
		return kindOther, "it is part of a wireless network"
	case saysSwitch.MatchString(text):
		return kindSwitch, "its description says so"
	case saysRouter.MatchString(text):
		return kindRouter, "its description says so"
	case f.Forwards && f.networks() > 1 && f.ethernets() < fewPorts:
		return kindRouter, fmt.Sprintf("it forwards between %d networks and has %d Ethernet ports", f.networks(), f.ethernets())
	case f.bridged() >= manySwitchPorts:
		return kindSwitch, fmt.Sprintf("it bridges %d ports", f.bridged())
	case len(f.FDB) > 0:
		return kindSwitch, "it has a forwarding table"
	case f.Forwards && f.networks() > 1:
		return kindRouter, fmt.Sprintf("it forwards between %d networks and bridges nothing", f.networks())
	case f.Services&layer2 != 0 && f.Services&layer3 == 0:
		return kindSwitch, "it says that it works on layer 2 alone"
	case f.ethernets() >= 8:
		return kindSwitch, fmt.Sprintf("it has %d Ethernet ports", f.ethernets())
	case f.Forwards || f.Services&layer3 != 0:
		return kindRouter, "it forwards and bridges nothing"
	}
	return kindSwitch, "its profile's class is network, and nothing says that it routes"
}

// bridged counts the ports that are a bridge's.
func (f *Facts) bridged() int {
	n := 0
	for i := range f.Interfaces {
		if f.Interfaces[i].Bridge != 0 {
			n++
		}
	}
	return max(n, f.BridgePorts)
}

func (f *Facts) networks() int {
	seen := map[netip.Prefix]bool{}
	for _, o := range f.usable() {
		seen[o.Prefix.Masked()] = true
	}
	return len(seen)
}

func (f *Facts) ethernets() int {
	n := 0
	for i := range f.Interfaces {
		if f.Interfaces[i].Type == ifEthernet {
			n++
		}
	}
	return n
}

// silentKind guesses by what neighbours heard, and by the ports that are open.
func (d *Device) silentKind(gateway bool) (kind, why string) {
	switch {
	case d.caps&CapAccessPoint != 0, d.caps&CapPhone != 0:
		return kindOther, "it says by LLDP that it is an access point or a telephone"
	case d.caps&CapRouter != 0 && gateway:
		return kindRouter, "it says so by LLDP and is others' gateway"
	case d.caps&CapBridge != 0 && d.caps&CapStation == 0:
		return kindSwitch, "it says by LLDP that it is a bridge"
	case gateway:
		return kindRouter, "it is others' gateway"
	case d.IsSelf:
		return d.serverKind("the agent runs here")
	}
	return d.serverKind("")
}

// serverKind tells servers apart by their open ports; why is the reason for a
// server where no port tells.
func (d *Device) serverKind(why string) (kind, reason string) {
	open := func(ports ...int) bool {
		return slices.ContainsFunc(ports, func(p int) bool { return slices.Contains(d.Ports, p) })
	}
	for _, p := range d.Ports {
		if name := databases[p]; name != "" {
			return kindDatabase, fmt.Sprintf("TCP port %d is open (%s)", p, name)
		}
	}
	switch {
	case open(9100, 515, 631):
		return kindPrinter, "a port that printers print by is open"
	case open(53):
		return kindDNS, "TCP port 53 is open"
	case why != "":
		return kindServer, why
	case open(22, 445, 3389):
		return kindServer, "a port that servers are used by is open"
	}
	return kindOther, "nothing tells what it is"
}
