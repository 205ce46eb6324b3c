package people

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/faultline/faultline/collector/sla"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/internal/yamlfile"
)

// file is a file of kind People; several are read as one.
type file struct {
	APIVersion string    `yaml:"apiVersion"`
	Kind       string    `yaml:"kind"`
	People     []Person  `yaml:"people"`
	Absences   []Absence `yaml:"absences"`
	Rotas      []*Rota   `yaml:"rotas"`
	Chains     []Chain   `yaml:"chains"`
	Order      *Order    `yaml:"priority"`
	Notices    *Policy   `yaml:"notices"`
}

// Options are what a load is checked against.
type Options struct {
	Base  []Person // from the inventory; a file's person of the same id replaces it
	Sites []string // known sites; empty: not checked
	Roles []string // known roles; empty: not checked
	// Titles are what roles are called, by id; a role without one is its id.
	Titles map[string]lang.Text
	// Channels are the ways to people; empty: not checked.
	Channels []string
}

type loader struct {
	o      Options
	d      *Directory
	files  []*yamlfile.File
	specs  []*file
	faults []error
}

// Load reads every *.yaml file at the top of fsys. All faults are reported, with
// file and line; then nothing is loaded.
func Load(fsys fs.FS, o Options) (*Directory, error) {
	l := &loader{o: o, d: &Directory{Order: DefaultOrder(), Policy: DefaultPolicy(), byID: map[string]*Person{}, titles: o.Titles}}
	files, err := yamlfile.ParseAll(fsys)
	if err != nil {
		l.faults = append(l.faults, err)
	}
	h := sha256.New()
	for _, f := range files {
		fmt.Fprintf(h, "%s %d %s", f.Name, len(f.Data), f.Data)
		var spec file
		switch err := f.Decode(&spec); {
		case err != nil:
			l.faults = append(l.faults, err)
		case spec.APIVersion != "faultline/v1" || spec.Kind != "People":
			l.fault(f, "kind", "%s %s: want faultline/v1 People", spec.APIVersion, spec.Kind)
		default:
			l.files, l.specs = append(l.files, f), append(l.specs, &spec)
		}
	}
	l.d.version = hex.EncodeToString(h.Sum(nil)[:8])
	l.people()
	for n, f := range l.files {
		l.rest(f, l.specs[n])
	}
	if len(l.faults) > 0 {
		return nil, fmt.Errorf("load people: %w", errors.Join(l.faults...))
	}
	return l.d, nil
}

func (l *loader) fault(f *yamlfile.File, path, format string, args ...any) {
	l.faults = append(l.faults, f.Faultf(path, format, args...))
}

// people reads all persons first, so that everything else can name them.
func (l *loader) people() {
	where := map[string]string{}
	l.d.People = slices.Clone(l.o.Base)
	for n, f := range l.files {
		for k, p := range l.specs[n].People {
			path := "people[" + strconv.Itoa(k) + "]"
			if first, taken := where[p.ID]; p.ID == "" || taken {
				l.fault(f, path+".id", "%q is empty or in %s already", p.ID, first)
				continue
			}
			where[p.ID] = f.Name
			if at := slices.IndexFunc(l.d.People, func(q Person) bool { return q.ID == p.ID }); at >= 0 {
				l.d.People[at] = p
			} else {
				l.d.People = append(l.d.People, p)
			}
		}
	}
	for n := range l.d.People {
		l.d.byID[l.d.People[n].ID] = &l.d.People[n]
	}
}

func (l *loader) rest(f *yamlfile.File, spec *file) {
	if spec.Order != nil {
		if err := spec.Order.check(); err != nil {
			l.fault(f, "priority.matrix", "%v", err)
		}
		l.d.Order = *spec.Order
	}
	if spec.Notices != nil {
		l.policy(f, spec.Notices)
	}
	for k := range spec.People {
		l.person(f, "people["+strconv.Itoa(k)+"]", &spec.People[k])
	}
	for k := range spec.Absences {
		l.absence(f, "absences["+strconv.Itoa(k)+"]", &spec.Absences[k])
	}
	for k, r := range spec.Rotas {
		l.rota(f, "rotas["+strconv.Itoa(k)+"]", r)
	}
	for k := range spec.Chains {
		l.chain(f, "chains["+strconv.Itoa(k)+"]", &spec.Chains[k])
	}
}

func (l *loader) known(id string) bool { _, ok := l.d.byID[id]; return ok }

func (l *loader) person(f *yamlfile.File, path string, p *Person) {
	for _, r := range p.Roles {
		if len(l.o.Roles) > 0 && !slices.Contains(l.o.Roles, r) {
			l.fault(f, path+".roles", "no role %q", r)
		}
	}
	for _, c := range p.Channels {
		if len(l.o.Channels) > 0 && !slices.Contains(l.o.Channels, c) {
			l.fault(f, path+".channels", "no channel %q: %s", c, strings.Join(l.o.Channels, ", "))
		}
	}
	l.sites(f, path, p.Sites)
	if p.Rank != "" && !slices.Contains(l.d.Order.Ranks, p.Rank) {
		l.fault(f, path+".rank", "no rank %q: %s", p.Rank, strings.Join(l.d.Order.Ranks, ", "))
	}
	for _, id := range p.Deputies {
		if !l.known(id) || id == p.ID {
			l.fault(f, path+".deputies", "%q is nobody else", id)
		}
	}
	if p.Quiet != nil {
		if err := p.Quiet.check(); err != nil {
			l.fault(f, path+".quiet", "%v", err)
		}
	}
	if slices.Contains(p.Roles, "branch_it") && len(p.Sites) == 0 && !SeesAllSites(p.Roles) {
		l.fault(f, path+".sites", "%s is a branch's IT of no branch: it would see nothing", p.ID)
	}
}

func (l *loader) sites(f *yamlfile.File, path string, sites []string) {
	for _, s := range sites {
		if len(l.o.Sites) > 0 && !slices.Contains(l.o.Sites, s) {
			l.fault(f, path+".sites", "no site %q", s)
		}
	}
}

func (l *loader) absence(f *yamlfile.File, path string, a *Absence) {
	zone, err := zoneOf(a.Zone)
	if err != nil {
		l.fault(f, path+".zone", "%v", err)
	}
	from, err1 := instant(a.From, zone)
	to, err2 := instant(a.To, zone)
	switch {
	case err1 != nil || err2 != nil || !from.Before(to):
		l.fault(f, path, "from %q to %q is no time away", a.From, a.To)
	case !l.known(a.Person) || a.Deputy != "" && (!l.known(a.Deputy) || a.Deputy == a.Person):
		l.fault(f, path, "%q and deputy %q have to be two persons", a.Person, a.Deputy)
	}
	a.from, a.to = from, to
	l.d.Absences = append(l.d.Absences, *a)
}

func (l *loader) rota(f *yamlfile.File, path string, r *Rota) {
	if _, taken := l.d.Rota(r.ID); taken {
		l.fault(f, path+".id", "rota %q is there already", r.ID)
	}
	if len(l.o.Roles) > 0 && !slices.Contains(l.o.Roles, r.Role) {
		l.fault(f, path+".role", "no role %q", r.Role)
	}
	l.sites(f, path, r.Sites)
	r.prepare(func(sub, format string, args ...any) { l.fault(f, path+"."+sub, format, args...) }, l.known)
	l.d.Rotas = append(l.d.Rotas, r)
}

func (l *loader) chain(f *yamlfile.File, path string, c *Chain) {
	if _, taken := l.d.Chain(c.ID); taken || c.ID == "" || len(c.Rungs) == 0 || c.Repeat < 0 || c.Repeat > 9 {
		l.fault(f, path+".id", "chain %q needs an id of its own, rungs, and at most 9 repeats", c.ID)
	}
	if c.Last == "" {
		l.fault(f, path+".last", "say which role is told when all rungs passed")
	}
	for n := range c.Rungs {
		r, at := &c.Rungs[n], path+".rungs["+strconv.Itoa(n)+"]"
		if r.After != "0m" {
			span, err := sla.ParseSpan(r.After)
			if err != nil {
				l.fault(f, at+".after", "%v", err)
			}
			r.after = span
		}
		if r.Calendar != "" && r.Calendar != "work" && r.Calendar != "always" {
			l.fault(f, at+".calendar", "%q: want work or always", r.Calendar)
		}
		if len(r.Tell) == 0 {
			l.fault(f, at+".tell", "nobody is told")
		}
		for _, word := range r.Tell {
			if err := l.word(word); err != nil {
				l.fault(f, at+".tell", "%v", err)
			}
		}
	}
	l.d.Chains = append(l.d.Chains, *c)
}

func (l *loader) word(word string) error {
	kind, name, _ := strings.Cut(word, ":")
	ok := false
	switch kind {
	case "person":
		ok = l.known(name)
	case "role":
		ok = name != "" && (len(l.o.Roles) == 0 || slices.Contains(l.o.Roles, name))
	case "oncall":
		rota, level, has := strings.Cut(name, "/")
		_, ok = l.d.Rota(rota)
		if !ok { // a rota of a later file
			ok = slices.ContainsFunc(l.specs, func(s *file) bool {
				return slices.ContainsFunc(s.Rotas, func(r *Rota) bool { return r.ID == rota })
			})
		}
		ok = ok && (!has || len(level) == 1 && level[0] >= '1' && level[0] <= '9')
	}
	if !ok {
		return fmt.Errorf("%q: want person:ID, role:ROLE, oncall:ROTA or oncall:ROTA/2 of somebody who exists", word)
	}
	return nil
}
