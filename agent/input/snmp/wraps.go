package snmp

// Counts is what is kept across restarts of a row's 32-bit counters that have
// wrapped, so that they go on where they were.
type Counts struct {
	Of    string               `json:"of,omitzero"`    // what the row is known by
	Boot  int64                `json:"boot"`           // when the device started, by its up time, s since 1970
	Since float64              `json:"since,omitzero"` // discontinuity of the row
	At    uint32               `json:"at"`             // when they were read last, s since 1970
	Last  map[string][2]uint32 `json:"last"`           // as it was read, and wraps, by metric
}

// sameStart is by how much the start of a device may seem to have moved, in
// seconds: its clock is not ours.
const sameStart = 120

// remember notes the counters that have wrapped. The caller holds the device.
func (d *device) remember() {
	for _, t := range d.tables {
		if t.counters == 0 {
			continue
		}
		t.learned.Counters = nil
		for _, r := range t.rows {
			if c := t.wrapped(r); c.Last != nil {
				if t.learned.Counters == nil {
					t.learned.Counters = map[string]Counts{}
				}
				c.Boot = d.boot
				t.learned.Counters[r.number()] = c
			}
		}
	}
}

// wrapped are the counters of a row that have wrapped.
func (t *table) wrapped(r *row) Counts {
	kept := Counts{Of: t.known(r), Since: r.counts.discontinuity}
	t.eachCounter(func(metric string, count int) {
		if c := t.counter(r, count); c != nil && c.known && c.wraps > 0 {
			if kept.Last == nil {
				kept.Last = map[string][2]uint32{}
			}
			kept.Last[metric], kept.At = [2]uint32{c.last, c.wraps}, c.at
		}
	})
	return kept
}

// resume takes up the counters of a row where they were before our restart, if the
// device has not started anew since.
func (t *table) resume(p *poll, r *row) {
	r.resumed = true
	kept, ok := t.learned.Counters[r.number()]
	if moved := p.boot - kept.Boot; !ok || kept.Of != t.known(r) || moved > sameStart || moved < -sameStart {
		return
	}
	r.counts = epoch{restarts: p.restarts, discontinuity: kept.Since}
	t.eachCounter(func(metric string, count int) {
		if last, ok := kept.Last[metric]; ok {
			t.width(r, count, true) // also where it is missing in this poll
			c := t.counter(r, count)
			c.last, c.wraps, c.at, c.known = last[0], last[1], kept.At, true
		}
	})
}

// eachCounter calls do with every counter's metric and fastMetric.count.
func (t *layout) eachCounter(do func(metric string, count int)) {
	for k := range t.fast {
		for _, m := range t.fast[k].metrics {
			if m.count > 0 {
				do(t.numbers[m.number], m.count)
			}
		}
	}
}

// number is what the row's series show as its index.
func (r *row) number() string {
	if r.shown != "" {
		return r.shown
	}
	return r.index
}

// known is what a row is known by beside its index, or "".
func (t *table) known(r *row) string {
	if t.def.Name != ifTable {
		return ""
	}
	return t.identity(r)
}
