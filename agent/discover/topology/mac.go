package topology

import (
	"bytes"
	"encoding/hex"
	"strings"
)

// MAC is a hardware address of six octets; the zero value is none.
type MAC [6]byte

// MACOf makes a MAC of octets; of another number of them it is none.
func MACOf(b []byte) MAC {
	var m MAC
	if len(b) == len(m) {
		copy(m[:], b)
	}
	return m
}

// String returns the address as aa:bb:cc:dd:ee:ff, or "".
func (m MAC) String() string {
	if m == (MAC{}) {
		return ""
	}
	s := make([]byte, 0, 17)
	for i := range m {
		if i > 0 {
			s = append(s, ':')
		}
		s = hex.AppendEncode(s, m[i:i+1])
	}
	return string(s)
}

// MarshalText returns what String does.
func (m MAC) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// Compare orders addresses octet by octet.
func (m MAC) Compare(n MAC) int { return bytes.Compare(m[:], n[:]) }

// shared are the beginnings of addresses that several devices use by design:
// VRRP and CARP (RFC 5798), HSRP 1 and 2, GLBP, and the bridges of containers.
var shared = []string{"\x00\x00\x5e\x00\x01", "\x00\x00\x5e\x00\x02", "\x00\x00\x0c\x07\xac", "\x00\x00\x0c\x9f\xf0", "\x00\x07\xb4\x00", "\x02\x42"}

// Own tells whether the address can be that of one device alone.
func (m MAC) Own() bool {
	if m == (MAC{}) || m[0]&1 == 1 {
		return false
	}
	for _, prefix := range shared {
		if strings.HasPrefix(string(m[:]), prefix) {
			return false
		}
	}
	return true
}
