package control

import (
	"context"
	"net/http"
	"time"

	"github.com/faultline/faultline/internal/wire"
)

// check hands over the checks that are new, not expired and within the bound.
// skew is how far the collector's clock is ahead of the agent's.
func (c *Control) check(ctx context.Context, checks []wire.Check, skew time.Duration) {
	now := c.opt.Now()
	for i, ch := range checks {
		ch.Expires = ch.Expires.Add(-skew)
		switch {
		case i >= checkLimit:
			c.met.checks.WithLabelValues("too_many").Add(float64(len(checks) - i))
			c.opt.Logger.Warn("control: more checks than one answer may ask for", "checks", len(checks), "limit", checkLimit)
			return
		case ch.ID == "" || !ch.Expires.After(now):
			c.met.checks.WithLabelValues("expired").Inc()
		case !c.seen.add(ch.ID):
			c.met.checks.WithLabelValues("repeated").Inc()
		case c.opt.OnCheck != nil:
			if latest := now.Add(checkLife); ch.Expires.After(latest) {
				ch.Expires = latest
			}
			c.met.checks.WithLabelValues("started").Inc()
			c.opt.OnCheck(ctx, ch)
		}
	}
}

// skew compares the answer's Date with the agent's clock, so that an agent with
// a wrong clock neither ignores every check nor carries out old ones. Below two
// seconds it is the header's resolution and the way's delay.
func (c *Control) skew(h http.Header) time.Duration {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	if d := date.Sub(c.opt.Now()); d.Abs() >= 2*time.Second {
		return d
	}
	return 0
}

// seenLimit is how many check IDs are remembered.
const seenLimit = 1024

// seen remembers the last check IDs.
type seen struct {
	ids  map[string]struct{}
	ring []string
	next int
}

// add tells whether the ID is new, and remembers it.
func (s *seen) add(id string) bool {
	if _, ok := s.ids[id]; ok {
		return false
	}
	if s.ids == nil {
		s.ids = map[string]struct{}{}
	}
	s.ids[id] = struct{}{}
	if len(s.ring) < seenLimit {
		s.ring = append(s.ring, id)
		return true
	}
	delete(s.ids, s.ring[s.next])
	s.ring[s.next] = id
	s.next = (s.next + 1) % seenLimit
	return true
}
