package inventory

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/faultline/faultline/agent/discover/topology"
)

// Document is a proposal and what is needed to write it down.
type Document struct {
	Proposal *topology.Proposal
	Title    string // what was swept, when and how
	Notes    []string
	Site     string
	Agent    string                       // that is to measure
	Options  map[string]map[string]string // of snmp targets without the version, by the name of the credential; secrets among them
	Existing *Existing                    // nil: the whole is written
	Changes  *Changes                     // with Existing
}

// Bytes returns the document. Without Existing it is a whole inventory; with it,
// only what is new, to lie beside the existing files, and what changed or is
// gone as comments.
func (d *Document) Bytes() []byte {
	w := &writer{Document: d}
	w.head()
	w.differences()
	w.frame()
	w.devices()
	w.lines()
	w.strangers()
	w.conflicts()
	return w.b.Bytes()
}

type writer struct {
	*Document
	b bytes.Buffer
}

func (w *writer) line(format string, args ...any) {
	fmt.Fprintf(&w.b, format, args...)
	w.b.WriteByte('\n')
}

// comment writes one line of comment whatever the text holds.
func (w *writer) comment(format string, args ...any) {
	w.line("# %s", flat(fmt.Sprintf(format, args...)))
}

// flat makes one line of a text without control characters; what devices say
// could hold anything.
func flat(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
}

func (w *writer) head() {
	w.comment("%s", w.Title)
	w.comment("A proposal: read it before you use it. Behind everything concluded stands how sure it is:")
	w.comment("high: both ends say so by LLDP or CDP; medium: one end does, or it is the only address behind a switch's port; low: by addresses, ARP or the gateway alone.")
	w.comment("What feeds a device cannot be seen from the network: add {any_of: [UPS], for: power} by hand; lines, vendors, contracts and people too.")
	if w.Proposal.Root != "" {
		w.comment("Everything is reached through %s.", w.Proposal.Root)
	}
	for _, n := range w.Notes {
		w.comment("Note: %s", n)
	}
}

// differences writes what changed and is gone.
func (w *writer) differences() {
	if w.Changes == nil {
		return
	}
	c := w.Changes
	w.comment("Compared with the existing inventory: %d new, %d changes, %d gone, %d as described.", len(c.New), len(c.Changed), len(c.Gone), c.Same)
	for _, x := range c.Changed {
		text := fmt.Sprintf("changed: %s %s: %s, now %s", x.Device, x.What, orNone(x.Was), orNone(x.Is))
		if x.Why != "" {
			text += " (" + x.Why + ")"
		}
		w.comment("%s", text)
	}
	for _, g := range c.Gone {
		w.comment("gone: %s does not answer at %s", g.Device, strings.Join(g.Addresses, ", "))
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// frame writes the site and the agent, where they are not described yet.
func (w *writer) frame() {
	if w.Existing == nil || !has(w.Existing.Sites, w.Site) {
		w.line("sites:\n  - {id: %s, name: {zh-CN: %s, en: %s}, kind: branch} # branch or hq", quote(w.Site), quote(w.Site), quote(w.Site))
	}
	if w.Existing != nil && has(w.Existing.Agents, w.Agent) {
		return
	}
	self := ""
	for _, d := range w.Proposal.Devices {
		if d.IsSelf {
			self = fmt.Sprintf(", device: %s, host: true", quote(d.ID))
		}
	}
	w.line("agents:\n  - {id: %s, site: %s%s} # token_sha256 is written by enrolling the agent", quote(w.Agent), quote(w.Site), self)
}

// devices writes the devices, or the new ones.
func (w *writer) devices() {
	started := false
	for _, d := range w.Proposal.Devices {
		if w.Changes != nil && !slices.Contains(w.Changes.New, d.ID) {
			continue
		}
		if !started {
			w.line("devices:")
			started = true
		}
		w.device(d)
	}
}

func (w *writer) device(d *topology.Device) {
	w.line("  - id: %s", quote(d.ID))
	if d.Name != "" {
		w.line("    name: {zh-CN: %s, en: %s}", quote(d.Name), quote(d.Name))
	}
	w.line("    site: %s", quote(w.Site))
	w.line("    kind: %s%s", d.Kind, because(strings.Join(d.Because, "; ")))
	if len(d.Roles) > 0 {
		w.line("    roles: [%s]", list(d.Roles))
	}
	w.line("    addresses: [%s]", list(texts(d.Addresses)))
	for _, f := range []struct{ key, value string }{{"vendor", d.Vendor}, {"model", d.Model}, {"serial", d.Serial}} {
		if f.value != "" {
			w.line("    %s: %s", f.key, quote(f.value))
		}
	}
	for _, p := range d.Problems {
		w.line("    # not read: %s", flat(p))
	}
	if len(d.Parents) > 0 {
		w.line("    depends_on:")
	}
	for _, p := range d.Parents {
		w.line("      - any_of: [%s]%s", list(p.AnyOf), because(fmt.Sprintf("%s: %s", p.Confidence, p.Why)))
	}
	if len(d.Leads) > 0 {
		w.line("    ports:")
	}
	for _, l := range d.Leads {
		peer := ""
		if l.Peer != "" {
			peer = ", peer: " + quote(l.Peer)
		}
		w.line("      - {name: %s, to: %s%s}%s", quote(l.Port), quote(l.To), peer, because(fmt.Sprintf("%s: %s", l.Confidence, l.Why)))
	}
	w.targets(d)
}

func because(why string) string {
	if why = flat(why); why == "" {
		return ""
	}
	return " # " + why
}

// databases are the components that databases are called by, by port.
var databases = map[int]string{1433: "sqlserver", 1521: "oracle", 3306: "mysql", 5432: "postgresql", 5236: "dm", 54321: "kingbase"}

// targets writes what is to be measured: what answered in the sweep.
func (w *writer) targets(d *topology.Device) {
	var all []string
	add := func(input string, fields ...string) {
		all = append(all, fmt.Sprintf("      - {agent: %s, input: %s%s}", quote(w.Agent), input, strings.Join(fields, "")))
	}
	if o := w.Options[d.Credential]; d.Credential != "" && o != nil {
		add("snmp", w.address(d, d.Asked), ", options: {", options(d.Spoken, o), "}")
	}
	if d.Pinged.IsValid() {
		role, at := "", d.Pinged
		if d.GatewayFor.IsValid() {
			role, at = ", role: gateway", d.GatewayFor
		}
		add("probe", w.address(d, netip.AddrPortFrom(at, 0)), role, ", options: {module: icmp}")
	} else if len(d.Ports) > 0 && databases[d.Ports[0]] == "" {
		add("probe", fmt.Sprintf(", address: %s", quote(netip.AddrPortFrom(d.Answered[0], uint16(d.Ports[0])).String())), ", options: {module: tcp}")
	}
	for _, p := range d.Ports {
		if name := databases[p]; name != "" {
			add("probe", fmt.Sprintf(", address: %s, role: database, component: %s", quote(netip.AddrPortFrom(d.Answered[0], uint16(p)).String()), quote(name+":"+strconv.Itoa(p))),
				", options: {module: tcp}")
		}
	}
	if len(all) > 0 {
		w.line("    targets:\n%s", strings.Join(all, "\n"))
	}
}

// address is a target's address where it is not the device's first and the
// usual port.
func (w *writer) address(d *topology.Device, a netip.AddrPort) string {
	const snmp = 161
	switch {
	case !a.IsValid() && !a.Addr().IsValid():
		return ""
	case a.Port() != 0 && a.Port() != snmp:
		return ", address: " + quote(a.String())
	case a.Addr() != d.Addresses[0]:
		return ", address: " + quote(a.Addr().String())
	}
	return ""
}

func options(version string, o map[string]string) string {
	all := []string{"version: " + strconv.Quote(version)}
	for _, k := range slices.Sorted(maps.Keys(o)) {
		all = append(all, k+": "+quote(o[k]))
	}
	return strings.Join(all, ", ")
}

// lines writes, as comments, the links between routers that may be a carrier's.
func (w *writer) lines() {
	kind := map[string]string{}
	for _, d := range w.Proposal.Devices {
		kind[d.ID] = d.Kind
	}
	first := true
	for _, l := range w.Proposal.Links {
		if l.Confidence != topology.Low || kind[l.A.Device] != "router" || kind[l.B.Device] != "router" || l.A.Port == "" || l.B.Port == "" {
			continue
		}
		if first {
			w.comment("These may be lines of a carrier. If so describe them so, and have the device beyond depend on the line:")
			w.comment("lines:")
			first = false
		}
		w.comment("- {id: \"CARRIER:%s-%s\", site: %s, carrier: CARRIER, role: main, a_end: {device: %s, interface: %s}, b_end: {device: %s, interface: %s}}",
			l.A.Device, l.B.Device, w.Site, l.A.Device, quote(l.A.Port), l.B.Device, quote(l.B.Port))
	}
}

func (w *writer) strangers() {
	if len(w.Proposal.Strangers) == 0 {
		return
	}
	w.comment("Neighbours that were heard and did not answer the sweep: add their network to it, or describe them by hand.")
	for _, s := range w.Proposal.Strangers {
		text := fmt.Sprintf("%s on port %s of %s", orNone(strings.TrimSpace(s.Name+" "+s.Chassis)), s.At.Port, s.At.Device)
		if len(s.Addresses) > 0 {
			text += ", address " + strings.Join(texts(s.Addresses), " ")
		}
		if s.Descr != "" {
			text += ": " + s.Descr
		}
		w.comment("- %s", text)
	}
}

func (w *writer) conflicts() {
	if len(w.Proposal.Conflicts) == 0 {
		return
	}
	w.comment("What does not go together:")
	for _, c := range w.Proposal.Conflicts {
		w.comment("- %s", c.Text)
	}
}

func texts(all []netip.Addr) []string {
	out := make([]string, len(all))
	for i, a := range all {
		out[i] = a.String()
	}
	return out
}

func list(all []string) string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = quote(s)
	}
	return strings.Join(out, ", ")
}

var (
	bare     = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_./-]*$`)
	keywords = regexp.MustCompile(`(?i)^(true|false|yes|no|on|off|y|n|null|nan|inf)$`)
)

// quote writes a text as YAML: bare where that cannot be misread, else between
// quotes as JSON has them, which YAML reads too.
func quote(s string) string {
	if a, err := netip.ParseAddr(s); err == nil && a.Is4() {
		return s
	}
	if bare.MatchString(s) && !keywords.MatchString(s) {
		return s
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return `""`
	}
	return strings.TrimSpace(b.String())
}
