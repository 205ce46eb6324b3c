// Package people knows who acts and who is told: persons with roles, sites and
// deputies, on-call rotas, escalation chains, acknowledgements, hand-overs,
// priority, what each may see, and notices. It is pure: it is handed the time
// and returns values; delivering, storing and signing in are done elsewhere
// (collector/outbox, collector/sqlstore, collector/account).
package people

import (
	"slices"
	"time"

	"github.com/faultline/faultline/collector/sla/ical"
	"github.com/faultline/faultline/internal/lang"
)

// Person is somebody who can be told, asked or named.
type Person struct {
	ID       string   `yaml:"id"`
	Name     string   `yaml:"name"`
	Roles    []string `yaml:"roles"`
	Sites    []string `yaml:"sites"` // empty: no site of its own, all for roles of head office
	Rank     string   `yaml:"rank"`  // the handbook's order; "" is staff
	Email    string   `yaml:"email"`
	Phone    string   `yaml:"phone"`
	Language string   `yaml:"language"`
	Channels []string `yaml:"channels"` // in order of preference: email and names of gateways; empty: email
	Deputies []string `yaml:"deputies"` // in order
	Quiet    *Quiet   `yaml:"quiet"`
	Disabled bool     `yaml:"disabled"` // has no access any more: is told nothing, from this moment on
}

// Email is what Person.Channels call e-mail.
const Email = "email"

// Absence says who stands in for whom and when, by the wall of its zone.
type Absence struct {
	Person string `yaml:"person"`
	From   string `yaml:"from"` // 2026-11-20T18:00
	To     string `yaml:"to"`
	Zone   string `yaml:"zone"`
	Deputy string `yaml:"deputy"` // "": the person's own deputies
	Reason string `yaml:"reason"`

	from, to time.Time
}

// Directory is all of it, loaded and checked. It is immutable.
type Directory struct {
	People   []Person
	Absences []Absence
	Rotas    []*Rota
	Chains   []Chain
	Order    Order
	Policy   Policy

	version string
	byID    map[string]*Person
	titles  map[string]lang.Text // of roles
}

// Person returns the person with the id.
func (d *Directory) Person(id string) (*Person, bool) {
	p, ok := d.byID[id]
	return p, ok
}

// Rota returns the rota with the id.
func (d *Directory) Rota(id string) (*Rota, bool) {
	n := slices.IndexFunc(d.Rotas, func(r *Rota) bool { return r.ID == id })
	if n < 0 {
		return nil, false
	}
	return d.Rotas[n], true
}

// Chain returns the escalation chain with the id.
func (d *Directory) Chain(id string) (Chain, bool) {
	n := slices.IndexFunc(d.Chains, func(c Chain) bool { return c.ID == id })
	if n < 0 {
		return Chain{}, false
	}
	return d.Chains[n], true
}

// Version names the content of the files the directory was loaded from.
func (d *Directory) Version() string { return d.version }

// With returns a directory where the persons' accounts are as said: id →
// may sign in. Who may not is told nothing from this moment on.
func (d *Directory) With(access map[string]bool) *Directory {
	out := *d
	out.People = slices.Clone(d.People)
	out.byID = map[string]*Person{}
	for n := range out.People {
		p := &out.People[n]
		if may, said := access[p.ID]; said {
			p.Disabled = !may
		}
		out.byID[p.ID] = p
	}
	return &out
}

// Present tells whether the person can be told at the time: known, with access
// and not away.
func (d *Directory) Present(id string, at time.Time) bool {
	p, ok := d.byID[id]
	_, away := d.away(id, at)
	return ok && !p.Disabled && !away
}

func (d *Directory) away(id string, at time.Time) (Absence, bool) {
	for _, a := range d.Absences {
		if a.Person == id && !at.Before(a.from) && at.Before(a.to) {
			return a, true
		}
	}
	return Absence{}, false
}

// StandIn returns who acts for the person at the time: the person, or the first
// deputy who is present, deputies of deputies included. via names those who
// were passed over; ok is false when nobody is left.
func (d *Directory) StandIn(id string, at time.Time) (who string, via []string, ok bool) {
	seen := map[string]bool{}
	var find func(id string) bool
	find = func(id string) bool {
		if seen[id] {
			return false
		}
		seen[id] = true
		if d.Present(id, at) {
			who = id
			return true
		}
		via = append(via, id)
		p := d.byID[id]
		if p == nil {
			return false
		}
		deputies := p.Deputies
		if a, away := d.away(id, at); away && a.Deputy != "" {
			deputies = append([]string{a.Deputy}, deputies...)
		}
		return slices.ContainsFunc(deputies, find)
	}
	return who, via, find(id)
}

// Told is somebody to be told, and why them.
type Told struct {
	Person  string    `json:"person"`
	Because lang.Text `json:"because"`
	OnCall  bool      `json:"on_call,omitempty"` // quiet hours do not count on duty
}

// Who returns who acts in the role for the site at the time: the on-call person
// of the rota nearest to the site, or else everybody present who has the role
// for the site. Deputies stand in. It is empty when nobody can be told: the
// caller then tells the role's manager and says so.
func (d *Directory) Who(role, site string, at time.Time) []Told {
	for _, r := range d.rotasFor(role, site) {
		for _, duty := range r.OnCall(at) {
			if t, ok := d.stand(duty.Person, at, lang.Text{ZH: "值班：" + r.Title.In(lang.ZH), EN: "on call: " + r.Title.In(lang.EN)}); ok {
				t.OnCall = true
				return []Told{t}
			}
		}
	}
	var out []Told
	for n := range d.People {
		p := &d.People[n]
		if !slices.Contains(p.Roles, role) || !p.serves(site) {
			continue
		}
		t, ok := d.stand(p.ID, at, d.byRole(role))
		if ok && !slices.ContainsFunc(out, func(o Told) bool { return o.Person == t.Person }) {
			out = append(out, t)
		}
	}
	return out
}

// byRole says that somebody is told because of a role.
func (d *Directory) byRole(role string) lang.Text {
	title, ok := d.titles[role]
	if !ok {
		title = lang.Same(role)
	}
	return lang.Text{ZH: "角色：" + title.In(lang.ZH), EN: "role: " + title.In(lang.EN)}
}

func (d *Directory) stand(id string, at time.Time, because lang.Text) (Told, bool) {
	who, _, ok := d.StandIn(id, at)
	if !ok {
		return Told{}, false
	}
	if who != id {
		because = lang.Text{ZH: because.ZH + "，代 " + d.name(id), EN: because.EN + ", deputy of " + d.name(id)}
	}
	return Told{Person: who, Because: because}, true
}

func (d *Directory) name(id string) string {
	if p, ok := d.byID[id]; ok && p.Name != "" {
		return p.Name
	}
	return id
}

// serves tells whether the person's sites include the site; without sites all.
func (p *Person) serves(site string) bool {
	return len(p.Sites) == 0 || site == "" || slices.Contains(p.Sites, site)
}

// rotasFor returns the role's rotas that cover the site, those that name it first.
func (d *Directory) rotasFor(role, site string) []*Rota {
	var named, general []*Rota
	for _, r := range d.Rotas {
		switch {
		case r.Role != role:
		case slices.Contains(r.Sites, site):
			named = append(named, r)
		case len(r.Sites) == 0:
			general = append(general, r)
		}
	}
	return append(named, general...)
}

// instant reads a wall time in a zone.
func instant(text string, zone *time.Location) (time.Time, error) {
	w, err := ical.ParseWall(text)
	if err != nil {
		return time.Time{}, err
	}
	return w.In(zone), nil
}
