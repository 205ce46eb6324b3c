package snmp

import (
	"math"
	"strings"

	"github.com/faultline/faultline/plugins/base"
)

// counter carries a 32-bit counter on beyond its wraps, so that what leaves here
// only falls when the counter began anew.
type counter struct {
	last  uint32
	wraps uint32
	known bool
	is32  bool // as it was read last
}

// epoch is since when a row's counters count on: another one means that they
// began anew (RFC 2863, ifCounterDiscontinuityTime; RFC 3418, sysUpTime).
type epoch struct {
	restarts      uint32  // of the device
	discontinuity float64 // of the row, in ticks
	at            int64   // of the last reading, ms
}

// Metrics of IF-MIB by which a wrap is told from a new beginning.
const (
	metricDiscontinuity = "ifCounterDiscontinuityTime"
	metricHighSpeed     = "ifHighSpeed" // Mbit/s
	metricSpeed         = "ifSpeed"     // bit/s
)

// count carries the 32-bit counters of a row on.
func (t *table) count(p *poll, r *row) {
	if r.counters == nil {
		return
	}
	cells := t.block.Values[r.place*len(t.numbers) : (r.place+1)*len(t.numbers)]
	now := epoch{restarts: p.restarts, at: t.block.Rows[r.place].Time, discontinuity: t.cell(cells, metricDiscontinuity)}
	same := now.restarts == r.counts.restarts && now.discontinuity == r.counts.discontinuity
	seconds := float64(now.at-r.counts.at) / 1e3
	speed := t.speed(cells)
	r.counts = now
	for k := range t.fast {
		for _, m := range t.fast[k].metrics {
			if m.count == 0 {
				continue
			}
			v, c := &cells[m.number], &r.counters[m.count-1]
			if base.IsMissing(*v) || !c.is32 {
				continue
			}
			raw := uint32(*v / m.scale)
			switch {
			case !same || !c.known:
				c.wraps = 0
			case raw < c.last && wrapPossible(c.last, raw, seconds, most(speed, t.numbers[m.number])):
				c.wraps++
			case raw < c.last:
				c.wraps = 0
			}
			c.last, c.known = raw, true
			*v = (float64(c.wraps)*(math.MaxUint32+1) + float64(raw)) * m.scale
		}
	}
}

// cell returns a row's value of a metric, or 0.
func (t *table) cell(cells []float64, metric string) float64 {
	for i, n := range t.numbers {
		if n == metric && !base.IsMissing(cells[i]) {
			return cells[i]
		}
	}
	return 0
}

// speed is a row's speed in bits per second, 0 where it has none.
func (t *table) speed(cells []float64) float64 {
	if high := t.cell(cells, metricHighSpeed); high > 0 {
		return high * 1e6
	}
	return t.cell(cells, metricSpeed)
}

// most is how much a counter of an interface of that speed can grow in a second;
// 0 where that is not known. Frames of Ethernet take 84 bytes at least.
func most(speed float64, metric string) float64 {
	if strings.Contains(metric, "Octets") {
		return speed / 8
	}
	return speed / 8 / 84
}

// wrapPossible tells whether a counter can have gone round once between two
// readings. Where no bound is known one that was in its upper half has.
func wrapPossible(last, now uint32, seconds, perSecond float64) bool {
	if perSecond <= 0 || seconds <= 0 {
		return last >= 1<<31
	}
	grown := float64(math.MaxUint32-last) + 1 + float64(now)
	return grown <= 1.25*perSecond*(seconds+1)
}
