// Package profile is how devices are described as data: which objects an SNMP
// device has, what they are called as metrics, how they scale and what their
// states mean. Profiles are YAML files (rules/profiles); one that fits a device
// by its sysObjectID or sysDescr is taken together with what it extends, and
// with every layer (IF-MIB, UPS-MIB, ...) of which the device has instances.
// The package reads no device: agent/input/snmp does.
package profile

import "regexp"

// Types of a value.
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

// Units by sensor class; values are given in these after scaling.
var units = map[string]string{
	"temperature": "celsius", "humidity": "percent", "voltage": "volts", "current": "amperes",
	"power": "watts", "apparent_power": "voltamperes", "reactive_power": "vars", "energy": "joules",
	"frequency": "hertz", "fan_speed": "rpm", "load": "percent", "charge": "percent", "percent": "percent",
	"runtime": "seconds", "dbm": "dbm", "airflow": "cubic_metres_per_minute", "pressure": "pascals",
	"power_factor": "ratio", "count": "count", "state": "state",
}

// Unit returns the unit in which sensors of the class are given, or "".
func Unit(class string) string { return units[class] }

// Profile is one file. Every OID in it is numeric, without a leading dot.
type Profile struct {
	Name     string   `yaml:"profile"`
	Class    string   `yaml:"class"`    // what kind of device has this: ups, network, ...
	Vendor   string   `yaml:"vendor"`   // maker, where the profile is one maker's
	Extends  []string `yaml:"extends"`  // profiles whose objects are read too
	Replaces []string `yaml:"replaces"` // layers not to be read where this profile is taken
	Match    Match    `yaml:"match"`
	Scalars  []Value  `yaml:"scalars"`
	Tables   []Table  `yaml:"tables"`

	file string
}

// Match says when a profile is taken. A profile with neither condition is only
// reached by another's Extends.
type Match struct {
	Always      bool     `yaml:"always"`
	SysObjectID []string `yaml:"sys_object_id"` // prefixes; the longest match among profiles wins
	SysDescr    string   `yaml:"sys_descr"`     // regular expression
	Has         []string `yaml:"has"`           // subtrees; one instance under any of them is enough

	descr *regexp.Regexp
}

// layer tells whether the profile is taken beside others instead of being the
// device's own.
func (m *Match) layer() bool {
	return m.Always || len(m.Has) > 0 && len(m.SysObjectID) == 0 && m.SysDescr == ""
}

// Table is objects that share one index.
type Table struct {
	Name    string   `yaml:"name"`
	Index   []string `yaml:"index"`  // label of each index component; the last takes the rest
	Labels  []Label  `yaml:"labels"` // columns that name a row; read seldom
	Meta    []Label  `yaml:"meta"`   // columns that sensors need and series do not carry; read seldom
	Columns []Value  `yaml:"columns"`

	MayBeEmpty bool `yaml:"may_be_empty"` // rows may all go without that being a fault
}

// Label is a column whose text names the rows of a table.
type Label struct {
	Name   string `yaml:"name"`
	OID    string `yaml:"oid"`
	Format string `yaml:"format"` // "" or mac
}

// Value is one scalar object (OID with its .0) or one column of a table.
type Value struct {
	Metric string            `yaml:"metric"`
	OID    string            `yaml:"oid"`
	Type   string            `yaml:"type"`
	Scale  float64           `yaml:"scale"`  // multiplies the metric; 0 is 1
	Enum   map[string]string `yaml:"enum"`   // info: text by number or by OID
	Format string            `yaml:"format"` // info: "" or mac
	Slow   bool              `yaml:"slow"`   // read seldom; the last value is repeated

	Sensor   *Sensor   `yaml:"sensor"`
	StatusOf *StatusOf `yaml:"status_of"`
}

// InfoLabel is the label that carries an info metric's text.
func (v *Value) InfoLabel() string {
	const suffix = "_info"
	if n := len(v.Metric) - len(suffix); n > 0 && v.Metric[n:] == suffix {
		return v.Metric[:n]
	}
	return v.Metric
}

// Sensor says how a value reads as a sensor: faultline_sensor_value in the
// class's unit and, where states are known, faultline_sensor_status.
type Sensor struct {
	Class  string            `yaml:"class"`
	Name   string            `yaml:"name"`   // a table's row adds its index
	Scale  float64           `yaml:"scale"`  // from the raw value to the class's unit; 0 is 1
	Status map[string]string `yaml:"status"` // state by raw value; others are unknown

	NameFrom      []string `yaml:"name_from"` // labels or meta; the first that is not empty
	ClassFrom     *Lookup  `yaml:"class_from"`
	ExponentFrom  *Number  `yaml:"exponent_from"`  // power of ten
	PrecisionFrom string   `yaml:"precision_from"` // meta: decimals of the raw value
	Truth         string   `yaml:"truth"`          // class_from's raw value of a TruthValue
}

// Lookup turns a row's meta value into a word.
type Lookup struct {
	Meta string            `yaml:"meta"`
	Map  map[string]string `yaml:"map"`
}

// Number turns a row's meta value into a number.
type Number struct {
	Meta string         `yaml:"meta"`
	Map  map[string]int `yaml:"map"`
}

// StatusOf says that a column is the state of another column's sensor.
type StatusOf struct {
	Column string            `yaml:"column"` // metric of the sensor's column
	Map    map[string]string `yaml:"map"`
}
