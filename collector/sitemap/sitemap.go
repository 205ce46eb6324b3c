// Package sitemap draws a site with its lines as a picture: what leads to what,
// and of each thing whether it is up, down, unreachable or unknown, with the
// cause of an incident marked. It is pure: an inventory and what is known in, SVG
// out.
package sitemap

import (
	"cmp"
	"slices"

	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/truth"
	"github.com/faultline/faultline/internal/lang"
)

// State is what is known of one thing. The zero value is Unknown.
type State int

// States, from nothing known to the root of it all.
const (
	Unknown     State = iota
	Up                // measured well
	Unreachable       // nothing on the way to it answers; it may be well itself
	Down              // measured as failed
	Cause             // the incident's root
)

// Fault is what an incident says of the site.
type Fault struct {
	Device, Component, Circuit string   // of the root: an inventory name and its part, or the line's circuit
	Affected                   []string // inventory names that cannot be reached because of it
}

// Map is a site laid out in rows, the way to head office upwards.
type Map struct {
	Title lang.Text
	Nodes []Node
	Edges []Edge
	Rows  int
}

// Node is one thing of the picture.
type Node struct {
	ID     string
	Name   lang.Text
	Kind   string // of the device; "line" of lines
	Note   string // circuit of a line, part of a cause
	State  State
	Row    int  // 0 is on top
	Beyond bool // not of this site: where its lines come from
}

// Edge leads from a thing to one that it carries or feeds.
type Edge struct {
	From, To string
	Power    bool
}

// Of lays out a site. known tells what is measured of a device or line now; f is
// nil where nothing is to be marked.
func Of(g *inventory.Graph, site string, known func(id string) truth.Truth, f *Fault) Map {
	m := Map{}
	if s, ok := g.Site(site); ok {
		m.Title = s.Name
	}
	add := func(n Node) {
		if !slices.ContainsFunc(m.Nodes, func(o Node) bool { return o.ID == n.ID }) {
			n.State = stateOf(n, known, f)
			if n.State == Cause && n.Note == "" {
				n.Note = f.Component
			}
			m.Nodes = append(m.Nodes, n)
		}
	}
	for _, l := range g.LinesOf(site) {
		if d, ok := g.Device(l.AEnd.Device); ok && d.Site != site {
			add(Node{ID: d.ID, Name: d.Name, Kind: d.Kind, Beyond: true})
		}
		add(Node{ID: l.ID, Name: l.Name, Kind: "line", Note: l.Circuit})
	}
	for _, d := range g.DevicesOf(site) {
		add(Node{ID: d.ID, Name: d.Name, Kind: d.Kind})
	}
	m.connect(g)
	m.rank()
	return m
}

// stateOf is what is shown of a thing: the incident's word first, then what is
// measured.
func stateOf(n Node, known func(string) truth.Truth, f *Fault) State {
	measured := truth.Unknown
	if known != nil {
		measured = known(n.ID)
	}
	switch {
	case f != nil && f.is(n):
		return Cause
	case f != nil && slices.Contains(f.Affected, n.ID):
		return Unreachable
	case measured == truth.Bad:
		return Down
	case measured == truth.OK:
		return Up
	}
	return Unknown
}

// is tells whether the thing is the root of the fault.
func (f *Fault) is(n Node) bool {
	if n.Kind == "line" {
		return f.Device == n.ID || f.Component == n.ID || f.Circuit != "" && f.Circuit == n.Note
	}
	return f.Device == n.ID && f.Circuit == ""
}

// connect adds the edges between things of the picture.
func (m *Map) connect(g *inventory.Graph) {
	has := map[string]bool{}
	for _, n := range m.Nodes {
		has[n.ID] = true
	}
	for _, n := range m.Nodes {
		if n.Beyond {
			continue
		}
		for _, dep := range g.Dependencies(n.ID) {
			for _, from := range dep.AnyOf {
				if e := (Edge{from, n.ID, dep.For != inventory.ForNetwork}); has[from] && !slices.Contains(m.Edges, e) {
					m.Edges = append(m.Edges, e)
				}
			}
		}
	}
}

// rank puts each thing a row below the lowest that carries it, and sorts rows so
// that things stand near what carries them.
func (m *Map) rank() {
	at := map[string]int{}
	for i := range m.Nodes {
		at[m.Nodes[i].ID] = i
	}
	for range m.Nodes { // as often as the longest way can be; a loop ends too
		moved := false
		for _, e := range m.Edges {
			if from, to := &m.Nodes[at[e.From]], &m.Nodes[at[e.To]]; !e.Power && to.Row <= from.Row && from.Row < len(m.Nodes) {
				to.Row, moved = from.Row+1, true
			}
		}
		if !moved {
			break
		}
	}
	m.Rows = 0
	for _, n := range m.Nodes {
		m.Rows = max(m.Rows, n.Row+1)
	}
	place := map[string]float64{} // of the things above, for those below
	var sorted []Node
	for row := range m.Rows {
		var of []Node
		for _, n := range m.Nodes {
			if n.Row == row {
				of = append(of, n)
			}
		}
		slices.SortStableFunc(of, func(a, b Node) int {
			return cmp.Or(cmp.Compare(m.above(a.ID, place), m.above(b.ID, place)), cmp.Compare(kindOrder(a.Kind), kindOrder(b.Kind)))
		})
		for i, n := range of {
			place[n.ID] = (float64(i) + 0.5) / float64(len(of))
		}
		sorted = append(sorted, of...)
	}
	m.Nodes = sorted
}

// above is the mean place of what carries a thing.
func (m *Map) above(id string, place map[string]float64) float64 {
	sum, n := 0.0, 0.0
	for _, e := range m.Edges {
		if p, ok := place[e.From]; ok && e.To == id && !e.Power {
			sum, n = sum+p, n+1
		}
	}
	if n == 0 {
		return 0.5
	}
	return sum / n
}

// kindOrder puts network devices first and power last.
func kindOrder(kind string) int {
	if i := slices.Index([]string{"line", "router", "firewall", "switch", "server", "database", "dns", "environment", "cooling", "pdu", "ups"}, kind); i >= 0 {
		return i
	}
	return 100
}
