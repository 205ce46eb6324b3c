package profile

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Raw is a raw value: a number, or a text.
type Raw struct {
	Number float64
	Text   string
	Octets string // the bytes of a text as they came
	IsText bool
}

// states are the states by raw value.
type states struct {
	byNumber map[float64]string
	byText   map[string]string
}

func compileStates(m map[string]string) states {
	s := states{byNumber: map[float64]string{}, byText: map[string]string{}}
	for raw, state := range m {
		if f, err := strconv.ParseFloat(raw, 64); err == nil {
			s.byNumber[f] = state
		}
		s.byText[strings.ToLower(strings.TrimSpace(raw))] = state
	}
	return s
}

// of returns the state of a raw value; what is not listed is unknown.
func (s states) of(raw Raw) string {
	state := ""
	if raw.IsText {
		state = s.byText[strings.ToLower(strings.TrimSpace(raw.Text))]
	}
	if state == "" {
		if f, ok := raw.number(); ok {
			state = s.byNumber[f]
		}
	}
	if state == "" {
		return StatusUnknown
	}
	return state
}

func (r Raw) number() (float64, bool) {
	if !r.IsText {
		return r.Number, true
	}
	return leadingNumber(r.Text)
}

// Resolved is a sensor of one row: what is constant between readings.
type Resolved struct {
	Class string
	Name  string // "": the definition gives none

	def     *Sensor
	factor  float64
	convert string
	truth   bool
	on      []*Cond
}

// Resolve works out what a sensor is in a row; false when the row has none.
func (s *Sensor) Resolve(get Get) (*Resolved, bool) {
	if !hold(s.When, get) {
		return nil, false
	}
	r := &Resolved{def: s, Class: s.Class, factor: 1, convert: s.Convert, on: onValue(s.When)}
	if s.ClassFrom != nil {
		raw := get(s.ClassFrom.Cell)
		r.Class = s.ClassFrom.Map[raw]
		r.truth = s.Truth != "" && raw == s.Truth
		if r.Class == "" {
			return nil, false
		}
	}
	if s.Scale != 0 {
		r.factor = s.Scale
	}
	if n := s.ExponentFrom; n != nil {
		r.factor *= math.Pow10(n.in(get))
	}
	if s.PrecisionFrom != "" {
		r.factor *= math.Pow10(-(&Number{Cell: s.PrecisionFrom}).in(get))
	}
	if s.DivisorFrom != "" {
		if f, ok := leadingNumber(get(s.DivisorFrom)); ok && f != 0 {
			r.factor /= f
		}
	}
	if s.ConvertFrom != nil {
		if c := s.ConvertFrom.Map[get(s.ConvertFrom.Cell)]; c != "" {
			r.convert = c
		}
	}
	r.Name = s.Name.Expand(get)
	return r, true
}

// in returns the number in a row, 0 where there is none that makes sense.
func (n *Number) in(get Get) int {
	raw := get(n.Cell)
	if n.Map != nil {
		return n.Map[raw]
	}
	k, err := strconv.Atoi(raw)
	if err != nil || k < -24 || k > 24 {
		return 0
	}
	return k
}

// Places of a sensor.
const (
	PlaceRoom   = "room"
	PlaceDevice = "device"
)

// Place tells what the sensor measures: the room or the device. Where the
// profile does not say, place does if it is not empty, else the device's class.
func (r *Resolved) Place(place, deviceClass string) string {
	switch {
	case r.def.Place != "":
		return r.def.Place
	case place != "":
		return place
	case deviceClass == "environment" || deviceClass == "cooling":
		return PlaceRoom
	}
	return PlaceDevice
}

// Unit is the unit of the values.
func (r *Resolved) Unit() string {
	if r.truth {
		return "truth"
	}
	return Unit(r.Class)
}

// Read returns the sensor's value in its class's unit; false when the raw value
// is none.
func (r *Resolved) Read(raw Raw) (float64, bool) {
	raw, ok := r.raw(raw)
	if !ok {
		return 0, false
	}
	if r.def.StatusBits != nil && raw.IsText {
		return r.def.lowestBit(raw.Octets), true
	}
	f, ok := raw.number()
	if !ok {
		if r.Class == ClassState && r.def.Status != nil {
			return statusNumber(r.def.status.of(raw)), true // a state in words
		}
		return 0, false
	}
	if r.truth {
		if f == 1 {
			return 1, true
		}
		return 0, true
	}
	f = f*r.factor + r.def.Offset
	if r.convert != "" {
		f = conversions[r.convert](f)
	}
	return f, !math.IsNaN(f) && !math.IsInf(f, 0)
}

// raw applies what the definition says of raw values, and its conditions.
func (r *Resolved) raw(raw Raw) (Raw, bool) {
	var ok bool
	if raw, ok = extracted(r.def.extract, raw); !ok {
		return raw, false
	}
	if b := r.def.Signed; b != 0 && !raw.IsText && raw.Number >= math.Exp2(float64(b-1)) && raw.Number < math.Exp2(float64(b)) {
		raw.Number -= math.Exp2(float64(b))
	}
	for _, c := range r.on {
		if !c.ofRaw(raw) {
			return raw, false
		}
	}
	return raw, true
}

func (c *Cond) ofRaw(raw Raw) bool {
	if raw.IsText {
		return c.holds(raw.Text)
	}
	switch c.op {
	case ">", ">=", "<", "<=":
		return c.compares(raw.Number)
	}
	return c.holds(strconv.FormatFloat(raw.Number, 'f', -1, 64))
}

func extracted(re *regexp.Regexp, raw Raw) (Raw, bool) {
	if re == nil {
		return raw, true
	}
	text := raw.Text
	if !raw.IsText {
		text = strconv.FormatFloat(raw.Number, 'f', -1, 64)
	}
	m := re.FindStringSubmatch(text)
	if m == nil {
		return raw, false
	}
	return Raw{Text: m[1], IsText: true}, true
}

// HasStatus tells whether the sensor's own value says its state.
func (r *Resolved) HasStatus() bool { return r.def.Status != nil || r.def.StatusBits != nil }

// Status returns the state that the sensor's own raw value means.
func (r *Resolved) Status(raw Raw) string {
	raw, _ = r.raw(raw)
	if r.def.StatusBits != nil && raw.IsText {
		return r.def.worstBit(raw.Octets)
	}
	return r.def.status.of(raw)
}

// set tells whether a bit of a BITS value is 1 (RFC 2578, 7.1.4).
func set(octets string, bit int) bool {
	return bit/8 < len(octets) && octets[bit/8]&(0x80>>(bit%8)) != 0
}

// lowestBit is the number of the first bit set that has a meaning, counted from
// 1, or 0.
func (s *Sensor) lowestBit(octets string) float64 {
	for bit := range 8 * len(octets) {
		if _, known := s.StatusBits[bit]; known && set(octets, bit) {
			return float64(bit + 1)
		}
	}
	return 0
}

// worstBit is the worst state of the bits that are set; ok when none is.
func (s *Sensor) worstBit(octets string) string {
	worst := 0
	for bit, state := range s.StatusBits {
		if set(octets, bit) {
			worst = max(worst, slices.Index(byGravity, state))
		}
	}
	return byGravity[worst]
}

// byGravity are the states, the worst last.
var byGravity = []string{StatusOK, StatusUnknown, StatusWarning, StatusCritical}

// Status returns the state that the column's raw value means.
func (s *StateColumn) Status(raw Raw) string { return s.status.of(raw) }

// statusNumber is a state as a value of faultline_sensor_status.
func statusNumber(state string) float64 {
	switch state {
	case StatusOK:
		return 1
	case StatusWarning:
		return 2
	case StatusCritical:
		return 3
	}
	return 0
}

// StatusNumber is a state as a value of faultline_sensor_status: 0 unknown, 1
// ok, 2 warning, 3 critical.
func StatusNumber(state string) float64 { return statusNumber(state) }

// conversions by name.
var conversions = map[string]func(float64) float64{
	"fahrenheit":     func(f float64) float64 { return (f - 32) / 1.8 },
	"kelvin":         func(f float64) float64 { return f - 273.15 },
	"minutes":        func(f float64) float64 { return f * 60 },
	"hours":          func(f float64) float64 { return f * 3600 },
	"ticks":          func(f float64) float64 { return f / 100 },
	"milliwatts_dbm": dbm,
	"microwatts_dbm": func(f float64) float64 { return dbm(f / 1e3) },
	"watts_dbm":      func(f float64) float64 { return dbm(f * 1e3) },
	"none":           func(f float64) float64 { return f },
}

// dark is what no light at all reads as, in dBm: below what a receiver can see.
const dark = -60

// dbm is milliwatts in dBm; less than nothing is no value.
func dbm(milliwatts float64) float64 {
	if milliwatts == 0 {
		return dark
	}
	return max(10*math.Log10(milliwatts), dark)
}

// Number returns a reference's number in a row; of a column the caller gives
// the raw value, of a cell get does.
func (r *Ref) Number(raw Raw, has bool, get Get) (float64, bool) {
	if r.Cell != "" {
		raw, has = Raw{Text: get(r.Cell), IsText: true}, true
	}
	if !has {
		return 0, false
	}
	raw, ok := extracted(r.extract, raw)
	if !ok {
		return 0, false
	}
	f, ok := raw.number()
	if r.Scale != 0 {
		f *= r.Scale
	}
	return f + r.Offset, ok
}

// Applies tells whether the row is such a pool.
func (p *Pool) Applies(get Get) bool { return hold(p.When, get) }

// Applies tells whether the row is such a neighbour.
func (n *Neighbour) Applies(get Get) bool { return hold(n.When, get) }

// Usage is what is known of a pool; what is not is negative.
type Usage struct{ Total, Used, Percent float64 }

// Usage works out a pool's usage from what its row has; false when nothing
// sensible can be said.
func (p *Pool) Usage(number func(*Ref) (float64, bool), get Get) (Usage, bool) {
	unit, ok := p.Unit.In(get)
	read := func(r *Ref) float64 {
		if r == nil {
			return -1
		}
		f, is := number(r)
		if !is || f < 0 {
			return -1
		}
		return f
	}
	u := Usage{Total: read(p.Total), Used: read(p.Used), Percent: read(p.Percent)}
	free := read(p.Free)
	switch {
	case u.Used < 0 && u.Total >= 0 && free >= 0:
		u.Used = u.Total - free
	case u.Total < 0 && u.Used >= 0 && free >= 0:
		u.Total = u.Used + free
	case u.Used < 0 && u.Total >= 0 && u.Percent >= 0:
		u.Used = u.Total * u.Percent / 100
	}
	for _, r := range p.Less {
		if less := read(r); less > 0 && u.Used >= less {
			u.Used -= less
		}
	}
	if u.Percent < 0 && u.Total > 0 && u.Used >= 0 {
		u.Percent = 100 * u.Used / u.Total
	}
	if !ok {
		u.Total, u.Used = -1, -1
	}
	if u.Total >= 0 {
		u.Total *= unit
	}
	if u.Used >= 0 {
		u.Used *= unit
	}
	return u, u.Percent >= 0
}
