package snmp_test

import (
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/faultline/faultline/plugins/base"
)

const (
	ifEntry  = "1.3.6.1.2.1.2.2.1."
	ifXEntry = "1.3.6.1.2.1.31.1.1.1."
	upTime   = "1.3.6.1.2.1.1.3.0"
	wrap     = 1 << 32
)

// port shows an interface that is up; more are further objects by column, those
// of ifXTable from 100 on.
func (f *fake) port(index, name string, more map[int]any) {
	columns := map[int]any{2: name, 3: 6, 7: 1, 8: 1, 101: name}
	for c, v := range more {
		columns[c] = v
	}
	for c, v := range columns {
		f.cell(c, index, v)
	}
}

// cell sets one object of an interface.
func (f *fake) cell(column int, index string, v any) {
	entry := ifEntry
	if column > 100 {
		entry, column = ifXEntry, column-100
	}
	f.set(entry+strconv.Itoa(column)+"."+index, v)
}

// Columns of the interface's tables.
const (
	colInOctets, colInErrors, colInPackets, colSpeed         = 10, 14, 11, 5
	colHCInOctets, colHighSpeed, colDiscontinuity, colIfName = 106, 115, 119, 101
)

// step is one poll: what has changed by then, and what ifInOctets has to be.
type step struct {
	after  time.Duration
	up     uint32      // sysUpTime; 0: it goes on by itself
	change map[int]any // columns of the interface
	want   float64
	events int
}

func fast(m uint32) map[int]any { return map[int]any{colHighSpeed: gauge32(m)} }

// in is ifInOctets, and other columns.
func in(octets uint32, more ...any) map[int]any {
	c := map[int]any{colInOctets: counter32(octets)}
	for i := 0; i < len(more); i += 2 {
		c[more[i].(int)] = more[i+1]
	}
	return c
}

// TestCounters: a 32-bit counter goes on beyond its wraps and falls only when it
// began anew.
func TestCounters(t *testing.T) {
	const minute = time.Minute
	tests := []struct {
		name  string
		port  map[int]any
		steps []step
	}{
		{"grows", fast(100), []step{{0, 0, in(1000), 1000, 0}, {minute, 0, in(2000), 2000, 0}, {minute, 0, in(2000), 2000, 0}}},
		{"wraps", fast(100), []step{{0, 0, in(wrap - 296), wrap - 296, 0}, {minute, 0, in(704), wrap + 704, 0}, {minute, 0, in(9000), wrap + 9000, 0}}},
		{"wraps twice", fast(1000), []step{{0, 0, in(3e9), 3e9, 0}, {minute, 0, in(1e9), wrap + 1e9, 0}, {minute, 0, in(3.5e9), wrap + 3.5e9, 0}, {minute, 0, in(5), 2*wrap + 5, 0}}},
		{"wraps to the value it had", fast(1000), []step{{0, 0, in(3e9), 3e9, 0}, {minute, 0, in(2999999999), wrap + 2999999999, 0}}},
		{"device restarted", fast(1000), []step{{0, 90000, in(3e9), 3e9, 0}, {minute, 1000, in(50), 50, 1}, {minute, 7000, in(60), 60, 0}}},
		{"device restarted after a wrap", fast(1000), []step{{0, 90000, in(3e9), 3e9, 0}, {minute, 96000, in(1e9), wrap + 1e9, 0}, {minute, 100, in(2e9), 2e9, 1}}},
		{"counters of the interface began anew", fast(1000), []step{
			{0, 0, in(3e9, colDiscontinuity, ticks(0)), 3e9, 0}, {minute, 0, in(1e9, colDiscontinuity, ticks(95000)), 1e9, 0},
			{minute, 0, in(5e8, colDiscontinuity, ticks(95000)), wrap + 5e8, 0}}},
		{"began anew and is ahead already", fast(1000), []step{
			{0, 0, in(3e9, colDiscontinuity, ticks(7)), 3e9, 0}, {minute, 0, in(1e9, colDiscontinuity, ticks(7)), wrap + 1e9, 0},
			{minute, 0, in(2e9, colDiscontinuity, ticks(95000)), 2e9, 0}}},
		{"slow interface cannot have wrapped", fast(10), []step{{0, 0, in(3e9), 3e9, 0}, {minute, 0, in(1e9), 1e9, 0}}},
		{"slow interface, long after", fast(10), []step{{0, 0, in(3e9), 3e9, 0}, {29 * minute, 0, in(1e9), wrap + 1e9, 0}}},
		{"slow interface, at the end of its range", fast(10), []step{{0, 0, in(wrap - 1e6), wrap - 1e6, 0}, {minute, 0, in(1e6), wrap + 1e6, 0}}},
		{"speed by ifSpeed", map[int]any{colSpeed: gauge32(10_000_000)}, []step{{0, 0, in(3e9), 3e9, 0}, {minute, 0, in(1e9), 1e9, 0}}},
		{"ifHighSpeed of 0: speed by ifSpeed", map[int]any{colSpeed: gauge32(1_000_000_000), colHighSpeed: gauge32(0)}, []step{{0, 0, in(3e9), 3e9, 0}, {minute, 0, in(1e9), wrap + 1e9, 0}}},
		{"speed not known, was in its lower half", nil, []step{{0, 0, in(2e9), 2e9, 0}, {minute, 0, in(1e9), 1e9, 0}}},
		{"speed not known, was in its upper half", nil, []step{{0, 0, in(3e9), 3e9, 0}, {minute, 0, in(1e9), wrap + 1e9, 0}}},
		{"sysUpTime wraps after 497 days", fast(1000), []step{
			{0, wrap - 3000, in(1e9), 1e9, 0}, {minute, 3000, in(2e9), 2e9, 0}, {minute, 9000, in(3e8), wrap + 3e8, 0}}},
		{"sysUpTime wraps together with the counter", fast(1000), []step{{0, wrap - 3000, in(3e9), 3e9, 0}, {minute, 3000, in(1e9), wrap + 1e9, 0}}},
		{"restarted more than an hour before 497 days", fast(1000), []step{{0, wrap - 400_000, in(3e9), 3e9, 0}, {minute, 1000, in(1e9), 1e9, 1}}},
		{"missing once", fast(1000), []step{{0, 0, in(3e9), 3e9, 0}, {minute, 0, map[int]any{colInOctets: nil}, -1, 0}, {minute, 0, in(1e9), wrap + 1e9, 0}}},
		{"missing once on a slow interface", fast(100), []step{ // one poll's time would not be enough for the wrap
			{0, 0, in(wrap - 1e9), wrap - 1e9, 0}, {minute, 0, map[int]any{colInOctets: nil}, -1, 0}, {minute, 0, in(2e8), wrap + 2e8, 0}}},
		{"began anew while it was missing", fast(1000), []step{
			{0, 90000, in(3e9), 3e9, 0}, {minute, 1000, map[int]any{colInOctets: nil}, -1, 1}, {minute, 7000, in(1e9), 1e9, 0}}},
		{"what tells of a new beginning is missing once", fast(1000), []step{
			{0, 0, in(3e9, colDiscontinuity, ticks(7)), 3e9, 0}, {minute, 0, in(1e9), wrap + 1e9, 0},
			{minute, 0, in(15e8, colDiscontinuity, nil), wrap + 15e8, 0}, {minute, 0, in(2e9, colDiscontinuity, ticks(7)), wrap + 2e9, 0}}},
		{"its speed is missing once", nil, []step{
			{0, 0, in(2e9, colHighSpeed, gauge32(1000)), 2e9, 0}, {minute, 0, in(1e9, colHighSpeed, nil), wrap + 1e9, 0}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newReader(t, "")
			r.port("1", "eth0", tt.port)
			up := uint32(100_000)
			for i, st := range tt.steps {
				if up += uint32(st.after / (10 * time.Millisecond)); st.up != 0 {
					up = st.up
				}
				r.set(upTime, ticks(up))
				for c, v := range st.change {
					r.cell(c, "1", v)
				}
				s := r.poll(t, st.after)
				if st.want < 0 {
					if got := s.find("ifInOctets"); len(got) != 0 {
						t.Errorf("poll %d: %v, want none", i, got)
					}
				} else if got := s.value(t, "ifInOctets", "ifName", "eth0"); got != st.want {
					t.Errorf("poll %d: %.0f, want %.0f", i, got, st.want)
				}
				restarts := 0
				for _, e := range s.events {
					if e.Kind == base.EventRestart {
						restarts++
					}
				}
				if restarts != st.events {
					t.Errorf("poll %d: events %v, want %d restarts", i, s.events, st.events)
				}
			}
		})
	}
}

// TestCounterOfFrames: what counts frames cannot grow faster than the shortest
// frames follow each other.
func TestCounterOfFrames(t *testing.T) {
	for name, tt := range map[string]struct {
		speed uint32 // Mbit/s
		want  float64
	}{"possible": {100_000, wrap + 1e9}, "too many": {1000, 1e9}} {
		t.Run(name, func(t *testing.T) {
			r := newReader(t, "")
			r.port("1", "eth0", map[int]any{colHighSpeed: gauge32(tt.speed), colInErrors: counter32(3e9)})
			r.poll(t, 0)
			r.cell(colInErrors, "1", counter32(1e9))
			if got := r.poll(t, time.Minute).value(t, "ifInErrors"); got != tt.want {
				t.Errorf("ifInErrors %.0f, want %.0f", got, tt.want)
			}
		})
	}
}

// TestCounters64: counters of 64 bits are told as they are, whatever they do.
func TestCounters64(t *testing.T) {
	r := newReader(t, "")
	r.port("1", "eth0", fast(1000))
	for _, raw := range []uint64{1<<53 - 1, 5, 1 << 40, 0, 1<<63 + 1<<62, 7} {
		r.cell(colHCInOctets, "1", counter64(raw))
		if got := r.poll(t, time.Minute).value(t, "ifHCInOctets"); got != float64(raw) {
			t.Errorf("ifHCInOctets %.0f, want %d", got, raw)
		}
	}
}

// TestCounterChangesItsSize: an agent that goes over to 64 bits, and back.
func TestCounterChangesItsSize(t *testing.T) {
	r := newReader(t, "")
	r.port("1", "eth0", fast(1000))
	for i, st := range []struct {
		raw  any
		want float64
	}{{counter32(3e9), 3e9}, {counter64(5e9), 5e9}, {counter64(6e9), 6e9}, {counter32(4e9), 4e9}, {counter32(1e9), wrap + 1e9}} {
		r.cell(colInOctets, "1", st.raw)
		if got := r.poll(t, time.Minute).value(t, "ifInOctets"); got != st.want {
			t.Errorf("poll %d: %.0f, want %.0f", i, got, st.want)
		}
	}
}

// TestCountersAcrossRestart: a counter that has wrapped goes on where it was when
// the agent starts again, unless the device did so as well.
func TestCountersAcrossRestart(t *testing.T) {
	tests := []struct {
		name string
		away time.Duration
		up   uint32 // sysUpTime afterwards
		port map[int]any
		want float64
	}{
		{"at once", time.Second, 113_000, nil, wrap + 2e9},
		{"wrapped meanwhile", 10 * time.Minute, 173_000, in(1e9), 2*wrap + 1e9},
		{"device restarted meanwhile", 10 * time.Minute, 5_000, nil, 2e9},
		{"device restarted, and runs longer than it did", 24 * time.Hour, 2_000_000, nil, 2e9},
		{"counters of the interface began anew", time.Minute, 119_000, map[int]any{colDiscontinuity: ticks(112_000)}, 2e9},
		{"another interface has its number", time.Minute, 119_000, map[int]any{colIfName: "eth9"}, 2e9},
		{"another number", time.Minute, 119_000, map[int]any{-1: "8"}, wrap + 2e9},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			state := filepath.Join(t.TempDir(), "snmp.json")
			r := newReader(t, state)
			show := func(index string, up, octets uint32, more map[int]any) {
				r.ports(nil)
				r.set(upTime, ticks(up))
				r.port(index, "eth0", in(octets, colHighSpeed, gauge32(1000), colDiscontinuity, ticks(7)))
				for c, v := range more {
					if c > 0 {
						r.cell(c, index, v)
					}
				}
			}
			show("1", 100_000, 3e9, nil)
			r.poll(t, 0)
			show("1", 106_000, 1e9, nil)
			r.poll(t, time.Minute)
			show("1", 112_000, 15e8, nil)
			if got := r.poll(t, time.Minute).value(t, "ifInOctets"); got != wrap+15e8 {
				t.Fatalf("before: %.0f", got)
			}
			if err := r.in.Close(); err != nil {
				t.Fatal(err)
			}
			index := "1"
			if other, ok := tt.port[-1]; ok {
				index = other.(string)
			}
			show(index, tt.up, 2e9, tt.port)
			r.open(t, state)
			for i, after := range []time.Duration{tt.away, time.Second} {
				if got := r.poll(t, after).value(t, "ifInOctets"); got != tt.want {
					t.Errorf("poll %d afterwards: %.0f, want %.0f", i, got, tt.want)
				}
			}
		})
	}
}
