package trap

import (
	"net/netip"
	"time"

	"golang.org/x/time/rate"
)

// sourceID is who is bounded by himself: a sender, or a device behind a relay.
type sourceID struct {
	sender, origin netip.Addr
}

// mostSeen is how many notifications of a source are remembered to know repeats.
const mostSeen = 64

// source is what is remembered of one. Receiver.mu guards it.
type source struct {
	id      sourceID
	device  Device
	limiter *rate.Limiter
	seen    []*seen // the newest last

	suppressed int // since the last summary
	since      time.Time
	last       string // name of the last one suppressed
}

// seen is a notification that was taken.
type seen struct {
	content, request uint64
	uptime           uint32
	at               time.Time
	kept             bool // on disk: a repeat is acknowledged
}

// repeats returns the notification that n repeats. One that names the sender's
// up-time is the same wherever its content is; without that time only the one
// before, or one of the same request, is: a line that fails twice says the same
// twice.
func (s *source) repeats(n *notice, now time.Time, window time.Duration) *seen {
	for i := len(s.seen) - 1; i >= 0; i-- {
		e := s.seen[i]
		if now.Sub(e.at) > window {
			return nil
		}
		if e.content == n.content && (n.uptime != 0 || n.request != 0 && e.request == n.request || n.request == 0 && i == len(s.seen)-1) {
			return e
		}
	}
	return nil
}

// remember notes a notification that is taken.
func (s *source) remember(n *notice, now time.Time) *seen {
	e := &seen{content: n.content, request: n.request, uptime: n.uptime, at: now}
	if len(s.seen) == mostSeen {
		copy(s.seen, s.seen[1:])
		s.seen = s.seen[:mostSeen-1]
	}
	s.seen = append(s.seen, e)
	return e
}

// forget takes a notification back that could not be kept, so that it is taken
// when it is sent again.
func (s *source) forget(e *seen) {
	for i, x := range s.seen {
		if x == e {
			s.seen = append(s.seen[:i], s.seen[i+1:]...)
			return
		}
	}
}

// suppress counts a notification beyond the rate and tells whether it is the
// first since the last summary.
func (s *source) suppress(name string, now time.Time) bool {
	s.suppressed++
	s.last = name
	if s.suppressed == 1 {
		s.since = now
		return true
	}
	return false
}
