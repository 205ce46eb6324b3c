package trap

import (
	"encoding/binary"

	"github.com/faultline/faultline/agent/snmp"
)

// element encodes a BER element.
func element(tag byte, parts ...[]byte) []byte {
	var content []byte
	for _, p := range parts {
		content = append(content, p...)
	}
	if n := len(content); n < 0x80 {
		return append([]byte{tag, byte(n)}, content...)
	}
	return append([]byte{tag, 0x82, byte(len(content) >> 8), byte(len(content))}, content...)
}

func integer(v int) []byte { return element(2, binary.BigEndian.AppendUint32(nil, uint32(v))) }
func ticks(v int) []byte {
	return element(0x43, binary.BigEndian.AppendUint32([]byte{0}, uint32(v)))
}
func oid(s string) []byte { return []byte(snmp.MustParseOID(s)) }

// bind0 encodes a variable binding.
func bind0(name string, tag byte, value []byte) []byte {
	return element(0x30, element(6, oid(name)), element(tag, value))
}

// v2c encodes a trap (0xa7) or inform (0xa6) of version 2c.
func v2c(community string, tag byte, request, uptime int, trap string, binds ...[]byte) []byte {
	list := [][]byte{element(0x30, element(6, oid("1.3.6.1.2.1.1.3.0")), ticks(uptime)), bind0("1.3.6.1.6.3.1.1.4.1.0", 6, oid(trap))}
	pdu := element(tag, integer(request), integer(0), integer(0), element(0x30, append(list, binds...)...))
	return element(0x30, element(2, []byte{1}), element(4, []byte(community)), pdu)
}

// v1 encodes a trap of version 1.
func v1(community, enterprise string, agent [4]byte, generic, specific, uptime int, binds ...[]byte) []byte {
	pdu := element(0xa4, element(6, oid(enterprise)), element(0x40, agent[:]), integer(generic), integer(specific), ticks(uptime), element(0x30, binds...))
	return element(0x30, element(2, []byte{0}), element(4, []byte(community)), pdu)
}

// discoverEngine encodes the message that asks for an engine (RFC 3414, section 4).
func discoverEngine() []byte {
	header := element(0x30, integer(7), integer(65507), element(4, []byte{4}), integer(3))
	params := element(0x30, element(4), integer(0), integer(0), element(4), element(4), element(4))
	scoped := element(0x30, element(4), element(4), element(0xa0, integer(9), integer(0), integer(0), element(0x30)))
	return element(0x30, element(2, []byte{3}), header, element(4, params), scoped)
}

// plainV3 encodes a notification of version 3 without authentication.
func plainV3(user, engine string, tag byte) []byte {
	header := element(0x30, integer(7), integer(65507), element(4, []byte{0}), integer(3))
	params := element(0x30, element(4, []byte(engine)), integer(0), integer(0), element(4, []byte(user)), element(4), element(4))
	list := element(0x30, element(0x30, element(6, oid("1.3.6.1.2.1.1.3.0")), ticks(5)), bind0("1.3.6.1.6.3.1.1.4.1.0", 6, oid(ifDown)))
	scoped := element(0x30, element(4, []byte(engine)), element(4), element(tag, integer(9), integer(0), integer(0), list))
	return element(0x30, element(2, []byte{3}), header, element(4, params), scoped)
}
