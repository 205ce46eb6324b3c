package uplink

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/faultline/faultline/agent/link"
)

// verdict is what a status means for the data.
type verdict uint8

const (
	accepted verdict = iota
	again            // keep, try again soon
	tooLarge         // keep, send in smaller parts
	refused          // this data will never be taken
	mend             // keep; a person must put something right first
)

func judge(status int) verdict {
	switch {
	case status/100 == 2:
		return accepted
	case status == http.StatusBadRequest, status == http.StatusUnprocessableEntity:
		return refused
	case status == http.StatusRequestEntityTooLarge:
		return tooLarge
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status == http.StatusTooEarly, status/100 == 5:
		return again
	default:
		return mend
	}
}

// manyRefusals is how many records in a row may be refused before refusals are
// taken for a fault of the receiver, and quarantine filled only slowly.
const manyRefusals = 16

// answered takes note of an answer: the outage is over, or the way waits.
func (u *Uplink) answered(w *way, a link.Answer, v verdict) {
	err := fmt.Errorf("%s: status %d %s", w.path, a.Status, a.Text())
	switch v {
	case accepted:
		u.succeeded(w)
	case again:
		u.pause(w, err, link.RetryAfter(a.Header, u.opt.Now()))
	case mend:
		if a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden {
			err = fmt.Errorf("%w (the collector does not accept this agent's token: enrol it again)", err)
		}
		u.pause(w, err, u.opt.SlowRetry)
	}
}

// unanswered deals with a request that got no answer: the line may be cut, so
// both ways wait.
func (u *Uplink) unanswered(ctx context.Context, w *way, err error) {
	if ctx.Err() != nil {
		return // asked to end
	}
	u.pause(w, err, 0)
	for _, other := range []*way{u.events, u.samples} {
		other.line = true
		if other.notBefore.Before(w.notBefore) {
			other.notBefore = w.notBefore
		}
	}
}

// pause makes a way wait for its back-off, at least least. The first failure
// of an outage is logged.
func (u *Uplink) pause(w *way, err error, least time.Duration) {
	now := u.opt.Now()
	first := w.backoff == link.Backoff{}
	w.notBefore = now.Add(max(w.backoff.Next(now), least))
	u.met.failing.WithLabelValues(w.name).Set(1)
	if first {
		u.opt.Logger.Warn("uplink: sending fails, data is kept and sent later", "way", w.name, "error", err)
	}
}

// succeeded ends an outage, on the other way as well if it was the line's.
func (u *Uplink) succeeded(w *way) {
	u.accepted.Add(1)
	w.refusals = 0
	for _, x := range []*way{u.events, u.samples} {
		if x == w || x.line {
			x.notBefore, x.line = time.Time{}, false
		}
	}
	u.met.failing.WithLabelValues(w.name).Set(0)
	if lasted := w.backoff.Reset(u.opt.Now()); lasted > 0 {
		u.opt.Logger.Info("uplink: sending works again", "way", w.name, "after", lasted.Round(time.Millisecond))
	}
}

// refusedOne counts a refused record and slows down when everything is refused.
func (u *Uplink) refusedOne(w *way) {
	if w.refusals++; w.refusals > manyRefusals {
		u.pause(w, fmt.Errorf("%s: %d records refused one after another, one more every %v is put into quarantine (is this the right receiver?)", w.path, w.refusals, u.opt.SlowRetry), u.opt.SlowRetry)
	}
}
