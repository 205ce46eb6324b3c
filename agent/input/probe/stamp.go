package probe

import (
	"context"
	"net"
	"strconv"
	"time"

	"github.com/faultline/faultline/agent/reflect"
)

// closers are the small packets after large ones, whose answers say how many of
// those arrived.
const closers = 3

// stamp asks a session reflector (RFC 8762): an agent's (agent/reflect), or that
// of a router. A reflector that counts by itself (stateful) tells what was lost
// on the way there from what was lost on the way back.
type stamp struct {
	port     int
	token    []byte // empty: plain packets
	stateful bool
}

// twoWay is what both directions showed.
type twoWay struct {
	answered bool
	counted  bool // the reflector counts: loss is known by direction

	lossTo, lossFrom           float64
	loss                       float64
	jitterTo, jitterFrom       time.Duration
	rtt                        time.Duration // shortest, without the reflector's own time
	offset                     time.Duration // its clock ahead of ours
	large                      bool          // large packets were tested
	largeLossTo, largeLossFrom float64
	largeFrom                  bool // some arrived there: the way back was tested
}

// flight is what is known of one packet.
type flight struct {
	sent, back time.Time // back zero: not answered
	reply      reflect.Reply
}

// test runs one session of small packets and, where they pass, one of large ones.
func (s *stamp) test(ctx context.Context, dst net.IPAddr, e echo, large int) twoWay {
	sizes := make([]int, e.count)
	flights, err := s.session(ctx, dst, sizes, e.spacing, e.timeout)
	if err != nil {
		return twoWay{}
	}
	w := s.judge(flights)
	if !w.answered || !s.stateful || large == 0 {
		return w
	}
	header := header4
	if dst.IP.To4() == nil {
		header = header6
	}
	sizes = make([]int, largeCount+closers)
	for i := range largeCount {
		sizes[i] = large - header
	}
	if flights, err = s.session(ctx, dst, sizes, 20*time.Millisecond, e.timeout); err == nil {
		w.judgeLarge(flights)
	}
	return w
}

// session sends packets of these payload sizes (the least where that is more)
// and returns what became of those that had time to be answered.
func (s *stamp) session(ctx context.Context, dst net.IPAddr, sizes []int, spacing, timeout time.Duration) ([]flight, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "udp", net.JoinHostPort(dst.String(), strconv.Itoa(s.port)))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := reflect.DontFragment(conn.(*net.UDPConn)); err != nil {
		for i := range sizes {
			sizes[i] = 0
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	flights := make([]flight, 0, len(sizes))
	buf := make([]byte, 10_000)
	next, left := time.Now(), len(sizes)
	for {
		now := time.Now()
		if len(flights) < len(sizes) && !now.Before(next) {
			i := len(flights)
			flights = append(flights, flight{sent: now})
			next = now.Add(spacing)
			_, _ = conn.Write(reflect.AppendRequest(nil, reflect.Request{Seq: uint32(i), Sent: now}, s.token, sizes[i]))
		}
		until := next
		if len(flights) == len(sizes) {
			until = flights[len(flights)-1].sent.Add(timeout)
		}
		if left == 0 || len(flights) == len(sizes) && !now.Before(until) {
			return flights, nil
		}
		if ctx.Err() != nil || conn.SetReadDeadline(until) != nil || ctx.Err() != nil {
			return settled(flights, now.Add(-timeout)), nil
		}
		n, err := conn.Read(buf)
		if err != nil {
			continue // not yet, or the far port refused
		}
		if noted(flights, buf[:n], s.token) {
			left--
		}
	}
}

// settled leaves out unanswered packets that were sent too late to say anything.
func settled(flights []flight, before time.Time) []flight {
	for len(flights) > 0 {
		last := flights[len(flights)-1]
		if !last.back.IsZero() || last.sent.Before(before) {
			break
		}
		flights = flights[:len(flights)-1]
	}
	return flights
}

// noted takes one answer and tells whether it is a new one of ours.
func noted(flights []flight, p, token []byte) bool {
	now := time.Now()
	reply, err := reflect.ParseReply(p, token, now)
	if err != nil || int(reply.SenderSeq) >= len(flights) || !flights[reply.SenderSeq].back.IsZero() {
		return false
	}
	f := &flights[reply.SenderSeq]
	f.back, f.reply = now, reply
	return true
}

// judge says what a session of equal packets showed. What was sent after the
// last answered packet may be lost either way and counts for the sum only.
func (s *stamp) judge(flights []flight) twoWay {
	var w twoWay
	var to, from []time.Duration // one way, each off by the clocks' difference
	sent, arrived, back := 0, 0, 0
	for i, f := range flights {
		if f.back.IsZero() {
			continue
		}
		back++
		sent, arrived = i+1, max(arrived, int(f.reply.Seq)+1)
		to, from = append(to, f.reply.Received.Sub(f.sent)), append(from, f.back.Sub(f.reply.Sent))
		rtt := f.back.Sub(f.sent) - f.reply.Sent.Sub(f.reply.Received)
		if back == 1 || rtt < w.rtt {
			w.rtt = rtt
			w.offset = (f.reply.Received.Sub(f.sent) + f.reply.Sent.Sub(f.back)) / 2
		}
	}
	if back == 0 {
		return w
	}
	w.answered = true
	w.loss = 1 - float64(back)/float64(len(flights))
	w.jitterTo, w.jitterFrom = spread(to), spread(from)
	if s.stateful && arrived >= back {
		w.counted = true
		arrived = min(arrived, sent)
		w.lossTo = 1 - float64(arrived)/float64(sent)
		w.lossFrom = 1 - float64(back)/float64(arrived)
	}
	return w
}

// spread is the mean difference between neighbours.
func spread(each []time.Duration) time.Duration {
	var sum time.Duration
	for i := 1; i < len(each); i++ {
		sum += (each[i] - each[i-1]).Abs()
	}
	return sum / time.Duration(max(len(each)-1, 1))
}

// judgeLarge says what became of the large packets: the first small one after
// them that was answered tells how many packets arrived before it.
func (w *twoWay) judgeLarge(flights []flight) {
	if len(flights) <= largeCount {
		return
	}
	back := 0
	for _, f := range flights[:largeCount] {
		if !f.back.IsZero() {
			back++
		}
	}
	for _, f := range flights[largeCount:] {
		if f.back.IsZero() {
			continue
		}
		arrived := min(int(f.reply.Seq), largeCount)
		if arrived < back {
			return // it does not count by itself
		}
		w.large, w.largeFrom = true, arrived > 0
		w.largeLossTo = 1 - float64(arrived)/largeCount
		w.largeLossFrom = 1 - float64(back)/float64(max(arrived, 1))
		return
	}
}

func (w *twoWay) put(r *result, large int) {
	r.put("faultline_probe_reflector_up", truth(w.answered))
	if !w.answered {
		return
	}
	r.put("faultline_probe_reflector_loss_ratio", w.loss)
	r.put("faultline_probe_reflector_rtt_seconds", w.rtt.Seconds())
	r.put("faultline_probe_reflector_clock_offset_seconds", w.offset.Seconds())
	r.put("faultline_probe_jitter_to_seconds", w.jitterTo.Seconds())
	r.put("faultline_probe_jitter_from_seconds", w.jitterFrom.Seconds())
	if w.counted {
		r.put("faultline_probe_loss_to_ratio", w.lossTo)
		r.put("faultline_probe_loss_from_ratio", w.lossFrom)
	}
	if w.large {
		r.put("faultline_probe_large_loss_to_ratio", w.largeLossTo, "bytes", strconv.Itoa(large))
		if w.largeFrom {
			r.put("faultline_probe_large_loss_from_ratio", w.largeLossFrom, "bytes", strconv.Itoa(large))
		}
	}
}
