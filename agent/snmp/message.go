package snmp

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Version is a version of the protocol.
type Version uint8

// The versions, as they stand in messages.
const (
	V1  Version = 0
	V2c Version = 1
	V3  Version = 3
)

// String returns 1, 2c or 3.
func (v Version) String() string {
	switch v {
	case V1:
		return "1"
	case V2c:
		return "2c"
	}
	return fmt.Sprint(uint8(v))
}

// Op is the kind of a request.
type Op uint8

// The kinds. Bulk does not exist in version 1.
const (
	Get  Op = pduGet
	Next Op = pduNext
	Bulk Op = pduBulk
)

// String returns the name of the kind.
func (o Op) String() string {
	switch o {
	case Get:
		return "GET"
	case Next:
		return "GETNEXT"
	case Bulk:
		return "GETBULK"
	}
	return fmt.Sprintf("PDU %#x", uint8(o))
}

// pdu is what a request says besides its OIDs.
type pdu struct {
	op   Op
	id   uint32 // request-id, below 2^31
	a, b int    // non-repeaters and max-repetitions, or 0
}

// appendPDU appends a request PDU; list is the content of its variable bindings.
func appendPDU(dst []byte, p pdu, list []byte) []byte {
	inner := 6 + intSize(int64(p.id)) + intSize(int64(p.a)) + intSize(int64(p.b)) + lengthSize(len(list)) + len(list)
	dst = appendHeader(dst, byte(p.op), inner)
	dst = appendInt(dst, int64(p.id))
	dst = appendInt(dst, int64(p.a))
	dst = appendInt(dst, int64(p.b))
	return appendElement(dst, tagSequence, list)
}

// pduSize is how many bytes appendPDU appends.
func pduSize(p pdu, list []byte) int {
	inner := 6 + intSize(int64(p.id)) + intSize(int64(p.a)) + intSize(int64(p.b)) + lengthSize(len(list)) + len(list)
	return lengthSize(inner) + inner
}

// appendMessage appends a whole message of version 1 or 2c.
func appendMessage(dst []byte, v Version, community string, p pdu, list []byte) []byte {
	n := 3 + lengthSize(len(community)) + len(community) + pduSize(p, list)
	dst = appendHeader(dst, tagSequence, n)
	dst = append(dst, Integer, 1, byte(v))
	dst = appendElement(dst, OctetString, community)
	return appendPDU(dst, p, list)
}

// appendAsked appends variable bindings that ask for the OIDs.
func appendAsked[T ~string | ~[]byte](dst []byte, oids []T) []byte {
	for _, o := range oids {
		n := lengthSize(len(o)) + len(o)
		dst = appendHeader(dst, tagSequence, n+2)
		dst = appendElement(dst, ObjectID, o)
		dst = append(dst, Null, 0)
	}
	return dst
}

// peek finds in a datagram what it answers: the message-id of version 3, the
// request-id of others.
func peek(b []byte) (id uint32, ok bool) {
	_, b, _, _, ok = element(b) // what is cut short at the end may still be told
	if !ok {
		return 0, false
	}
	version, b, ok := expectInt(b)
	if !ok {
		return 0, false
	}
	switch Version(version) {
	case V3:
		b, _, ok = expect(b, tagSequence)
	case V1, V2c:
		if _, b, ok = expect(b, OctetString); ok {
			var tag byte
			tag, b, _, _, ok = element(b)
			ok = ok && tag == pduResponse
		}
	default:
		return 0, false
	}
	if !ok {
		return 0, false
	}
	v, _, ok := expectInt(b)
	return uint32(v), ok
}

// Reply is a decoded reply. It and what it hands out lie in the session's receive
// buffer and are valid until the session's next request.
type Reply struct {
	Status Status
	Index  int            // of the variable binding that Status is about, from 1; 0: none
	At     time.Time      // when it was received
	RTT    time.Duration  // since the try that it answers was sent
	Tries  int            // sent for it, from 1
	From   netip.AddrPort // the sender
	Size   int            // bytes of the message

	list []byte // content of the variable bindings
	cut  bool   // list ends before the agent says that it does
}

var errNotReply = errors.New("not a reply that can be read")

// message reads a message of version 1 or 2c into r.
func (r *Reply) message(b []byte) error {
	_, b, _, whole, ok := element(b)
	if !ok {
		return errNotReply
	}
	version, b, ok := expectInt(b)
	if !ok || Version(version) != V1 && Version(version) != V2c {
		return errNotReply
	}
	_, b, ok = expect(b, OctetString)
	if !ok {
		return errNotReply
	}
	_, err := r.pdu(b, pduResponse)
	r.cut = r.cut || !whole
	return err
}

// pdu reads a PDU of the kind and returns its request-id. Where the PDU ends
// early the variable bindings that are there count.
func (r *Reply) pdu(b []byte, want byte) (id uint32, err error) {
	tag, b, _, whole, ok := element(b)
	if !ok || tag != want {
		return 0, errNotReply
	}
	v, b, ok1 := expectInt(b)
	status, b, ok2 := expectInt(b)
	index, b, ok3 := expectInt(b)
	if !ok1 || !ok2 || !ok3 {
		return 0, errNotReply
	}
	r.Status, r.Index = Status(status), int(index)
	r.list, r.cut = nil, !whole
	if len(b) == 0 { // no list at all, as some send with an error
		return uint32(v), nil
	}
	tag, list, _, listWhole, ok := element(b)
	if !ok || tag != tagSequence {
		return 0, errNotReply
	}
	r.list, r.cut = list, r.cut || !listWhole
	return uint32(v), nil
}

// Varbinds returns an iterator over the variable bindings.
func (r *Reply) Varbinds() Varbinds { return Varbinds{rest: r.list, cut: r.cut} }

// Varbinds goes through the variable bindings of a reply:
//
//	for vb := reply.Varbinds(); vb.Next(); { … vb.OID, vb.Value … }
type Varbinds struct {
	OID   []byte // encoded as OID is; part of the receive buffer
	Value Value
	Bad   bool // this one cannot be decoded: Value is empty, OID where that cannot be read either

	rest []byte
	cut  bool
}

// Next steps to the next variable binding and tells whether there is one.
func (v *Varbinds) Next() bool {
	b := v.rest
	if len(b) > 5 && b[0] == tagSequence && b[1] < 0x80 && int(b[1])+2 <= len(b) && b[2] == ObjectID && b[3] < 0x80 { // as nearly all are: no long lengths
		end, value := int(b[1])+2, int(b[3])+4
		if value+2 <= end && value > 4 && b[value-1] < 0x80 && b[value+1] < 0x80 && value+2+int(b[value+1]) <= end {
			v.Bad, v.OID, v.Value = false, b[4:value:value], Value{b[value], b[value+2 : value+2+int(b[value+1])]}
			v.rest = b[end:]
			return true
		}
	}
	return v.any()
}

// any is Next for whatever may come.
func (v *Varbinds) any() bool {
	v.Bad, v.OID, v.Value = false, nil, Value{}
	if len(v.rest) == 0 {
		return false
	}
	tag, content, rest, whole, ok := element(v.rest)
	if !ok || !whole || tag != tagSequence { // what follows cannot be delimited
		v.cut, v.rest = true, nil
		return false
	}
	v.rest = rest
	tag, oid, value, whole, ok := element(content)
	if !ok || !whole || tag != ObjectID || !wellFormed(oid) {
		v.Bad = true
		return true
	}
	v.OID = oid
	tag, raw, _, whole, ok := element(value)
	if !ok || !whole {
		v.Bad = true
		return true
	}
	v.Value = Value{tag, raw}
	return true
}

// Cut tells, after the last Next, whether the reply ended before its end or a
// part of it could not be delimited.
func (v *Varbinds) Cut() bool { return v.cut }
