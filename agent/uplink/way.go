package uplink

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/faultline/faultline/agent/link"
	"github.com/faultline/faultline/agent/spool"
	"github.com/faultline/faultline/internal/wire"
)

// way is one of the receiver's paths: when it may be tried, and what it was
// given but is not known to have on disk.
type way struct {
	name, path string
	backoff    link.Backoff
	notBefore  time.Time
	line       bool // notBefore is because of the line, not of this path
	refusals   int  // refused records since the last accepted request

	epoch  string // the receiver's, empty for one that sends none
	unsure []sent // in the order of their sequence
}

// sent is what one request delivered and the mark that makes it safe.
type sent struct {
	ranges []spool.Range
	epoch  string
	seq    uint64
}

// unsureLimit bounds the list; beyond it neighbours are kept together.
const unsureLimit = 1024

// delivered notes ranges that a 2xx answered: let go at once, or when the
// receiver's Durable mark has reached the answer's Sequence.
func (u *Uplink) delivered(w *way, h http.Header, ranges []spool.Range) {
	seq, err := strconv.ParseUint(h.Get(wire.HeaderSequence), 10, 64)
	if w.epoch == "" || err != nil {
		for _, r := range ranges {
			u.ack(r)
		}
		return
	}
	ranges = joined(ranges)
	if n := len(w.unsure); n >= unsureLimit && w.unsure[n-1].epoch == w.epoch {
		last := &w.unsure[n-1]
		last.ranges, last.seq = joined(append(last.ranges, ranges...)), max(last.seq, seq)
	} else {
		w.unsure = append(w.unsure, sent{ranges, w.epoch, seq})
	}
	u.settle(w, h)
}

// joined joins neighbours, in place.
func joined(ranges []spool.Range) []spool.Range {
	out := ranges[:0]
	for _, r := range ranges {
		if n := len(out); n > 0 {
			if both, ok := out[n-1].Join(r); ok {
				out[n-1] = both
				continue
			}
		}
		out = append(out, r)
	}
	return out
}

// observe reads the durability headers of any answer. A new epoch means that
// the receiver may have lost what was not durable: everything unsure, on both
// ways, is sent again.
func (u *Uplink) observe(w *way, h http.Header, ok bool) {
	epoch := h.Get(wire.HeaderEpoch)
	if epoch == "" && !ok {
		return // a proxy's refusal says nothing about the receiver
	}
	if epoch != w.epoch {
		if w.epoch != "" {
			u.opt.Logger.Warn("uplink: the collector started anew, sending again what was not durable", "way", w.name, "ranges", len(w.unsure))
			u.giveBack(u.events, w.epoch)
			u.giveBack(u.samples, w.epoch)
		}
		w.epoch = epoch
	}
}

// settle lets go of what the answer's Durable mark has passed.
func (u *Uplink) settle(w *way, h http.Header) {
	durable, err := strconv.ParseUint(h.Get(wire.HeaderDurable), 10, 64)
	if err != nil || w.epoch == "" || h.Get(wire.HeaderEpoch) != w.epoch {
		return
	}
	u.release(w, func(s sent) bool { return s.epoch == w.epoch && s.seq <= durable }, u.ack)
}

// giveBack returns to the spool what is unsure since an epoch.
func (u *Uplink) giveBack(w *way, epoch string) {
	u.release(w, func(s sent) bool { return s.epoch == epoch }, func(r spool.Range) {
		u.opt.Spool.Return(r)
		u.met.resent.WithLabelValues(w.name).Inc()
	})
}

// release takes chosen requests off the list and does something with their ranges.
func (u *Uplink) release(w *way, chosen func(sent) bool, do func(spool.Range)) {
	kept := w.unsure[:0]
	for _, s := range w.unsure {
		if !chosen(s) {
			kept = append(kept, s)
			continue
		}
		for _, r := range s.ranges {
			do(r)
		}
	}
	clear(w.unsure[len(kept):])
	w.unsure = kept
	u.met.unsure.WithLabelValues(w.name).Set(float64(len(kept)))
}

// post sends one request within the timeout, counts it and reads the headers
// that every answer may have.
func (u *Uplink) post(ctx context.Context, w *way, body []byte, header http.Header) (link.Answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, u.opt.Timeout, errTimeout{u.opt.Timeout})
	defer cancel()
	start := u.opt.Now()
	a, err := u.opt.Link.Do(ctx, link.Request{Method: http.MethodPost, Path: w.path, Header: header, Body: body})
	u.met.seconds.WithLabelValues(w.name).Observe(u.opt.Now().Sub(start).Seconds())
	if err != nil {
		u.met.requests.WithLabelValues(w.name, "none").Inc()
		return a, err
	}
	u.met.requests.WithLabelValues(w.name, statusClass(a.Status)).Inc()
	u.observe(w, a.Header, a.OK())
	u.settle(w, a.Header)
	return a, nil
}

// errTimeout says how long was waited.
type errTimeout struct{ after time.Duration }

func (e errTimeout) Error() string { return "timeout after " + e.after.String() }

// statusClass bounds the label's values.
func statusClass(status int) string {
	switch status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound,
		http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return strconv.Itoa(status)
	default:
		return strconv.Itoa(status/100) + "xx"
	}
}
