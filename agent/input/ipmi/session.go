package ipmi

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/faultline/faultline/agent/input/failure"
)

// How long an answer is waited for, and how often a request is sent.
const (
	answerWait = 1 * time.Second
	tries      = 3
	patience   = 10 * time.Second // without a deadline of the caller's
	nameOnly   = 0x10             // the user is looked up by name, whatever the level
)

// login is who asks.
type login struct {
	user, password string
	level          byte // of rights: 2 user, 3 operator, 4 administrator
}

// session is a session with one BMC. It is used by one goroutine.
type session struct {
	conn   net.Conn
	until  time.Time
	keys   keys
	remote uint32 // the BMC's id of the session
	local  uint32
	number uint32 // of the last packet sent
	seq    byte   // of the last request, 6 bits
}

// completion is a BMC's refusal of a command.
type completion byte

// Error says what the code means (table 5-2).
func (c completion) Error() string {
	texts := map[completion]string{
		0xc0: "the BMC is busy", 0xc1: "the BMC does not know the command", 0xc3: "the BMC took too long", 0xc5: "the reservation was taken back", 0xc7: "the request's length is wrong",
		0xc9: "out of range", 0xca: "the BMC cannot return so many bytes", 0xcb: "there is no such sensor or record", 0xcd: "not for this sensor",
		0xce: "the BMC cannot answer now", 0xd0: "the SDR repository is being updated", 0xd1: "the firmware is being updated", 0xd2: "the BMC is starting", 0xd3: "the part does not answer", 0xd4: "this user may not", 0xd5: "not in this state",
	}
	text := texts[c]
	if text == "" {
		text = "the BMC refuses"
	}
	return fmt.Sprintf("%s (code %#02x)", text, byte(c))
}

// refused is a BMC's refusal of a login.
type refused byte

// Error says what the status means (table 13-15).
func (r refused) Error() string {
	texts := map[refused]string{
		0x01: "the BMC has no session free", 0x02: "the BMC does not know the session", 0x04: "the BMC does not know the way to prove a login", 0x05: "the BMC does not know the way to sign",
		0x09: "the BMC does not give this level of rights", 0x0c: "the user may not have this level of rights", 0x0d: "the BMC knows no such user, or it may not log in by LAN",
		0x0f: "the signature is wrong: is it the password?", 0x10: "the BMC does not know the way to encrypt", 0x11: "the BMC offers none of the cipher suites 17 and 3", 0x12: "the BMC does not take the request",
	}
	text := texts[r]
	if text == "" {
		text = "the BMC refuses"
	}
	return fmt.Sprintf("%s (status %#02x)", text, byte(r))
}

// reason is the failure's word.
func (r refused) reason() string {
	switch r {
	case 0x09, 0x0c, 0x0d, 0x0f:
		return failure.Denied
	}
	return failure.Status
}

// unsuited tells whether another cipher suite may do.
func (r refused) unsuited() bool { return slices.Contains([]refused{0x04, 0x05, 0x10, 0x11, 0x12}, r) }

func dial(ctx context.Context, address string) (*session, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", address)
	if err != nil {
		return nil, err
	}
	until, ok := ctx.Deadline()
	if !ok {
		until = time.Now().Add(patience)
	}
	return &session{conn: conn, until: until}, nil
}

// close ends the session, so that the BMC has its place free, without waiting.
func (s *session) close() {
	if s.remote != 0 && s.keys.sign != nil {
		s.number++
		s.seq = (s.seq + 1) & 0x3f
		_, _ = s.conn.Write(pack(s.keys, payloadIPMI, s.remote, s.number, message(netApp, 0, s.seq, 0x3c, binary.LittleEndian.AppendUint32(nil, s.remote))))
	}
	_ = s.conn.Close()
}

// open logs in with one cipher suite (13.15 to 13.24).
func (s *session) open(ctx context.Context, u login, c suite) error {
	var id [4]byte
	_, _ = rand.Read(id[:])
	s.local = binary.LittleEndian.Uint32(id[:]) | 1 // 0 is no session
	s.keys, s.number = keys{}, 0
	own := binary.LittleEndian.AppendUint32(nil, s.local)
	ask := slices.Concat([]byte{1, u.level, 0, 0}, own, []byte{0, 0, 0, 8, c.auth, 0, 0, 0, 1, 0, 0, 8, c.integrity, 0, 0, 0, 2, 0, 0, 8, 1, 0, 0, 0})
	b, err := s.handshake(ctx, payloadOpen, payloadOpened, ask, 36)
	if err != nil {
		return fmt.Errorf("open session: %w", err)
	}
	if b[16] != c.auth || b[24] != c.integrity || b[32] != 1 {
		return failure.As(failure.Malformed, errors.New("open session: the BMC chose algorithms that were not offered"))
	}
	remote := b[8:12]
	who := append([]byte{u.level | nameOnly, byte(len(u.user))}, u.user...)
	mine := make([]byte, 16)
	_, _ = rand.Read(mine)
	ask = slices.Concat([]byte{2, 0, 0, 0}, remote, mine, []byte{u.level | nameOnly, 0, 0, byte(len(u.user))}, []byte(u.user))
	size := c.hash().Size()
	if b, err = s.handshake(ctx, payloadRAKP1, payloadRAKP2, ask, 40+size); err != nil {
		return fmt.Errorf("login: %w", err)
	}
	theirs, guid, password := b[8:24], b[24:40], []byte(u.password)
	if !hmac.Equal(b[40:40+size], c.sum(password, own, remote, mine, theirs, guid, who)) {
		return failure.As(failure.Denied, errors.New("login: the password is wrong: the BMC signs with another"))
	}
	root := c.sum(password, mine, theirs, who)
	ask = slices.Concat([]byte{3, 0, 0, 0}, remote, c.sum(password, theirs, own, who))
	if b, err = s.handshake(ctx, payloadRAKP3, payloadRAKP4, ask, 8+c.signature); err != nil {
		return fmt.Errorf("login: %w", err)
	}
	if !hmac.Equal(b[8:8+c.signature], c.sum(root, mine, remote, guid)[:c.signature]) {
		return failure.As(failure.Malformed, errors.New("login: the BMC's last signature is wrong"))
	}
	s.remote = binary.LittleEndian.Uint32(remote)
	s.keys = keys{c, c.sum(root, bytes.Repeat([]byte{1}, 20)), c.sum(root, bytes.Repeat([]byte{2}, 20))[:16]}
	if u.level > 2 { // a session begins with a user's rights
		if _, err := s.command(ctx, netApp, 0, 0x3b, u.level); err != nil {
			return fmt.Errorf("level of rights: %w", err)
		}
	}
	return nil
}

// handshake sends a payload of the login and returns the answer's, which has at
// least so many bytes.
func (s *session) handshake(ctx context.Context, kind, want byte, payload []byte, least int) ([]byte, error) {
	var answer []byte
	err := s.exchange(ctx, func() []byte { return pack(keys{}, kind, 0, 0, payload) }, func(b []byte) (bool, error) {
		got, _, p, err := unpack(keys{}, b)
		if err != nil || got != want || len(p) < 2 || p[0] != payload[0] {
			return false, nil // of somebody else, or late
		}
		if p[1] != 0 { // some say no more than that
			return true, failure.As(refused(p[1]).reason(), refused(p[1]))
		}
		if len(p) < least {
			return true, failure.As(failure.Malformed, fmt.Errorf("answer of %d bytes, want %d", len(p), least))
		}
		if binary.LittleEndian.Uint32(p[4:]) != s.local {
			return false, nil
		}
		answer = bytes.Clone(p)
		return true, nil
	})
	return answer, err
}

// command asks the BMC. What it refuses is a completion.
func (s *session) command(ctx context.Context, netfn, lun, command byte, data ...byte) ([]byte, error) {
	s.seq = (s.seq + 1) & 0x3f
	m := message(netfn, lun, s.seq, command, data)
	var answer []byte
	err := s.exchange(ctx, func() []byte {
		s.number++
		return pack(s.keys, payloadIPMI, s.remote, s.number, m)
	}, func(b []byte) (bool, error) {
		kind, id, p, err := unpack(s.keys, b)
		if err != nil || kind != payloadIPMI || id != s.local {
			return false, nil
		}
		code, data, ok := reply(p, netfn, s.seq, command)
		switch {
		case !ok:
			return false, nil
		case code != 0:
			return true, completionOf(code)
		}
		answer = bytes.Clone(data)
		return true, nil
	})
	return answer, err
}

func completionOf(code byte) error {
	if code == 0xd4 {
		return failure.As(failure.Denied, completion(code))
	}
	return failure.As(failure.Status, completion(code))
}

// exchange sends until take has an answer, and gives up after the tries or at the
// context's end.
func (s *session) exchange(ctx context.Context, send func() []byte, take func([]byte) (bool, error)) error {
	defer context.AfterFunc(ctx, func() { _ = s.conn.SetDeadline(time.Unix(1, 0)) })()
	buffer := make([]byte, maxPacket)
	var last error
	for range tries {
		wait := time.Now().Add(answerWait)
		if s.until.Before(wait) {
			wait = s.until
		}
		if err := s.conn.SetDeadline(wait); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := s.conn.Write(send()); err != nil {
			return err
		}
		for {
			n, err := s.conn.Read(buffer)
			if err != nil {
				last = err
				break
			}
			if done, err := take(buffer[:n]); done {
				return err
			}
		}
		if failure.Reason(last) != "timeout" {
			return last
		}
	}
	return last
}
