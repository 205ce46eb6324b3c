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
	at    uint32 // when last was read, s since 1970
	known bool
	is32  bool // as it was read last
}

// epoch is since when a row's counters count on: another one means that they
// began anew (RFC 2863, ifCounterDiscontinuityTime; RFC 3418, sysUpTime).
type epoch struct {
	restarts      uint32  // of the device
	discontinuity float64 // of the row, in ticks
	speed         float64 // of the row, bit/s; 0: not known
}

// Metrics of IF-MIB by which a wrap is told from a new beginning.
const (
	metricDiscontinuity = "ifCounterDiscontinuityTime"
	metricHighSpeed     = "ifHighSpeed" // Mbit/s
	metricSpeed         = "ifSpeed"     // bit/s
)

// counter is where a row keeps a counter, nil where it has none of 32 bits there.
func (t *table) counter(r *row, count int) *counter {
	if slot := t.slots[count-1]; slot > 0 && slot <= len(r.counters) {
		return &r.counters[slot-1]
	}
	return nil
}

// width notes whether a counter was read in 32 bits. Most are not, and need no room.
func (t *table) width(r *row, count int, is32 bool) {
	if is32 && t.slots[count-1] == 0 {
		t.used++
		t.slots[count-1] = t.used
	}
	if is32 && len(r.counters) < t.used {
		grown := make([]counter, t.used)
		copy(grown, r.counters)
		r.counters = grown
	}
	if c := t.counter(r, count); c != nil {
		c.is32 = is32
	}
}

// count carries the 32-bit counters of a row on.
func (t *table) count(p *poll, r *row) {
	if r.counters == nil {
		return
	}
	cells := t.block.Values[r.place*len(t.numbers) : (r.place+1)*len(t.numbers)]
	if !r.resumed {
		t.resume(p, r)
	}
	was := r.counts
	r.counts = epoch{restarts: p.restarts, discontinuity: cell(cells, t.discontinuity, was.discontinuity), speed: t.bitsPerSecond(cells, was.speed)}
	if r.counts.restarts != was.restarts || r.counts.discontinuity != was.discontinuity {
		for i := range r.counters { // also those that are missing now
			r.counters[i].known = false
		}
	}
	at := uint32(t.block.Rows[r.place].Time / 1e3)
	for k := range t.fast {
		for _, m := range t.fast[k].metrics {
			if m.count == 0 {
				continue
			}
			v, c := &cells[m.number], t.counter(r, m.count)
			if c == nil || base.IsMissing(*v) || !c.is32 {
				continue
			}
			raw := uint32(math.Round(*v / m.scale))
			switch {
			case !c.known:
				c.wraps = 0
			case raw < c.last && wrapPossible(c.last, raw, int32(at-c.at), most(r.counts.speed, t.numbers[m.number])):
				c.wraps++
			case raw < c.last:
				c.wraps = 0
			}
			c.last, c.at, c.known = raw, at, true
			*v = (float64(c.wraps)*(math.MaxUint32+1) + float64(raw)) * m.scale
		}
	}
}

// cell returns a row's value of the column; where it is missing, what it was.
func cell(cells []float64, column int, was float64) float64 {
	if column < 0 || base.IsMissing(cells[column]) {
		return was
	}
	return cells[column]
}

// bitsPerSecond is a row's speed; where that is missing, what it was.
func (t *table) bitsPerSecond(cells []float64, was float64) float64 {
	if high := cell(cells, t.highSpeed, 0); high > 0 {
		return high * 1e6
	}
	return cell(cells, t.speed, was)
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
func wrapPossible(last, now uint32, seconds int32, perSecond float64) bool {
	if perSecond <= 0 || seconds < 0 {
		return last >= 1<<31
	}
	grown := float64(math.MaxUint32-last) + 1 + float64(now)
	return grown <= 1.25*perSecond*float64(seconds+2)
}
