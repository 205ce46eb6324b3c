package snmp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Stats counts what a Session did since it was opened.
type Stats struct {
	Sent          uint64 // messages, retries included
	Retried       uint64
	Received      uint64 // answers that were taken
	Varbinds      uint64 // in them
	BytesSent     uint64
	BytesReceived uint64
	Late          uint64 // answers to what was over: duplicates, or slower than the time-out
	Strays        uint64 // answers from another address than the one asked
	Garbage       uint64 // answers that cannot be decoded at all, or are not authentic
	Bad           uint64 // variable bindings that cannot be decoded, or numbers without digits
	Cut           uint64 // answers that end before their end
}

// Session asks one device. It is used by one goroutine at a time.
type Session struct {
	t      *Transport
	cfg    Config
	host   string
	port   uint16
	named  bool      // host is a name
	looked time.Time // when the name was looked up
	conn   *datagrams
	sent   outgoing
	p      pending
	rtt    rtt
	codec  codec
	stats  Stats
	reply  Reply
	silent bool   // the last request was not answered
	out    []byte // the message being sent
	list   []byte // content of its variable bindings
	asked  int    // OIDs in list

	getMost   int       // OIDs that the agent takes in a GET, learned; 0: nothing is
	getTop    int       // getMost does not grow beyond
	getTopAt  time.Time // when that was found
	bulkSeen  bool      // the agent has answered a GETBULK well
	nextSince time.Time // since when GETBULK is known not to work at all; zero: it is not
}

// codec makes messages of requests and replies of messages.
type codec interface {
	// encode appends the message that asks q with the variable bindings.
	encode(dst []byte, q pdu, list []byte) ([]byte, error)
	// decode reads an answer to one of the tries into r. It may change the
	// datagram. An error ends the request.
	decode(datagram []byte, r *Reply) (verdict, error)
	// hint says why what came since the last answer was none, or "".
	hint() string
}

// verdict is what becomes of a datagram.
type verdict uint8

const (
	taken   verdict = iota // it is the answer
	ignored                // it is none: go on waiting
	repeat                 // the codec learned from it: ask again at once
	nothing                // nothing came in time
)

// community is the codec of versions 1 and 2c.
type community struct {
	version Version
	name    string
}

func (c community) encode(dst []byte, q pdu, list []byte) ([]byte, error) {
	return appendMessage(dst, c.version, c.name, q, list), nil
}

func (c community) decode(datagram []byte, r *Reply) (verdict, error) {
	if r.message(datagram) != nil {
		return ignored, nil
	}
	return taken, nil
}

func (c community) hint() string { return "" }

// Open makes a Session. It sends nothing; ctx bounds looking up a name.
func (t *Transport) Open(ctx context.Context, c Config) (*Session, error) {
	host, port, err := c.validate()
	if err != nil {
		return nil, fmt.Errorf("snmp session: %w", err)
	}
	s := &Session{t: t, cfg: c, host: host, port: port}
	s.p = pending{wake: make(chan signal, 2), any: c.AnySource, place: -1}
	if c.Version == V3 {
		s.codec = newEngine(t, c, func() netip.AddrPort { return s.p.target })
	} else {
		s.codec = community{c.Version, c.Community.Reveal()}
	}
	if err := s.look(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Close forgets the session. No request may be under way.
func (s *Session) Close() {
	s.t.leave(&s.p)
	if e, ok := s.codec.(*engine); ok {
		e.leave()
	}
}

// Version returns the version of the protocol that is spoken.
func (s *Session) Version() Version { return s.cfg.Version }

// Address returns the address that is asked.
func (s *Session) Address() netip.AddrPort { return s.p.target }

// At returns when the last answer came.
func (s *Session) At() time.Time { return s.reply.At }

// Stats returns the counts.
func (s *Session) Stats() Stats {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	st := s.stats
	st.Late, st.Strays = s.p.late, s.p.strays
	return st
}

// look finds the device's address and its socket.
func (s *Session) look(ctx context.Context) error {
	s.looked = time.Now()
	a, err := netip.ParseAddr(s.host)
	if err != nil {
		s.named = true
		found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", s.host)
		if err != nil {
			return fmt.Errorf("look up %s: %w", s.host, err)
		}
		a = found[0]
		for _, f := range found {
			if f.Unmap().Is4() { // agents answer by IPv4 more surely
				a = f
				break
			}
		}
	}
	a = a.Unmap()
	conn, err := s.t.socket(a)
	if err != nil {
		return err
	}
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	s.conn, s.p.target = conn, netip.AddrPortFrom(a, s.port)
	return nil
}

// lookAgain looks a name up again at most this often.
const lookAgain = 10 * time.Second

// Do sends one request and waits for its answer: retries included at most
// Retries+1 times the Timeout, and not beyond ctx. An error-status is part of the
// reply, but AuthorizationError is a Refusal. The other errors are Silence, ctx's
// and ErrClosed. For Bulk the first nonRepeaters OIDs are asked once.
func (s *Session) Do(ctx context.Context, op Op, oids []OID, nonRepeaters, repetitions int) (*Reply, error) {
	setAsked(s, oids)
	return s.do(ctx, op, nonRepeaters, repetitions)
}

// setAsked sets the OIDs that the next do asks.
func setAsked[T ~string | ~[]byte](s *Session, oids []T) {
	s.list, s.asked = appendAsked(s.list[:0], oids), len(oids)
}

// do asks what setAsked set.
func (s *Session) do(ctx context.Context, op Op, nonRepeaters, repetitions int) (*Reply, error) {
	if op == Bulk && s.cfg.Version == V1 {
		return nil, errors.New("version 1 has no GETBULK")
	}
	if s.named && s.silent && time.Since(s.looked) > lookAgain {
		if err := s.look(ctx); err != nil {
			return nil, err
		}
	}
	q, n := pdu{op: op}, s.asked
	if op == Bulk {
		q.a, q.b = nonRepeaters, repetitions
		n = nonRepeaters + (s.asked-nonRepeaters)*repetitions
	}
	r, err := s.exchange(ctx, q, n)
	if s.silent = Silent(err); s.silent {
		err = s.doubtPrivacy(ctx, err)
	}
	if err != nil {
		return nil, err
	}
	if r.Status == AuthorizationError {
		return nil, Refusal{NotAuthorized}
	}
	return r, nil
}
