package snmp

import (
	"context"
	"fmt"
	"time"
)

// mostRepeats bounds how often answers may make the codec ask again, for what
// version 3 has to learn before it is answered.
const mostRepeats = 4

// exchange sends q until it is answered, with new tries as the round trip
// suggests. About n variable bindings are expected in the answer.
func (s *Session) exchange(ctx context.Context, q pdu, n int) (*Reply, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	begin := time.Now()
	for try, repeats, now := 0, 0, begin; ; now = time.Now() {
		last := try >= s.cfg.Retries
		if err := s.send(q, now, s.rtt.wait(try, n, last, s.cfg.Timeout), n); err != nil {
			s.t.end(&s.p, false)
			return nil, err
		}
		if try > 0 {
			s.stats.Retried++
		}
		v, err := s.await(ctx)
		switch {
		case err != nil:
			s.t.end(&s.p, v != nothing)
			return nil, err
		case v == taken:
			s.t.end(&s.p, true)
			s.answered(try + 1)
			return &s.reply, nil
		case v == repeat:
			s.t.end(&s.p, true)
			if repeats++; repeats > mostRepeats {
				return nil, fmt.Errorf("%s: the engine's clock or identity changes with every answer", s.p.target)
			}
		case last:
			return nil, s.silence(try+1, begin)
		default:
			try++
		}
	}
}

// send sends one try of q, whose answer is waited for so long from now.
func (s *Session) send(q pdu, now time.Time, wait time.Duration, n int) error {
	id, late, err := s.t.ask(&s.p, now, now.Add(wait))
	if err != nil {
		return err
	}
	if late > s.rtt.expect(n) {
		s.rtt.sample(late, n)
	}
	q.id = id
	s.out, err = s.codec.encode(s.out[:0], q, s.list)
	if err != nil {
		return fmt.Errorf("encode %s: %w", q.op, err)
	}
	if err := s.write(); err != nil {
		return Silence{Address: s.p.target, Cause: err}
	}
	s.stats.Sent++
	s.stats.BytesSent += uint64(len(s.out))
	return nil
}

// write sends the message. An error may be about what was sent to other devices
// before; then it is gone once they have been told.
func (s *Session) write() (err error) {
	for range 100 {
		if err = s.conn.send(&s.sent, s.out, s.p.target); err == nil || !unreachable(err) {
			return err
		}
		readICMP(s.conn.UDPConn, s.t.refuse)
	}
	return err
}

// await waits for an answer to any try of the request. With an error, a verdict
// other than nothing says that an answer was received.
func (s *Session) await(ctx context.Context) (verdict, error) {
	for {
		select {
		case sig := <-s.p.wake:
			switch {
			case sig == transportClosed:
				return nothing, ErrClosed
			case sig != answered && s.t.claimedNow(&s.p):
				continue
			case sig != answered:
				return nothing, nil
			}
		case <-ctx.Done():
			return nothing, ctx.Err()
		}
		v, err := s.codec.decode(s.p.datagram, &s.reply)
		if v != ignored || err != nil {
			return v, err
		}
		s.stats.Garbage++
		s.t.again(&s.p)
	}
}

// answered fills in the reply and counts it.
func (s *Session) answered(tries int) {
	r := &s.reply
	r.At, r.RTT, r.Tries, r.From, r.Size = s.p.at, s.p.rtt, tries, s.p.from, len(s.p.datagram)
	n := countVarbinds(r.list)
	s.rtt.sample(r.RTT, n)
	s.stats.Received++
	s.stats.Varbinds += uint64(n)
	s.stats.BytesReceived += uint64(r.Size)
}

// silence ends a request that was not answered and makes its error.
func (s *Session) silence(tries int, begin time.Time) error {
	s.t.mu.Lock()
	e := Silence{Address: s.p.target, Tries: tries, After: time.Since(begin), Elsewhere: s.p.elsewhere, Unheard: s.codec.hint(), Cause: s.p.cause}
	s.t.mu.Unlock()
	s.t.end(&s.p, false)
	return e
}

// countVarbinds is how many variable bindings a list holds.
func countVarbinds(b []byte) int {
	n := 0
	for len(b) > 1 {
		if size := int(b[1]) + 2; b[1] < 0x80 && size <= len(b) {
			b = b[size:]
		} else if _, _, rest, whole, _ := element(b); whole {
			b = rest
		} else {
			break
		}
		n++
	}
	return n
}
