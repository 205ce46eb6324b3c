package syslog

import (
	"net/netip"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// mostSources bounds the senders that are told apart; further ones share a
// place. One that was silent for forgetAfter makes room.
const (
	mostSources = 10_000
	forgetAfter = 10 * time.Minute
)

// source is one address that sends.
type source struct {
	limit *rate.Limiter
	last  time.Time
}

// take hears one line.
func (r *Receiver) take(line []byte, from netip.Addr, stream bool) {
	now := r.opts.Now()
	if len(line) > r.opts.MaxLine {
		line = line[:r.opts.MaxLine]
		r.meters.lines.WithLabelValues("cut").Inc()
	}
	r.mu.Lock()
	admitted := r.sourceLocked(from, now).limit.AllowN(now, 1)
	set := r.set
	r.mu.Unlock()
	if !admitted {
		r.meters.dropped.WithLabelValues("source_rate").Inc()
		return
	}
	m := Parse(line, now, r.opts.Location)
	match := set.Match(&m)
	if match == nil {
		r.meters.lines.WithLabelValues("unmatched").Inc()
		return
	}
	d, by, ok := r.who(from, &m)
	if !ok {
		r.meters.lines.WithLabelValues("unknown_sender").Inc()
		return
	}
	r.meters.lines.WithLabelValues("matched").Inc()
	h := heard{message: m, match: match, set: set, device: d, by: by, from: from.String(), at: now, held: stream || r.relay(from)}
	r.tell(&h)
}

// heard is a line that means something, and who it is about.
type heard struct {
	message Message
	match   *Match
	set     *Set // of which match is
	own     bool // the set is a target's own
	device  Device
	by      string    // how the device was found: address, name or target
	from    string    // address, or the log that it was read from
	at      time.Time // when it came
	held    bool      // it may have waited on its way
}

// who finds the device: a relay's lines are about whom they name, all others
// about whose address they come from and, failing that, whom they name. A relay's
// lines about nobody we know are not its own.
func (r *Receiver) who(from netip.Addr, m *Message) (d Device, by string, ok bool) {
	if r.relay(from) && m.Host != "" {
		d, ok = r.named(m.Host)
		if ok || !from.IsLoopback() || !strings.EqualFold(m.Host, r.opts.Hostname) {
			return d, "name", ok
		}
	}
	if d, ok = r.opts.Lookup(from, ""); ok {
		return d, "address", true
	}
	d, ok = r.named(m.Host)
	return d, "name", ok
}

// named looks up a host's name, which may be an address.
func (r *Receiver) named(host string) (Device, bool) {
	if host == "" {
		return Device{}, false
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return r.opts.Lookup(a.Unmap(), "")
	}
	return r.opts.Lookup(netip.Addr{}, host)
}

func (r *Receiver) relay(from netip.Addr) bool {
	if from.IsLoopback() {
		return true
	}
	for _, p := range r.opts.Relays {
		if p.Contains(from) {
			return true
		}
	}
	return false
}

// sourceLocked returns the sender's place; when there are too many, those that
// have been silent make room, and without room strangers share one.
func (r *Receiver) sourceLocked(from netip.Addr, now time.Time) *source {
	s := r.sources[from]
	if s == nil {
		if len(r.sources) >= mostSources {
			for a, old := range r.sources {
				if now.Sub(old.last) > forgetAfter {
					delete(r.sources, a)
				}
			}
		}
		if len(r.sources) >= mostSources {
			from = netip.Addr{}
			s = r.sources[from]
		}
	}
	if s == nil {
		s = &source{limit: rate.NewLimiter(rate.Limit(r.opts.Rate), r.opts.Burst)}
		r.sources[from] = s
	}
	s.last = now
	return s
}
