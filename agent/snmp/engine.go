package snmp

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// engine is the codec of version 3: what is known of one device's engine, and the
// keys of our user there. It stays with its session, so that an engine is
// discovered once and its clock is known from then on.
type engine struct {
	t       *Transport
	address func() netip.AddrPort
	user    User
	context string

	id    string // "": not discovered
	boots uint32
	clock uint32    // the engine's seconds …
	at    time.Time // … at this time
	seal  *sealer
	salt  uint64

	proven  bool   // the engine has answered our user
	open    bool   // ask without privacy, to find out whether that is what is wrong
	changed int    // how often the engine was found to be another one
	why     string // why what came since the last answer was none
	scoped  []byte // the scoped PDU being sent
}

func newEngine(t *Transport, c Config, address func() netip.AddrPort) *engine {
	e := &engine{t: t, user: c.User, context: c.Context, address: address}
	var start [8]byte
	_, _ = rand.Read(start[:]) // never fails
	e.salt = binary.BigEndian.Uint64(start[:])
	return e
}

// now is the engine's clock, as far as known.
func (e *engine) now() uint32 {
	if e.at.IsZero() {
		return e.clock
	}
	return min(e.clock+uint32(time.Since(e.at)/time.Second), 1<<31-1)
}

// encode appends a request, or what discovers the engine.
func (e *engine) encode(dst []byte, q pdu, list []byte) ([]byte, error) {
	m := secured{id: q.id, flags: flagReportable}
	if e.id == "" {
		m.scoped = appendScoped(e.scoped[:0], "", "", pdu{op: Get, id: q.id}, nil)
		e.scoped = m.scoped
		dst, _ = appendSecured(dst, m)
		return dst, nil
	}
	e.scoped = appendScoped(e.scoped[:0], e.id, e.context, q, list)
	m.flags |= e.flags()
	m.engine, m.user = []byte(e.id), []byte(e.user.Name)
	m.mac = make([]byte, e.seal.macSize)
	if m.flags&flagAuth != 0 {
		m.boots, m.time = e.boots, e.now()
	}
	if m.flags&flagPriv != 0 {
		m.salt = e.nextSalt()
		e.scoped = e.seal.encrypt(e.scoped, m.salt, m.boots, m.time)
	}
	m.scoped = e.scoped
	from := len(dst)
	dst, mac := appendSecured(dst, m)
	if m.flags&flagAuth != 0 {
		copy(dst[mac:], e.seal.digest(dst[from:]))
	}
	return dst, nil
}

// flags are the msgFlags of requests.
func (e *engine) flags() byte {
	if e.open {
		return e.user.flags() &^ flagPriv
	}
	return e.user.flags()
}

// nextSalt never repeats for a key (RFC 3414, section 8.1.1.1; RFC 3826, section
// 3.1.2.1).
func (e *engine) nextSalt() []byte {
	e.salt++
	salt := binary.BigEndian.AppendUint64(nil, e.salt)
	if e.user.Priv == DES {
		binary.BigEndian.PutUint32(salt, e.boots)
	}
	return salt
}

// decode reads an answer; see codec.
func (e *engine) decode(datagram []byte, r *Reply) (verdict, error) {
	m, err := parseSecured(datagram)
	if err != nil {
		return e.ignore(err.Error())
	}
	authentic := m.flags&flagAuth != 0
	if authentic {
		if e.id == "" || string(m.engine) != e.id || !e.seal.authentic(datagram, m.mac) {
			return e.ignore("answers are not authentic")
		}
		e.boots, e.clock, e.at = m.boots, m.time, time.Now()
		if e.open {
			return taken, Refusal{WrongPrivacy}
		}
	}
	if m.flags&flagPriv != 0 {
		if !authentic || e.seal.block == nil || e.seal.decrypt(m.scoped, m.salt, m.boots, m.time) != nil {
			return e.ignore("answers cannot be decrypted")
		}
	}
	tag, id, err := r.scopedPDU(m.scoped)
	switch {
	case err != nil && m.flags&flagPriv != 0:
		return e.ignore("answers make no sense when decrypted")
	case err != nil:
		return e.ignore(err.Error())
	case tag == pduReport:
		return e.report(m, r)
	case tag != pduResponse || id != m.id:
		return e.ignore("answers are to something else")
	case m.flags&(flagAuth|flagPriv) != e.user.flags():
		return e.ignore("answers have another security level than asked for")
	}
	e.proven, e.why = true, ""
	return taken, nil
}

// ignore remembers why a datagram was no answer.
func (e *engine) ignore(why string) (verdict, error) {
	e.why = why
	return ignored, nil
}

// hint says what may be wrong where nothing was answered.
func (e *engine) hint() string {
	switch {
	case e.why != "":
		return e.why
	case e.id != "" && !e.proven:
		return "the device tells its engine, but does not answer the user"
	}
	return ""
}

// doubtful tells whether the privacy password may be what is wrong: many agents
// drop what they cannot decrypt.
func (e *engine) doubtful() bool { return e.id != "" && !e.proven && e.user.Priv != NoPriv }

// doubtPrivacy asks a silent engine once more without privacy, for its up-time.
// If that is answered, in whatever way, user and password are right and silence
// was about privacy.
func (s *Session) doubtPrivacy(ctx context.Context, silence error) error {
	e, ok := s.codec.(*engine)
	if !ok || !e.doubtful() {
		return silence
	}
	e.open = true
	defer func() { e.open = false }()
	setAsked(s, []OID{upTime})
	_, err := s.exchange(ctx, pdu{op: Get}, 1)
	var r Refusal
	if errors.As(err, &r) {
		return r
	}
	return silence
}

// upTime is sysUpTime.0.
var upTime = MustParseOID("1.3.6.1.2.1.1.3.0")

// adopt takes the engine that a message names.
func (e *engine) adopt(m secured) {
	if e.id != "" && string(m.engine) != e.id {
		e.changed++
	}
	if string(m.engine) != e.id || e.seal == nil {
		e.id = string(m.engine)
		e.seal = newSealer(e.user, e.id, e.t.passwordKey)
		e.proven = false
		e.t.enrol(e)
	}
	e.boots, e.clock, e.at = m.boots, m.time, time.Now()
}

// leave takes the engine off the Transport's list.
func (e *engine) leave() { e.t.discharge(e) }

// mostPasswords bounds how many keys of passwords a Transport keeps.
const mostPasswords = 1024

// passwordKey is the function passwordKey with its results kept: it takes
// milliseconds, and many devices share a user. Passwords are not kept.
func (t *Transport) passwordKey(a Auth, password string) []byte {
	name := sha256.Sum256(append([]byte{byte(a)}, password...))
	t.mu.Lock()
	key := t.passwords[name]
	t.mu.Unlock()
	if key != nil {
		return key
	}
	key = passwordKey(a, password)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.passwords) >= mostPasswords {
		clear(t.passwords)
	}
	t.passwords[name] = key
	return key
}

// enrol notes which engine a session asks.
func (t *Transport) enrol(e *engine) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.engines[e] = e.id
}

func (t *Transport) discharge(e *engine) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.engines, e)
}

// Engine says what a Session of version 3 knows of the device's engine.
type Engine struct {
	ID      string // in hex; "": not discovered, or not version 3
	Boots   uint32
	Time    time.Duration // since its last boot, by its own clock
	Changed int           // how often it was found to be another engine
	Twins   []netip.AddrPort
}

// Engine returns what is known of the engine. Twins are the other addresses at
// which this Transport met the same engine ID: a cloned configuration, or one
// device asked by several addresses.
func (s *Session) Engine() Engine {
	e, ok := s.codec.(*engine)
	if !ok || e.id == "" {
		return Engine{}
	}
	return Engine{
		ID: hex.EncodeToString([]byte(e.id)), Boots: e.boots, Time: time.Duration(e.now()) * time.Second,
		Changed: e.changed, Twins: s.t.twins(e),
	}
}

func (t *Transport) twins(e *engine) []netip.AddrPort {
	t.mu.Lock()
	defer t.mu.Unlock()
	var twins []netip.AddrPort
	for o, id := range t.engines {
		if a := o.address(); id == e.id && a != e.address() && !slices.Contains(twins, a) {
			twins = append(twins, a)
		}
	}
	slices.SortFunc(twins, netip.AddrPort.Compare)
	return twins
}

// ReportError is the error of an engine that reports something that is neither a
// refusal nor mended by asking again.
type ReportError struct {
	OID OID
}

// Error names what was reported.
func (e ReportError) Error() string {
	if name, ok := reportNames[e.OID]; ok {
		return "the engine reports " + name
	}
	return fmt.Sprintf("the engine reports %s", e.OID)
}
