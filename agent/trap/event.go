package trap

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/plugins/base"
)

// origin is whom a notification is from.
type origin struct {
	device Device
	known  bool
	sender netip.Addr
	source netip.Addr // the sender, or whom a relay speaks for
}

// writer makes events of notifications.
type writer struct {
	names func() *profile.Notifications
	agent string
	newID func() string
}

// newWriter makes a writer that reads the profiles when it needs them.
func newWriter(o *Options) *writer {
	w := &writer{names: func() *profile.Notifications { return o.Notifications }, agent: o.Agent, newID: o.NewID}
	if dirs, log := o.Profiles, o.Logger; o.Notifications == nil && len(dirs) > 0 {
		w.names = sync.OnceValue(func() *profile.Notifications {
			for ; len(dirs) > 0; dirs = dirs[:len(dirs)-1] {
				n, err := profile.LoadNotifications(dirs...)
				if err == nil {
					return n
				}
				log.Error("notifications are named without the last directory of profiles", "directories", len(dirs), "err", err)
			}
			return nil
		})
	}
	return w
}

// event makes the event of a notification that was received at a time.
func (w *writer) event(n *notice, o origin, at time.Time) base.Event {
	oid := n.oid.String()
	names := w.names()
	known := names.Find(oid)
	v := readValues(n, names, known)
	e := base.Event{ID: w.newID(), Kind: base.EventTrap, At: at, Agent: w.agent, Site: o.device.Site, Device: o.device.ID, Component: o.device.Component, Attrs: v.attrs}
	set := func(name, value string) {
		if value != "" {
			e.Attrs[name] = value
		}
	}
	set("oid", cut(oid, false))
	set("source", o.source.String())
	set("version", n.version.String())
	set("enterprise", cut(n.enterprise.String(), false))
	if o.source != o.sender {
		set("relay", o.sender.String())
	} else if n.claimed.IsValid() && n.claimed != o.sender {
		set("agent_address", n.claimed.String())
	}
	for _, name := range []string{"ifName", "ifDescr"} {
		if e.Attrs["interface"] == "" {
			set("interface", v.get(name))
		}
	}
	if n.inform {
		set("inform", "true")
	} else { // of the sender; an inform names ours
		set("engine", hex.EncodeToString([]byte(n.engine)))
	}
	if n.incomplete {
		set("incomplete", "true")
	}
	if n.omitted > 0 {
		set("omitted", strconv.Itoa(n.omitted))
	}
	if known == nil {
		set("severity", profile.SeverityInfo)
		e.Text = "notification " + cut(oid, false) + v.sample()
		return e
	}
	set("name", known.Name)
	set("severity", known.State(v.rawText))
	set("clears", strings.Join(known.Clears, ","))
	if e.Text = cut(known.Text.Expand(v.get), false); e.Text == "" {
		e.Text = known.Name + v.sample()
	}
	return e
}

// values are the variable bindings of one notification in words.
type values struct {
	attrs map[string]string
	index map[string]string // instances by name
	raw   map[string]string // texts before they are mapped
	order []string          // attributes as they came
}

func readValues(n *notice, names *profile.Notifications, known *profile.Notification) *values {
	v := &values{attrs: make(map[string]string, len(n.binds)+10), index: map[string]string{}, raw: map[string]string{}}
	for _, b := range n.binds {
		oid := string(snmp.AppendOID(nil, b.oid[:min(len(b.oid), longestOID)]))
		name, index, as := names.Value(known, oid)
		format := ""
		if as != nil {
			format = as.Format
		}
		raw := text(b.value, format)
		v.put(name, index, oid, raw, as.Text(raw))
	}
	return v
}

// put notes one. The first of a name is called so, more by their instances too.
func (v *values) put(name, index, oid, raw, shown string) {
	if name == "" {
		name = cut(oid, false)
	}
	if _, twice := v.index[name]; twice {
		name += "." + index
	} else {
		v.index[name], v.raw[name] = index, raw
	}
	if _, twice := v.attrs[name]; twice || slices.Contains(profile.ReservedAttrs, name) {
		return
	}
	v.attrs[name] = shown
	v.order = append(v.order, name)
}

// get returns a value's text, or with .index behind its name the instance.
func (v *values) get(name string) string {
	if of, ok := strings.CutSuffix(name, ".index"); ok {
		return cut(v.index[of], false)
	}
	return v.attrs[name]
}

// rawText returns a value's text before it is mapped.
func (v *values) rawText(name string) string { return v.raw[name] }

// sample is what the first values say, for a notification without words of its
// own.
func (v *values) sample() string {
	var parts []string
	for _, name := range v.order {
		if len(parts) == 4 {
			break
		}
		value := v.attrs[name]
		switch {
		case value == "":
		case name[0] >= '0' && name[0] <= '9':
			parts = append(parts, value)
		default:
			parts = append(parts, name+" "+value)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + cut(strings.Join(parts, ", "), false)
}

// debt is what was suppressed and not yet said.
type debt struct {
	source  sourceID
	device  Device
	count   int
	sources int // 0: of the one source
	since   time.Time
	last    string // name of the last one
}

// summary makes the event that says how many notifications were suppressed.
func (w *writer) summary(d debt, at time.Time) base.Event {
	e := base.Event{ID: w.newID(), Kind: base.EventTrap, At: at, Agent: w.agent, Site: d.device.Site, Device: d.device.ID, Component: d.device.Component}
	seconds := max(at.Sub(d.since).Round(time.Second), time.Second)
	e.Attrs = map[string]string{"name": "notificationsSuppressed", "severity": profile.SeverityWarning,
		"suppressed": strconv.Itoa(d.count), "seconds": strconv.Itoa(int(seconds / time.Second))}
	from := fmt.Sprintf("%d sources", d.sources)
	if d.sources == 0 {
		source := d.source.sender
		if d.source.origin.IsValid() {
			source = d.source.origin
			e.Attrs["relay"] = d.source.sender.String()
		}
		e.Attrs["source"], from = source.String(), source.String()
	}
	e.Text = fmt.Sprintf("%d notifications of %s suppressed in %s: more than are taken of one source or of all; the last was %s", d.count, from, seconds, d.last)
	return e
}
