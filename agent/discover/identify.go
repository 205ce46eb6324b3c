package discover

import (
	"context"
	"maps"
	"slices"

	"github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/internal/profile"
)

// identify says who made the device and what it is, as its profiles do.
func (r *reader) identify(ctx context.Context) error {
	f := &r.facts
	id := profile.Identification{SysObjectID: f.SysObjectID, SysDescr: f.SysDescr, SysName: f.SysName, Has: map[string]bool{}}
	plan, err := r.choose(ctx, id)
	if err != nil {
		return err
	}
	f.Class, f.Profile = plan.Class, plan.Own
	if f.Class == "" {
		f.Class = "other"
	}
	for _, name := range plan.Profiles {
		if p := r.profiles.Profile(name); p.Layer() && appliance(p.Class) && p.Class != f.Class && f.Also == "" {
			f.Also = p.Class
		}
	}
	t := &teller{reader: r, id: id, plan: plan, texts: map[string]string{}, columns: map[string]map[snmp.OID]string{}}
	if err := t.readScalars(ctx); err != nil {
		return err
	}
	for _, fact := range []struct {
		text *string
		of   func(*profile.Identity) profile.Sources
	}{
		{&f.Vendor, func(i *profile.Identity) profile.Sources { return i.Vendor }},
		{&f.OS, func(i *profile.Identity) profile.Sources { return i.OS }},
		{&f.Model, func(i *profile.Identity) profile.Sources { return i.Model }},
		{&f.Version, func(i *profile.Identity) profile.Sources { return i.Version }},
		{&f.Serial, func(i *profile.Identity) profile.Sources { return i.Serial }},
	} {
		if *fact.text, err = t.tell(ctx, fact.of); err != nil {
			return err
		}
	}
	return nil
}

// choose selects the profiles. It asks for the subtrees that decide about the
// device's own profile and about those that name devices; only where nothing
// names the device's class for those of all layers.
func (r *reader) choose(ctx context.Context, id profile.Identification) (*profile.Plan, error) {
	wanted := map[string]bool{}
	for _, name := range r.profiles.Names() {
		if p := r.profiles.Profile(name); !p.Layer() || tells(&p.Identity) || appliance(p.Class) {
			for i := range p.Match {
				for _, o := range p.Match[i].Has {
					wanted[o] = true
				}
			}
		}
	}
	all := r.profiles.Probes(id)
	first, rest := all[:0:0], all[:0:0]
	for _, o := range all {
		if wanted[o] {
			first = append(first, o)
		} else {
			rest = append(rest, o)
		}
	}
	if err := r.probeInto(ctx, first, id.Has); err != nil {
		return nil, err
	}
	plan := r.profiles.Select(id)
	if plan.Class != "" || len(rest) == 0 {
		return plan, nil
	}
	if err := r.probeInto(ctx, rest, id.Has); err != nil {
		return nil, err
	}
	return r.profiles.Select(id), nil
}

// appliance tells whether a class is of devices the cards of which often are
// plain Linux.
func appliance(class string) bool {
	return class == "ups" || class == "pdu" || class == "environment" || class == "cooling"
}

func tells(i *profile.Identity) bool {
	return len(i.Vendor)+len(i.OS)+len(i.Model)+len(i.Version)+len(i.Serial) > 0
}

func (r *reader) probeInto(ctx context.Context, probes []string, has map[string]bool) error {
	oids := make([]snmp.OID, len(probes))
	for i, p := range probes {
		oids[i] = snmp.MustParseOID(p)
	}
	_, err := r.session.Next(ctx, oids, func(i int, oid []byte, _ snmp.Value) {
		if snmp.OID(oid).Below(oids[i]) {
			has[probes[i]] = true
		}
	})
	return err
}

// teller finds the texts of a device's identity.
type teller struct {
	*reader
	id      profile.Identification
	plan    *profile.Plan
	texts   map[string]string              // of scalars, by OID
	columns map[string]map[snmp.OID]string // texts by column and encoded index
}

// readScalars reads all scalars that the profiles name devices by.
func (t *teller) readScalars(ctx context.Context) error {
	wanted := map[string]bool{}
	for _, id := range t.plan.Identity {
		for _, sources := range []profile.Sources{id.Vendor, id.OS, id.Model, id.Version, id.Serial} {
			for i := range sources {
				switch s := &sources[i]; {
				case s.OID != "":
					wanted[s.OID] = true
				case s.Cells != nil:
					for _, c := range t.cells(id.Profile) {
						wanted[c.OID] = true
					}
				}
			}
		}
	}
	names := slices.Sorted(maps.Keys(wanted))
	oids := make([]snmp.OID, len(names))
	for i, n := range names {
		oids[i] = snmp.MustParseOID(n)
	}
	_, err := t.session.Get(ctx, oids, func(i int, v snmp.Value) { t.texts[names[i]] = text(v) })
	return err
}

// cells are the cells outside tables of one profile.
func (t *teller) cells(name string) map[string]*profile.Cell {
	for _, table := range t.plan.Tables {
		if table.Scalar() && table.Name == name {
			return table.Cells
		}
	}
	return nil
}

// tell returns what the first source that has something says.
func (t *teller) tell(ctx context.Context, of func(*profile.Identity) profile.Sources) (string, error) {
	for _, id := range t.plan.Identity {
		sources := of(id.Identity)
		for i := range sources {
			s := &sources[i]
			found, err := "", error(nil)
			switch {
			case s.OID != "":
				if raw := t.texts[s.OID]; raw != "" {
					found = s.Pick(raw)
				}
			case s.Column != "":
				found, err = t.inColumn(ctx, s)
			case s.Cells != nil:
				cells := t.cells(id.Profile)
				found = s.Pick(s.Cells.Expand(func(name string) string {
					if c := cells[name]; c != nil {
						return c.Text(t.texts[c.OID])
					}
					return ""
				}))
			default:
				found = s.Static(t.id)
			}
			if found != "" || err != nil {
				return found, err
			}
		}
	}
	return "", nil
}

// inColumn returns the first row of a column that fits and is not empty.
func (t *teller) inColumn(ctx context.Context, s *profile.Source) (string, error) {
	wanted := append(slices.Sorted(maps.Keys(s.When)), s.Column)
	if err := t.readColumns(ctx, wanted); err != nil {
		return "", err
	}
	texts := t.columns[s.Column]
	for _, index := range slices.SortedFunc(maps.Keys(texts), snmp.OID.Compare) {
		fits := texts[index] != ""
		for oid, values := range s.When {
			fits = fits && slices.Contains(values, t.columns[oid][index])
		}
		if !fits {
			continue
		}
		if found := s.Pick(texts[index]); found != "" {
			return found, nil
		}
	}
	return "", nil
}

// readColumns reads columns that were not read yet, side by side.
func (t *teller) readColumns(ctx context.Context, columns []string) error {
	var names []string
	var oids []snmp.OID
	for _, c := range columns {
		if t.columns[c] == nil {
			t.columns[c] = map[snmp.OID]string{}
			names, oids = append(names, c), append(oids, snmp.MustParseOID(c))
		}
	}
	if len(oids) == 0 {
		return nil
	}
	t.learned.Rows = nil
	_, err := t.session.Walk(ctx, &t.learned, oids, func(column int, index []byte, v snmp.Value) {
		t.columns[names[column]][snmp.OID(index)] = text(v)
	})
	return err
}
