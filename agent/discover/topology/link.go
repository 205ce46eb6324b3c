package topology

import (
	"fmt"
	"slices"
	"strings"
)

// join adds a sighting to the link that it is of, or makes one.
func (b *builder) join(s *sighting) {
	why := fmt.Sprintf("%s hears it by %s", s.a.label(), strings.ToUpper(s.n.Protocol))
	for _, l := range b.links {
		if l.a == s.a && l.b == s.b && fits(l.ai, l.A.Port, s.ai, s.at) && fits(l.bi, l.B.Port, s.bi, s.peer) {
			l.ai, l.bi, l.byA = one(l.ai, s.ai), one(l.bi, s.bi), true
			l.A.Port, l.B.Port = firstOf(l.A.Port, s.at), firstOf(l.B.Port, s.peer)
			l.because(why)
			return
		}
		if l.a == s.b && l.b == s.a && fits(l.bi, l.B.Port, s.ai, s.at) && fits(l.ai, l.A.Port, s.bi, s.peer) {
			l.bi, l.ai, l.byB = one(l.bi, s.ai), one(l.ai, s.bi), true
			l.B.Port, l.A.Port = firstOf(l.B.Port, s.at), firstOf(l.A.Port, s.peer)
			l.because(why)
			return
		}
	}
	b.links = append(b.links, &Link{a: s.a, b: s.b, ai: s.ai, bi: s.bi, byA: true, A: End{Port: s.at}, B: End{Port: s.peer}, Why: []string{why}})
}

// fits tells whether two views of a port can be the same: what one does not know
// fits anything.
func fits(xi int, x string, yi int, y string) bool {
	switch {
	case xi != 0 && yi != 0:
		return xi == yi
	case x == "" || y == "" || xi != 0 || yi != 0:
		return true
	}
	return strings.EqualFold(x, y)
}

func one(x, y int) int {
	if x != 0 {
		return x
	}
	return y
}

func (l *Link) because(why string) {
	if !slices.Contains(l.Why, why) {
		l.Why = append(l.Why, why)
	}
}

// port is one device's port, by ifIndex or by text.
type port struct {
	d     *Device
	index int
	text  string
}

func portOf(d *Device, index int, text string) port {
	if index != 0 {
		text = ""
	}
	return port{d, index, strings.ToLower(text)}
}

// crowds marks links whose port hears several others: something between passes
// LLDP or CDP on. CDP through a switch that speaks only LLDP is known to do so.
func (b *builder) crowds(seen []*sighting) {
	type voice struct{ by map[string]map[any]bool }
	ports := map[port]*voice{}
	note := func(p port, protocol string, who any) {
		if ports[p] == nil {
			ports[p] = &voice{map[string]map[any]bool{}}
		}
		if ports[p].by[protocol] == nil {
			ports[p].by[protocol] = map[any]bool{}
		}
		ports[p].by[protocol][who] = true
	}
	for _, s := range seen {
		note(portOf(s.a, s.ai, s.at), s.n.Protocol, s.b)
	}
	for i := range b.strangers {
		st := &b.strangers[i]
		note(portOf(st.at, st.at.facts.byText(st.At.Port), st.At.Port), st.Protocol, i)
	}
	for _, l := range b.links {
		for _, end := range []struct {
			p     port
			other *Device
		}{{portOf(l.a, l.ai, l.A.Port), l.b}, {portOf(l.b, l.bi, l.B.Port), l.a}} {
			v := ports[end.p]
			if v == nil {
				continue
			}
			lldp, cdp := v.by["lldp"], v.by["cdp"]
			l.shared = l.shared || len(lldp) > 1 || len(cdp) > 1
			l.beyond = l.beyond || len(lldp) > 0 && !lldp[end.other] && cdp[end.other]
		}
	}
}

// judge gives a link its confidence.
func (l *Link) judge() {
	both := l.byA && l.byB
	switch {
	case l.beyond:
		l.Confidence = Low
		l.because("LLDP hears another on this port: it stands behind that")
	case l.shared && both:
		l.Confidence = Medium
		l.because("several are heard on one port: something between passes LLDP or CDP on")
	case l.shared:
		l.Confidence = Low
		l.because("several are heard on one port: something between passes LLDP or CDP on")
	case both:
		l.Confidence = High
	default:
		l.Confidence = Medium
	}
}

// contradictions lowers links whose other end hears somebody else on that port.
func (b *builder) contradictions() {
	for _, l := range b.links {
		if l.byA && l.byB || l.shared || l.beyond {
			continue
		}
		far, fi, from, at := l.b, l.bi, l.a, l.ai
		farText, fromText := l.B.Port, l.A.Port
		if l.byB {
			far, fi, from, at, farText, fromText = l.a, l.ai, l.b, l.bi, l.A.Port, l.B.Port
		}
		if fi == 0 {
			continue
		}
		if other := b.heardOn(far, fi, from); other != "" {
			l.Confidence = Low
			l.because("the other end hears another there")
			b.conflict("port", []*Device{from, far}, "%s says that its port %s leads to port %s of %s; %s hears %s there",
				from.label(), from.portName(at, fromText), far.portName(fi, farText), far.label(), far.label(), other)
		}
	}
}

// heardOn returns whom a device hears on a port, one device excepted; "": nobody.
func (b *builder) heardOn(d *Device, index int, except *Device) string {
	for _, l := range b.links {
		if l.beyond {
			continue
		}
		if l.byA && l.a == d && l.ai == index && l.b != except {
			return l.b.label()
		}
		if l.byB && l.b == d && l.bi == index && l.a != except {
			return l.a.label()
		}
	}
	for i := range b.strangers {
		if st := &b.strangers[i]; st.at == d && d.facts.byText(st.At.Port) == index {
			return firstOf(st.Name, st.Chassis, "a stranger")
		}
	}
	return ""
}
