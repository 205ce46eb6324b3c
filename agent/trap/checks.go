package trap

import (
	"time"
)

// mostChecks bounds the checks under way.
const mostChecks = 32

// checks paces the immediate checks of devices: one at a time for each, at most
// one an interval, and one after the last notification. It reads no clock.
// Receiver.mu guards it.
type checks struct {
	interval time.Duration
	devices  map[string]*check
	running  int
}

type check struct {
	targets []string
	started time.Time
	wanted  bool
	running bool
}

func newChecks(interval time.Duration) *checks {
	return &checks{interval: interval, devices: map[string]*check{}}
}

// want asks for a check of a device.
func (c *checks) want(d Device) {
	if len(d.Targets) == 0 {
		return
	}
	x := c.devices[d.ID]
	if x == nil {
		x = &check{}
		c.devices[d.ID] = x
	}
	x.targets, x.wanted = d.Targets, true
}

// due returns the devices to be checked now, which it takes for started, and when
// the next will be; zero: none is known.
func (c *checks) due(now time.Time) (start []string, next time.Time) {
	for id, x := range c.devices {
		at := x.started.Add(c.interval)
		switch {
		case x.running: // finished comes back here
		case !x.wanted:
			if at.Before(now) {
				delete(c.devices, id)
			}
		case at.After(now):
			next = earlier(next, at)
		case c.running < mostChecks:
			x.wanted, x.running, x.started = false, true, now
			c.running++
			start = append(start, id)
		}
	}
	return start, next
}

// finished takes a device back after its check.
func (c *checks) finished(id string) {
	c.running--
	c.devices[id].running = false
}

// earlier is the earlier of two times, of which zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
