package link

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// The pace of retries: quick while an outage is young, so that a mended line is
// found at once, slow when it lasts.
const (
	firstDelay = 200 * time.Millisecond
	youngCap   = time.Second
	youngFor   = 10 * time.Minute
	oldCap     = 30 * time.Second

	// retryAfterCap bounds what a collector may ask for.
	retryAfterCap = 5 * time.Minute
)

// Backoff tells how long to wait before the next attempt. The zero value is
// ready. It is used from one goroutine at a time.
type Backoff struct {
	since time.Time // first failure of the outage; zero while all is well
	delay time.Duration
}

// Next notes a failure and returns how long to wait: between half and the whole
// of a delay that doubles up to its cap.
func (b *Backoff) Next(now time.Time) time.Duration {
	if b.since.IsZero() {
		b.since, b.delay = now, firstDelay
	} else {
		b.delay *= 2
	}
	limit := youngCap
	if now.Sub(b.since) >= youngFor {
		limit = oldCap
	}
	b.delay = min(b.delay, limit)
	return b.delay/2 + rand.N(b.delay/2+1)
}

// Reset notes a success and returns how long the outage lasted, zero if there
// was none.
func (b *Backoff) Reset(now time.Time) time.Duration {
	if b.since.IsZero() {
		return 0
	}
	lasted := now.Sub(b.since)
	*b = Backoff{}
	return max(lasted, 1)
}

// RetryAfter reads the header of that name, in seconds or as a date; zero if
// there is none, at most five minutes.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if v == "" {
		return 0
	}
	var d time.Duration
	if s, err := strconv.Atoi(v); err == nil {
		d = time.Duration(min(s, int(retryAfterCap/time.Second))) * time.Second
	} else if at, err := http.ParseTime(v); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), retryAfterCap)
}
