package snmp

import (
	"encoding/binary"
	"math"
	"net/netip"
)

// Types of values: BER tags (RFC 2578, RFC 3416).
const (
	Integer        = 0x02
	OctetString    = 0x04
	Null           = 0x05
	ObjectID       = 0x06
	IPAddress      = 0x40
	Counter32      = 0x41
	Gauge32        = 0x42
	TimeTicks      = 0x43 // 1/100 s
	Opaque         = 0x44
	NsapAddress    = 0x45
	Counter64      = 0x46
	UInteger32     = 0x47
	NoSuchObject   = 0x80
	NoSuchInstance = 0x81
	EndOfMIBView   = 0x82
)

// Value is a value as it was received. Raw is part of the receive buffer: it is
// valid only until the visit returns, or until the session's next request.
type Value struct {
	Type byte
	Raw  []byte // the content, without tag and length
}

// Absent tells whether the value says that there is nothing: an exception, Null,
// or a number without digits, which some agents send for what they cannot read.
func (v Value) Absent() bool {
	switch v.Type {
	case Null, NoSuchObject, NoSuchInstance, EndOfMIBView:
		return true
	}
	return v.hollow()
}

// hollow tells whether it is a number of no bytes, which BER does not allow.
func (v Value) hollow() bool { return len(v.Raw) == 0 && v.numeric() }

func (v Value) numeric() bool {
	switch v.Type {
	case Integer, Counter32, Gauge32, TimeTicks, Counter64, UInteger32:
		return true
	}
	return false
}

// Counter tells whether the value only ever counts up.
func (v Value) Counter() bool { return v.Type == Counter32 || v.Type == Counter64 }

// Int64 returns a whole number; false where the value is none or does not fit.
func (v Value) Int64() (int64, bool) {
	switch v.Type {
	case Integer:
		return signed(v.Raw)
	case Opaque:
		if tag, raw := v.special(); tag == opaqueInt64 {
			return signed(raw)
		}
	}
	u, ok := v.Uint64()
	return int64(u), ok && u <= math.MaxInt64
}

// Uint64 returns a whole number that is not negative; false where the value is
// none or does not fit.
func (v Value) Uint64() (uint64, bool) {
	switch v.Type {
	case Integer:
		i, ok := signed(v.Raw)
		return uint64(i), ok && i >= 0
	case Counter32, Gauge32, TimeTicks, UInteger32:
		u, ok := unsigned(v.Raw)
		if u > math.MaxUint32 && len(v.Raw) > 4 && int8(v.Raw[0]) == -1 {
			u &= math.MaxUint32 // a 32-bit number taken for a negative one and lengthened
		}
		return u, ok
	case Counter64:
		return unsigned(v.Raw)
	case Opaque:
		switch tag, raw := v.special(); tag {
		case opaqueCounter64, opaqueUint64:
			return unsigned(raw)
		}
	}
	return 0, false
}

// Float64 returns any number, whole or floating (Opaque, as net-snmp and others
// wrap it); false where the value is none.
func (v Value) Float64() (float64, bool) {
	switch v.Type {
	case Integer:
		i, ok := signed(v.Raw)
		return float64(i), ok
	case Opaque:
		switch tag, raw := v.special(); {
		case tag == opaqueFloat && len(raw) == 4:
			return float64(math.Float32frombits(binary.BigEndian.Uint32(raw))), true
		case tag == opaqueDouble && len(raw) == 8:
			return math.Float64frombits(binary.BigEndian.Uint64(raw)), true
		case tag == opaqueInt64:
			i, ok := signed(raw)
			return float64(i), ok
		}
	}
	u, ok := v.Uint64()
	return float64(u), ok
}

// The second octet of a tag inside Opaque (draft-perkins-float, net-snmp's
// asn1.h), after 0x9f.
const (
	opaqueCounter64 = 0x76
	opaqueFloat     = 0x78
	opaqueDouble    = 0x79
	opaqueInt64     = 0x7a
	opaqueUint64    = 0x7b
)

// special unwraps a number inside Opaque, or returns 0.
func (v Value) special() (tag byte, raw []byte) {
	b := v.Raw
	if v.Type != Opaque || len(b) < 3 || b[0] != 0x9f || int(b[2]) != len(b)-3 {
		return 0, nil
	}
	return b[1], b[3:]
}

// Bytes returns the octets of a string (also Opaque and NSAP), or nil. They are
// valid as long as Raw.
func (v Value) Bytes() []byte {
	switch v.Type {
	case OctetString, Opaque, NsapAddress:
		return v.Raw
	}
	return nil
}

// OID returns a copy of an object identifier, or "" where the value is none.
func (v Value) OID() OID {
	if v.Type != ObjectID || !wellFormed(v.Raw) {
		return ""
	}
	return OID(v.Raw)
}

// IP returns an address; it is not valid where the value is none.
func (v Value) IP() netip.Addr {
	if v.Type != IPAddress {
		return netip.Addr{}
	}
	a, _ := netip.AddrFromSlice(v.Raw)
	return a
}
