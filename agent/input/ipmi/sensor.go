package ipmi

import (
	"encoding/binary"
	"math"
)

// sensor is one sensor as its record describes it.
type sensor struct {
	record      uint16
	lun, number byte
	kind        byte // sensor type (table 42-3)
	event       byte // event/reading type (table 42-1)
	units, unit byte
	name        string
	line        *line // nil: it has no number
}

// line turns a raw reading into a number (36.3): L((M·x + B·10^b) · 10^r).
type line struct {
	m, b       float64
	r          int
	function   byte
	format     byte // 0 unsigned, 1 one's complement, 2 two's complement
	percentage bool
}

// parseLine reads the numbers of a full record; nil when the sensor gives none, or
// other ones for every reading.
func parseLine(b []byte) *line {
	format, function := b[20]>>6, b[23]&0x7f
	if format == 3 || function > 11 {
		return nil
	}
	return &line{m: signed(int(b[24])|int(b[25]&0xc0)<<2, 10), b: signed(int(b[26])|int(b[27]&0xc0)<<2, 10) * math.Pow10(int(signed(int(b[29]&0xf), 4))),
		r: int(signed(int(b[29]>>4), 4)), function: function, format: format, percentage: b[20]&1 != 0}
}

// signed reads a two's complement of so many bits.
func signed(v, bits int) float64 {
	if v >= 1<<(bits-1) {
		v -= 1 << bits
	}
	return float64(v)
}

// value is what the raw reading means; false when it is no number.
func (l *line) value(raw byte) (float64, bool) {
	x := float64(raw)
	switch {
	case l.format == 1 && raw >= 128:
		x = -float64(^raw)
	case l.format == 2:
		x = float64(int8(raw))
	}
	y := (l.m*x + l.b) * math.Pow10(l.r)
	if l.r < 0 { // 0.1 has no exact form: a quotient is nearer
		y = (l.m*x + l.b) / math.Pow10(-l.r)
	}
	functions := []func(float64) float64{
		func(v float64) float64 { return v }, math.Log, math.Log10, math.Log2, math.Exp, func(v float64) float64 { return math.Pow(10, v) }, math.Exp2,
		func(v float64) float64 { return 1 / v }, func(v float64) float64 { return v * v }, func(v float64) float64 { return v * v * v }, math.Sqrt, math.Cbrt,
	}
	y = functions[l.function](y)
	return y, !math.IsNaN(y) && !math.IsInf(y, 0)
}

// States, as ipmi_exporter numbers them.
const (
	nominal = iota
	warning
	critical
)

// reading is what a sensor said.
type reading struct {
	raw   byte
	bits  uint16
	there bool
}

// parseReading reads the answer to Get Sensor Reading (35.14).
func parseReading(b []byte) reading {
	if len(b) < 2 || b[1]&0x40 == 0 || b[1]&0x20 != 0 {
		return reading{} // not scanned, or not known at the moment
	}
	r := reading{raw: b[0], there: true}
	switch {
	case len(b) >= 4:
		r.bits = binary.LittleEndian.Uint16(b[2:]) & 0x7fff
	case len(b) == 3:
		r.bits = uint16(b[2])
	}
	return r
}

// state judges a reading: a number by the limits that the BMC itself has, a state
// by what the specification says of its bits (tables 42-2 and 42-3). False: its
// bits are no matter of good or bad.
func (s *sensor) state(bits uint16) (int, bool) {
	if s.event == 1 {
		switch {
		case bits&0x36 != 0: // critical and non-recoverable, at both ends
			return critical, true
		case bits&0x09 != 0:
			return warning, true
		}
		return nominal, true
	}
	masks, ok := meanings[uint16(s.event)<<8]
	if s.event == 0x6f {
		masks, ok = meanings[uint16(s.event)<<8|uint16(s.kind)]
	}
	switch {
	case !ok:
		return 0, false
	case bits&masks.critical != 0:
		return critical, true
	case bits&masks.warning != 0:
		return warning, true
	}
	return nominal, true
}

// meanings are the bits that matter, by event/reading type and, of those that
// belong to one sensor type (0x6f), by that too.
var meanings = map[uint16]struct{ warning, critical uint16 }{
	0x0400: {1 << 1, 0},                 // predictive failure
	0x0500: {1 << 1, 0},                 // limit exceeded
	0x0600: {1 << 1, 0},                 // performance lags
	0x0700: {1<<1 | 1<<4, 0x6c},         // severity: non-critical; critical and non-recoverable
	0x0b00: {0xde, 1 << 5},              // redundancy lost or degraded; resources insufficient
	0x6f05: {1 << 0, 0},                 // chassis opened
	0x6f07: {1<<10 | 1<<12, 0x87f},      // processor: throttled, corrected; errors, thermal trip
	0x6f08: {1<<2 | 1<<6, 0x3a},         // power supply: predicted to fail, misconfigured; failed, input lost or out of range
	0x6f09: {1 << 7, 0x70},              // power unit: predicted to fail; no mains, failed
	0x6f0c: {1<<0 | 1<<5 | 1<<7, 0x40e}, // memory: corrected errors, misconfigured; uncorrectable, too hot
	0x6f0d: {1<<2 | 1<<5 | 1<<8, 0x42},  // drive: predicted to fail, array critical, rebuild aborted; failed, array failed
	0x6f13: {1<<7 | 1<<11, 0x732},       // bus: corrected, degraded; errors
	0x6f29: {1 << 0, 1 << 1},            // battery: low; failed
}

// kinds name sensor types, as FreeIPMI does.
var kinds = map[byte]string{
	0x01: "Temperature", 0x02: "Voltage", 0x03: "Current", 0x04: "Fan", 0x05: "Physical Security", 0x06: "Platform Security Violation Attempt", 0x07: "Processor", 0x08: "Power Supply",
	0x09: "Power Unit", 0x0a: "Cooling Device", 0x0b: "Other Units Based Sensor", 0x0c: "Memory", 0x0d: "Drive Slot", 0x0f: "System Firmware Progress", 0x10: "Event Logging Disabled",
	0x13: "Critical Interrupt", 0x15: "Module/Board", 0x19: "Chip Set", 0x1b: "Cable/Interconnect", 0x23: "Watchdog 2", 0x29: "Battery", 0x2b: "Version Change",
}
