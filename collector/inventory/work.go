package inventory

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/url"
	"strings"

	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
)

// Roles of targets: the label role, by which rules know what a probe means.
const (
	RoleLine      = "line"       // across a line, its far end
	RolePath      = "path"       // to a host behind a line, by the way that traffic takes
	RoleGateway   = "gateway"    // from an agent to its own LAN's gateway
	RoleWANRouter = "wan_router" // from head office to a branch's router
	RoleDevice    = "device"
	RoleService   = "service"
	RoleDatabase  = "database"
	RoleAgentHost = "agent_host" // the machine an agent runs on
)

// Work returns what an agent is to measure, and whether the inventory knows the
// agent. Version is made of the content alone: equal inventories give equal
// versions, in any process. An agent's own host is the target "host".
func (inv *Inventory) Work(agentID string) (wire.Work, bool) {
	agent := find(inv.Agents, func(a Agent) bool { return a.ID == agentID })
	if agent == nil {
		return wire.Work{}, false
	}
	w := worklist{agent: agent, ids: map[string]int{}}
	if agent.Host {
		w.add(base.Target{ID: "host", Input: "host"}, Target{Role: RoleAgentHost},
			map[string]string{"site": agent.Site, "device": agent.Device, "instance": agent.Device})
	}
	for i := range inv.Devices {
		w.device(&inv.Devices[i])
	}
	for i := range inv.Lines {
		w.line(&inv.Lines[i], inv.Lines)
	}
	work := wire.Work{Interval: agent.Interval, Targets: w.targets}
	work.Version = Version(work)
	return work, true
}

// worklist gathers the targets of one agent.
type worklist struct {
	agent   *Agent
	targets []base.Target
	ids     map[string]int // how often an id was wanted
}

func (w *worklist) device(d *Device) {
	for _, t := range d.targets() {
		if t.Agent != w.agent.ID {
			continue
		}
		if t.Address == "" {
			t.Address = d.Addresses[0]
		}
		if t.Role == "" {
			t.Role = RoleDevice
		}
		bt := targetOf(d.ID, t)
		if t.Input == "snmp" && bt.Options["place"] == "" && (d.Kind == "environment" || d.Kind == "cooling") {
			if bt.Options == nil {
				bt.Options = map[string]string{}
			}
			bt.Options["place"] = "room" // its sensors measure the room
		}
		if t.Input == "snmp" && len(d.Addresses) > 1 && bt.Options["addresses"] == "" {
			if bt.Options == nil {
				bt.Options = map[string]string{}
			}
			bt.Options["addresses"] = strings.Join(d.Addresses, ",") // from which notifications may come
		}
		labels := map[string]string{"site": d.Site, "device": d.ID}
		if namesInstance(t.Input) {
			labels["instance"] = d.ID
		}
		w.add(bt, t, labels)
	}
}

// line adds the targets of a line; without an address the end that is far from
// the agent is measured. A line test learns the addresses of the site's other
// lines, to know when its packets took one of them instead.
func (w *worklist) line(l *Line, all []Line) {
	for _, t := range l.Targets {
		if t.Agent != w.agent.ID {
			continue
		}
		if t.Address == "" {
			t.Address = l.BEnd.Address
			if w.agent.Site == l.Site {
				t.Address = l.AEnd.Address
			}
		}
		if t.Role == "" {
			t.Role = RoleLine
		}
		bt := targetOf(l.ID, t)
		if bt.Options["module"] == "line" && bt.Options["elsewhere"] == "" {
			if others := addressesBeside(l, all); others != "" {
				bt.Options["elsewhere"] = others
			}
		}
		w.add(bt, t, map[string]string{"site": l.Site, "device": l.ID, "circuit": l.Circuit})
	}
}

// addressesBeside are the ends of the other lines of a line's site.
func addressesBeside(l *Line, all []Line) string {
	var out []string
	for _, o := range all {
		if o.Site != l.Site || o.ID == l.ID {
			continue
		}
		for _, a := range []string{o.AEnd.Address, o.BEnd.Address} {
			if a != "" {
				out = append(out, a)
			}
		}
	}
	return strings.Join(out, ",")
}

// targetOf names a target after what it measures, so that its id survives
// changes elsewhere in the inventory: b1db/probe/tcp/database/postgresql:5432.
func targetOf(name string, t Target) base.Target {
	id := []string{name, t.Input}
	for _, part := range []string{t.Options["module"], t.Role, t.Component} {
		if part != "" && part != RoleDevice {
			id = append(id, part)
		}
	}
	return base.Target{
		ID: strings.Join(id, "/"), Input: t.Input, Address: t.Address,
		Interval: t.Interval, Timeout: t.Timeout, Options: maps.Clone(t.Options),
	}
}

func (w *worklist) add(bt base.Target, t Target, labels map[string]string) {
	labels["job"] = job(bt)
	labels["role"] = t.Role
	if t.Component != "" {
		labels["component"] = t.Component
	}
	if labels["instance"] == "" {
		labels["instance"] = instanceOf(bt)
	}
	for k, v := range t.Labels {
		labels[k] = v
	}
	maps.DeleteFunc(labels, func(_, v string) bool { return v == "" })
	bt.Labels = labels
	if w.ids[bt.ID]++; w.ids[bt.ID] > 1 {
		bt.ID = fmt.Sprintf("%s#%d", bt.ID, w.ids[bt.ID])
	}
	w.targets = append(w.targets, bt)
}

// job is the label job of an input's samples, as dashboards made for the usual
// exporters expect it.
func job(t base.Target) string {
	switch t.Input {
	case "host":
		return "node"
	case "probe":
		return "blackbox"
	case "database":
		if strings.HasPrefix(t.Options["kind"], "postgres") {
			return "postgres"
		}
		return "mysql"
	case "enterprise_database":
		if t.Options["kind"] == "sqlserver" {
			return "mssql"
		}
		return "oracle"
	case "scrape":
		return cmp.Or(t.Options["job"], t.Input)
	case "textfile":
		return "node"
	default:
		return t.Input
	}
}

// host returns the host of an address, host:port or URL.
func host(address string) string {
	if strings.Contains(address, "://") {
		if u, err := url.Parse(address); err == nil {
			return u.Hostname()
		}
	}
	h, _ := splitPort(address)
	return h
}

func splitPort(address string) (host, port string) {
	if h, p, err := net.SplitHostPort(address); err == nil {
		return h, p
	}
	return address, ""
}

// Version hashes what an agent would be told; a version that is set is left out of
// it. 52 bits fit a JSON number exactly;
// 0 is left to agents that have nothing yet.
func Version(w wire.Work) int64 {
	w.Version = 0
	text, err := json.Marshal(w)
	if err != nil {
		panic("inventory: work does not marshal: " + err.Error()) // only strings, numbers and maps of strings
	}
	sum := sha256.Sum256(text)
	return int64(binary.BigEndian.Uint64(sum[:8])>>12) | 1
}

// AgentByToken returns the agent whose token has this SHA-256, in hexadecimal.
func (inv *Inventory) AgentByToken(hash string) (Agent, bool) {
	if hash == "" {
		return Agent{}, false
	}
	a := find(inv.Agents, func(a Agent) bool { return strings.EqualFold(a.TokenHash, hash) })
	if a == nil {
		return Agent{}, false
	}
	return *a, true
}

// HashToken returns the SHA-256 of an agent's token, in hexadecimal, as
// token_sha256 holds it.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
