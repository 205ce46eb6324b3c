// Package reflect answers test packets, so that an agent at the other end of a
// line can tell what was lost on the way here from what was lost on the way
// back. It is a stateful Session-Reflector of STAMP (RFC 8762) in its
// authenticated mode, with a token both sides know. An answer is never larger
// than its request and goes only to where that came from. It measures nothing
// itself; agent/input/probe sends and counts.
package reflect

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"
)

// Sizes of packets without padding.
const (
	PlainSize         = 44  // RFC 8762 section 4.2.1 and 4.3.1
	AuthenticatedSize = 112 // sections 4.2.2 and 4.3.2
	sumSize           = 16  // of HMAC-SHA-256, cut
)

// Request is a test packet of a sender.
type Request struct {
	Seq  uint32
	Sent time.Time
}

// Reply is what a reflector answers. Sequence is the reflector's own count of
// the session if it keeps one, else a copy of the sender's.
type Reply struct {
	Seq       uint32
	Sent      time.Time // by the reflector
	Received  time.Time // by the reflector
	SenderSeq uint32
}

// Errors of reading a packet.
var (
	ErrShort  = errors.New("packet is too short")
	ErrForged = errors.New("packet is not from who knows the token")
)

// AppendRequest writes a request of size bytes, at least that of its mode; an
// empty token makes it plain.
func AppendRequest(b []byte, r Request, token []byte, size int) []byte {
	start := len(b)
	least := PlainSize
	if len(token) > 0 {
		least = AuthenticatedSize
	}
	b = append(b, make([]byte, max(size, least))...)
	p := b[start:]
	binary.BigEndian.PutUint32(p, r.Seq)
	if len(token) == 0 {
		putTime(p[4:], r.Sent)
		p[13] = 1 // error estimate: its multiplier must not be 0
		return b
	}
	putTime(p[16:], r.Sent)
	p[25] = 1
	sign(p, token)
	return b
}

// ParseRequest reads an authenticated request.
func ParseRequest(p, token []byte) (Request, error) {
	if len(p) < AuthenticatedSize {
		return Request{}, ErrShort
	}
	if !signed(p, token) {
		return Request{}, ErrForged
	}
	return Request{Seq: binary.BigEndian.Uint32(p), Sent: timeOf(p[16:], time.Now())}, nil
}

// fillReply turns the request in p into the reply to it, in place and of the
// same length; padding stays what it was.
func fillReply(p []byte, seq uint32, received, sent time.Time, token []byte) {
	request := [26]byte(p[:26])
	clear(p[:AuthenticatedSize])
	binary.BigEndian.PutUint32(p, seq)
	putTime(p[16:], sent)
	p[25] = 1
	putTime(p[32:], received)
	copy(p[48:52], request[0:4])   // sender's sequence number
	copy(p[64:74], request[16:26]) // sender's time and error estimate
	sign(p, token)
}

// ParseReply reads a reply; an empty token means that it is plain. Times are in
// the era next to now.
func ParseReply(p, token []byte, now time.Time) (Reply, error) {
	if len(token) == 0 {
		if len(p) < PlainSize {
			return Reply{}, ErrShort
		}
		return Reply{Seq: binary.BigEndian.Uint32(p), Sent: timeOf(p[4:], now), Received: timeOf(p[16:], now), SenderSeq: binary.BigEndian.Uint32(p[24:])}, nil
	}
	if len(p) < AuthenticatedSize {
		return Reply{}, ErrShort
	}
	if !signed(p, token) {
		return Reply{}, ErrForged
	}
	return Reply{Seq: binary.BigEndian.Uint32(p), Sent: timeOf(p[16:], now), Received: timeOf(p[32:], now), SenderSeq: binary.BigEndian.Uint32(p[48:])}, nil
}

func sum(p, token []byte) []byte {
	h := hmac.New(sha256.New, token)
	h.Write(p[:AuthenticatedSize-sumSize])
	return h.Sum(nil)[:sumSize]
}

func sign(p, token []byte) { copy(p[AuthenticatedSize-sumSize:], sum(p, token)) }

func signed(p, token []byte) bool {
	return hmac.Equal(p[AuthenticatedSize-sumSize:AuthenticatedSize], sum(p, token))
}

// from1900 is the NTP era's beginning in Unix seconds.
const from1900 = 2_208_988_800

// putTime writes a time as NTP does: seconds and fractions, 32 bits each.
func putTime(b []byte, t time.Time) {
	binary.BigEndian.PutUint32(b, uint32(t.Unix()+from1900))
	binary.BigEndian.PutUint32(b[4:], uint32((uint64(t.Nanosecond())<<32)/1_000_000_000))
}

// timeOf reads what putTime wrote; the era is the one next to near.
func timeOf(b []byte, near time.Time) time.Time {
	seconds := int64(binary.BigEndian.Uint32(b)) - from1900
	for near.Unix()-seconds > 1<<31 {
		seconds += 1 << 32
	}
	return time.Unix(seconds, int64(binary.BigEndian.Uint32(b[4:]))*1_000_000_000>>32)
}
