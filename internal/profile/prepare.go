package profile

// absolute gives every relative OID its base, moves sensors that stand on a raw
// metric to the others, and makes a table of what is outside tables.
func (p *Profile) absolute() {
	for i := range p.Match {
		a := &p.Match[i]
		rooted(p.Base, a.SysObjectID)
		rooted(p.Base, a.Has)
	}
	id := &p.Identity
	for _, sources := range []Sources{id.Vendor, id.OS, id.Model, id.Version, id.Serial} {
		for i := range sources {
			s := &sources[i]
			root(p.Base, &s.OID)
			root(p.Base, &s.Column)
			s.When = rootedKeys(p.Base, s.When)
			s.SysObjectID = rootedKeys(p.Base, s.SysObjectID)
		}
	}
	p.scalars = &Table{
		Name: p.Name, Entry: p.Base, Cells: p.Cells, Columns: p.Scalars, Sensors: p.Sensors, Processors: p.Processors,
		Memory: p.Memory, Storage: p.Storage, MayBeEmpty: true,
	}
	p.scalars.absolute()
	p.Cells = p.scalars.Cells
	for i := range p.Tables {
		p.Tables[i].Outer = p.scalars
		p.Tables[i].absolute()
	}
}

func (t *Table) absolute() {
	t.Labels, t.Cells = rootedCells(t.Entry, t.Labels), rootedCells(t.Entry, t.Cells)
	for i := range t.Columns {
		v := &t.Columns[i]
		root(t.Entry, &v.OID)
		if v.Sensor != nil && v.Sensor.OID == "" {
			v.Sensor.OID, v.Sensor.column = v.OID, i+1
			t.Sensors = append(t.Sensors, *v.Sensor)
		}
	}
	for _, sensors := range [][]Sensor{t.Sensors, t.Processors} {
		for i := range sensors {
			root(t.Entry, &sensors[i].OID)
			if sensors[i].State != nil {
				root(t.Entry, &sensors[i].State.OID)
			}
		}
	}
	for _, pools := range [][]Pool{t.Memory, t.Storage} {
		for i := range pools {
			for _, r := range pools[i].refs() {
				root(t.Entry, &r.OID)
			}
		}
	}
}

func (p *Pool) refs() []*Ref {
	var refs []*Ref
	for _, r := range append([]*Ref{p.Total, p.Used, p.Free, p.Percent}, p.Less...) {
		if r != nil {
			refs = append(refs, r)
		}
	}
	return refs
}

// Refs are the numbers the pool is made of.
func (p *Pool) Refs() []*Ref { return p.refs() }

func root(base string, oid *string) {
	if *oid != "" && (*oid)[0] == '.' {
		*oid = base + *oid
	}
}

// rootedCells returns the cells with whole OIDs; a YAML alias may stand in several
// tables, so what was read is not changed.
func rootedCells(base string, cells map[string]*Cell) map[string]*Cell {
	if cells == nil {
		return nil
	}
	out := make(map[string]*Cell, len(cells))
	for name, c := range cells {
		if c == nil {
			out[name] = nil
			continue
		}
		own := *c
		root(base, &own.OID)
		out[name] = &own
	}
	return out
}

func rooted(base string, oids []string) {
	for i := range oids {
		root(base, &oids[i])
	}
}

func rootedKeys[V any](base string, m map[string]V) map[string]V {
	if m == nil {
		return nil
	}
	r := make(map[string]V, len(m))
	for oid, v := range m {
		root(base, &oid)
		r[oid] = v
	}
	return r
}
