package pagerduty

import (
	"sync"
	"time"
)

// maxSenders bounds the senders that are counted; their names come from tokens.
const maxSenders = 10_000

// rates counts events by sender in minutes of the clock.
type rates struct {
	limit int

	mu     sync.Mutex // guards the fields below
	minute int64
	counts map[string]int
}

// allow counts an event and tells whether it is within the limit.
func (r *rates) allow(sender string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := now.Unix() / 60; m != r.minute || r.counts == nil || len(r.counts) > maxSenders {
		r.minute, r.counts = m, map[string]int{}
	}
	r.counts[sender]++
	return r.counts[sender] <= r.limit
}
