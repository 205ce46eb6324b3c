package snmp

import (
	"slices"
	"time"

	protocol "github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/plugins/base"
)

// derived is what a row means beyond its raw metrics.
type derived struct {
	sensors    []rowSensor
	processors []rowSensor
	memory     []rowPool
	storage    []rowPool
}

// rowSensor is one sensor or processor of a row.
type rowSensor struct {
	*profile.Resolved
	oid           string // of the instance
	column, state int    // positions in table.fast; state -1: none
	def           *profile.Sensor
	value, status base.Labels
}

// rowPool is memory or storage of a row.
type rowPool struct {
	def                  *profile.Pool
	name                 string
	total, used, percent base.Labels
}

// derive works out and hands over the sensors, processors and pools of the rows
// seen in this poll.
func (t *table) derive(p *poll) {
	d := t.def
	if len(d.Sensors)+len(d.Processors)+len(d.Memory)+len(d.Storage) == 0 {
		return
	}
	outer := 0
	if t.outer != nil {
		outer = t.outer.version
	}
	var unresolved []string
	for index, r := range t.rows {
		if r.seen == t.number && (r.derived == nil || r.outerWas != outer) {
			unresolved = append(unresolved, index)
		}
	}
	slices.SortFunc(unresolved, compareKeys) // so that of two sensors of one name the first keeps it
	for _, index := range unresolved {
		r := t.rows[index]
		r.derived, r.outerWas = t.resolve(p.device, r), outer
	}
	for _, r := range t.rows {
		if r.seen == t.number {
			t.emitDerived(p, r)
		}
	}
}

func (t *table) resolve(dev *device, r *row) *derived {
	get := t.get(r)
	d := &derived{}
	for i := range t.def.Sensors {
		if s, ok := t.rowSensor(r, &t.def.Sensors[i], get); ok {
			s.value, s.status = dev.sensorLabels(&s)
			d.sensors = append(d.sensors, s)
		}
	}
	for i := range t.def.Processors {
		if s, ok := t.rowSensor(r, &t.def.Processors[i], get); ok && !dev.hasRows(s.def.Unless) {
			s.value = dev.named("faultline_processor_usage_percent", "processor", s.Name, s.oid)
			d.processors = append(d.processors, s)
		}
	}
	d.memory = t.pools(dev, r, t.def.Memory, "faultline_memory", "pool", get)
	d.storage = t.pools(dev, r, t.def.Storage, "faultline_storage", "volume", get)
	return d
}

// hasRows tells whether the device showed rows of a table.
func (d *device) hasRows(table string) bool {
	if table == "" {
		return false
	}
	for _, t := range d.tables {
		if t.def.Name == table {
			return len(t.rows) > 0
		}
	}
	return false
}

func (t *table) rowSensor(r *row, def *profile.Sensor, get profile.Get) (rowSensor, bool) {
	res, ok := def.Resolve(get)
	if !ok {
		return rowSensor{}, false
	}
	s := rowSensor{Resolved: res, def: def, oid: def.OID, column: t.fastAt[def.OID], state: -1}
	if !t.def.Scalar() {
		s.oid += "." + r.index
	}
	if s.Name == "" {
		s.Name = r.index
	}
	if def.State != nil {
		s.state = t.fastAt[def.State.OID]
	}
	return s, true
}

func (t *table) pools(dev *device, r *row, defs []profile.Pool, prefix, label string, get profile.Get) []rowPool {
	var pools []rowPool
	for i := range defs {
		def := &defs[i]
		if !def.Applies(get) || dev.hasRows(def.Unless) {
			continue
		}
		name := def.Name.Expand(get)
		if name == "" {
			name = r.index
		}
		owner := t.def.Name + "." + r.index
		pools = append(pools, rowPool{def, name, dev.named(prefix+"_total_bytes", label, name, owner),
			dev.named(prefix+"_used_bytes", label, name, owner), dev.named(prefix+"_used_percent", label, name, owner)})
	}
	return pools
}

// stateIn returns a sensor's state in a row; false when nothing says it.
func (s *rowSensor) stateIn(r *row) (string, bool) {
	if s.state >= 0 {
		if raw, ok := r.values[s.state].raw(); ok {
			return s.def.State.Status(raw), true
		}
	}
	if s.HasStatus() {
		if raw, ok := r.values[s.column].raw(); ok {
			return s.Status(raw), true
		}
	}
	return "", false
}

// reading returns a sensor's value in a row; false when it has none now.
func (s *rowSensor) reading(r *row) (float64, bool) {
	raw, ok := r.values[s.column].raw()
	if !ok {
		return 0, false
	}
	return s.Read(raw)
}

// usage returns what a pool's row says now.
func (t *table) usage(p *rowPool, r *row) (profile.Usage, bool) {
	get := t.get(r)
	return p.def.Usage(func(ref *profile.Ref) (float64, bool) {
		if ref.OID == "" {
			return ref.Number(profile.Raw{}, false, get)
		}
		of := r
		if ref.Key != nil {
			if of = t.rowAt(ref.Key.Expand(get)); of == nil || of.seen != t.number {
				return 0, false
			}
		}
		raw, ok := of.values[t.fastAt[ref.OID]].raw()
		return ref.Number(raw, ok, get)
	}, get)
}

func (t *table) emitDerived(p *poll, r *row) {
	at := time.UnixMilli(r.at)
	for i := range r.derived.sensors {
		s := &r.derived.sensors[i]
		v, ok := s.reading(r)
		if !ok {
			continue
		}
		p.sample(s.value, v, at)
		if state, ok := s.stateIn(r); ok {
			p.sample(s.status, profile.StatusNumber(state), at)
		}
	}
	for i := range r.derived.processors {
		s := &r.derived.processors[i]
		if v, ok := s.reading(r); ok {
			p.sample(s.value, v, at)
		}
	}
	for _, pools := range [][]rowPool{r.derived.memory, r.derived.storage} {
		for i := range pools {
			t.emitPool(p, r, &pools[i], at)
		}
	}
}

func (t *table) emitPool(p *poll, r *row, pool *rowPool, at time.Time) {
	u, ok := t.usage(pool, r)
	if !ok {
		return
	}
	p.sample(pool.percent, u.Percent, at)
	if u.Total >= 0 {
		p.sample(pool.total, u.Total, at)
	}
	if u.Used >= 0 {
		p.sample(pool.used, u.Used, at)
	}
}

// sensorLabels names a sensor: the labels of its value and of its status. A
// name that another sensor of the class has already gets the owner's OID, so
// that two sensors never share a series.
func (d *device) sensorLabels(s *rowSensor) (value, status base.Labels) {
	m := map[string]string{"class": s.Class, "sensor": d.unique(s.Class, s.Name, s.oid), "unit": s.Unit()}
	if place := s.Place(d.cfg.place, d.plan.Class); place == profile.PlaceRoom {
		m["place"] = place
	}
	return base.LabelsFrom("faultline_sensor_value", m), base.LabelsFrom("faultline_sensor_status", m)
}

// named are the labels of a metric of which each series has a name.
func (d *device) named(metric, label, name, owner string) base.Labels {
	return base.LabelsFrom(metric, map[string]string{label: d.unique(metric, name, owner)})
}

// unique returns the name, with its owner where another has it already.
func (d *device) unique(kind, name, owner string) string {
	key := kind + "\x00" + name
	if o, taken := d.names[key]; taken && o != owner {
		name += " " + owner
		key = kind + "\x00" + name
	}
	d.names[key] = owner
	return name
}

// compareKeys orders encoded indexes as the protocol does.
func compareKeys(a, b string) int { return protocol.OID(a).Compare(protocol.OID(b)) }
