package people

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrSpan is of an absence whose two moments are not both given or do not follow
// one another.
var ErrSpan = errors.New("is no time away")

// WithRota returns a directory in which the rota takes the place of the one
// with its id, or is added.
func (d *Directory) WithRota(r *Rota) *Directory {
	out := *d
	out.Rotas = slices.Clone(d.Rotas)
	if n := slices.IndexFunc(out.Rotas, func(x *Rota) bool { return x.ID == r.ID }); n >= 0 {
		out.Rotas[n] = r
	} else {
		out.Rotas = append(out.Rotas, r)
	}
	return &out
}

// WithOverride returns a directory whose rota has one more override. It fails
// when there is no such rota, or the override would not be loaded from a file.
func (d *Directory) WithOverride(rota string, o Override) (*Directory, error) {
	r, ok := d.Rota(rota)
	if !ok {
		return nil, fmt.Errorf("override %s: no rota %q", o.ID, rota)
	}
	r, err := r.Override(o, d.known)
	if err != nil {
		return nil, err
	}
	return d.WithRota(r), nil
}

// WithAbsence returns a directory with one more absence.
func (d *Directory) WithAbsence(a Absence) (*Directory, error) {
	zone, err := zoneOf(a.Zone)
	if err != nil {
		return nil, fmt.Errorf("absence of %s: %w", a.Person, err)
	}
	from, err1 := instant(a.From, zone)
	to, err2 := instant(a.To, zone)
	switch {
	case err1 != nil || err2 != nil || !from.Before(to):
		return nil, fmt.Errorf("absence of %s: from %q to %q: %w", a.Person, a.From, a.To, ErrSpan)
	case !d.known(a.Person) || a.Deputy != "" && (!d.known(a.Deputy) || a.Deputy == a.Person):
		return nil, fmt.Errorf("absence of %s: %q and deputy %q have to be two persons", a.Person, a.Person, a.Deputy)
	}
	a.from, a.to = from, to
	out := *d
	out.Absences = append(slices.Clip(d.Absences), a)
	return &out, nil
}

// Name is what the person is called; the id of somebody unknown.
func (d *Directory) Name(id string) string { return d.name(id) }

func (d *Directory) known(id string) bool {
	_, ok := d.byID[id]
	return ok
}

// Location is the zone whose wall the rota's times are read by.
func (r *Rota) Location() *time.Location {
	if r.zone == nil {
		return time.UTC
	}
	return r.zone
}

// Next returns the first change of duty at the first level after the time,
// within the stretch that is looked at.
func (r *Rota) Next(at time.Time, within time.Duration) (HandOver, bool) {
	for _, h := range r.HandOvers(at, at.Add(within)) {
		if h.At.After(at) {
			return h, true
		}
	}
	return HandOver{}, false
}
