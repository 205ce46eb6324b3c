package ingest

import (
	"net"
	"sync"
	"time"
)

const (
	saidEvery   = time.Minute // one line in the log for a sender and outcome
	mostRefused = 1000        // senders and outcomes remembered; with more, all begin anew
)

// refusals bounds what is logged of refused requests: a sender with a wrong token
// repeats itself every few seconds for months. The counter counts all of them.
type refusals struct {
	mu   sync.Mutex // guards last
	last map[refusal]*said
}

type refusal struct{ from, outcome string }

type said struct {
	at     time.Time
	unsaid int
}

// say tells whether to log a refusal now, and how many like it went unsaid since
// the last line.
func (r *refusals) say(remote, outcome string, now time.Time) (log bool, unsaid int) {
	from, _, err := net.SplitHostPort(remote)
	if err != nil {
		from = remote
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	key := refusal{from, outcome}
	if s := r.last[key]; s != nil {
		if now.Sub(s.at) < saidEvery {
			s.unsaid++
			return false, 0
		}
		unsaid = s.unsaid
	}
	if r.last == nil || len(r.last) >= mostRefused {
		r.last = map[refusal]*said{}
	}
	r.last[key] = &said{at: now}
	return true, unsaid
}
