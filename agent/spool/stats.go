package spool

import (
	"time"

	"github.com/faultline/faultline/internal/selfmetric"
)

// LaneStats counts one lane. Counters begin at Open.
type LaneStats struct {
	Segments        int
	Bytes           int64     // on disk
	PendingBytes    uint64    // on disk and not acknowledged
	Oldest          time.Time // start of the oldest segment; zero when there is none
	AppendedRecords uint64
	AppendedBytes   uint64
	AppendErrors    uint64 // records that Append refused or could not write
	AckedBytes      uint64 // record headers included
	ThinnedRecords  uint64 // left out to make room
	ThinnedBytes    uint64
	DroppedRecords  uint64 // deleted unsent to make room or for their age
	DroppedBytes    uint64
}

// Stats is a snapshot of the spool's state and counters. Counters begin at Open.
type Stats struct {
	Lanes             [lanes]LaneStats // index with Events and Samples
	UsedBytes         int64            // lanes and quarantine
	MaxBytes          int64
	TornTails         uint64 // segments whose end was cut
	TornBytes         uint64
	Quarantined       uint64 // things moved aside
	QuarantineBytes   uint64 // now in quarantine
	QuarantineDropped uint64 // refused samples deleted to bound quarantine
	ReadErrors        uint64
	AckErrors         uint64
}

// Stats returns a snapshot.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.UsedBytes, st.MaxBytes = s.used(), s.opt.MaxBytes
	for kind, ln := range s.lanes {
		l := &st.Lanes[kind]
		l.Segments, l.Bytes = len(ln.segs), ln.bytes
		for _, g := range ln.segs {
			l.PendingBytes += g.end() - g.start() - ln.acked.within(g.start(), g.end())
		}
		if len(ln.segs) > 0 {
			l.Oldest = ln.segs[0].created
		}
	}
	return st
}

// collector gives the spool's Stats as metrics.
type collector struct{ s *Spool }

// metric is one line of the table below.
type metric struct {
	desc  *selfmetric.Desc
	typ   selfmetric.Kind
	value func(*Stats, *LaneStats) float64
	whole bool // of the spool, not by lane
}

func metrics() []metric {
	lane := func(name, help string, t selfmetric.Kind, v func(*LaneStats) float64) metric {
		return metric{selfmetric.NewDesc("faultline_spool_"+name, help, "lane"), t,
			func(_ *Stats, l *LaneStats) float64 { return v(l) }, false}
	}
	whole := func(name, help string, t selfmetric.Kind, v func(*Stats) float64) metric {
		return metric{selfmetric.NewDesc("faultline_spool_"+name, help), t,
			func(s *Stats, _ *LaneStats) float64 { return v(s) }, true}
	}
	const counter, gauge = selfmetric.CounterValue, selfmetric.GaugeValue
	return []metric{
		lane("lane_bytes", "Size of the lane's segments on disk.", gauge, func(l *LaneStats) float64 { return float64(l.Bytes) }),
		lane("pending_bytes", "Bytes not acknowledged by a collector.", gauge, func(l *LaneStats) float64 { return float64(l.PendingBytes) }),
		lane("oldest_timestamp_seconds", "Start of the oldest segment, 0 if none.", gauge, func(l *LaneStats) float64 { return unix(l.Oldest) }),
		lane("appended_records_total", "Records written and flushed.", counter, func(l *LaneStats) float64 { return float64(l.AppendedRecords) }),
		lane("append_errors_total", "Records that could not be written.", counter, func(l *LaneStats) float64 { return float64(l.AppendErrors) }),
		lane("acked_bytes_total", "Bytes let go after acknowledgement.", counter, func(l *LaneStats) float64 { return float64(l.AckedBytes) }),
		lane("thinned_records_total", "Records left out of the oldest segments to make room.", counter, func(l *LaneStats) float64 { return float64(l.ThinnedRecords) }),
		lane("dropped_records_total", "Records deleted unsent for room or age.", counter, func(l *LaneStats) float64 { return float64(l.DroppedRecords) }),
		whole("used_bytes", "Size of all lanes and of quarantine.", gauge, func(s *Stats) float64 { return float64(s.UsedBytes) }),
		whole("max_bytes", "Bound of the spool.", gauge, func(s *Stats) float64 { return float64(s.MaxBytes) }),
		whole("torn_tails_total", "Segments whose half-written end was cut.", counter, func(s *Stats) float64 { return float64(s.TornTails) }),
		whole("quarantined_items_total", "Records and segments moved aside.", counter, func(s *Stats) float64 { return float64(s.Quarantined) }),
		whole("quarantine_dropped_items_total", "Refused samples deleted to bound quarantine.", counter, func(s *Stats) float64 { return float64(s.QuarantineDropped) }),
		whole("quarantine_bytes", "Size of quarantine.", gauge, func(s *Stats) float64 { return float64(s.QuarantineBytes) }),
		whole("read_errors_total", "Failed reads of segments.", counter, func(s *Stats) float64 { return float64(s.ReadErrors) }),
		whole("ack_errors_total", "Acknowledgements that could not be written.", counter, func(s *Stats) float64 { return float64(s.AckErrors) }),
	}
}

func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

// Describe implements selfmetric.Collector.
func (c collector) Describe() []*selfmetric.Desc {
	var all []*selfmetric.Desc
	for _, m := range metrics() {
		all = append(all, m.desc)
	}
	return all
}

// Collect implements selfmetric.Collector.
func (c collector) Collect(send func(selfmetric.Metric)) {
	st := c.s.Stats()
	for _, m := range metrics() {
		if m.whole {
			send(selfmetric.Const(m.desc, m.typ, m.value(&st, nil)))
			continue
		}
		for kind := range lanes {
			send(selfmetric.Const(m.desc, m.typ, m.value(&st, &st.Lanes[kind]), kind.String()))
		}
	}
}
