package scenario

import (
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/inventory"
)

// converge is how long routes point into a line that has died.
const converge = 5 * time.Second

// network is the simulated company as packets find it at a moment. What is
// derived from the timeline is computed once per moment at which it changes.
type network struct {
	inv   *inventory.Inventory
	graph *inventory.Graph
	steps []Step
	start time.Time

	moments []time.Time // at which anything changes, sorted
	next    int         // the first moment that is still to come
	now     time.Time
	on      []*Step                    // steps in force
	off     map[string]bool            // devices without life
	broken  map[string]bool            // ports, device:port, without link or shut
	joins   map[string][]string        // device → devices one hop away
	reach   map[string]map[string]bool // by device: what packets reach from it
}

func newNetwork(inv *inventory.Inventory, steps []Step, start time.Time, run time.Duration) *network {
	n := &network{inv: inv, graph: inventory.NewGraph(inv), steps: steps, start: start}
	for _, s := range steps {
		for _, d := range []time.Duration{s.At.Duration, s.Until.Duration} {
			n.moments = append(n.moments, start.Add(d), start.Add(d+converge))
		}
		for at := s.At.Duration; len(s.Flap) > 0 && at < run && (!s.Until.set || at < s.Until.Duration); at += time.Second {
			n.moments = append(n.moments, start.Add(at))
		}
	}
	slices.SortFunc(n.moments, time.Time.Compare)
	return n
}

// advance brings the network to a moment; time must not go back.
func (n *network) advance(now time.Time) (changed bool) {
	n.now = now
	for n.next < len(n.moments) && !n.moments[n.next].After(now) {
		n.next++
		changed = true
	}
	if !changed && n.reach != nil {
		return false
	}
	n.on = n.inForce(now)
	n.off, n.broken, n.reach = map[string]bool{}, map[string]bool{}, map[string]map[string]bool{}
	for _, s := range n.on {
		for _, d := range s.Off {
			n.off[d] = true
		}
		for _, p := range slices.Concat(s.Shut, s.Unplugged) {
			n.broken[p] = true
		}
		for _, p := range s.Flap {
			n.broken[p] = n.broken[p] || now.Sub(n.start)%(7*time.Second) < 3*time.Second
		}
	}
	n.join()
	return changed
}

func (n *network) inForce(at time.Time) []*Step {
	var out []*Step
	for i := range n.steps {
		s := &n.steps[i]
		if !at.Before(n.start.Add(s.At.Duration)) && (!s.Until.set || at.Before(n.start.Add(s.Until.Duration))) {
			out = append(out, s)
		}
	}
	return out
}

// is tells whether a name is in a list of a step in force.
func (n *network) is(list func(*Step) []string, name string) bool {
	return n.since(list, name) != nil
}

// since returns the step in force that has the name in a list, or nil.
func (n *network) since(list func(*Step) []string, name string) *Step {
	for _, s := range n.on {
		if slices.Contains(list(s), name) {
			return s
		}
	}
	return nil
}

// join computes what is one hop from what.
func (n *network) join() {
	n.joins = map[string][]string{}
	add := func(a, b string) { n.joins[a], n.joins[b] = append(n.joins[a], b), append(n.joins[b], a) }
	for _, d := range n.inv.Devices {
		for _, p := range d.Ports {
			if _, isLine := n.graph.Line(p.To); !isLine && p.To != "" && n.link(d.ID, p) {
				add(d.ID, p.To)
			}
		}
		if d.Host != "" {
			add(d.ID, d.Host)
		}
	}
	for _, s := range n.inv.Sites {
		if l, ok := n.route(s.ID); ok && n.carries(l, n.now) {
			add(l.AEnd.Device, l.BEnd.Device)
		}
	}
}

// carries tells whether packets pass a line at a moment.
func (n *network) carries(l inventory.Line, at time.Time) bool {
	for _, s := range n.inForce(at) {
		if slices.Contains(s.Cut, l.ID) || slices.Contains(s.Dark, l.ID) || slices.Contains(s.Shut, l.AEnd.Device+":"+l.AEnd.Interface) ||
			slices.Contains(s.Shut, l.BEnd.Device+":"+l.BEnd.Interface) {
			return false
		}
	}
	return true
}

// route is the line that routing uses for a site: the best that lived a moment
// ago; a line that has just died still attracts the traffic.
func (n *network) route(site string) (inventory.Line, bool) {
	lines := n.graph.LinesOf(site)
	for _, l := range lines {
		if n.carries(l, n.now.Add(-converge)) {
			return l, true
		}
	}
	for _, l := range lines {
		if n.carries(l, n.now) {
			return l, true
		}
	}
	return inventory.Line{}, false
}

// link tells whether a port has its link.
func (n *network) link(device string, p inventory.Port) bool {
	if l, ok := n.graph.Line(p.To); ok {
		return !n.is(func(s *Step) []string { return s.Dark }, l.ID) || device != l.BEnd.Device
	}
	return !n.off[p.To] && !n.broken[device+":"+p.Name] && !n.broken[p.To+":"+p.Peer]
}

// way tells whether packets get from one device to another.
func (n *network) way(from, to string) bool {
	if n.off[from] || n.off[to] {
		return false
	}
	found := n.reach[from]
	if found == nil {
		found = map[string]bool{from: true}
		for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
			for _, next := range n.joins[queue[0]] {
				if !found[next] && !n.off[next] {
					found[next] = true
					queue = append(queue, next)
				}
			}
		}
		n.reach[from] = found
	}
	return found[to]
}

// boot is when a device last came to life.
func (n *network) boot(device string) time.Time {
	boot := n.start.Add(-24 * time.Hour)
	for _, s := range n.steps {
		if end := n.start.Add(s.Until.Duration); s.Until.set && slices.Contains(s.Off, device) && !end.After(n.now) && end.After(boot) {
			boot = end
		}
	}
	return boot
}

// collector is the device the collector runs on: that of head office's agent,
// or of the first agent.
func (n *network) collector() string {
	for _, a := range n.inv.Agents {
		if s, _ := n.graph.Site(a.Site); s.Kind == "hq" {
			return a.Device
		}
	}
	if len(n.inv.Agents) == 0 {
		return ""
	}
	return n.inv.Agents[0].Device
}

// cutAt parts device:port and device:sensor.
func cutAt(ref string) (device, part string) {
	device, part, _ = strings.Cut(ref, ":")
	return device, part
}
