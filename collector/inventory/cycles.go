package inventory

import (
	"slices"
	"strings"
)

// checkCycles: nothing is reached, and nothing is fed, by way of itself. A UPS
// that is polled through the switch it feeds is no cycle: each kind stands alone.
func (a *assembly) checkCycles() {
	g := NewGraph(a.inv)
	for _, kind := range []string{ForNetwork, ForPower} {
		c := cycles{kind: kind, groups: g.groups, done: map[string]bool{}}
		for _, d := range a.inv.Devices {
			c.visit(d.ID)
		}
		for _, cycle := range c.found {
			a.bad(a.atThing(cycle[0]), "depends on itself for %s: %s", kind, strings.Join(cycle, " → "))
		}
	}
}

// cycles searches the dependencies of one kind in depth, each name once.
type cycles struct {
	kind   string
	groups map[string][]Dependency
	done   map[string]bool
	path   []string
	found  [][]string
}

func (c *cycles) visit(id string) {
	if i := slices.Index(c.path, id); i >= 0 {
		c.found = append(c.found, append(slices.Clone(c.path[i:]), id))
		return
	}
	if c.done[id] {
		return
	}
	c.done[id] = true
	c.path = append(c.path, id)
	for _, dep := range c.groups[id] {
		for _, p := range dep.AnyOf {
			if dep.For == c.kind && p != id { // itself is told where it is written
				c.visit(p)
			}
		}
	}
	c.path = c.path[:len(c.path)-1]
}

func (a *assembly) atThing(id string) at {
	if i := slices.IndexFunc(a.inv.Devices, func(d Device) bool { return d.ID == id }); i >= 0 {
		return at{"devices", i, "depends_on"}
	}
	return at{"lines", slices.IndexFunc(a.inv.Lines, func(l Line) bool { return l.ID == id }), "a_end"}
}
