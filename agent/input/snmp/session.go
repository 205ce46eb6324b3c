package snmp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/gosnmp/gosnmp"
)

// Reasons for which an SNMPv3 agent refuses us, as in the label reason of
// faultline_snmp_auth_failure.
const (
	reasonUser          = "unknown_user"
	reasonPassword      = "wrong_password"
	reasonPrivacy       = "wrong_privacy"
	reasonLevel         = "security_level"
	reasonAuthorization = "authorization"
)

var reasons = []string{reasonUser, reasonPassword, reasonPrivacy, reasonLevel, reasonAuthorization}

var reasonHints = map[string]string{
	reasonUser:          "the device does not know the user",
	reasonPassword:      "the authentication password or protocol is wrong",
	reasonPrivacy:       "the privacy password or protocol is wrong",
	reasonLevel:         "the device does not offer this security level to the user",
	reasonAuthorization: "the user or community may not read (access control of the device)",
}

// refusal is the error of a device that answers but does not let us read.
type refusal struct {
	reason string
}

// Error says what the device complains about.
func (r refusal) Error() string { return "refused: " + reasonHints[r.reason] }

// session is one gosnmp client that stays open between polls, with its counts.
// It is used by one poll at a time.
type session struct {
	client  *gosnmp.GoSNMP
	wire    *wire
	sent    int // packets since reset
	retried int
	pdus    int // varbinds received since reset
}

// open connects a client; for UDP that sends nothing.
func open(ctx context.Context, c config) (*session, error) {
	s := &session{}
	g := &gosnmp.GoSNMP{
		Target: c.host, Port: c.port, Transport: "udp", Version: c.version, Community: c.community,
		Timeout: c.timeout, Retries: c.retries, MaxOids: gosnmp.MaxOids, Context: ctx, ContextName: c.context,
		OnSent:  func(*gosnmp.GoSNMP) { s.sent++ },
		OnRetry: func(*gosnmp.GoSNMP) { s.retried++ },
	}
	if c.version == gosnmp.Version3 {
		g.SecurityModel, g.MsgFlags = gosnmp.UserSecurityModel, c.flags
		usm := &gosnmp.UsmSecurityParameters{
			UserName:               c.usm.UserName,
			AuthenticationProtocol: c.usm.AuthenticationProtocol, AuthenticationPassphrase: c.usm.AuthenticationPassphrase,
			PrivacyProtocol: c.usm.PrivacyProtocol, PrivacyPassphrase: c.usm.PrivacyPassphrase,
		}
		g.SecurityParameters = usm
	}
	if err := g.Connect(); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	s.wire = &wire{Conn: g.Conn, v3: c.version == gosnmp.Version3}
	g.Conn = s.wire
	s.client = g
	return s, nil
}

func (s *session) close() { _ = s.client.Close() }

// begin readies the session for a poll.
func (s *session) begin(ctx context.Context) {
	s.client.Context = ctx
	s.sent, s.retried, s.pdus = 0, 0, 0
}

// operation is the kind of a request.
type operation int

const (
	opGet operation = iota
	opNext
	opBulk
)

// do sends one request. An SNMP error-status is part of the packet, not of err.
func (s *session) do(op operation, oids []string, repetitions int) (p *gosnmp.SnmpPacket, err error) {
	s.wire.report = 0
	switch op {
	case opGet:
		p, err = s.client.Get(oids)
	case opNext:
		p, err = s.client.GetNext(oids)
	case opBulk:
		p, err = s.client.GetBulk(oids, 0, uint32(repetitions))
	}
	if err == nil && p.Error == gosnmp.AuthorizationError {
		return nil, refusal{reasonAuthorization}
	}
	if err != nil {
		return nil, s.explain(err)
	}
	s.pdus += len(p.Variables)
	return p, nil
}

// explain turns what the library says into what happened. The library throws
// away reports that are not authenticated, which is what refusals are; the wire
// has seen them.
func (s *session) explain(err error) error {
	switch {
	case errors.Is(err, gosnmp.ErrUnknownUsername), s.wire.report == 3:
		return refusal{reasonUser}
	case errors.Is(err, gosnmp.ErrWrongDigest), s.wire.report == 5:
		return refusal{reasonPassword}
	case errors.Is(err, gosnmp.ErrDecryption), s.wire.report == 6:
		return refusal{reasonPrivacy}
	case errors.Is(err, gosnmp.ErrUnknownSecurityLevel), s.wire.report == 1:
		return refusal{reasonLevel}
	}
	if text := err.Error(); strings.HasPrefix(text, "recover:") { // the library's own panic, with a stack
		first, _, _ := strings.Cut(text, " Stack:")
		return fmt.Errorf("undecodable answer: %s", strings.TrimPrefix(first, "recover: "))
	}
	return err
}

// wire sees the datagrams that the library reads. It is a plain net.Conn on
// purpose: the library treats packet connections otherwise.
type wire struct {
	net.Conn
	v3     bool
	report int // number below usmStats of the last report that was a refusal, or 0
}

// Read reads one datagram.
func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if w.v3 {
		switch k := reportOf(b[:n]); k {
		case 1, 3, 5, 6:
			w.report = k
		}
	}
	return n, err
}

// usmStats is the BER encoding of 1.3.6.1.6.3.15.1.1 with its tag and the
// length of OIDs two numbers below it.
var usmStats = []byte{0x06, 0x0a, 0x2b, 0x06, 0x01, 0x06, 0x03, 0x0f, 0x01, 0x01}

// reportOf returns the number below usmStats that an SNMPv3 report in plain
// text is about, or 0 for any other datagram.
func reportOf(datagram []byte) int {
	const sequence, private = 0x30, 2
	_, message, _ := element(datagram)
	_, version, rest := element(message)
	_, header, rest := element(rest)
	_, _, rest = element(rest) // security parameters
	tag, scoped, _ := element(rest)
	_, _, header = element(header) // message id
	_, _, header = element(header) // largest size
	_, flags, _ := element(header)
	if tag != sequence || len(version) != 1 || version[0] != 3 || len(flags) != 1 || flags[0]&private != 0 {
		return 0
	}
	_, _, scoped = element(scoped) // context engine
	_, _, scoped = element(scoped) // context name
	tag, pdu, _ := element(scoped)
	i := bytes.Index(pdu, usmStats)
	if tag != byte(gosnmp.Report) || i < 0 || i+len(usmStats) >= len(pdu) {
		return 0
	}
	return int(pdu[i+len(usmStats)])
}

// element splits the first BER element off b; what is cut short is empty.
func element(b []byte) (tag byte, content, rest []byte) {
	if len(b) < 2 {
		return 0, nil, nil
	}
	tag, n, b := b[0], int(b[1]), b[2:]
	if n >= 0x80 {
		digits := n & 0x7f
		if digits > 3 || digits > len(b) {
			return 0, nil, nil
		}
		n = 0
		for _, d := range b[:digits] {
			n = n<<8 | int(d)
		}
		b = b[digits:]
	}
	if n > len(b) {
		return 0, nil, nil
	}
	return tag, b[:n], b[n:]
}
