package snmp

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync"
)

// Kinds of PDU that a receiver of notifications meets (RFC 1157, RFC 3416).
const (
	PDUTrapV1 = 0xa4
	PDUInform = 0xa6
	PDUTrap   = 0xa7
)

// ErrNoMessage is the error of a datagram that is no SNMP message.
var ErrNoMessage = errors.New("not an SNMP message that can be read")

// VersionError is the error of a message of a version that does not exist.
type VersionError int64

// Error names the version.
func (v VersionError) Error() string { return fmt.Sprintf("SNMP version %d", int64(v)) }

// PDU is a notification, or another PDU that came unasked. It lies in the
// datagram it was read from.
type PDU struct {
	Tag        byte // PDUTrapV1, PDUTrap, PDUInform or another
	Enterprise OID  // this to Uptime: of PDUTrapV1 only
	Agent      netip.Addr
	Generic    int64
	Specific   int64
	Uptime     uint32 // 1/100 s

	request []byte // content of the request-id
	list    []byte
	cut     bool
}

// Varbinds returns an iterator over the variable bindings.
func (p *PDU) Varbinds() Varbinds { return Varbinds{rest: p.list, cut: p.cut} }

// RequestID is the request-id as it was sent; of PDUTrapV1 there is none.
func (p *PDU) RequestID() []byte { return p.request }

// Message is a message that came unasked. It lies in the datagram it was read
// from, which Open changes.
type Message struct {
	Version   Version
	Community []byte // of versions 1 and 2c
	PDU       PDU    // of version 3 only after Open

	Engine, User []byte // this to Reportable: of version 3
	Boots, Time  uint32
	Auth, Priv   bool // what the message claims to be protected by
	Reportable   bool // the sender wants to be told what is wrong

	secured  secured
	datagram []byte
	context  [2][]byte // engine and name
}

// ParseMessage reads a message of any version. What version 3 protects is read by
// Open. The errors are ErrNoMessage and VersionError.
func ParseMessage(datagram []byte) (*Message, error) {
	outer := fields{b: datagram}
	tag, b, _, whole, ok := element(datagram)
	if !ok || tag != tagSequence {
		return nil, ErrNoMessage
	}
	version, rest, ok := expectInt(b)
	if !ok {
		return nil, ErrNoMessage
	}
	m := &Message{Version: Version(version), datagram: datagram}
	switch version {
	case int64(V1), int64(V2c):
		body := fields{b: rest}
		if m.Community = body.take(OctetString); body.bad {
			return nil, ErrNoMessage
		}
		if err := m.PDU.read(body.b); err != nil {
			return nil, err
		}
		m.PDU.cut = m.PDU.cut || !whole
		return m, nil
	case int64(V3):
	default:
		return nil, VersionError(version)
	}
	if outer.take(tagSequence); outer.bad {
		return nil, ErrNoMessage
	}
	m.datagram = datagram[:len(datagram)-len(outer.b)] // the MAC is over the message, not over what trails it
	s, err := parseSecured(m.datagram)
	if err != nil {
		return nil, ErrNoMessage
	}
	m.secured, m.Engine, m.User, m.Boots, m.Time = s, s.engine, s.user, s.boots, s.time
	m.Auth, m.Priv, m.Reportable = s.flags&flagAuth != 0, s.flags&flagPriv != 0, s.flags&flagReportable != 0
	if m.Priv && !m.Auth || len(s.engine) > 32 || len(s.user) > 32 { // RFC 3412, section 7.2; RFC 3411, section 5
		return nil, ErrNoMessage
	}
	return m, nil
}

// read reads a PDU. A list of variable bindings that ends early counts as far as
// it goes.
func (p *PDU) read(b []byte) error {
	tag, b, _, whole, ok := element(b)
	if !ok || tag < pduGet || tag > pduReport {
		return ErrNoMessage
	}
	p.Tag = tag
	f := fields{b: b}
	if tag == PDUTrapV1 {
		p.readV1(&f)
	} else {
		p.request = f.take(Integer)
		f.int() // error-status
		f.int() // error-index
		if len(p.request) == 0 || len(p.request) > 8 {
			return ErrNoMessage
		}
	}
	if f.bad {
		return ErrNoMessage
	}
	p.cut = !whole
	if len(f.b) == 0 {
		p.cut = true
		return nil
	}
	tag, list, _, whole, ok := element(f.b)
	if !ok || tag != tagSequence {
		return ErrNoMessage
	}
	p.list, p.cut = list, p.cut || !whole
	return nil
}

// readV1 reads what stands before the variable bindings of a version 1 trap (RFC
// 1157, section 4.1.6).
func (p *PDU) readV1(f *fields) {
	p.Enterprise = Value{ObjectID, f.take(ObjectID)}.OID()
	p.Agent = Value{IPAddress, f.take(IPAddress)}.IP()
	p.Generic, p.Specific = f.int(), f.int()
	ticks, _ := Value{TimeTicks, f.take(TimeTicks)}.Uint64()
	p.Uptime = uint32(ticks)
	f.bad = f.bad || p.Enterprise == ""
}

// USMFault is why a message of version 3 is not taken: the number of its counter
// below usmStats (RFC 3414, section 5).
type USMFault uint32

// The faults of the User-based Security Model.
const (
	USMLevel   USMFault = 1
	USMTime    USMFault = 2
	USMUser    USMFault = 3
	USMEngine  USMFault = 4
	USMDigest  USMFault = 5
	USMDecrypt USMFault = 6
)

// counter is the OID of the fault's counter.
func (f USMFault) counter() OID {
	return MustParseOID(fmt.Sprintf("1.3.6.1.6.3.15.1.1.%d.0", uint32(f)))
}

// Error names the counter.
func (f USMFault) Error() string { return reportNames[f.counter()] }

// Recipient is a user as whom notifications are received. It makes the keys of
// the passwords when they are first needed, which takes milliseconds. It is safe
// for concurrent use.
type Recipient struct {
	user       User
	once       sync.Once
	auth, priv []byte // keys of the passwords
}

// NewRecipient checks the user.
func NewRecipient(u User) (*Recipient, error) {
	if err := u.validate(); err != nil {
		return nil, err
	}
	return &Recipient{user: u}, nil
}

// User returns the user.
func (r *Recipient) User() User { return r.user }

// Keys are a user's keys at one engine. They are used by one goroutine at a time.
type Keys struct {
	recipient *Recipient
	engine    string
	auth      *sealer // without privacy
	full      *sealer // made once a message was authentic: some protocols take milliseconds
	salt      uint64
}

// Keys localises the user's keys to an engine.
func (r *Recipient) Keys(engine string) *Keys {
	r.once.Do(func() {
		if r.user.Auth != NoAuth {
			r.auth = passwordKey(r.user.Auth, r.user.AuthPassword.Reveal())
		}
		if r.user.Priv != NoPriv {
			r.priv = passwordKey(r.user.Auth, r.user.PrivPassword.Reveal())
		}
	})
	k := &Keys{recipient: r, engine: engine}
	var start [8]byte
	_, _ = rand.Read(start[:]) // never fails
	k.salt = binary.BigEndian.Uint64(start[:])
	u := r.user
	u.Priv = NoPriv
	k.auth = newSealer(u, engine, r.key)
	return k
}

// key hands newSealer what the password keys are kept as.
func (r *Recipient) key(a Auth, password string) []byte {
	switch password {
	case r.user.AuthPassword.Reveal():
		return r.auth
	case r.user.PrivPassword.Reveal():
		return r.priv
	}
	return passwordKey(a, password)
}

// Open authenticates and decrypts a message of version 3 and reads its PDU. The
// errors are USMLevel where the message is not protected exactly as the user
// is, USMDigest, USMDecrypt and ErrNoMessage. Times are the caller's to judge.
func (m *Message) Open(k *Keys) error {
	u := k.recipient.user
	if m.Auth != (u.Auth != NoAuth) || m.Priv != (u.Priv != NoPriv) {
		return USMLevel
	}
	if m.Auth && !k.authentic(m) {
		return USMDigest
	}
	b := m.secured.scoped
	if m.Priv {
		if k.full == nil {
			k.full = newSealer(u, k.engine, k.recipient.key)
		}
		b = append([]byte(nil), b...) // what is encrypted may be tried with other keys
		if k.full.decrypt(b, m.secured.salt, m.Boots, m.Time) != nil {
			return USMDecrypt
		}
	}
	err := m.scoped(b)
	if err != nil && m.Priv {
		return USMDecrypt
	}
	return err
}

// authentic checks the MAC and leaves the message as it was.
func (k *Keys) authentic(m *Message) bool {
	var mac [64]byte
	if len(m.secured.mac) > len(mac) {
		return false
	}
	n := copy(mac[:], m.secured.mac)
	defer copy(m.secured.mac, mac[:n])
	return k.auth.authentic(m.datagram, m.secured.mac)
}

// OpenPlain reads the PDU of a message that is neither authenticated nor
// encrypted, as those are that discover our engine.
func (m *Message) OpenPlain() error {
	if m.Auth || m.Priv {
		return USMLevel
	}
	return m.scoped(m.secured.scoped)
}

// scoped reads a scoped PDU; padding may follow it.
func (m *Message) scoped(b []byte) error {
	outer := fields{b: b}
	body := fields{b: outer.take(tagSequence)}
	m.context = [2][]byte{body.take(OctetString), body.take(OctetString)}
	if outer.bad || body.bad {
		return ErrNoMessage
	}
	return m.PDU.read(body.b)
}

// Authority says which engine answers, and its clock.
type Authority struct {
	ID          string
	Boots, Time uint32
}

// AppendResponse appends the message that acknowledges an inform: the same
// variable bindings in a Response (RFC 3416, section 4.2.7). Keys are those the
// message was opened with; versions 1 and 2c need none.
func (m *Message) AppendResponse(dst []byte, a Authority, k *Keys) []byte {
	answer := appendAnswer(nil, pduResponse, m.PDU.request, m.PDU.list)
	if m.Version != V3 {
		n := 3 + lengthSize(len(m.Community)) + len(m.Community) + len(answer)
		dst = append(appendHeader(dst, tagSequence, n), Integer, 1, byte(m.Version))
		return append(appendElement(dst, OctetString, m.Community), answer...)
	}
	var flags byte
	if m.Auth {
		flags |= flagAuth
	}
	if m.Priv {
		flags |= flagPriv
	}
	return m.seal(dst, flags, a, k, string(m.context[0]), answer)
}

// AppendReport appends the message that tells the sender what is wrong: the
// fault's counter. It is authenticated where keys are given.
func (m *Message) AppendReport(dst []byte, f USMFault, count uint32, a Authority, k *Keys) []byte {
	value := binary.BigEndian.AppendUint32([]byte{0}, count)
	bind := appendElement(appendElement(nil, ObjectID, f.counter()), Counter32, value)
	request := m.PDU.request
	if len(request) == 0 {
		request = []byte{0}
	}
	answer := appendAnswer(nil, pduReport, request, appendElement(nil, tagSequence, bind))
	var flags byte
	if k != nil && k.auth.mac != nil {
		flags = flagAuth
	}
	return m.seal(dst, flags, a, k, a.ID, answer)
}

// appendAnswer appends a PDU without error.
func appendAnswer(dst []byte, tag byte, request, list []byte) []byte {
	n := lengthSize(len(request)) + len(request) + 6 + lengthSize(len(list)) + len(list)
	dst = appendElement(appendHeader(dst, tag, n), Integer, request)
	dst = appendInt(appendInt(dst, 0), 0)
	return appendElement(dst, tagSequence, list)
}

// seal appends the message of version 3 around a PDU.
func (m *Message) seal(dst []byte, flags byte, a Authority, k *Keys, context string, answer []byte) []byte {
	inner := appendElement(nil, OctetString, context)
	inner = append(appendElement(inner, OctetString, m.context[1]), answer...)
	s := secured{id: m.secured.id, flags: flags, engine: []byte(a.ID), boots: a.Boots, time: a.Time, user: m.User, scoped: appendElement(nil, tagSequence, inner)}
	if flags&flagAuth != 0 {
		s.mac = make([]byte, k.auth.macSize)
	}
	if flags&flagPriv != 0 {
		s.salt = k.nextSalt(a.Boots)
		s.scoped = k.full.encrypt(s.scoped, s.salt, a.Boots, a.Time)
	}
	from := len(dst)
	dst, mac := appendSecured(dst, s)
	if flags&flagAuth != 0 {
		copy(dst[mac:], k.auth.digest(dst[from:]))
	}
	return dst
}

// nextSalt never repeats for a key; see engine.nextSalt.
func (k *Keys) nextSalt(boots uint32) []byte {
	k.salt++
	salt := binary.BigEndian.AppendUint64(nil, k.salt)
	if k.recipient.user.Priv == DES {
		binary.BigEndian.PutUint32(salt, boots)
	}
	return salt
}
