package snmp

import "fmt"

// Bits of msgFlags (RFC 3412, section 6.4).
const (
	flagAuth       = 1
	flagPriv       = 2
	flagReportable = 4
)

// largestMessage is the msgMaxSize that is announced: all that UDP carries.
const largestMessage = 65507

// usmModel is the number of the User-based Security Model.
const usmModel = 3

// secured is what a message of version 3 says around its scoped PDU.
type secured struct {
	id     uint32
	flags  byte
	engine []byte // authoritative engine
	boots  uint32
	time   uint32 // seconds
	user   []byte
	mac    []byte // its place in the message
	salt   []byte
	scoped []byte // encrypted content, or the whole scoped PDU
}

// appendScoped appends a scoped PDU.
func appendScoped(dst []byte, engine, context string, q pdu, list []byte) []byte {
	n := lengthSize(len(engine)) + len(engine) + lengthSize(len(context)) + len(context) + pduSize(q, list)
	dst = appendHeader(dst, tagSequence, n)
	dst = appendElement(dst, OctetString, engine)
	dst = appendElement(dst, OctetString, context)
	return appendPDU(dst, q, list)
}

// appendSecured appends a message with room for the MAC, and returns where that
// is. scoped is as in secured; m.mac only counts by its length.
func appendSecured(dst []byte, m secured) (message []byte, mac int) {
	header := 2 + intSize(int64(m.id)) + 2 + intSize(largestMessage) + 3 + 3
	params := lengthSize(len(m.engine)) + len(m.engine) + 2 + intSize(int64(m.boots)) + 2 + intSize(int64(m.time)) +
		lengthSize(len(m.user)) + len(m.user) + lengthSize(len(m.mac)) + len(m.mac) + lengthSize(len(m.salt)) + len(m.salt)
	wrapped := lengthSize(params) + params
	total := 3 + lengthSize(header) + header + lengthSize(wrapped) + wrapped + len(m.scoped)
	if m.flags&flagPriv != 0 {
		total += lengthSize(len(m.scoped))
	}
	dst = append(appendHeader(dst, tagSequence, total), Integer, 1, byte(V3))

	dst = appendHeader(dst, tagSequence, header)
	dst = appendInt(dst, int64(m.id))
	dst = appendInt(dst, largestMessage)
	dst = append(dst, OctetString, 1, m.flags, Integer, 1, usmModel)

	dst = appendHeader(appendHeader(dst, OctetString, wrapped), tagSequence, params)
	dst = appendElement(dst, OctetString, m.engine)
	dst = appendInt(dst, int64(m.boots))
	dst = appendInt(dst, int64(m.time))
	dst = appendElement(dst, OctetString, m.user)
	dst = appendHeader(dst, OctetString, len(m.mac))
	mac = len(dst)
	for range m.mac {
		dst = append(dst, 0)
	}
	dst = appendElement(dst, OctetString, m.salt)
	if m.flags&flagPriv != 0 {
		return appendElement(dst, OctetString, m.scoped), mac
	}
	return append(dst, m.scoped...), mac
}

// fields reads elements one after another and remembers whether all were there.
type fields struct {
	b   []byte
	bad bool
}

func (f *fields) take(tag byte) []byte {
	content, rest, ok := expect(f.b, tag)
	f.b, f.bad = rest, f.bad || !ok
	return content
}

func (f *fields) int() int64 {
	v, rest, ok := expectInt(f.b)
	f.b, f.bad = rest, f.bad || !ok
	return v
}

// parseSecured reads a message; what it returns lies in b.
func parseSecured(b []byte) (m secured, err error) {
	outer := fields{b: b}
	body := fields{b: outer.take(tagSequence)}
	version := body.int()
	header := fields{b: body.take(tagSequence)}
	wrapped := fields{b: body.take(OctetString)}
	m.id = uint32(header.int())
	header.int() // msgMaxSize of the agent
	flags, model := header.take(OctetString), header.int()
	params := fields{b: wrapped.take(tagSequence)}
	m.engine = params.take(OctetString)
	m.boots, m.time = uint32(params.int()), uint32(params.int())
	m.user = params.take(OctetString)
	m.mac, m.salt = params.take(OctetString), params.take(OctetString)
	switch {
	case outer.bad || body.bad || header.bad || wrapped.bad || params.bad || version != int64(V3) || len(flags) != 1:
		return m, errNotReply
	case model != usmModel:
		return m, fmt.Errorf("security model %d", model)
	}
	m.flags, m.scoped = flags[0], body.b
	if m.flags&flagPriv != 0 {
		if m.scoped, _, _ = expect(body.b, OctetString); m.scoped == nil {
			return m, errNotReply
		}
	}
	return m, nil
}

// scopedPDU reads a scoped PDU into r and returns the tag and request-id of its
// PDU. Padding may follow it.
func (r *Reply) scopedPDU(b []byte) (tag byte, id uint32, err error) {
	outer := fields{b: b}
	body := fields{b: outer.take(tagSequence)}
	body.take(OctetString) // contextEngineID
	body.take(OctetString) // contextName
	if outer.bad || body.bad || len(body.b) == 0 {
		return 0, 0, errNotReply
	}
	tag = body.b[0]
	id, err = r.pdu(body.b, tag)
	return tag, id, err
}
