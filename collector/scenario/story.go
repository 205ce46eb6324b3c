package scenario

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/internal/yamlfile"
	"github.com/faultline/faultline/plugins/base"
)

// Telling is what a story for drills says of itself to people.
type Telling struct {
	Title lang.Text `yaml:"title"`
	Brief lang.Text `yaml:"brief"` // what happens, for whoever starts the drill
}

// Story is a scenario of rules/drills that is played at any site that has the
// things it speaks of: ${line} stands for the site's first line, ${ups} for its
// UPS. What it expects at its end is the truth that decisions are measured by.
type Story struct {
	ID    string // the file's name without its ending
	Title lang.Text
	Brief lang.Text
	Text  string // the file as it is
	needs []string
}

var placeholder = regexp.MustCompile(`\$\{([a-z0-9_]+)\}`)

// plainName is an inventory name that stands in YAML without harm.
var plainName = regexp.MustCompile(`^[\pL\pN ._:/()#+@-]+$`)

// things are what stories may speak of, and what people call it.
var things = map[string]lang.Text{
	"site": {ZH: "站点", EN: "the site"}, "line": {ZH: "专线", EN: "a line"}, "line2": {ZH: "第二条专线", EN: "a second line"}, "carrier": {ZH: "运营商", EN: "a carrier"},
	"gateway": {ZH: "网关", EN: "a gateway"}, "wan_port": {ZH: "网关的专线端口", EN: "a gateway's port to a line"}, "switch": {ZH: "交换机（唯一的代理不在其后）", EN: "a switch (that the only agent is not behind)"}, "server": {ZH: "服务器", EN: "a server"},
	"ups": {ZH: "UPS", EN: "a UPS"}, "environment": {ZH: "温湿度监测设备", EN: "an environment unit"}, "database": {ZH: "数据库", EN: "a database"}, "database_host": {ZH: "数据库主机", EN: "a database's host"}, "database_part": {ZH: "数据库实例", EN: "a database's name"},
}

// MissingError says which things a site has not that a story speaks of.
type MissingError struct{ Things []lang.Text }

// Error names them in English.
func (e *MissingError) Error() string { return "the site has not: " + e.Text().EN }

// Text names them.
func (e *MissingError) Text() (t lang.Text) {
	for n, x := range e.Things {
		if n > 0 {
			t.ZH, t.EN = t.ZH+"、", t.EN+", "
		}
		t.ZH, t.EN = t.ZH+x.ZH, t.EN+x.EN
	}
	return t
}

// LoadStories reads every *.yaml of dir. The error joins every fault, each with
// its file.
func LoadStories(dir fs.FS) ([]*Story, error) {
	names, err := fs.Glob(dir, "*.yaml")
	if err != nil {
		return nil, err
	}
	var out []*Story
	for _, name := range names {
		b, err := fs.ReadFile(dir, name)
		if err != nil {
			return nil, err
		}
		s, err := readStory(name, b)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func readStory(name string, text []byte) (*Story, error) {
	f, err := yamlfile.Parse(name, text)
	if err != nil {
		return nil, err
	}
	var s Scenario
	if err := f.Decode(&s); err != nil {
		return nil, err
	}
	if s.Drill == nil || s.Drill.Title.IsZero() || s.Drill.Brief.IsZero() {
		return nil, f.Faultf("drill", "missing: say title and brief, for people")
	}
	out := &Story{ID: strings.TrimSuffix(path.Base(name), ".yaml"), Title: s.Drill.Title, Brief: s.Drill.Brief, Text: string(text)}
	for _, m := range placeholder.FindAllStringSubmatch(out.Text, -1) {
		if _, known := things[m[1]]; !known {
			return nil, fmt.Errorf("%s: ${%s} stands for nothing", name, m[1])
		}
		if !slices.Contains(out.needs, m[1]) {
			out.needs = append(out.needs, m[1])
		}
	}
	return out, nil
}

// At writes the story out for a site: the scenario's text with the site's own
// names. The error is a *MissingError when the site has not what it speaks of.
func (s *Story) At(inv *inventory.Inventory, site string) (string, error) {
	have := namesAt(inv, site)
	var missing MissingError
	for _, n := range s.needs {
		if have[n] == "" || !plainName.MatchString(have[n]) {
			missing.Things = append(missing.Things, things[n])
		}
	}
	if len(missing.Things) > 0 {
		return "", &missing
	}
	return placeholder.ReplaceAllStringFunc(s.Text, func(m string) string { return have[m[2:len(m)-1]] }), nil
}

// namesAt are the inventory names that placeholders stand for at a site.
func namesAt(inv *inventory.Inventory, site string) map[string]string {
	g, have := inventory.NewGraph(inv), map[string]string{"site": site}
	for n, l := range g.LinesOf(site) {
		if n > 1 {
			break
		}
		have[[]string{"line", "line2"}[n]] = l.ID
		if n == 0 {
			have["carrier"] = l.Carrier
		}
	}
	set := func(key, id string) {
		if have[key] == "" {
			have[key] = id
		}
	}
	agentHosts, lastResort := map[string]bool{}, ""
	for _, a := range inv.Agents {
		agentHosts[a.Device] = true
	}
	for _, d := range g.DevicesOf(site) {
		switch {
		case slices.Contains(d.Roles, "gateway") || d.Kind == "router":
			set("gateway", d.ID)
			for _, p := range d.Ports {
				if p.To == have["line"] && have["gateway"] == d.ID {
					set("wan_port", d.ID+":"+p.Name)
				}
			}
		case d.Kind == "server" && !agentHosts[d.ID]:
			set("server", d.ID)
		case d.Kind == "server" && len(inv.Agents) > 1: // somebody else still sees it
			lastResort = d.ID
		case d.Kind == "switch" && len(inv.Agents) == 1 && behind(g, inv.Agents[0].Device, d.ID): // all the agent sees falls silent with it
		case slices.Contains([]string{"switch", "ups", "environment"}, d.Kind):
			set(d.Kind, d.ID)
		}
		for _, t := range d.Targets {
			if t.Input == "database" && t.Component != "" {
				set("database", d.ID+"/"+t.Component)
				set("database_host", d.ID)
				set("database_part", t.Component)
			}
		}
	}
	set("server", lastResort)
	return have
}

// behind tells whether a device hangs on another for all that it reaches.
func behind(g *inventory.Graph, device, on string) bool {
	d, ok := g.Device(device)
	return ok && slices.ContainsFunc(d.DependsOn, func(x inventory.Dependency) bool { return x.For == "" && len(x.AnyOf) == 1 && x.AnyOf[0] == on })
}

// ParseAt reads a story that was written out for a site, to be played in the
// operator's own company: what is measured at the site and at head office.
func ParseAt(name, text string, inv *inventory.Inventory, site string) (*Scenario, error) {
	f, err := yamlfile.Parse(name, []byte(text))
	if err != nil {
		return nil, err
	}
	s := &Scenario{}
	if err := f.Decode(s); err != nil {
		return nil, err
	}
	s.file = f
	if s.Inventory.name != "" || s.Inventory.text != nil {
		return nil, f.Faultf("inventory", "a drill is played in the company's own inventory")
	}
	if err := s.resolve(nil, inv); err != nil {
		return nil, err
	}
	for _, fault := range s.check() {
		return nil, fault
	}
	s.sites = map[string]bool{site: true}
	for _, x := range inv.Sites {
		if x.Kind == "hq" {
			s.sites[x.ID] = true
		}
	}
	return s, nil
}

// Truth is what a story's fault is, as its last expectation says.
type Truth struct {
	Class   string `json:"class"`
	Device  string `json:"device"`
	Process string `json:"process,omitempty"`
	Vendor  string `json:"vendor,omitempty"` // kind of vendor
}

// Truth returns the story's; the zero value when it expects nothing.
func (s *Scenario) Truth() Truth {
	var t Truth
	for _, e := range s.Expect {
		for _, i := range e.Incidents {
			if i.Class != "" {
				t = Truth{i.Class, i.Device, i.Process, i.Vendor}
				break
			}
		}
	}
	if t.Vendor == "" && t.Class != "" {
		t.Vendor = incident.VendorNone
	}
	return t
}

// begins is when the story begins.
func (s *Scenario) begins() time.Time {
	if s.start.IsZero() {
		return epoch
	}
	return s.start
}

// measures tells whether a target is measured in the story.
func (s *Scenario) measures(a inventory.Agent, t base.Target) bool {
	if s.sites == nil {
		return true
	}
	thing := t.Labels["device"]
	return s.sites[a.Site] && (t.Input == "host" || s.sites[inventorySite(s.inv, thing)])
}

// inventorySite is the site of a device or line, "" when there is none.
func inventorySite(inv *inventory.Inventory, name string) string {
	for _, d := range inv.Devices {
		if d.ID == name {
			return d.Site
		}
	}
	for _, l := range inv.Lines {
		if l.ID == name {
			return l.Site
		}
	}
	return ""
}
