package evidence

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/faultline/faultline/collector/truth"
	"github.com/faultline/faultline/plugins/base"
)

// signal says what a notification of a device is evidence of. Its truth is of
// the moment it was sent; the measurement it causes overrules it.
type signal struct {
	Trap      string            `yaml:"trap"`      // regexp on the notification's name
	Element   string            `yaml:"element"`   //
	Component string            `yaml:"component"` // attribute that names the part; "" for the whole
	Index     string            `yaml:"index"`     // attribute with the part's number, for senders that do not name it
	Named     bool              `yaml:"named"`     // the part is the notification's name, or each of those it clears
	Bad       []string          `yaml:"bad"`       // severities by which it is bad; any other is ok
	Attrs     map[string]string `yaml:"attrs"`     // attribute of the reading → attribute of the event
	As        map[string]string `yaml:"as"`        // how their values are written in readings

	trap *regexp.Regexp
	line int
}

// UnmarshalYAML keeps the line the signal stands in.
func (g *signal) UnmarshalYAML(node ast.Node) error {
	type plain signal
	if err := yaml.NodeToValue(node, (*plain)(g), yaml.Strict()); err != nil {
		return err
	}
	g.line = node.GetToken().Position.Line
	return nil
}

func (g *signal) check(words map[string]Words) error {
	var faults []error
	if _, ok := words[g.Element]; !ok {
		faults = append(faults, fmt.Errorf("element %q has no words", g.Element))
	}
	var err error
	if g.trap, err = regexp.Compile(g.Trap); err != nil || g.Trap == "" {
		faults = append(faults, fmt.Errorf("trap %q: want a regular expression", g.Trap))
	}
	if g.Named && g.Component != "" {
		faults = append(faults, errors.New("component and named exclude each other"))
	}
	if len(g.Bad) == 0 {
		faults = append(faults, errors.New("bad is missing: by which severities"))
	}
	return errors.Join(faults...)
}

// FeedEvent takes an event that states a truth: a change seen by an agent, a log
// line or notification of a device, or the last words of an agent that expects to
// vanish. Other events say nothing here.
func (s *Store) FeedEvent(e base.Event) {
	switch e.Kind {
	case base.EventState, base.EventSyslog:
		s.stated(e)
	case base.EventTrap:
		for _, g := range s.elements.Load().signals {
			if e.Device != "" && g.trap.MatchString(e.Attrs["name"]) {
				s.signalled(g, e)
				return
			}
		}
	case base.EventLastGasp:
		s.state(Key{Element: LastGasp, Subject: e.Agent, Vantage: e.Agent}, truth.Bad, 1, e.Attrs["reason"], nil, e)
	}
}

// stated takes an event that says itself what it is evidence of.
func (s *Store) stated(e base.Event) {
	var t truth.Truth
	if t.UnmarshalText([]byte(e.Attrs["truth"])) != nil || e.Attrs["element"] == "" || e.Device == "" {
		return
	}
	v, err := strconv.ParseFloat(e.Attrs["value"], 64)
	if err != nil {
		v = math.NaN()
	}
	k := Key{Element: e.Attrs["element"], Subject: e.Device, Component: e.Component, Vantage: e.Agent}
	reason, attrs := e.Attrs["reason"], map[string]string(nil)
	if e.Kind == base.EventSyslog {
		reason = e.Attrs["pattern"]
		k.Component = s.partOf(k, "")
		if k.Element == Port { // the line may be about a port that was shut: its admin status is not what it was
			attrs = map[string]string{"admin": ""}
		}
	}
	s.state(k, t, v, reason, attrs, e)
}

// signalled takes a notification as its rule says.
func (s *Store) signalled(g *signal, e base.Event) {
	t := truth.OK
	if slices.Contains(g.Bad, e.Attrs["severity"]) {
		t = truth.Bad
	}
	attrs := map[string]string{}
	for name, from := range g.Attrs {
		v := e.Attrs[from]
		if as, ok := g.As[v]; ok {
			v = as
		}
		attrs[name] = v
	}
	parts := []string{e.Component}
	switch {
	case g.Named && t == truth.OK && e.Attrs["clears"] != "":
		parts = strings.Split(e.Attrs["clears"], ",")
	case g.Named:
		parts = []string{e.Attrs["name"]}
	case g.Component != "":
		parts = []string{e.Attrs[g.Component]}
	}
	for _, part := range parts {
		k := Key{Element: g.Element, Subject: e.Device, Component: part, Vantage: e.Agent}
		if g.Component != "" {
			if k.Component = s.partOf(k, e.Attrs[g.Index]); k.Component == "" {
				continue // of an unknown part
			}
		}
		s.state(k, t, math.NaN(), "trap "+e.Attrs["name"], attrs, e)
	}
}

// partOf finds how samples call the part that an event names in its own way: by
// its number, by its name, or by a longer or shorter form of that
// (GigabitEthernet0/1 for Gi0/1). A part that no sample knows keeps its name.
func (s *Store) partOf(k Key, index string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	at := subject{k.Element, k.Subject}
	if name := s.parts[at][index]; index != "" && name != "" {
		return name
	}
	if k.Component == "" || s.cells[k] != nil {
		return k.Component
	}
	for _, name := range s.parts[at] {
		if sameInterface(name, k.Component) {
			return name
		}
	}
	return k.Component
}

// sameInterface tells whether two names are one interface's: equal numbers, and
// one's letters begin the other's.
func sameInterface(a, b string) bool {
	split := func(s string) (letters, numbers string) {
		i := strings.IndexAny(s, "0123456789")
		if i <= 0 {
			return s, ""
		}
		return strings.ToLower(strings.TrimRight(s[:i], " -")), s[i:]
	}
	al, an := split(a)
	bl, bn := split(b)
	return an != "" && an == bn && (strings.HasPrefix(al, bl) || strings.HasPrefix(bl, al))
}

// state takes one reading that an event stated. Attributes that the event leaves
// empty are no longer known.
func (s *Store) state(k Key, t truth.Truth, v float64, reason string, attrs map[string]string, e base.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.cellLocked(k)
	if c == nil {
		return
	}
	if math.IsNaN(v) {
		v = c.Value
	}
	at := s.clamp(e.At)
	if at.Before(c.At) { // held back on its way: something newer is known
		s.observeLocked(c, t, v, at)
		return
	}
	s.observeLocked(c, t, v, at)
	if reason != "" {
		c.setAttr("reason", reason)
	}
	for name, value := range attrs {
		c.setAttr(name, value)
	}
}
