package trap

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"

	"github.com/faultline/faultline/agent/snmp"
)

// Objects that say something of the notification itself (RFC 3418, RFC 3584).
var (
	sysUpTime      = snmp.MustParseOID("1.3.6.1.2.1.1.3.0")
	trapOID        = snmp.MustParseOID("1.3.6.1.6.3.1.1.4.1.0")
	trapEnterprise = snmp.MustParseOID("1.3.6.1.6.3.1.1.4.3.0")
	trapAddress    = snmp.MustParseOID("1.3.6.1.6.3.18.1.3.0")
	trapCommunity  = snmp.MustParseOID("1.3.6.1.6.3.18.1.4.0")
	snmpTraps      = snmp.MustParseOID("1.3.6.1.6.3.1.1.5")
)

// mostVarbinds is how many variable bindings of a notification are kept.
const mostVarbinds = 32

// longestOID is how many bytes an OID of 128 numbers of 32 bits takes.
const longestOID = 5 * 128

// notice is a notification in the terms of version 2, whatever it came as. Its
// variable bindings lie in the datagram.
type notice struct {
	version    snmp.Version
	inform     bool
	oid        snmp.OID // snmpTrapOID
	uptime     uint32   // 1/100 s; 0: not said
	enterprise snmp.OID // "": not said
	claimed    netip.Addr
	engine     string // of version 3
	binds      []bind
	omitted    int  // variable bindings beyond the bound
	incomplete bool // what came is damaged or ends early

	content uint64 // a hash of all that it says, sender and request apart
	request uint64 // a hash of its request-id, 0: none
}

type bind struct {
	oid   []byte
	value snmp.Value
}

// readNotice reads a notification; false where it does not say which it is.
func readNotice(m *snmp.Message, from netip.Addr, seed maphash.Seed) (*notice, bool) {
	n := &notice{version: m.Version, inform: m.PDU.Tag == snmp.PDUInform, engine: string(m.Engine)}
	if m.PDU.Tag == snmp.PDUTrapV1 {
		n.translate(&m.PDU)
	}
	var h maphash.Hash
	h.SetSeed(seed)
	vbs := m.PDU.Varbinds()
	for vbs.Next() {
		if vbs.Bad {
			n.incomplete = true
			continue
		}
		if n.special(vbs.OID, vbs.Value) {
			continue
		}
		writeBind(&h, vbs.OID, vbs.Value)
		if len(n.binds) == mostVarbinds {
			n.omitted++
			continue
		}
		n.binds = append(n.binds, bind{vbs.OID, vbs.Value})
	}
	n.incomplete = n.incomplete || vbs.Cut()
	if n.oid == "" || len(n.oid) > longestOID {
		return nil, false
	}
	_, _ = h.WriteString(string(n.oid))
	_, _ = h.Write(binary.BigEndian.AppendUint32(nil, n.uptime))
	if n.claimed.IsValid() && n.claimed != from {
		_, _ = h.Write(n.claimed.AsSlice())
	}
	n.content = h.Sum64()
	if r := m.PDU.RequestID(); len(r) > 0 {
		n.request = maphash.Bytes(seed, r)
	}
	return n, true
}

func writeBind(h *maphash.Hash, oid []byte, v snmp.Value) {
	_, _ = h.Write(oid)
	_ = h.WriteByte(v.Type)
	_, _ = h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(v.Raw))))
	_, _ = h.Write(v.Raw)
}

// translate maps what only version 1 has (RFC 3584, section 3.1).
func (n *notice) translate(p *snmp.PDU) {
	n.uptime, n.enterprise = p.Uptime, p.Enterprise
	n.claimAddress(p.Agent)
	if p.Generic >= 0 && p.Generic <= 5 {
		n.oid = snmpTraps + snmp.OID([]byte{byte(p.Generic + 1)})
		return
	}
	n.oid = p.Enterprise + "\x00" + number(uint32(p.Specific))
}

// number is one number as it stands in an OID.
func number(v uint32) snmp.OID {
	b := []byte{byte(v & 0x7f)}
	for v >>= 7; v > 0; v >>= 7 {
		b = append([]byte{byte(v&0x7f) | 0x80}, b...)
	}
	return snmp.OID(b)
}

// special takes what says something of the notification itself.
func (n *notice) special(oid []byte, v snmp.Value) bool {
	switch snmp.OID(oid) {
	case sysUpTime:
		if n.version != snmp.V1 {
			ticks, _ := v.Uint64()
			n.uptime = uint32(ticks)
		}
	case trapOID:
		if n.oid == "" {
			n.oid = v.OID()
		}
	case trapEnterprise:
		if n.enterprise == "" {
			n.enterprise = v.OID()
		}
	case trapAddress: // a proxy's word counts more than what it was told
		n.claimAddress(v.IP())
	case trapCommunity: // a secret
	default:
		return false
	}
	return true
}

func (n *notice) claimAddress(a netip.Addr) {
	if a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() {
		n.claimed = a.Unmap()
	}
}
