package modbus

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// maxRegisters is how many values one target may name.
const maxRegisters = 200

// Functions by the name of the table they read.
var tables = map[string]byte{"holding": 3, "input": 4}

// sizes are the words of each type.
var sizes = map[string]int{"u16": 1, "s16": 1, "u32": 2, "s32": 2, "f32": 2}

// register is one value of a device.
type register struct {
	metric        string
	labels        map[string]string // with the label sensor, when the line gives one
	function      byte
	address       uint16
	kind          string // a key of sizes
	order         string // of a value's four bytes: ABCD, CDAB, BADC, DCBA
	mask          uint32 // 0: all bits
	scale, offset float64
	missing       []int64 // raw values that mean no reading
	class         class
}

// class is what a register is to the rules for rooms; "" is nothing.
type class string

// classes by name: how the sensor is told, and its metric's name in a profile.
var classes = map[class]struct{ sensor, kind, unit string }{
	"temperature": {"temperature", "temperature", "celsius"}, "humidity": {"humidity", "humidity", "percent"},
	"leak": {"water leak", "state", "truth"}, "smoke": {"smoke", "state", "truth"},
}

// Bytes of names; in the expressions their bounds would take 60 KiB.
const (
	longestMetric = 100
	longestLabel  = 50
)

var (
	metricForm = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
	labelForm  = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
	reserved   = regexp.MustCompile(`^(up|ALERTS.*|faultline_.*|scrape_.*)$`)
	// taken are labels that say where a sample is from.
	taken = []string{"agent", "site", "device", "job", "instance", "role", "component", "place", "unit", "class"}
)

// parseRegisters reads one register a line; # begins a comment.
func parseRegisters(text string) ([]register, error) {
	var out []register
	var faults []error
	seen := map[string]bool{}
	for n, line := range strings.Split(text, "\n") {
		words := fields(line)
		if len(words) == 0 {
			continue
		}
		r, err := parseRegister(words)
		if key := inSeries(r.metric, r.labels); err == nil && seen[key] {
			err = fmt.Errorf("another register has the same name and labels: give one of them another sensor")
		} else {
			seen[key] = true
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("registers, line %d: %w", n+1, err))
			continue
		}
		out = append(out, r)
	}
	if len(out) == 0 && len(faults) == 0 {
		faults = append(faults, errors.New("registers: none"))
	}
	if len(out) > maxRegisters {
		faults = append(faults, fmt.Errorf("registers: %d, more than %d", len(out), maxRegisters))
	}
	return out, errors.Join(faults...)
}

func inSeries(metric string, labels map[string]string) string {
	return fmt.Sprint(base.LabelsFrom(metric, labels))
}

// fields splits a line at blanks outside of double quotes, and ends it at a #.
func fields(line string) []string {
	quoted, ended := false, false
	words := strings.FieldsFunc(line, func(r rune) bool {
		switch {
		case ended:
			return true
		case r == '"':
			quoted = !quoted
		case r == '#' && !quoted:
			ended = true
			return true
		}
		return !quoted && (r == ' ' || r == '\t' || r == '\r')
	})
	for i := range words {
		words[i] = strings.ReplaceAll(words[i], `"`, "")
	}
	return words
}

// parseRegister reads NAME TABLE:ADDRESS TYPE [SETTING=VALUE…].
func parseRegister(words []string) (register, error) {
	if len(words) < 3 {
		return register{}, errors.New("want NAME TABLE:ADDRESS TYPE, as in room_temperature_celsius holding:1 s16 scale=0.1")
	}
	r := register{metric: words[0], kind: words[2], order: "ABCD", scale: 1, labels: map[string]string{}}
	if !metricForm.MatchString(r.metric) || len(r.metric) > longestMetric || reserved.MatchString(r.metric) {
		return r, fmt.Errorf("name %q: want letters, digits and _, and none of up, scrape_…, faultline_…", r.metric)
	}
	if sizes[r.kind] == 0 {
		return r, fmt.Errorf("type %q: want u16, s16, u32, s32 or f32", r.kind)
	}
	var err error
	if r.function, r.address, err = parsePlace(words[1]); err != nil {
		return r, err
	}
	if int(r.address)+sizes[r.kind] > 1<<16 {
		return r, fmt.Errorf("%s: a %s does not fit behind this address", words[1], r.kind)
	}
	for _, w := range words[3:] {
		name, value, ok := strings.Cut(w, "=")
		if !ok || value == "" {
			return r, fmt.Errorf("%q: want SETTING=VALUE", w)
		}
		if err := r.set(name, value); err != nil {
			return r, err
		}
	}
	return r, nil
}

func parsePlace(s string) (function byte, address uint16, err error) {
	table, number, ok := strings.Cut(s, ":")
	n, err := strconv.ParseUint(number, 0, 16)
	if function = tables[table]; !ok || function == 0 || err != nil {
		return 0, 0, fmt.Errorf("%q: want holding:N or input:N, N from 0 as it is on the wire: 40001 in a maker's list is holding:0, 30001 is input:0", s)
	}
	return function, uint16(n), nil
}

// set takes one setting of a register's line.
func (r *register) set(name, value string) (err error) {
	switch name {
	case "scale", "offset":
		var f float64
		if f, err = strconv.ParseFloat(value, 64); err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("%s=%s: want a number", name, value)
		}
		if name == "scale" {
			r.scale = f
		} else {
			r.offset = f
		}
	case "order":
		if r.order = value; !slices.Contains([]string{"ABCD", "CDAB", "BADC", "DCBA"}, value) {
			return fmt.Errorf("order=%s: want ABCD, CDAB (low word first), BADC or DCBA", value)
		}
	case "mask":
		m, err := strconv.ParseUint(value, 0, 32)
		if err != nil || m == 0 || r.kind == "f32" {
			return fmt.Errorf("mask=%s: want the bits that count of a whole number, as 0x0001", value)
		}
		r.mask = uint32(m)
	case "missing":
		for v := range strings.SplitSeq(value, ",") {
			n, err := strconv.ParseInt(v, 0, 64)
			if err != nil {
				return fmt.Errorf("missing=%s: want the raw values that mean no reading, as 0x7fff,-9999", value)
			}
			r.missing = append(r.missing, n)
		}
	case "class":
		if r.class = class(value); classes[r.class].kind == "" {
			return fmt.Errorf("class=%s: want temperature, humidity, leak or smoke", value)
		}
	default:
		if !labelForm.MatchString(name) || len(name) > longestLabel || slices.Contains(taken, name) || strings.HasPrefix(name, "__") {
			return fmt.Errorf("%s: no setting, and no label that may be given here", name)
		}
		r.labels[name] = value
	}
	return nil
}

// value is what the register's words mean; false when they say that there is no
// reading.
func (r register) value(words []uint16) (float64, bool) {
	raw, n := uint32(words[0]), int64(0)
	if sizes[r.kind] == 2 {
		a, b, c, d := uint32(words[0]>>8), uint32(words[0]&0xff), uint32(words[1]>>8), uint32(words[1]&0xff)
		switch r.order {
		case "CDAB":
			a, b, c, d = c, d, a, b
		case "BADC":
			a, b, c, d = b, a, d, c
		case "DCBA":
			a, b, c, d = d, c, b, a
		}
		raw = a<<24 | b<<16 | c<<8 | d
	} else if r.order == "BADC" || r.order == "DCBA" {
		raw = raw&0xff<<8 | raw>>8
	}
	switch r.kind {
	case "f32":
		f := float64(math.Float32frombits(raw))
		if math.IsNaN(f) || math.IsInf(f, 0) || slices.Contains(r.missing, int64(raw)) {
			return 0, false
		}
		return f*r.scale + r.offset, true
	case "s16":
		n = int64(int16(raw))
	case "s32":
		n = int64(int32(raw))
	default:
		n = int64(raw)
	}
	if slices.Contains(r.missing, n) || slices.Contains(r.missing, int64(raw)) {
		return 0, false
	}
	if r.mask != 0 {
		n = int64(raw & r.mask)
	}
	return float64(n)*r.scale + r.offset, true
}

// emit tells a value under the register's own name and, when it has a class,
// under the name that the rules for rooms know.
func (r register) emit(v float64, at int64, sink input.Sink) {
	sink.Sample(base.Sample{Labels: base.LabelsFrom(r.metric, r.labels), Time: at, Value: v})
	c, ok := classes[r.class]
	if !ok {
		return
	}
	if c.unit == "truth" && v != 0 {
		v = 1
	}
	sensor := r.labels["sensor"]
	switch {
	case sensor == "":
		sensor = c.sensor
	case c.unit == "truth":
		sensor = c.sensor + " " + sensor // what it tells of is in its name for the rules
	}
	sink.Sample(base.Sample{Labels: base.LabelsFrom("faultline_sensor_value", map[string]string{"sensor": sensor, "class": c.kind, "unit": c.unit, "place": "room"}), Time: at, Value: v})
}
