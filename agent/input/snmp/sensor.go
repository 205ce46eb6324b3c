package snmp

import (
	"math"
	"strconv"

	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/plugins/base"
)

// statusValue maps a raw state to the value of faultline_sensor_status.
func statusValue(states map[string]string, raw float64) float64 {
	switch states[strconv.FormatFloat(raw, 'f', -1, 64)] {
	case profile.StatusOK:
		return 1
	case profile.StatusWarning:
		return 2
	case profile.StatusCritical:
		return 3
	}
	return 0
}

// sensorLabels names a sensor: the labels of its value and of its status. A
// name that another sensor of the class has already gets the owner's OID, so
// that two sensors never share a series.
func (d *device) sensorLabels(owner, class, name string) (value, status base.Labels) {
	key := class + "\x00" + name
	if o, taken := d.sensors[key]; taken && o != owner {
		name += " " + owner
		key = class + "\x00" + name
	}
	d.sensors[key] = owner
	m := map[string]string{"class": class, "sensor": name, "unit": profile.Unit(class)}
	return base.LabelsFrom("faultline_sensor_value", m), base.LabelsFrom("faultline_sensor_status", m)
}

// rowSensor is the sensor of one column in one row.
type rowSensor struct {
	value, status base.Labels // nil: the row is not a sensor that is known
	factor        float64
	truth         bool
}

// reading returns the sensor's value in its unit.
func (s *rowSensor) reading(raw float64) float64 {
	if s.truth {
		return truth(raw == 1)
	}
	return raw * s.factor
}

// rowSensor works out what a column's value in a row is, from the row's labels
// and meta.
func (d *device) rowSensor(t *table, r *row, col int) *rowSensor {
	def := t.def.Columns[col].Sensor
	get := func(name string) string { return r.static[t.staticAt[name]] }
	s := &rowSensor{factor: 1}
	class := def.Class
	if def.ClassFrom != nil {
		raw := get(def.ClassFrom.Meta)
		class = def.ClassFrom.Map[raw]
		s.truth = def.Truth != "" && raw == def.Truth
	}
	if class == "" {
		return s
	}
	if def.Scale != 0 {
		s.factor = def.Scale
	}
	if def.ExponentFrom != nil {
		s.factor *= math.Pow10(def.ExponentFrom.Map[get(def.ExponentFrom.Meta)])
	}
	if def.PrecisionFrom != "" {
		if n, err := strconv.Atoi(get(def.PrecisionFrom)); err == nil && n > -10 && n < 10 {
			s.factor *= math.Pow10(-n)
		}
	}
	name := def.Name
	if name != "" {
		name += " " + r.index
	}
	for _, from := range def.NameFrom {
		if name == "" {
			name = get(from)
		}
	}
	if name == "" {
		name = r.index
	}
	s.value, s.status = d.sensorLabels(t.def.Columns[col].OID+"."+r.index, class, name)
	return s
}
