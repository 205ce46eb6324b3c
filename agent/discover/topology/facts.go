package topology

import (
	"net/netip"
	"time"
)

// Sweep is everything that one sweep found out.
type Sweep struct {
	Self  Self
	Hosts []Host // one for each address that answered, each address once
	Root  string // by way of what everything is reached: RootSelf, an address or a device's name; "" is the gateway of Self
}

// RootSelf is the root of a sweep made where the collector stands.
const RootSelf = "self"

// Self is the machine that swept. The zero value is one that is not part of what
// was swept.
type Self struct {
	Name     string
	Networks []netip.Prefix // its addresses with the length of their network
	MACs     []MAC
	Gateway  netip.Addr // of its default route
	ARP      []ARPEntry // Interface is 0
}

// Host is one address that answered.
type Host struct {
	Address netip.Addr
	Heard   string // icmp, tcp or snmp
	Name    string // by reverse DNS, "" where there is none
	Ports   []int  // TCP ports that are open, of the few that were tried
	RTT     time.Duration
	Refused string // why it lets nobody in although it speaks SNMP
	Facts   *Facts // nil: it does not answer SNMP
}

// Facts is what a device says of itself and its neighbours by SNMP.
type Facts struct {
	Asked      netip.AddrPort
	Credential string // name of the one that it takes
	Spoken     string // version of SNMP: 1, 2c or 3

	SysName, SysDescr, SysObjectID, Location string
	EngineID                                 string // hexadecimal

	Vendor, Model, OS, Version, Serial string
	Class                              string // of its profile: network, ups, ...
	Also                               string // class of a MIB that it shows beside its profile's, as UPS-MIB on a Linux card; "": none
	Profile                            string

	Services    int  // sysServices: bit 1 is layer 2, bit 2 layer 3
	Forwards    bool // ipForwarding
	Routes      bool // OSPF or BGP has a router's number
	BridgeMAC   MAC  // dot1dBaseBridgeAddress
	BridgePorts int  // dot1dBaseNumPorts

	Interfaces []Interface
	Addresses  []OwnAddress
	Gateways   []netip.Addr // next hops of its default routes
	Chassis    ID           // as it calls itself by LLDP
	LLDPPorts  []LLDPPort
	Neighbours []Neighbour
	ARP        []ARPEntry
	FDB        []FDBEntry

	Problems []string // what could not be read
}

// Interface is one row of ifTable.
type Interface struct {
	Index              int
	Name, Descr, Alias string
	Type               int // IANAifType
	MAC                MAC
	Up                 bool
	Bundle             int // ifIndex of the aggregate it is part of, 0: none
	Bridge             int // its number as a bridge's port, 0: none
}

// OwnAddress is an address of the device itself.
type OwnAddress struct {
	Interface int // ifIndex
	Prefix    netip.Prefix
}

// ARPEntry is what a device knows of the hardware address of another.
type ARPEntry struct {
	Interface int // ifIndex
	Address   netip.Addr
	MAC       MAC
}

// FDBEntry says behind which port a bridge has learned a hardware address.
type FDBEntry struct {
	Interface int // ifIndex
	VLAN      int // or the number of the forwarding table; 0: not known
	MAC       MAC
}

// IDKind is what a name in LLDP or CDP stands for.
type IDKind string

// Kinds of names.
const (
	IDNone    IDKind = ""
	IDMAC     IDKind = "mac"
	IDAddress IDKind = "address"
	IDName    IDKind = "name"  // an interface's name, a system's name, or what the maker likes
	IDAlias   IDKind = "alias" // ifAlias
)

// ID is the name of a chassis or a port.
type ID struct {
	Kind    IDKind
	Text    string // printable, whatever the kind
	MAC     MAC
	Address netip.Addr
}

// LLDPPort is one of the device's own ports as LLDP numbers them.
type LLDPPort struct {
	Number int
	ID     ID
	Descr  string
}

// Caps is what a neighbour says it does (LldpSystemCapabilitiesMap).
type Caps uint8

// What a neighbour does.
const (
	CapOther Caps = 1 << iota
	CapRepeater
	CapBridge
	CapAccessPoint
	CapRouter
	CapPhone
	CapCableModem
	CapStation
)

// Neighbour is what a device heard from another by LLDP or CDP.
type Neighbour struct {
	Protocol  string // lldp or cdp
	Port      int    // where it was heard: ifIndex, or LLDP's number of the port
	ByLLDP    bool   // Port is LLDP's number
	Chassis   ID
	PortID    ID
	PortDescr string
	Name      string
	Descr     string // or its platform
	Addresses []netip.Addr
	Caps      Caps
}

// Same returns the facts for another address of the device: f with what g says
// of how it was asked, where f is whole and the two say the same of themselves;
// else nil. f may be nil.
func (f *Facts) Same(g *Facts) *Facts {
	if f == nil || len(f.Problems) > 0 || f.SysName != g.SysName || f.SysDescr != g.SysDescr || f.SysObjectID != g.SysObjectID || f.EngineID != g.EngineID ||
		f.BridgeMAC != g.BridgeMAC || f.Chassis != g.Chassis || f.Location != g.Location {
		return nil
	}
	c := *f
	c.Asked, c.Credential, c.Spoken = g.Asked, g.Credential, g.Spoken
	return &c
}
