package discover

import (
	"encoding/hex"
	"net/netip"
	"strings"

	"github.com/faultline/faultline/agent/discover/topology"
)

// Kinds of LLDP's names (IEEE 802.1AB-2016, 8.5.2.2 and 8.5.3.2).
const (
	chassisComponent, portAlias       = 1, 1
	chassisAlias, portComponent       = 2, 2
	chassisPortComponent, portMAC     = 3, 3
	chassisMAC, portAddress           = 4, 4
	chassisAddress, portInterfaceName = 5, 5
)

// chassisID reads lldpRemChassisId by its subtype.
func chassisID(subtype int64, b []byte) topology.ID {
	switch subtype {
	case chassisMAC:
		return macID(b)
	case chassisAddress:
		return addressID(b)
	case chassisAlias:
		return textID(topology.IDAlias, b)
	}
	return textID(topology.IDName, b)
}

// portID reads lldpRemPortId or lldpLocPortId by its subtype.
func portID(subtype int64, b []byte) topology.ID {
	switch subtype {
	case portMAC:
		return macID(b)
	case portAddress:
		return addressID(b)
	case portAlias:
		return textID(topology.IDAlias, b)
	}
	return textID(topology.IDName, b)
}

// macID reads a hardware address: six octets, or the text of them that some
// agents send.
func macID(b []byte) topology.ID {
	m := topology.MACOf(b)
	if len(b) != 6 {
		m = macText(string(b))
	}
	if m == (topology.MAC{}) {
		return textID(topology.IDName, b)
	}
	return topology.ID{Kind: topology.IDMAC, MAC: m, Text: m.String()}
}

// macText reads aa:bb:cc:dd:ee:ff, aa-bb-…, aabb.ccdd.eeff and aabb-ccdd-eeff.
func macText(s string) topology.MAC {
	digits := strings.NewReplacer(":", "", "-", "", ".", "", " ", "").Replace(strings.TrimSpace(s))
	if len(digits) != 12 || len(s) > 20 {
		return topology.MAC{}
	}
	b, err := hex.DecodeString(digits)
	if err != nil {
		return topology.MAC{}
	}
	return topology.MACOf(b)
}

// Address families (IANA address family numbers).
const familyIPv4, familyIPv6 = 1, 2

// addressID reads a network address: a family and the octets, sometimes the
// octets or a text alone.
func addressID(b []byte) topology.ID {
	a := networkAddress(b)
	if !a.IsValid() {
		return textID(topology.IDName, b)
	}
	return topology.ID{Kind: topology.IDAddress, Address: a, Text: a.String()}
}

func networkAddress(b []byte) netip.Addr {
	switch {
	case len(b) == 5 && b[0] == familyIPv4, len(b) == 17 && b[0] == familyIPv6:
		b = b[1:]
	case len(b) == 4, len(b) == 16:
	default:
		a, _ := netip.ParseAddr(string(b))
		return a.Unmap().WithZone("")
	}
	a, _ := netip.AddrFromSlice(b)
	return a.Unmap()
}

// textID is a name in words. Six octets that are no words are a hardware address,
// whatever the subtype says.
func textID(kind topology.IDKind, b []byte) topology.ID {
	if len(b) == 6 && !printable(b) {
		if m := topology.MACOf(b); m != (topology.MAC{}) {
			return topology.ID{Kind: topology.IDMAC, MAC: m, Text: m.String()}
		}
	}
	t := clean(b)
	if t == "" {
		return topology.ID{}
	}
	return topology.ID{Kind: kind, Text: t, MAC: macText(t)}
}

// indexAddress reads a management address from an index: family, length and
// octets; some agents leave out the length.
func indexAddress(index []uint32) netip.Addr {
	if len(index) < 2 {
		return netip.Addr{}
	}
	size := 0
	switch index[0] {
	case familyIPv4:
		size = 4
	case familyIPv6:
		size = 16
	default:
		return netip.Addr{}
	}
	rest := index[1:]
	if len(rest) == size+1 && rest[0] == uint32(size) {
		rest = rest[1:]
	}
	if len(rest) != size {
		return netip.Addr{}
	}
	return octets(rest)
}

// octets makes an address of the numbers of an index.
func octets(numbers []uint32) netip.Addr {
	b := make([]byte, len(numbers))
	for i, n := range numbers {
		if n > 255 {
			return netip.Addr{}
		}
		b[i] = byte(n)
	}
	a, _ := netip.AddrFromSlice(b)
	return a.Unmap()
}

// lldpCaps reads LldpSystemCapabilitiesMap: bit 0 is the highest of the first
// octet.
func lldpCaps(b []byte) topology.Caps {
	var caps topology.Caps
	for bit := range 8 {
		if len(b) > 0 && b[0]&(0x80>>bit) != 0 {
			caps |= 1 << bit
		}
	}
	return caps
}

// cdpCaps reads cdpCacheCapabilities, four octets (CISCO-CDP-MIB).
func cdpCaps(b []byte) topology.Caps {
	if len(b) != 4 {
		return 0
	}
	var caps topology.Caps
	for bit, cap := range map[byte]topology.Caps{0x01: topology.CapRouter, 0x02: topology.CapBridge, 0x04: topology.CapBridge, 0x08: topology.CapBridge,
		0x10: topology.CapStation, 0x40: topology.CapRepeater, 0x80: topology.CapPhone} {
		if b[3]&bit != 0 {
			caps |= cap
		}
	}
	return caps
}
