package snmp_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/faultline/faultline/plugins/base"
)

// ports shows interfaces by their index, each with its number of octets.
func (f *fake) ports(byIndex map[string]string) {
	f.clear("1.3.6.1.2.1.2.2.1")
	f.clear("1.3.6.1.2.1.31.1.1.1")
	for index, name := range byIndex {
		f.port(index, name, map[int]any{colHighSpeed: gauge32(1000), colInOctets: counter32(octetsOf(name))})
	}
}

// octetsOf is a number by which an interface's values are told from another's.
func octetsOf(name string) uint32 {
	n := uint32(0)
	for _, c := range name {
		n = 31*n + uint32(c)
	}
	return n % 1_000_000
}

// shown are the interfaces of a poll: the ifIndex of each name, and that it shows
// its own values.
func shown(t *testing.T, s *sink) map[string]string {
	t.Helper()
	got := map[string]string{}
	for _, sm := range s.find("ifOperStatus") {
		got[sm.Labels.Get("ifName")] = sm.Labels.Get("ifIndex")
	}
	for _, sm := range s.find("ifInOctets") {
		if name := sm.Labels.Get("ifName"); sm.Value != float64(octetsOf(name)) {
			t.Errorf("%s shows %v octets, its own are %d", name, sm.Value, octetsOf(name))
		}
	}
	return got
}

// moves are the events that tell of renumbering.
func moves(s *sink) []base.Event {
	var found []base.Event
	for _, e := range s.events {
		if e.Kind == base.EventChange && e.Attrs["what"] == "ifIndex" {
			found = append(found, e)
		}
	}
	return found
}

func same(t *testing.T, when string, got, want map[string]string) {
	t.Helper()
	for name, index := range want {
		if got[name] != index {
			t.Errorf("%s: %s has the ifIndex %q, want %q", when, name, got[name], index)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: interfaces %v, want %v", when, got, want)
	}
}

// TestRenumbered: series of an interface go on under the number that they had,
// and one event tells of the change.
func TestRenumbered(t *testing.T) {
	before := map[string]string{"1": "eth0", "2": "eth1", "3": "eth2"}
	first := map[string]string{"eth0": "1", "eth1": "2", "eth2": "3"}
	tests := []struct {
		name    string
		after   map[string]string
		restart bool
		want    map[string]string
		moved   int
	}{
		{"nothing changed", before, true, first, 0},
		{"all moved", map[string]string{"10": "eth0", "11": "eth1", "12": "eth2"}, true, first, 3},
		{"all moved without a restart", map[string]string{"10": "eth0", "11": "eth1", "12": "eth2"}, false, first, 3},
		{"one moved", map[string]string{"1": "eth0", "2": "eth1", "9": "eth2"}, false, first, 1},
		{"two swapped", map[string]string{"2": "eth0", "1": "eth1", "3": "eth2"}, true, first, 2},
		{"three in a ring", map[string]string{"2": "eth0", "3": "eth1", "1": "eth2"}, true, first, 3},
		{"a new one before all", map[string]string{"1": "new", "2": "eth0", "3": "eth1", "4": "eth2"}, true,
			map[string]string{"eth0": "1", "eth1": "2", "eth2": "3", "new": "1-new"}, 3},
		{"one went, its number was taken", map[string]string{"1": "eth0", "2": "eth2"}, true, map[string]string{"eth0": "1", "eth2": "3"}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newReader(t, "")
			r.ports(before)
			same(t, "at first", shown(t, r.poll(t, 0)), first)
			r.ports(tt.after)
			if tt.restart {
				r.set(upTime, ticks(500))
			}
			s := r.poll(t, time.Minute)
			same(t, "after", shown(t, s), tt.want)
			events := moves(s)
			if tt.moved == 0 && len(events) > 0 || tt.moved > 0 && (len(events) != 1 || events[0].Attrs["count"] != strconv.Itoa(tt.moved)) {
				t.Errorf("events %v, want one of %d interfaces", s.events, tt.moved)
			}
			for range 2 {
				s = r.poll(t, 6*time.Minute) // names are read again
				same(t, "later", shown(t, s), tt.want)
				if len(moves(s)) > 0 {
					t.Errorf("told again: %v", s.events)
				}
			}
		})
	}
}

// TestSwapIsSeenWithTheNames: numbers that change hands while the device runs are
// found out when names are read next.
func TestSwapIsSeenWithTheNames(t *testing.T) {
	r := newReader(t, "")
	r.ports(map[string]string{"1": "eth0", "2": "eth1"})
	r.poll(t, 0)
	r.ports(map[string]string{"2": "eth0", "1": "eth1"})
	s := r.poll(t, 6*time.Minute)
	same(t, "after", shown(t, s), map[string]string{"eth0": "1", "eth1": "2"})
	if e := moves(s); len(e) != 1 || !strings.Contains(e[0].Text, "eth0 from 1 to 2, eth1 from 2 to 1") {
		t.Errorf("events %v", s.events)
	}
}

// TestCountersMoveWithTheirInterface: a counter is carried on by the interface it
// is of, not by the number that it has.
func TestCountersMoveWithTheirInterface(t *testing.T) {
	r := newReader(t, "")
	show := func(a, b string, octetsA, octetsB uint32) {
		r.clear("1.3.6.1.2.1.2.2.1")
		r.clear("1.3.6.1.2.1.31.1.1.1")
		r.port(a, "eth0", map[int]any{colHighSpeed: gauge32(1000), colInOctets: counter32(octetsA)})
		r.port(b, "eth1", map[int]any{colHighSpeed: gauge32(1000), colInOctets: counter32(octetsB)})
	}
	show("1", "2", 4e9, 1e9)
	r.poll(t, 0)
	show("1", "2", 1e9, 11e8) // eth0 wraps
	r.poll(t, time.Minute)
	show("2", "1", 12e8, 13e8)
	s := r.poll(t, 6*time.Minute)
	if a, b := s.value(t, "ifInOctets", "ifName", "eth0"), s.value(t, "ifInOctets", "ifName", "eth1"); a != wrap+12e8 || b != 13e8 {
		t.Errorf("eth0 %.0f, want %.0f; eth1 %.0f, want %.0f", a, float64(wrap+12e8), b, 13e8)
	}
}

// TestSameNames: interfaces of one name are told apart by their numbers, also
// when the second comes later.
func TestSameNames(t *testing.T) {
	r := newReader(t, "")
	r.ports(map[string]string{"1": "eth0", "2": "dup", "3": "dup"})
	indexes := func(s *sink) []string {
		var all []string
		for _, sm := range s.find("ifOperStatus", "ifName", "dup") {
			all = append(all, sm.Labels.Get("ifIndex"))
		}
		slices.Sort(all)
		return all
	}
	if got := indexes(r.poll(t, 0)); !slices.Equal(got, []string{"2", "3"}) {
		t.Errorf("numbers %v", got)
	}
	r.set(upTime, ticks(7))
	r.ports(map[string]string{"1": "eth0", "2": "dup", "5": "dup"})
	s := r.poll(t, time.Minute)
	if got := indexes(s); !slices.Equal(got, []string{"2", "5"}) || len(moves(s)) > 0 {
		t.Errorf("after a restart: numbers %v, events %v", got, s.events)
	}

	r = newReader(t, "")
	r.ports(map[string]string{"1": "eth0", "2": "dup"})
	r.poll(t, 0)
	r.ports(map[string]string{"1": "eth0", "2": "dup", "3": "dup"})
	for range 3 { // the third one reads the names again
		s := r.poll(t, 150*time.Second)
		if got := indexes(s); !slices.Equal(got, []string{"2", "3"}) {
			t.Errorf("a second one: numbers %v", got)
		}
		if len(moves(s)) > 0 {
			t.Errorf("a second one counts as a move: %v", s.events)
		}
	}
}

// TestNoNames: without ifName ifDescr tells interfaces, without both the alias
// with the address does, and then their numbers.
func TestNoNames(t *testing.T) {
	tests := []struct {
		name  string
		has   map[int]any
		moved bool
	}{
		{"ifDescr", map[int]any{101: nil}, true},
		{"alias and address", map[int]any{101: nil, 2: nil, 118: "to head office", 6: []byte{0, 1, 2, 3, 4, 5}}, true},
		{"alias alone", map[int]any{101: nil, 2: nil, 118: "to head office"}, false},
		{"nothing", map[int]any{101: nil, 2: nil}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newReader(t, "")
			r.port("4", "eth0", tt.has)
			r.poll(t, 0)
			r.ports(nil)
			r.port("9", "eth0", tt.has)
			r.set(upTime, ticks(7))
			s := r.poll(t, time.Minute)
			want := "9"
			if tt.moved {
				want = "4"
			}
			if got := s.find("ifOperStatus"); len(got) != 1 || got[0].Labels.Get("ifIndex") != want || (len(moves(s)) == 1) != tt.moved {
				t.Errorf("ifOperStatus %v, events %v; want ifIndex %s", got, s.events, want)
			}
		})
	}
}

// TestRenumberedAcrossRestart: what the agent knew before its own restart it
// knows after.
func TestRenumberedAcrossRestart(t *testing.T) {
	state := filepath.Join(t.TempDir(), "snmp.json")
	r := newReader(t, state)
	r.ports(map[string]string{"1": "eth0", "2": "eth1"})
	r.poll(t, 0)
	if err := r.in.Close(); err != nil {
		t.Fatal(err)
	}
	r.ports(map[string]string{"7": "eth0", "8": "eth1", "1": "new"})
	r.set(upTime, ticks(99))
	r.open(t, state)
	s := r.poll(t, time.Minute)
	same(t, "after", shown(t, s), map[string]string{"eth0": "1", "eth1": "2", "new": "1-new"})
	if e := moves(s); len(e) != 1 || e[0].Attrs["count"] != "2" {
		t.Errorf("events %v", s.events)
	}
	if err := r.in.Close(); err != nil {
		t.Fatal(err)
	}
	r.open(t, state)
	s = r.poll(t, time.Minute)
	same(t, "after the second restart", shown(t, s), map[string]string{"eth0": "1", "eth1": "2", "new": "1-new"})
	if len(moves(s)) > 0 {
		t.Errorf("told again: %v", s.events)
	}
}

// TestInterfacesAreForgotten: on a device whose interfaces come and go, as
// virtual ones do, what is kept of them does not grow for ever.
func TestInterfacesAreForgotten(t *testing.T) {
	state := filepath.Join(t.TempDir(), "snmp.json")
	r := newReader(t, state)
	for i := range 40 {
		r.ports(map[string]string{"1": "eth0"})
		for k := range 20 {
			index := strconv.Itoa(100 + 20*i + k)
			r.port(index, "veth"+index, nil)
		}
		if got := shown(t, r.poll(t, 6*time.Minute)); got["eth0"] != "1" || len(got) != 21 {
			t.Fatalf("round %d: interfaces %v", i, got)
		}
	}
	if err := r.in.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	var kept map[string]map[string]struct{ Interfaces map[string]any }
	if err := json.Unmarshal(b, &kept); err != nil {
		t.Fatal(err)
	}
	known := kept["fake"]["ifTable"].Interfaces
	if known["eth0"] == nil || len(known) > 200 {
		t.Errorf("%d interfaces are known: %.200s", len(known), fmt.Sprint(known))
	}
}

// TestNamesFailOnce: rows whose names cannot be read now are no rows without a
// name.
func TestNamesFailOnce(t *testing.T) {
	r := newReader(t, "")
	r.ports(map[string]string{"1": "eth0", "2": "eth1"})
	r.breaking(func(q *gosnmp.SnmpPacket) int { return failing("1.3.6.1.2.1.31.1.1.1.1", int(gosnmp.GenErr))(q) })
	s := r.partial(t, 0, "ifTable")
	for _, sm := range s.find("ifOperStatus") {
		if sm.Labels.Get("ifName") == "" {
			t.Errorf("series without its name: %v", sm.Labels)
		}
	}
	r.breaking(nil)
	same(t, "after", shown(t, r.poll(t, time.Minute)), map[string]string{"eth0": "1", "eth1": "2"})
	r.breaking(func(q *gosnmp.SnmpPacket) int { return failing("1.3.6.1.2.1.31.1.1.1.1", int(gosnmp.GenErr))(q) })
	same(t, "when names fail later", shown(t, r.partial(t, 6*time.Minute, "ifTable")), map[string]string{"eth0": "1", "eth1": "2"})
}
