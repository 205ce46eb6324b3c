package syslog

import (
	"time"

	"github.com/faultline/faultline/plugins/base"
)

// seriesKey names the series of one meaning about one device.
type seriesKey struct {
	device, pattern string
	own             bool
}

// tally is how often and when last.
type tally struct {
	total, last base.Labels
	n           float64
	at          time.Time
	born        bool // its zero has been written
	changed     bool
}

// tallyLocked counts a match for the samples.
func (r *Receiver) tallyLocked(p *Pattern, h *heard) {
	d := h.device
	key := seriesKey{d.Name, p.Name, h.own}
	t := r.series[key]
	if t == nil {
		if len(r.series) >= mostSeries {
			r.meters.dropped.WithLabelValues("too_many_series").Inc()
			return
		}
		ls := map[string]string{"job": "syslog", "device": d.Name, "instance": d.Name, "site": d.Site, "pattern": p.Name, "severity": p.Severity}
		if h.own {
			ls["origin"] = "target"
		}
		t = &tally{total: base.LabelsFrom("faultline_syslog_matched_total", ls), last: base.LabelsFrom("faultline_syslog_last_match_timestamp_seconds", ls)}
		r.series[key] = t
	}
	t.n++
	t.at, t.changed = h.at, true
}

// samples returns the series of matches, all or those that changed. A new one
// begins at zero, so that its first match is an increase.
func (r *Receiver) samples(now time.Time, all bool) []base.Sample {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []base.Sample
	for _, t := range r.series {
		if !all && !t.changed {
			continue
		}
		ms := now.UnixMilli()
		if !t.born {
			out = append(out, base.Sample{Labels: t.total, Time: ms - 1, Value: 0})
		}
		out = append(out, base.Sample{Labels: t.total, Time: ms, Value: t.n},
			base.Sample{Labels: t.last, Time: ms, Value: float64(t.at.UnixMilli()) / 1000})
		t.born, t.changed = true, false
	}
	return out
}
