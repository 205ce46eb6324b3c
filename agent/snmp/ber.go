package snmp

// BER tags (X.690) and those of SNMP (RFC 1157, RFC 3416, RFC 3412).
const (
	tagSequence = 0x30

	pduGet      = 0xa0
	pduNext     = 0xa1
	pduResponse = 0xa2
	pduBulk     = 0xa5
	pduReport   = 0xa8
)

// element splits the first BER element off b. Where the length reaches beyond b
// the content is what is there and whole is false; where not even tag and length
// can be read, ok is false.
func element(b []byte) (tag byte, content, rest []byte, whole, ok bool) {
	if len(b) < 2 {
		return 0, nil, nil, false, false
	}
	tag, n, b := b[0], int(b[1]), b[2:]
	if n >= 0x80 {
		digits := n & 0x7f
		if digits == 0 || digits > 4 || digits > len(b) {
			return 0, nil, nil, false, false
		}
		n = 0
		for _, d := range b[:digits] {
			n = n<<8 | int(d)
		}
		b = b[digits:]
	}
	if n < 0 || n > len(b) {
		return tag, b, nil, false, true
	}
	return tag, b[:n], b[n:], true, true
}

// expect splits off an element that has to be whole and of the tag.
func expect(b []byte, want byte) (content, rest []byte, ok bool) {
	tag, content, rest, whole, ok := element(b)
	return content, rest, ok && whole && tag == want
}

// expectInt splits off an INTEGER that fits 64 bits. An empty one is 0.
func expectInt(b []byte) (v int64, rest []byte, ok bool) {
	content, rest, ok := expect(b, Integer)
	if !ok {
		return 0, nil, false
	}
	if len(content) == 0 {
		return 0, rest, true
	}
	v, ok = signed(content)
	return v, rest, ok
}

// signed reads two's complement, of any length as long as the value fits.
func signed(b []byte) (int64, bool) {
	if len(b) == 0 {
		return 0, false
	}
	for len(b) > 8 {
		if b[0] != byte(int8(b[1])>>7) {
			return 0, false
		}
		b = b[1:]
	}
	v := int64(int8(b[0]))
	for _, c := range b[1:] {
		v = v<<8 | int64(c)
	}
	return v, true
}

// unsigned reads a number that is meant without a sign, of any length as long as
// the value fits. A leading octet that is all sign counts as padding.
func unsigned(b []byte) (uint64, bool) {
	if len(b) == 0 {
		return 0, false
	}
	for len(b) > 8 {
		if b[0] != 0 && (b[0] != 0xff || b[1] < 0x80) {
			return 0, false
		}
		b = b[1:]
	}
	var v uint64
	for _, c := range b {
		v = v<<8 | uint64(c)
	}
	return v, true
}

// lengthSize is how many bytes the tag and length of n bytes of content take.
func lengthSize(n int) int {
	switch {
	case n < 0x80:
		return 2
	case n < 0x100:
		return 3
	case n < 0x10000:
		return 4
	}
	return 5
}

// appendHeader appends tag and length of n bytes (below 16 MiB) of content.
func appendHeader(dst []byte, tag byte, n int) []byte {
	switch {
	case n < 0x80:
		return append(dst, tag, byte(n))
	case n < 0x100:
		return append(dst, tag, 0x81, byte(n))
	case n < 0x10000:
		return append(dst, tag, 0x82, byte(n>>8), byte(n))
	}
	return append(dst, tag, 0x83, byte(n>>16), byte(n>>8), byte(n))
}

// appendElement appends a whole element.
func appendElement[T ~string | ~[]byte](dst []byte, tag byte, content T) []byte {
	return append(appendHeader(dst, tag, len(content)), content...)
}

// intSize is how many bytes of content appendInt writes.
func intSize(v int64) int {
	n := 1
	for ; v > 127 || v < -128; v >>= 8 {
		n++
	}
	return n
}

// appendInt appends v as an INTEGER.
func appendInt(dst []byte, v int64) []byte {
	n := intSize(v)
	dst = append(dst, Integer, byte(n))
	for i := n - 1; i >= 0; i-- {
		dst = append(dst, byte(v>>(8*i)))
	}
	return dst
}
