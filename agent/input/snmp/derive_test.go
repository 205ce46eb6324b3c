package snmp_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/plugins/base"
)

const root = "1.3.6.1.4.1.424242"

// rack is a profile with sensors, processors and pools of all kinds.
const rack = `profile: rack
class: environment
match: {sys_object_id: [1.3.6.1.4.1.424242]}
base: 1.3.6.1.4.1.424242
cells: {scale: .9.1.0, maker: .9.2.0}
identity:
  vendor: [{cells: "{maker}"}, {text: Acme}]
  model: [{column: .1.1.9, when: {.1.1.10: [3]}}, {oid: .9.3.0, match: '^model (\S+)'}]
  version: [{oid: .9.4.0}, {sys_descr: 'version ([\d.]+)'}]
  serial: [{oid: .9.5.0, map: {none: ''}}, {column: .1.1.9, match: '^SN(\d+)$'}]
sensors:
  - {oid: .9.6.0, class: state, name: door, status: {open: critical, closed: ok}}
  - {oid: .9.7.0, class: state, name: alarms, status_bits: {0: warning, 9: critical}}
tables:
  - name: probeTable
    entry: 1.3.6.1.4.1.424242.1.1
    index: [probe]
    cells: {probeName: .2, kind: .3}
    sensors:
      - {oid: .4, class_from: {cell: kind, map: {1: temperature, 2: humidity}}, name: "{probeName}", precision_from: scale, state: {oid: .5, map: {1: ok, 2: critical}}}
      - {oid: .4, class: count, name: "{probeName} count", when: ["kind = 9", "value != -1"], place: device}
    processors: [{oid: .6, name: "CPU {index}", unless: cpuTable}]
    memory: [{name: "{probeName} memory", total: {oid: .7, key: "1"}, used: .7, unit: 1024, when: ["kind = 7"]}]
  - name: cpuTable
    entry: 1.3.6.1.4.1.424242.2.1
    index: [cpu]
    processors: [{oid: .1, name: "core {cpu}"}]
`

func newRack(t *testing.T) *reader {
	r := newReader(t, "", rack)
	for oid, v := range map[string]any{
		"9.1.0": 1, "9.2.0": "Rack & Co", "9.3.0": "model R7 of 2020", "9.4.0": "", "9.5.0": "none", "9.6.0": "Open", "9.7.0": []byte{0x80, 0x40},
		"1.1.2.1": "inlet", "1.1.3.1": 1, "1.1.4.1": 235, "1.1.5.1": 2, "1.1.9.1": "not this", "1.1.10.1": 1,
		"1.1.2.2": "inlet", "1.1.3.2": 1, "1.1.4.2": 241, "1.1.5.2": 1, "1.1.9.2": "R7-chassis", "1.1.10.2": 3,
		"1.1.2.3": "wet", "1.1.3.3": 2, "1.1.4.3": 555, "1.1.9.3": "SN0815",
		"1.1.2.4": "odd", "1.1.3.4": 5, "1.1.4.4": 1,
		"1.1.2.5": "doors", "1.1.3.5": 9, "1.1.4.5": -1, "1.1.6.5": 30,
		"1.1.2.6": "store", "1.1.3.6": 7, "1.1.7.6": 256, "1.1.7.1": 1024,
	} {
		r.set(root+"."+oid, v)
	}
	return r
}

// TestDerived: what sensors, processors and pools come to, with their labels.
func TestDerived(t *testing.T) {
	r := newRack(t)
	for poll := range 3 {
		s := r.poll(t, 3*time.Minute)
		for _, want := range []struct {
			value float64
			name  string
			pairs []string
		}{
			{23.5, "faultline_sensor_value", []string{"sensor", "inlet", "class", "temperature", "unit", "celsius", "place", "room"}},
			{24.1, "faultline_sensor_value", []string{"sensor", "inlet " + root + ".1.1.4.2", "class", "temperature"}},
			{3, "faultline_sensor_status", []string{"sensor", "inlet"}}, {1, "faultline_sensor_status", []string{"sensor", "inlet " + root + ".1.1.4.2"}},
			{55.5, "faultline_sensor_value", []string{"sensor", "wet", "class", "humidity"}},
			{3, "faultline_sensor_value", []string{"sensor", "door"}}, {3, "faultline_sensor_status", []string{"sensor", "door"}},
			{1, "faultline_sensor_value", []string{"sensor", "alarms"}}, {3, "faultline_sensor_status", []string{"sensor", "alarms"}},
			{30, "faultline_processor_usage_percent", []string{"processor", "CPU 5"}},
			{25, "faultline_memory_used_percent", []string{"pool", "store memory"}}, {1 << 20, "faultline_memory_total_bytes", nil}, {1 << 18, "faultline_memory_used_bytes", nil},
		} {
			if v := s.value(t, want.name, want.pairs...); v < want.value-1e-9 || v > want.value+1e-9 {
				t.Errorf("poll %d: %s%v is %v, want %v", poll, want.name, want.pairs, v, want.value)
			}
		}
		if n := len(s.find("faultline_sensor_value")); n != 5 {
			t.Errorf("poll %d: %d sensors: %v", poll, n, s.find("faultline_sensor_value"))
		}
		if n := len(s.find("faultline_sensor_status", "sensor", "wet")); n != 0 {
			t.Error("a sensor without a state has one")
		}
	}
}

// TestDerivedChanges: readings, meanings and what hangs on other tables change
// while a device is read.
func TestDerivedChanges(t *testing.T) {
	r := newRack(t)
	r.poll(t, 0)
	r.set(root+".1.1.4.1", 300) // a reading: at once
	r.set(root+".1.1.5.1", 1)
	r.set(root+".1.1.4.5", 4)
	s := r.poll(t, time.Second)
	if s.value(t, "faultline_sensor_value", "sensor", "inlet") != 30 || s.value(t, "faultline_sensor_status", "sensor", "inlet") != 1 || s.value(t, "faultline_sensor_value", "sensor", "doors count") != 4 {
		t.Errorf("sensors %v", s.find("faultline_sensor_value"))
	}
	if len(s.find("faultline_sensor_value", "sensor", "doors count", "place", "room")) > 0 {
		t.Error("a count of the device is of the room")
	}
	r.set(root+".9.1.0", 0)    // the scale that all of the table share: with the slow things
	r.set(root+".1.1.3.3", 1)  // a meaning
	r.set(root+".1.1.2.3", "") // a name
	r.set(root+".2.1.1.1", 11) // and a better table of processors
	for range 2 {              // tables that come are found when they are looked at again
		s = r.poll(t, 6*time.Minute)
	}
	if s.value(t, "faultline_sensor_value", "sensor", "inlet") != 300 || s.value(t, "faultline_sensor_value", "class", "temperature", "sensor", "3") != 555 {
		t.Errorf("sensors %v", s.find("faultline_sensor_value"))
	}
	if s.value(t, "faultline_processor_usage_percent", "processor", "core 1") != 11 {
		t.Errorf("processors %v", s.find("faultline_processor_usage_percent"))
	}
	r.set(root+".1.1.4.1", nil)
	if s := r.poll(t, time.Second); len(s.find("faultline_sensor_value", "sensor", "inlet")) != 0 || len(s.find("faultline_sensor_status", "sensor", "inlet")) != 0 {
		t.Error("a reading that is gone is shown")
	}
}

// TestIdentityByProfile: where the profile says that names stand, in its order;
// a change is told, what cannot be read stays.
func TestIdentityByProfile(t *testing.T) {
	r := newRack(t)
	r.set("1.3.6.1.2.1.1.1.0", "Rack, version 1.2 of today")
	info := func(s *sink) string {
		found := s.find("faultline_device_info")
		if len(found) != 1 {
			return fmt.Sprint(found)
		}
		l := found[0].Labels
		return fmt.Sprint(l.Get("vendor"), " ", l.Get("model"), " ", l.Get("version"), " ", l.Get("serial"), " ", l.Get("class"), " ", l.Get("profile"))
	}
	if got, want := info(r.poll(t, 0)), "Rack & Co R7-chassis 1.2 0815 environment rack"; got != want {
		t.Errorf("identity %q, want %q", got, want)
	}
	r.set(root+".9.2.0", "")
	r.set(root+".1.1.10.2", 4) // the chassis is none any more: the scalar counts
	r.set(root+".9.4.0", "1.3")
	s := r.poll(t, 6*time.Minute)
	if got, want := info(s), "Acme R7 1.3 0815 environment rack"; got != want {
		t.Errorf("identity %q, want %q", got, want)
	}
	if len(s.events) != 1 || s.events[0].Kind != base.EventChange || s.events[0].Attrs["version"] != "1.3" || s.events[0].Attrs["version_before"] != "1.2" || s.events[0].Attrs["model_before"] != "R7-chassis" {
		t.Errorf("events %+v", s.events)
	}
	r.breaking(failing(root+".9", genErr))
	if got, want := info(r.partial(t, 6*time.Minute, "genErr")), "Acme R7 1.3 0815 environment rack"; got != want {
		t.Errorf("identity while it fails %q, want %q", got, want)
	}
}

// TestMeaningsStay: what tells the meaning of readings is kept while it cannot be
// read again; a reading is not.
func TestMeaningsStay(t *testing.T) {
	for name, oid := range map[string]string{"scalar": root + ".9.1", "column": root + ".1.1.3", "name": root + ".1.1.2"} {
		t.Run(name, func(t *testing.T) {
			r := newRack(t)
			first := r.poll(t, 0).series()
			r.breaking(failing(oid, genErr))
			for range 2 {
				s := r.partial(t, 6*time.Minute, oid, "genErr")
				if d := cmp.Diff(sensorsOf(first), sensorsOf(s.series())); d != "" {
					t.Errorf("sensors (-before +while it fails):\n%s", d)
				}
				if v := s.value(t, "faultline_sensor_value", "sensor", "inlet"); v != 23.5 {
					t.Errorf("temperature %v", v)
				}
			}
		})
	}
	r := newRack(t)
	r.poll(t, 0)
	r.breaking(failing(root+".1.1.4", genErr))
	if s := r.partial(t, time.Minute, root+".1.1.4", "genErr"); len(s.find("faultline_sensor_value", "class", "temperature")) > 0 {
		t.Errorf("readings that could not be read: %v", s.find("faultline_sensor_value"))
	}
}

func sensorsOf(series map[string]bool) map[string]bool {
	maps.DeleteFunc(series, func(s string, _ bool) bool { return !strings.Contains(s, "faultline_sensor") })
	return series
}
