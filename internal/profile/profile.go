// Package profile is how devices are described as data: which objects an SNMP
// device has, what they are called, how they scale and what their states mean.
// Profiles are YAML files (rules/profiles, language in docs/profiles.md); one
// that fits a device by its sysObjectID or sysDescr is taken together with what
// it extends, and with every layer (IF-MIB, UPS-MIB, ...) of which the device
// has instances. The package reads no device: agent/input/snmp does.
package profile

import "regexp"

// Types of a raw metric.
const (
	Gauge       = "gauge"        // the number, scaled
	Counter     = "counter"      // a number that only grows, scaled
	Info        = "info"         // 1, with the text or the enumerated name in a label
	ClockOffset = "clock_offset" // DateAndTime: the device's clock minus ours, in seconds
)

// States of a sensor, as values of faultline_sensor_status.
const (
	StatusUnknown  = "unknown"
	StatusOK       = "ok"
	StatusWarning  = "warning"
	StatusCritical = "critical"
)

// How far a profile is proven.
const (
	VerifiedRecording = "recording" // a recording of a real device was read
	VerifiedServer    = "server"    // a real program was read
	VerifiedNone      = "none"      // written from its sources, not tested
)

// Classes of devices.
var deviceClasses = []string{"network", "firewall", "ups", "pdu", "environment", "cooling", "bmc", "storage", "host", "printer", "other"}

// ClassState is the class of sensors that are a state and no measurement.
const ClassState = "state"

// Units by sensor class; values are given in these after scaling.
var units = map[string]string{
	"temperature": "celsius", "humidity": "percent", "voltage": "volts", "current": "amperes",
	"power": "watts", "apparent_power": "voltamperes", "reactive_power": "vars", "energy": "kilowatt_hours",
	"frequency": "hertz", "fan_speed": "rpm", "load": "percent", "charge": "percent", "percent": "percent",
	"runtime": "seconds", "delay": "seconds", "dbm": "dbm", "airflow": "cubic_metres_per_hour",
	"waterflow": "litres_per_minute", "pressure": "pascals", "power_factor": "ratio", "count": "count",
	"cooling": "watts", "signal": "dbm", "snr": "decibels", "attenuation": "decibels", "loss": "percent",
	"quality": "percent", "bitrate": "bits_per_second", "ber": "ratio", "chromatic_dispersion": "picoseconds_per_nanometre",
	"eer": "ratio", "quality_factor": "decibels", "signal_loss": "decibels", ClassState: "state",
}

// Unit returns the unit in which sensors of the class are given, or "".
func Unit(class string) string { return units[class] }

// Profile is one file. Every OID in it is numeric, without a leading dot once
// the file is loaded.
type Profile struct {
	Name     string   `yaml:"profile"`
	Class    string   `yaml:"class"`    // what kind of device has this: ups, network, ...
	Verified string   `yaml:"verified"` // recording, server or none
	Source   []string `yaml:"source"`   // where the objects and their meaning come from
	Extends  []string `yaml:"extends"`  // profiles whose objects are read too
	Replaces []string `yaml:"replaces"` // layers not to be read where this profile is taken
	Match    Match    `yaml:"match"`
	Identity Identity `yaml:"identity"`
	Base     string   `yaml:"base"` // what a leading dot stands for outside tables

	Cells      map[string]*Cell `yaml:"cells"`
	Scalars    []Value          `yaml:"scalars"`
	Sensors    []Sensor         `yaml:"sensors"`
	Processors []Sensor         `yaml:"processors"`
	Memory     []Pool           `yaml:"memory"`
	Storage    []Pool           `yaml:"storage"`
	Tables     []Table          `yaml:"tables"`

	Notifications []Notification `yaml:"notifications"`

	file    string
	text    []byte // kept where OIDs depend on the device
	scalars *Table // what stands outside tables, as a table of one row
}

// File is the name of the file the profile was read from.
func (p *Profile) File() string { return p.file }

// Match says when a profile is taken: one fitting alternative is enough. A
// profile without any is only reached by another's Extends.
type Match []Alternative

// UnmarshalYAML takes a list of alternatives, or one.
func (m *Match) UnmarshalYAML(decode func(any) error) error {
	list, err := oneOrMore[Alternative](decode)
	*m = list
	return err
}

// Alternative is conditions that must all hold.
type Alternative struct {
	Always      bool     `yaml:"always" json:"always,omitempty"`
	SysObjectID []string `yaml:"sys_object_id" json:"sys_object_id,omitempty"` // prefixes; the longest match among profiles wins
	SysDescr    string   `yaml:"sys_descr" json:"sys_descr,omitempty"`         // regular expression
	Has         []string `yaml:"has" json:"has,omitempty"`                     // subtrees; one instance under any of them is enough

	descr *regexp.Regexp
}

// Layer tells whether the profile is taken beside others instead of being the
// device's own.
func (p *Profile) Layer() bool {
	for i := range p.Match {
		if len(p.Match[i].SysObjectID) > 0 || p.Match[i].SysDescr != "" {
			return false
		}
	}
	return len(p.Match) > 0
}

// Table is objects that share one index.
type Table struct {
	Name    string           `yaml:"name"`
	Entry   string           `yaml:"entry"`  // what a leading dot stands for inside
	Index   []string         `yaml:"index"`  // label of each index component; the last takes the rest
	Labels  map[string]*Cell `yaml:"labels"` // cells that name a row's raw metrics; read seldom
	Cells   map[string]*Cell `yaml:"cells"`  // what sensors need and raw metrics do not carry; read seldom
	Columns []Value          `yaml:"columns"`

	Sensors    []Sensor    `yaml:"sensors"`
	Processors []Sensor    `yaml:"processors"`
	Memory     []Pool      `yaml:"memory"`
	Storage    []Pool      `yaml:"storage"`
	Neighbours []Neighbour `yaml:"neighbours"`

	MayBeEmpty bool `yaml:"may_be_empty"` // rows may all go without that being a fault
	Optional   bool `yaml:"optional"`     // only read where a target asks for it

	// Outer is the table of the same profile's scalars, whose cells the rows'
	// templates may use; nil in that table itself.
	Outer *Table `yaml:"-"`
}

// Scalar tells whether the table stands for what is outside tables: one row,
// and columns that are instances.
func (t *Table) Scalar() bool { return t.Outer == nil }

// Cell is a column, read seldom, whose text names or explains a row.
type Cell struct {
	OID    string            `yaml:"oid"`
	Key    *Template         `yaml:"key"`    // index of the instance in another table's column; nil: the row's own
	Format string            `yaml:"format"` // "" mac
	Map    map[string]string `yaml:"map"`    // text by raw value
	Match  string            `yaml:"match"`  // group 1 of the text, if it fits

	match *regexp.Regexp
}

// UnmarshalYAML takes an OID, or the whole form.
func (c *Cell) UnmarshalYAML(decode func(any) error) error {
	var oid string
	if err := decode(&oid); err == nil {
		c.OID = oid
		return nil
	}
	type plain Cell
	return decode((*plain)(c))
}

// Text returns what the cell says by its raw text.
func (c *Cell) Text(raw string) string {
	if c.match != nil {
		m := c.match.FindStringSubmatch(raw)
		if m == nil {
			return ""
		}
		raw = m[1]
	}
	if t, ok := c.Map[raw]; ok {
		return t
	}
	return raw
}

// Value is a raw metric of one scalar object (OID with its instance) or of one
// column of a table.
type Value struct {
	Metric string            `yaml:"metric"`
	OID    string            `yaml:"oid"`
	Type   string            `yaml:"type"`
	Scale  float64           `yaml:"scale"`  // multiplies the metric; 0 is 1
	Enum   map[string]string `yaml:"enum"`   // info: text by number or by OID
	Format string            `yaml:"format"` // info: "" or mac
	Slow   bool              `yaml:"slow"`   // read seldom; the last value is repeated
	Sensor *Sensor           `yaml:"sensor"` // a sensor on the same object
}

// InfoLabel is the label that carries an info metric's text.
func (v *Value) InfoLabel() string {
	const suffix = "_info"
	if n := len(v.Metric) - len(suffix); n > 0 && v.Metric[n:] == suffix {
		return v.Metric[:n]
	}
	return v.Metric
}

// Sensor says how an object reads as a sensor: faultline_sensor_value in the
// class's unit and, where states are known, faultline_sensor_status. Processors
// are sensors whose value is the usage in percent.
type Sensor struct {
	OID    string    `yaml:"oid"`
	Class  string    `yaml:"class"`
	Name   *Template `yaml:"name"`
	Place  string    `yaml:"place"` // room: it measures the room, not the device; default by the class of the device
	Scale  float64   `yaml:"scale"` // 0 is 1
	Offset float64   `yaml:"offset"`
	When   []*Cond   `yaml:"when"`

	ClassFrom     *Lookup           `yaml:"class_from"`
	ExponentFrom  *Number           `yaml:"exponent_from"`  // power of ten
	PrecisionFrom string            `yaml:"precision_from"` // cell: decimals of the raw value
	DivisorFrom   string            `yaml:"divisor_from"`   // cell: what the raw value is divided by
	Convert       string            `yaml:"convert"`        // after scaling
	ConvertFrom   *Lookup           `yaml:"convert_from"`
	Extract       string            `yaml:"extract"`     // group 1 of the raw text is the raw value
	Signed        int               `yaml:"signed"`      // bits of a signed number that came as unsigned
	Status        map[string]string `yaml:"status"`      // state by raw value; others are unknown
	StatusBits    map[int]string    `yaml:"status_bits"` // BITS: state by bit, 0 the highest of the first octet; the worst one counts, none is ok
	Truth         string            `yaml:"truth"`       // class_from's raw value of a TruthValue
	State         *StateColumn      `yaml:"state"`
	Unless        string            `yaml:"unless"` // of a processor: a table; when that has rows, this is none

	extract *regexp.Regexp
	status  states
	column  int // number from 1 of the raw metric it was written on; 0: it stands by itself
}

// Lookup turns a row's cell into a word.
type Lookup struct {
	Cell string            `yaml:"cell"`
	Map  map[string]string `yaml:"map"`
}

// Number turns a row's cell into a number; without a map it is one itself.
type Number struct {
	Cell string         `yaml:"cell"`
	Map  map[string]int `yaml:"map"`
}

// StateColumn is another column that tells the state of a measurement.
type StateColumn struct {
	OID string            `yaml:"oid"`
	Map map[string]string `yaml:"map"`

	status states
}

// Pool is memory or storage: its name, and what is known of total, used, free
// (in units) and percent used.
type Pool struct {
	Name    *Template  `yaml:"name"`
	When    []*Cond    `yaml:"when"`
	Total   *Ref       `yaml:"total"`
	Used    *Ref       `yaml:"used"`
	Free    *Ref       `yaml:"free"`
	Percent *Ref       `yaml:"percent"` // used
	Less    []*Ref     `yaml:"less"`    // taken off used as long as something is left (buffers, caches)
	Unless  string     `yaml:"unless"`  // a table; when that has rows, this is no pool
	Unit    *UnitBytes `yaml:"unit"`    // bytes of one unit; nil: 1
}

// Ref is where a number comes from: a column, or a cell ("{name}").
type Ref struct {
	OID     string    `yaml:"oid"`
	Key     *Template `yaml:"key"` // index of another row of the same table
	Cell    string    `yaml:"cell"`
	Scale   float64   `yaml:"scale"`
	Offset  float64   `yaml:"offset"`
	Extract string    `yaml:"extract"`

	extract *regexp.Regexp
}

// UnmarshalYAML takes an OID, a cell in braces, or the whole form.
func (r *Ref) UnmarshalYAML(decode func(any) error) error {
	var text string
	if err := decode(&text); err == nil {
		r.OID, r.Cell = refText(text)
		return nil
	}
	type plain Ref
	return decode((*plain)(r))
}

// UnitBytes is bytes of a unit: a number, or a cell that has it.
type UnitBytes struct {
	Bytes float64
	Cell  string
}

// How a neighbour is known: it says so itself, or its address was seen.
const (
	ByLLDP = "lldp"
	ByCDP  = "cdp"
	ByARP  = "arp" // its IP address, with the MAC address it answers from
	ByFDB  = "fdb" // its MAC address, behind a port of a bridge
)

// Neighbour is how rows of a discovery protocol's or an address table read.
type Neighbour struct {
	Protocol       string    `yaml:"protocol"` // lldp, cdp, arp or fdb
	LocalInterface *Template `yaml:"local_interface"`
	RemoteName     *Template `yaml:"remote_name"`
	RemotePort     *Template `yaml:"remote_port"`
	RemoteAddress  *Template `yaml:"remote_address"`
	When           []*Cond   `yaml:"when"`
}

// Identity says where the device's names come from.
type Identity struct {
	Vendor  Sources `yaml:"vendor"`
	OS      Sources `yaml:"os"`
	Model   Sources `yaml:"model"`
	Version Sources `yaml:"version"`
	Serial  Sources `yaml:"serial"`
}
