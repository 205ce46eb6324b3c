package snmp

import "time"

// Bounds of how long a reply is waited for. A try that is not the last waits at
// least shortestWait, so that a device that is busy for a moment is not asked
// twice.
const shortestWait = 250 * time.Millisecond

// manyVarbinds is from how many variable bindings on a reply tells what one costs.
const manyVarbinds = 8

// rtt estimates how long a reply takes, as RFC 6298 does, but for two unknowns:
// what every reply takes and what each variable binding adds. Slow agents differ
// from fast ones mostly in the latter.
type rtt struct {
	known  bool
	base   time.Duration // of a reply whatever its size
	each   time.Duration // more for each variable binding
	proven bool          // each was measured with large replies
	spread time.Duration // mean deviation from what was expected
}

// expect returns how long a reply of n variable bindings is likely to take.
func (r *rtt) expect(n int) time.Duration { return r.base + time.Duration(n)*r.each }

// sample takes the round trip of a reply with n variable bindings.
func (r *rtt) sample(d time.Duration, n int) {
	n = max(n, 1)
	if !r.known {
		r.known, r.base, r.spread = true, d, d/2
		r.each = d / time.Duration(n) // cautious: all of it may be the agent's work
		return
	}
	off := d - r.expect(n)
	r.spread += (max(off, -off) - r.spread) / 4
	r.base = min(r.base, d)
	r.each = min(r.each, d/time.Duration(n)) // it cannot be more
	if n < manyVarbinds {
		r.base = max(r.base+(d-time.Duration(n)*r.each-r.base)/8, 0)
		return
	}
	each := max(d-r.base, 0) / time.Duration(n)
	if !r.proven {
		r.proven, r.each = true, each
		return
	}
	r.each += (each - r.each) / 4
}

// wait returns how long to wait for a reply of about n variable bindings on the
// try'th try (from 0), never longer than most; the last waits that long.
func (r *rtt) wait(try, n int, last bool, most time.Duration) time.Duration {
	if last || !r.known {
		return most
	}
	d := 3*r.expect(n)/2 + 4*r.spread
	d = max(d, shortestWait) << min(try, 8)
	return min(d, most)
}
