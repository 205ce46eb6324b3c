package ingest

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	maxLimiters = 10_000
	idleLimiter = time.Hour
)

// rates bounds the requests of each agent.
type rates struct {
	limit rate.Limit
	burst int
	now   func() time.Time

	mu sync.Mutex // guards m
	m  map[string]*agentRate
}

type agentRate struct {
	limiter *rate.Limiter
	used    time.Time
}

func newRates(l Limits, now func() time.Time) *rates {
	return &rates{limit: rate.Limit(l.RequestsPerSec), burst: l.RequestsBurst, now: now, m: map[string]*agentRate{}}
}

// wait returns zero and counts the request, or how long the agent shall wait.
func (r *rates) wait(agent string) time.Duration {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.m[agent]
	if a == nil {
		if len(r.m) >= maxLimiters {
			r.dropIdleLocked(now)
		}
		a = &agentRate{limiter: rate.NewLimiter(r.limit, r.burst)}
		r.m[agent] = a
	}
	a.used = now
	res := a.limiter.ReserveN(now, 1)
	d := res.DelayFrom(now)
	if d > 0 {
		res.CancelAt(now)
	}
	return d
}

func (r *rates) dropIdleLocked(now time.Time) {
	for agent, a := range r.m {
		if now.Sub(a.used) > idleLimiter {
			delete(r.m, agent)
		}
	}
}
