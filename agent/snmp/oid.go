package snmp

import (
	"fmt"
	"strconv"
	"strings"
)

// OID is an object identifier as the content of its BER encoding, so that what
// lies below an OID begins with it. The zero value is no OID. OIDs are equal when
// they are equal strings.
type OID string

// maxOID is how many numbers an OID may have (RFC 3416, section 4.1).
const maxOID = 128

// ParseOID reads dotted decimal numbers; a leading dot is allowed.
func ParseOID(s string) (OID, error) {
	rest := strings.TrimPrefix(s, ".")
	var numbers [maxOID]uint64
	n := 0
	for more := true; more; n++ {
		var part string
		part, rest, more = strings.Cut(rest, ".")
		v, err := strconv.ParseUint(part, 10, 32)
		if err != nil || n == maxOID || part[0] == '+' {
			return "", fmt.Errorf("OID %q: %q at place %d is not a number of 32 bits, or there are more than %d", s, part, n+1, maxOID)
		}
		numbers[n] = v
	}
	if n < 2 || numbers[0] > 2 || numbers[0] < 2 && numbers[1] > 39 {
		return "", fmt.Errorf("OID %q: want at least two numbers, the first at most 2, and the second below 40 unless the first is 2", s)
	}
	numbers[1] += 40 * numbers[0]
	b := make([]byte, 0, 2*n)
	for _, v := range numbers[1:n] {
		b = appendNumber(b, v)
	}
	return OID(b), nil
}

// MustParseOID is ParseOID for constants; it panics where that fails.
func MustParseOID(s string) OID {
	o, err := ParseOID(s)
	if err != nil {
		panic(err)
	}
	return o
}

// String returns the dotted numbers without a leading dot.
func (o OID) String() string { return string(AppendOID(nil, o)) }

// Compare orders OIDs as the protocol does, number by number.
func (o OID) Compare(p OID) int { return compare(o, p) }

// Below tells whether o lies below root.
func (o OID) Below(root OID) bool { return len(o) > len(root) && o[:len(root)] == root }

// AppendOID appends the dotted numbers of an encoded OID.
func AppendOID[T ~string | ~[]byte](dst []byte, oid T) []byte {
	if len(oid) == 0 {
		return dst
	}
	v, n := number(oid, 0)
	first := min(v/40, 2)
	dst = strconv.AppendUint(dst, first, 10)
	dst = append(dst, '.')
	dst = strconv.AppendUint(dst, v-40*first, 10)
	if n < len(oid) {
		dst = AppendIndex(append(dst, '.'), oid[n:])
	}
	return dst
}

// AppendIndex appends the dotted numbers of what follows a column in an encoded
// OID. A number beyond 64 bits, which no right agent sends, keeps its low ones.
func AppendIndex[T ~string | ~[]byte](dst []byte, index T) []byte {
	for at := 0; at < len(index); {
		if at > 0 {
			dst = append(dst, '.')
		}
		var v uint64
		v, at = number(index, at)
		dst = strconv.AppendUint(dst, v, 10)
	}
	return dst
}

// IndexNumbers appends the numbers of an encoded index to dst. One beyond 32
// bits, as some agents send, keeps its low ones.
func IndexNumbers[T ~string | ~[]byte](dst []uint32, index T) []uint32 {
	for at := 0; at < len(index); {
		var v uint64
		v, at = number(index, at)
		dst = append(dst, uint32(v))
	}
	return dst
}

// number reads the number that begins at a place and returns the place behind.
func number[T ~string | ~[]byte](b T, at int) (v uint64, next int) {
	for next = at; next < len(b); next++ {
		c := b[next]
		v = v<<7 | uint64(c&0x7f)
		if c < 0x80 {
			return v, next + 1
		}
	}
	return v, next
}

// appendNumber appends one number as BER does.
func appendNumber(dst []byte, v uint64) []byte {
	n := 1
	for w := v >> 7; w > 0; w >>= 7 {
		n++
	}
	for i := n - 1; i > 0; i-- {
		dst = append(dst, byte(v>>(7*i))|0x80)
	}
	return append(dst, byte(v&0x7f))
}

// compare orders encoded OIDs. A number that is encoded in more bytes is the
// larger one, so only the numbers that first differ are looked at.
func compare[A, B ~string | ~[]byte](a A, b B) int {
	n := min(len(a), len(b))
	i := 0
	for i < n && a[i] == b[i] {
		i++
	}
	if i == n {
		return len(a) - len(b)
	}
	if a[i]|b[i] < 0x80 && (i == 0 || a[i-1] < 0x80) {
		return int(a[i]) - int(b[i])
	}
	start := i
	for start > 0 && a[start-1] >= 0x80 {
		start--
	}
	if d := numberSize(a, start) - numberSize(b, start); d != 0 {
		return d
	}
	return int(a[i]) - int(b[i])
}

// numberSize is how many bytes the number at a place takes.
func numberSize[T ~string | ~[]byte](b T, at int) int {
	n := 1
	for at < len(b) && b[at] >= 0x80 {
		at++
		n++
	}
	return n
}

// under tells whether b lies below root.
func under(b []byte, root OID) bool {
	return len(b) > len(root) && string(b[:len(root)]) == string(root)
}

// wellFormed tells whether b is the content of an OID: its last number ends.
func wellFormed(b []byte) bool { return len(b) > 0 && b[len(b)-1] < 0x80 }
