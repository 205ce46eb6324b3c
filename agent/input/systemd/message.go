package systemd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Kinds of messages and codes of header fields (D-Bus specification, Message
// Protocol).
const (
	kindCall   = 1
	kindReturn = 2
	kindError  = 3

	fieldPath        = 1
	fieldInterface   = 2
	fieldMember      = 3
	fieldError       = 4
	fieldReplyTo     = 5
	fieldDestination = 6
	fieldSignature   = 8
)

// maxMessage bounds what is read of one message, in bytes: ten thousand units
// take less than three million.
const maxMessage = 8 << 20

var errMalformed = errors.New("malformed D-Bus message")

// message is one D-Bus message; which fields count depends on its kind.
type message struct {
	kind        byte
	serial      uint32
	replyTo     uint32
	path        string
	iface       string
	member      string
	destination string
	errorName   string
	signature   string
	body        []byte
	order       binary.ByteOrder // of body; nil: little endian
}

// writer builds a message's parts, little endian.
type writer struct{ b []byte }

func (w *writer) align(n int) {
	for len(w.b)%n != 0 {
		w.b = append(w.b, 0)
	}
}

func (w *writer) number(v uint32) {
	w.align(4)
	w.b = binary.LittleEndian.AppendUint32(w.b, v)
}

func (w *writer) text(s string) {
	w.number(uint32(len(s)))
	w.b = append(append(w.b, s...), 0)
}

func (w *writer) sign(s string) {
	w.b = append(w.b, byte(len(s)))
	w.b = append(append(w.b, s...), 0)
}

func (w *writer) field(code byte, kind string, value string) {
	if value == "" {
		return
	}
	w.align(8)
	w.b = append(w.b, code)
	w.sign(kind)
	if kind == "g" {
		w.sign(value)
	} else {
		w.text(value)
	}
}

// encode returns the message as it goes over the wire.
func (m message) encode() []byte {
	w := writer{b: []byte{'l', m.kind, 0, 1}}
	w.number(uint32(len(m.body)))
	w.number(m.serial)
	w.number(0) // the length of the fields, set below
	start := len(w.b)
	w.field(fieldPath, "o", m.path)
	w.field(fieldInterface, "s", m.iface)
	w.field(fieldMember, "s", m.member)
	w.field(fieldError, "s", m.errorName)
	if m.replyTo != 0 {
		w.align(8)
		w.b = append(w.b, fieldReplyTo)
		w.sign("u")
		w.number(m.replyTo)
	}
	w.field(fieldDestination, "s", m.destination)
	w.field(fieldSignature, "g", m.signature)
	binary.LittleEndian.PutUint32(w.b[12:], uint32(len(w.b)-start))
	w.align(8)
	return append(w.b, m.body...)
}

// reader takes a message's parts apart; after the first fault it gives zeros.
type reader struct {
	b     []byte // the whole of what alignment counts in
	at    int
	order binary.ByteOrder
	err   error
}

func (r *reader) take(n int) []byte {
	if r.err != nil || n < 0 || n > len(r.b)-r.at {
		r.err = errMalformed
		return nil
	}
	r.at += n
	return r.b[r.at-n : r.at]
}

func (r *reader) align(n int) {
	if over := r.at % n; over != 0 {
		r.take(n - over)
	}
}

func (r *reader) number() uint32 {
	r.align(4)
	if b := r.take(4); b != nil {
		return r.order.Uint32(b)
	}
	return 0
}

// text returns a string's bytes, valid as long as the message.
func (r *reader) text() []byte {
	n := r.number()
	if n > maxMessage {
		r.err = errMalformed
	}
	b := r.take(int(n))
	r.take(1)
	return b
}

func (r *reader) sign() string {
	n := r.take(1)
	if n == nil {
		return ""
	}
	s := string(r.take(int(n[0])))
	r.take(1)
	return s
}

// readMessage reads one message.
func readMessage(in io.Reader) (message, error) {
	var head [16]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return message{}, err
	}
	m := message{kind: head[1], order: binary.LittleEndian}
	switch head[0] {
	case 'l':
	case 'B':
		m.order = binary.BigEndian
	default:
		return m, errMalformed
	}
	size, fields := m.order.Uint32(head[4:]), m.order.Uint32(head[12:])
	m.serial = m.order.Uint32(head[8:])
	if size > maxMessage || fields > maxMessage {
		return m, fmt.Errorf("D-Bus message of %d bytes: more than %d", uint64(size)+uint64(fields), maxMessage)
	}
	padded := (int(fields) + 7) &^ 7
	rest := make([]byte, padded+int(size))
	if _, err := io.ReadFull(in, rest); err != nil {
		return m, err
	}
	m.body = rest[padded:]
	return m, m.header(reader{b: rest[:fields], order: m.order})
}

// header reads the fields; the fixed part before them is 16 bytes, so that they
// are aligned as if they began at 0.
func (m *message) header(r reader) error {
	for r.at < len(r.b) && r.err == nil {
		r.align(8)
		code := r.take(1)
		switch kind := r.sign(); {
		case r.err != nil:
		case kind == "u":
			if n := r.number(); code[0] == fieldReplyTo {
				m.replyTo = n
			}
		case kind == "g":
			if s := r.sign(); code[0] == fieldSignature {
				m.signature = s
			}
		case kind == "s" || kind == "o":
			m.word(code[0], string(r.text()))
		default:
			return errMalformed // no field of the specification has another
		}
	}
	return r.err
}

func (m *message) word(code byte, s string) {
	switch code {
	case fieldPath:
		m.path = s
	case fieldInterface:
		m.iface = s
	case fieldMember:
		m.member = s
	case fieldError:
		m.errorName = s
	case fieldDestination:
		m.destination = s
	}
}
