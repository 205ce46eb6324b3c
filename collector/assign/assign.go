// Package assign is what the operator's directory says about agents: settings,
// credentials, further targets, plugins and the wanted program, by site, kind of
// site, role, label or name, and how a new state of all this is rolled out. It
// makes of the inventory's work the work that agents are handed, and says of
// every value where it comes from. It does not hand anything out.
package assign

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/rollout"
	"github.com/faultline/faultline/internal/secret"
	"github.com/faultline/faultline/internal/yamlfile"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/host/spec"
)

// Match is whom an assignment is for. Every key that is given must fit; of a
// list's members one. An empty Match is for all agents.
type Match struct {
	Agents []string          `yaml:"agents"`
	Labels map[string]string `yaml:"labels"` // all of them
	Roles  []string          `yaml:"roles"`
	Sites  []string          `yaml:"sites"`
	Kinds  []string          `yaml:"kinds"` // of the site: hq, branch, …
}

// Assignment gives settings to the agents that its Match fits.
type Assignment struct {
	Name        string                   `yaml:"name"`
	Match       Match                    `yaml:"match"`
	Interval    time.Duration            `yaml:"interval"`     // of targets that name none
	Intervals   map[string]time.Duration `yaml:"intervals"`    // by input
	Timeouts    map[string]time.Duration `yaml:"timeouts"`     // by input
	Concurrency int                      `yaml:"concurrency"`  // measurements at once
	BacklogRate float64                  `yaml:"backlog_rate"` // samples a second sent from the backlog
	Credentials []Credential             `yaml:"credentials"`
	Targets     []Target                 `yaml:"targets"`
	Profiles    []string                 `yaml:"profiles"` // files of the directory's profiles/
	Plugins     []spec.Plugin            `yaml:"plugins"`
	Program     string                   `yaml:"program"` // version of a release

	where string // file:line
}

// Credential fills in the options of targets that name no secret of their own.
type Credential struct {
	Input   string                   `yaml:"input"`
	Devices []string                 `yaml:"devices"` // empty: all that the agent measures by this input
	Options map[string]string        `yaml:"options"`
	Secrets map[string]secret.String `yaml:"secrets"` // options whose values are secret
	Files   map[string]string        `yaml:"files"`   // options whose values stand in files of the directory's secrets/
}

// Target is measured besides what the inventory says. Without a device it
// belongs to the machine that the agent runs on.
type Target struct {
	ID       string            `yaml:"id"`
	Input    string            `yaml:"input"`
	Address  string            `yaml:"address"`
	Device   string            `yaml:"device"`
	Role     string            `yaml:"role"`
	Interval time.Duration     `yaml:"interval"`
	Timeout  time.Duration     `yaml:"timeout"`
	Options  map[string]string `yaml:"options"`
	Labels   map[string]string `yaml:"labels"`
}

// file is one file of the directory.
type file struct {
	Assignments []Assignment `yaml:"assignments"`
	Rollout     rollout.Plan `yaml:"rollout"`  // of settings; one file only
	Programs    rollout.Plan `yaml:"programs"` // of the agent's program; Rollout when it is not given
}

// Set is the whole directory, checked. The zero Set assigns nothing. It does not
// change and may be used from many goroutines.
type Set struct {
	all      []Assignment // the most particular last
	profiles map[string]string
	rollout  rollout.Plan
	programs rollout.Plan
}

// Rollout is the plan by which new settings reach agents.
func (s *Set) Rollout() rollout.Plan { return s.rollout }

// Programs is the plan by which a new program reaches agents.
func (s *Set) Programs() rollout.Plan {
	if len(s.programs.Stages) > 0 {
		return s.programs
	}
	return s.rollout
}

// Load reads the directory and checks it against the inventory. The error names
// every fault with file and line.
func Load(fsys fs.FS, inv *inventory.Inventory) (*Set, error) {
	files, err := yamlfile.ParseAll(fsys)
	faults := []error{err}
	l := loader{fsys: fsys, inv: inv, set: &Set{profiles: map[string]string{}}, names: map[string]string{}}
	for _, f := range files {
		faults = append(faults, l.file(f))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	slices.SortStableFunc(l.set.all, func(a, b Assignment) int { return cmp.Compare(a.Match.rank(), b.Match.rank()) })
	return l.set, nil
}

// rank orders assignments: what names agents counts more than what names labels,
// then roles, sites, kinds of sites, then what is for all.
func (m Match) rank() int {
	switch {
	case len(m.Agents) > 0:
		return 5
	case len(m.Labels) > 0:
		return 4
	case len(m.Roles) > 0:
		return 3
	case len(m.Sites) > 0:
		return 2
	case len(m.Kinds) > 0:
		return 1
	}
	return 0
}

// fits tells whether the assignment is for an agent at a site of this kind.
func (m Match) fits(a inventory.Agent, kind string) bool {
	for k, v := range m.Labels {
		if a.Labels[k] != v {
			return false
		}
	}
	in := func(list []string, v string) bool { return len(list) == 0 || slices.Contains(list, v) }
	role := len(m.Roles) == 0 || slices.ContainsFunc(a.Roles, func(r string) bool { return slices.Contains(m.Roles, r) })
	return role && in(m.Agents, a.ID) && in(m.Sites, a.Site) && in(m.Kinds, kind)
}

type loader struct {
	fsys  fs.FS
	inv   *inventory.Inventory
	set   *Set
	names map[string]string // of assignments → where
}

func (l *loader) file(f *yamlfile.File) error {
	var in file
	if err := f.Decode(&in); err != nil {
		return err
	}
	var faults []error
	for what, p := range map[string]struct{ from, to *rollout.Plan }{"rollout": {&in.Rollout, &l.set.rollout}, "programs": {&in.Programs, &l.set.programs}} {
		if err := p.from.Validate(); err != nil {
			faults = append(faults, f.Faultf(what, "%v", err))
		}
		if len(p.from.Stages) == 0 && p.from.Patience == 0 {
			continue
		}
		if len(p.to.Stages) > 0 {
			faults = append(faults, f.Faultf(what, "another file says it too: keep one"))
		}
		*p.to = *p.from
	}
	for i := range in.Assignments {
		a := &in.Assignments[i]
		at := fmt.Sprintf("assignments[%d]", i)
		a.where = fmt.Sprintf("%s:%d", f.Name, f.Line(at))
		bad := func(field, format string, args ...any) {
			faults = append(faults, f.Faultf(at+"."+field, format, args...))
		}
		l.check(a, bad)
		l.set.all = append(l.set.all, *a)
	}
	return errors.Join(faults...)
}

// check finds what is wrong with one assignment, and reads the files it names.
func (l *loader) check(a *Assignment, bad func(field, format string, args ...any)) {
	if other, twice := l.names[a.Name]; a.Name == "" || twice {
		bad("name", "an assignment needs a name of its own%s", map[bool]string{true: ", " + other + " has this one"}[twice])
	}
	l.names[a.Name] = a.where
	l.checkMatch(a.Match, bad)
	if a.Interval < 0 || a.Interval > 0 && a.Interval < time.Second {
		bad("interval", "%s is below 1s", a.Interval)
	}
	for what, list := range map[string]map[string]time.Duration{"intervals": a.Intervals, "timeouts": a.Timeouts} {
		for input, d := range list {
			if d < 100*time.Millisecond || what == "intervals" && d < time.Second {
				bad(what+"."+input, "%s is too short", d)
			}
		}
	}
	if a.Concurrency < 0 || a.BacklogRate < 0 {
		bad("name", "concurrency and backlog_rate cannot be negative")
	}
	for i := range a.Credentials {
		l.credential(&a.Credentials[i], fmt.Sprintf("credentials[%d]", i), bad)
	}
	for i, t := range a.Targets {
		l.target(t, fmt.Sprintf("targets[%d]", i), bad)
	}
	for i, name := range a.Profiles {
		b, err := fs.ReadFile(l.fsys, path.Join("profiles", path.Base(name)))
		if err != nil || path.Base(name) != name {
			bad(fmt.Sprintf("profiles[%d]", i), "profiles/%s cannot be read", name)
		}
		l.set.profiles[name] = string(b)
	}
	if err := spec.Validate(a.Plugins); err != nil {
		bad("plugins", "%v", err)
	}
	for i, p := range a.Plugins {
		if len(p.Settings) > 0 || p.Contract != spec.Input {
			bad(fmt.Sprintf("plugins[%d]", i), "agents run inputs only, and their secrets are files on the agent's machine: use secrets, not settings")
		}
	}
}

func (l *loader) checkMatch(m Match, bad func(field, format string, args ...any)) {
	for _, id := range m.Agents {
		if !slices.ContainsFunc(l.inv.Agents, func(a inventory.Agent) bool { return a.ID == id }) {
			bad("match.agents", "the inventory has no agent %q", id)
		}
	}
	for _, id := range m.Sites {
		if !slices.ContainsFunc(l.inv.Sites, func(s inventory.Site) bool { return s.ID == id }) {
			bad("match.sites", "the inventory has no site %q", id)
		}
	}
	for _, r := range m.Roles {
		if !slices.ContainsFunc(l.inv.Agents, func(a inventory.Agent) bool { return slices.Contains(a.Roles, r) }) {
			bad("match.roles", "no agent of the inventory has role %q", r)
		}
	}
}

func (l *loader) credential(c *Credential, at string, bad func(field, format string, args ...any)) {
	if c.Input == "" {
		bad(at, "input is missing: snmp, database, …")
	}
	for k := range c.Options {
		if base.SecretOption(k) {
			bad(at+".options."+k, "is a secret: put it under secrets or files")
		}
	}
	for _, id := range c.Devices {
		if !slices.ContainsFunc(l.inv.Devices, func(d inventory.Device) bool { return d.ID == id }) {
			bad(at+".devices", "the inventory has no device %q", id)
		}
	}
	for k, name := range c.Files {
		b, err := fs.ReadFile(l.fsys, path.Join("secrets", path.Base(name)))
		if err != nil || path.Base(name) != name {
			bad(at+".files."+k, "secrets/%s cannot be read", name)
			continue
		}
		if c.Secrets == nil {
			c.Secrets = map[string]secret.String{}
		}
		c.Secrets[k] = secret.String(strings.TrimSpace(string(b)))
	}
	for k := range c.Secrets {
		if !base.SecretOption(k) {
			bad(at+".secrets."+k, "would not be kept secret: names of secret options end in password, community or token")
		}
	}
}

func (l *loader) target(t Target, at string, bad func(field, format string, args ...any)) {
	if t.ID == "" || t.Input == "" {
		bad(at, "id and input are required")
	}
	if t.Interval < 0 || t.Timeout < 0 {
		bad(at, "interval and timeout cannot be negative")
	}
	if t.Device != "" && !slices.ContainsFunc(l.inv.Devices, func(d inventory.Device) bool { return d.ID == t.Device }) {
		bad(at+".device", "the inventory has no device %q", t.Device)
	}
}
