package topology

import (
	"net/netip"
)

// Confidence is how sure a link is.
type Confidence string

// The confidences.
const (
	High   Confidence = "high"   // both ends say so by LLDP or CDP
	Medium Confidence = "medium" // one end says so, or it is the only address behind a bridge's port
	Low    Confidence = "low"    // concluded from addresses, ARP or the gateway
)

func (c Confidence) rank() int {
	switch c {
	case High:
		return 3
	case Medium:
		return 2
	case Low:
		return 1
	}
	return 0
}

// Proposal is what was concluded.
type Proposal struct {
	Devices   []*Device  `json:"devices"` // those nearest to the root first
	Links     []*Link    `json:"links"`
	Conflicts []Conflict `json:"conflicts"`
	Strangers []Stranger `json:"strangers"`
	Root      string     `json:"root,omitempty"` // id of the device everything is reached through
}

// Device is one device with all its addresses.
type Device struct {
	ID        string       `json:"id"`
	Name      string       `json:"name,omitempty"` // what it calls itself, or what DNS does
	Kind      string       `json:"kind"`           // as inventories call it
	Roles     []string     `json:"roles,omitempty"`
	Class     string       `json:"class,omitempty"` // of its profile
	Vendor    string       `json:"vendor,omitempty"`
	Model     string       `json:"model,omitempty"`
	Version   string       `json:"version,omitempty"`
	Serial    string       `json:"serial,omitempty"`
	Profile   string       `json:"profile,omitempty"`
	Location  string       `json:"location,omitempty"`
	Descr     string       `json:"sys_descr,omitempty"`
	Addresses []netip.Addr `json:"addresses"` // the one to poll first
	Answered  []netip.Addr `json:"answered"`  // those that answered in the sweep
	MACs      []MAC        `json:"macs,omitempty"`
	Heard     string       `json:"heard"` // icmp, tcp or snmp
	Ports     []int        `json:"open_ports,omitempty"`
	Parents   []Parent     `json:"parents,omitempty"`
	Leads     []Lead       `json:"ports,omitempty"`
	Because   []string     `json:"because,omitempty"` // why its addresses are one device, and why it is of its kind

	Credential string         `json:"credential,omitempty"` // by name; "": it does not answer SNMP
	Asked      netip.AddrPort `json:"snmp_address,omitzero"`
	Spoken     string         `json:"snmp_version,omitempty"`
	Problems   []string       `json:"problems,omitempty"`
	IsSelf     bool           `json:"self,omitempty"`              // the machine that swept
	Pinged     netip.Addr     `json:"ping_address,omitzero"`       // that answered ICMP, the first one where it did
	GatewayFor netip.Addr     `json:"gateway_of_sweeper,omitzero"` // its address that is the default gateway of the machine that swept

	facts *Facts
	hosts []*Host
	own   []OwnAddress // those of facts and Self that count
	caps  Caps         // what neighbours heard of it
	depth int          // from the root, -1: not reached
}

// Parent is by way of what a device is reached: any one of these.
type Parent struct {
	AnyOf      []string   `json:"any_of"`
	Confidence Confidence `json:"confidence"`
	Why        string     `json:"why"`
}

// Lead is a port and where it leads.
type Lead struct {
	Port       string     `json:"port"`
	To         string     `json:"to"`
	Peer       string     `json:"peer,omitempty"`
	Confidence Confidence `json:"confidence"`
	Why        string     `json:"why"`
}

// Link is a connection between two devices.
type Link struct {
	A          End        `json:"a"`
	B          End        `json:"b"`
	Confidence Confidence `json:"confidence"`
	Why        []string   `json:"why"`

	a, b     *Device
	ai, bi   int  // ifIndex, 0: not known
	byA, byB bool // which end said so
	fdb      bool // concluded from forwarding tables
	shared   bool // others hang on the same port
	beyond   bool // something else was heard nearer on the same port
	routed   bool // concluded from addresses: says who reaches whom, not which cable
}

// End is one end of a link.
type End struct {
	Device string `json:"device"`
	Port   string `json:"port,omitempty"`
}

// Conflict is what does not go together.
type Conflict struct {
	Kind    string   `json:"kind"` // address, hardware_address, engine_id, identity, port, place, name
	Devices []string `json:"devices,omitempty"`
	Text    string   `json:"text"`

	devices []*Device
}

// Stranger is a neighbour that a device heard and that did not answer the sweep.
type Stranger struct {
	Name      string       `json:"name,omitempty"`
	Chassis   string       `json:"chassis,omitempty"`
	Descr     string       `json:"descr,omitempty"`
	Addresses []netip.Addr `json:"addresses,omitempty"`
	At        End          `json:"at"`
	Port      string       `json:"port,omitempty"` // its own
	Protocol  string       `json:"protocol"`

	at *Device
}
