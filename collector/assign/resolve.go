package assign

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/host/spec"
)

// Value is one setting of an agent, and where it comes from. Secrets are masked.
type Value struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	From  string `json:"from"` // assignment and file:line, inventory, or default
}

// Origins other than assignments.
const (
	fromInventory = "inventory"
	fromDefault   = "default"
	masked        = "<secret>"
)

// Handout is what one agent is to have.
type Handout struct {
	Agent, Site string
	Work        wire.Work // with secrets in the clear
	Program     string    // wanted release; "": none
	Values      []Value   // by key
}

// Intervals sets the interval of agents for which the inventory names none, so
// that whoever judges freshness knows it.
func (s *Set) Intervals(inv *inventory.Inventory) {
	for i := range inv.Agents {
		if g := &inv.Agents[i]; g.Interval == 0 {
			for _, a := range s.of(inv, *g) {
				g.Interval = cmp.Or(a.Interval, g.Interval)
			}
		}
	}
}

// of are the assignments for an agent, the most particular last.
func (s *Set) of(inv *inventory.Inventory, g inventory.Agent) (out []*Assignment) {
	kind := ""
	for _, site := range inv.Sites {
		if site.ID == g.Site {
			kind = site.Kind
		}
	}
	for i := range s.all {
		if s.all[i].Match.fits(g, kind) {
			out = append(out, &s.all[i])
		}
	}
	return out
}

// Handout resolves what an agent is to have; ok is false for agents that the
// inventory does not name.
func (s *Set) Handout(inv *inventory.Inventory, agent string) (Handout, bool) {
	i := slices.IndexFunc(inv.Agents, func(g inventory.Agent) bool { return g.ID == agent })
	work, ok := inv.Work(agent)
	if i < 0 || !ok {
		return Handout{}, false
	}
	r := resolving{set: s, agent: inv.Agents[i], inv: inv, values: map[string]Value{}, own: map[string]bool{}, h: Handout{Agent: agent, Site: inv.Agents[i].Site, Work: work}}
	r.say("interval", work.Interval, fromInventory)
	if work.Interval == 0 {
		r.say("interval", 15*time.Second, fromDefault)
	}
	r.inventoryValues()
	for _, a := range s.of(inv, r.agent) {
		r.take(a)
	}
	r.finish()
	return r.h, true
}

// resolving gathers one agent's values; later assignments overwrite.
type resolving struct {
	set    *Set
	inv    *inventory.Inventory
	agent  inventory.Agent
	h      Handout
	values map[string]Value
	own    map[string]bool // target/option that the inventory's target names itself

	settings  wire.Settings
	intervals map[string]time.Duration
	timeouts  map[string]time.Duration
	extra     []base.Target
}

func (r *resolving) say(key string, v any, from string) {
	r.values[key] = Value{Key: key, Value: fmt.Sprint(v), From: from}
}

// inventoryValues marks what the inventory's targets name themselves: that counts
// more than any assignment.
func (r *resolving) inventoryValues() {
	for _, t := range r.h.Work.Targets {
		r.own[t.ID+"/interval"], r.own[t.ID+"/timeout"] = t.Interval != 0, t.Timeout != 0
		for k := range t.Options {
			if base.SecretOption(k) {
				r.own[t.ID+"/secret"] = true
				r.say("target "+t.ID+" "+k, masked, fromInventory)
			}
		}
	}
}

// take lays one assignment over what the less particular ones said.
func (r *resolving) take(a *Assignment) {
	from := a.Name + " (" + a.where + ")"
	if a.Interval != 0 && r.agent.Interval == a.Interval && r.values["interval"].From != "" {
		r.say("interval", a.Interval, from)
	}
	for input, d := range a.Intervals {
		put(&r.intervals, input, d)
		r.say("interval of "+input, d, from)
	}
	for input, d := range a.Timeouts {
		put(&r.timeouts, input, d)
		r.say("timeout of "+input, d, from)
	}
	if a.Concurrency != 0 {
		r.settings.Concurrency = a.Concurrency
		r.say("concurrency", a.Concurrency, from)
	}
	if a.BacklogRate != 0 {
		r.settings.BacklogRate = a.BacklogRate
		r.say("backlog_rate", a.BacklogRate, from)
	}
	for _, name := range a.Profiles {
		put(&r.settings.Profiles, name, r.set.profiles[name])
		r.say("profile "+name, "✓", from)
	}
	for _, p := range a.Plugins {
		r.settings.Plugins = append(slices.DeleteFunc(r.settings.Plugins, func(q spec.Plugin) bool { return q.Name == p.Name }), p)
		r.say("plugin "+p.Name, p.Path, from)
	}
	if a.Program != "" {
		r.h.Program = a.Program
		r.say("program", a.Program, from)
	}
	for _, t := range a.Targets {
		bt := r.target(t)
		r.extra = append(slices.DeleteFunc(r.extra, func(o base.Target) bool { return o.ID == bt.ID }), bt)
		r.say("target "+bt.ID, bt.Input+" "+bt.Address, from)
	}
	for _, c := range a.Credentials {
		for i := range r.h.Work.Targets {
			r.fill(&r.h.Work.Targets[i], c, from)
		}
		for i := range r.extra {
			r.fill(&r.extra[i], c, from)
		}
	}
}

func put[V any](m *map[string]V, k string, v V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[k] = v
}

// fill gives a target the credential's options unless it names a secret itself.
func (r *resolving) fill(t *base.Target, c Credential, from string) {
	if t.Input != c.Input || r.own[t.ID+"/secret"] || len(c.Devices) > 0 && !slices.Contains(c.Devices, t.Labels["device"]) {
		return
	}
	t.Options = maps.Clone(t.Options)
	if t.Options == nil {
		t.Options = map[string]string{}
	}
	for k, v := range c.Options {
		t.Options[k] = v
		r.say("target "+t.ID+" "+k, v, from)
	}
	for k, v := range c.Secrets {
		t.Options[k] = v.Reveal()
		r.say("target "+t.ID+" "+k, masked, from)
	}
}

// target is a further target with the labels that rules know it by.
func (r *resolving) target(t Target) base.Target {
	bt := base.Target{ID: "assigned/" + t.ID, Input: t.Input, Address: t.Address, Interval: t.Interval, Timeout: t.Timeout, Options: maps.Clone(t.Options)}
	device, site := cmp.Or(t.Device, r.agent.Device), r.agent.Site
	for _, d := range r.inv.Devices {
		if t.Device != "" && d.ID == t.Device {
			site = d.Site
			if bt.Address == "" && len(d.Addresses) > 0 {
				bt.Address = d.Addresses[0]
			}
		}
	}
	instance := bt.Address
	if host, _, err := net.SplitHostPort(instance); err == nil {
		instance = host
	}
	bt.Labels = map[string]string{"job": t.Input, "site": site, "device": device, "role": cmp.Or(t.Role, inventory.RoleService), "instance": cmp.Or(instance, device)}
	if t.Input == "probe" {
		bt.Labels["job"] = "blackbox"
	}
	maps.Copy(bt.Labels, t.Labels)
	maps.DeleteFunc(bt.Labels, func(_, v string) bool { return v == "" })
	return bt
}

// finish sets what is by input and makes the version anew.
func (r *resolving) finish() {
	w := &r.h.Work
	for _, t := range r.extra {
		if !slices.ContainsFunc(w.Targets, func(o base.Target) bool { return o.ID == t.ID }) {
			w.Targets = append(w.Targets, t)
			r.own[t.ID+"/interval"], r.own[t.ID+"/timeout"] = t.Interval != 0, t.Timeout != 0
		}
	}
	for i := range w.Targets {
		t := &w.Targets[i]
		if d := r.intervals[t.Input]; d != 0 && !r.own[t.ID+"/interval"] {
			t.Interval = d
		}
		if d := r.timeouts[t.Input]; d != 0 && !r.own[t.ID+"/timeout"] {
			t.Timeout = d
		}
	}
	if r.settings.Concurrency != 0 || r.settings.BacklogRate != 0 || r.settings.Profiles != nil || r.settings.Plugins != nil {
		w.Settings = &r.settings
	}
	w.Version = inventory.Version(*w)
	for _, k := range slices.SortedFunc(maps.Keys(r.values), strings.Compare) {
		r.h.Values = append(r.h.Values, r.values[k])
	}
}
