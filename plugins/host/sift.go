package host

import (
	"regexp"
	"strings"
	"time"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// Bounds of what an input plugin may say, whatever its limits.
const (
	maxLabels     = 64
	maxLabelValue = 2048
	maxEventText  = 4096
	maxEvents     = 1000 // of one reading
	maxAttrs      = 64
	tooOld        = 2 * time.Hour
	tooNew        = 5 * time.Minute
)

var (
	metricForm = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)
	labelForm  = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
	// subject is what is measured of things; other names of ours are about
	// agent and collector themselves.
	subject = regexp.MustCompile(`^faultline_(sensor|device|database|processor|memory|storage|snmp|probe|ntp|dhcp|cgroup)_`)
)

// sieve takes what a plugin says of a target and hands on what can be true. It
// holds back what only the host itself may say, what is about another device,
// and what no store could keep. It is used from one goroutine.
type sieve struct {
	plugin  string
	target  base.Target
	devices bool // other devices may be spoken of
	now     time.Time
	limit   int // samples
	allow   func(n int) bool
	refuse  func(reason string, n int)
	to      input.Sink
	names   map[string]bool // metric names that were looked at
	taken   int
	events  int
	seen    int
}

// Sample implements input.Sink.
func (s *sieve) Sample(sm base.Sample) {
	if !s.room(1) {
		return
	}
	name := sm.Labels.Name()
	if reason := s.name(name); reason != "" {
		s.refuse(reason, 1)
		return
	}
	ls, reason := s.labels(sm.Labels, true)
	if reason == "" {
		reason = s.moment(sm.Time)
	}
	if reason == "" && base.IsMissing(sm.Value) {
		reason = "no value"
	}
	if reason != "" {
		s.refuse(reason, 1)
		return
	}
	s.taken++
	s.to.Sample(base.Sample{Labels: ls, Time: sm.Time, Value: sm.Value})
}

// Block implements input.Sink.
func (s *sieve) Block(b base.Block) {
	n := b.Len()
	if n == 0 || !s.room(n) {
		return
	}
	if !b.Whole() {
		s.refuse("malformed", n)
		return
	}
	if reason := s.block(&b); reason != "" {
		s.refuse(reason, n)
		return
	}
	s.taken += n
	s.to.Block(b)
}

// block is what is wrong with a block: a table is taken whole or not at all.
func (s *sieve) block(b *base.Block) string {
	own := make(map[string]bool, len(b.Names)+len(b.Infos))
	names := b.Names
	for i := range b.Infos {
		names = append(names[:len(names):len(names)], b.Infos[i].Name)
		if l := b.Infos[i].Label; !labelForm.MatchString(l) || s.identity(l) {
			return "label"
		}
		for _, t := range b.Infos[i].Texts {
			if len(t) > maxLabelValue {
				return "label too long"
			}
		}
	}
	for _, n := range names {
		if reason := s.name(n); reason != "" {
			return reason
		}
		if own[n] {
			return "column twice"
		}
		own[n] = true
	}
	rows := make(map[string]bool, len(b.Rows))
	for i := range b.Rows {
		ls, reason := s.labels(b.Rows[i].Labels, false)
		if reason == "" {
			reason = s.moment(b.Rows[i].Time)
		}
		key := rowKey(ls)
		if reason == "" && rows[key] {
			reason = "row twice"
		}
		if reason != "" {
			return reason
		}
		rows[key], b.Rows[i].Labels = true, ls
	}
	return ""
}

func rowKey(ls base.Labels) string {
	var b strings.Builder
	for _, l := range ls {
		b.WriteString(l.Name)
		b.WriteByte(0)
		b.WriteString(l.Value)
		b.WriteByte(0)
	}
	return b.String()
}

// room counts n samples and tells whether they may come in.
func (s *sieve) room(n int) bool {
	s.seen += n
	if s.seen > s.limit {
		s.refuse("too many", n)
		return false
	}
	if !s.allow(n) {
		s.refuse("too fast", n)
		return false
	}
	return true
}

// name is what is wrong with a metric's name.
func (s *sieve) name(n string) string {
	if s.names[n] {
		return ""
	}
	switch {
	case len(n) > 200 || !metricForm.MatchString(n):
		return "name"
	case n == "up" || strings.HasPrefix(n, "scrape_") || strings.HasPrefix(n, "ALERTS"), strings.HasPrefix(n, "faultline_") && !subject.MatchString(n):
		return "name of the host's own"
	}
	s.names[n] = true
	return ""
}

// identity tells whether a label says whose sample it is.
func (s *sieve) identity(name string) bool {
	switch name {
	case "agent", "site":
		return true
	case "device", "instance", "job":
		return !s.devices
	}
	return false
}

// labels returns the labels that are taken, sorted, or what is wrong with them.
// A label that names another device than the target's is the plugin's word
// against the inventory's: the whole sample is held back.
func (s *sieve) labels(ls base.Labels, named bool) (base.Labels, string) {
	if len(ls) > maxLabels {
		return nil, "too many labels"
	}
	out := make(base.Labels, 0, len(ls))
	for _, l := range ls {
		switch {
		case l.Name == base.MetricName && named:
		case l.Name == base.MetricName || !labelForm.MatchString(l.Name):
			return nil, "label"
		case len(l.Value) > maxLabelValue:
			return nil, "label too long"
		case l.Value == "":
			continue
		case s.identity(l.Name) && s.target.Labels[l.Name] != l.Value:
			return nil, "another's label"
		}
		out = append(out, l)
	}
	out.Sort()
	for i := 1; i < len(out); i++ {
		if out[i].Name == out[i-1].Name {
			return nil, "label twice"
		}
	}
	return out, ""
}

func (s *sieve) moment(ms int64) string {
	at := time.UnixMilli(ms)
	if at.Before(s.now.Add(-tooOld)) || at.After(s.now.Add(tooNew)) {
		return "time"
	}
	return ""
}

// Event implements input.Sink.
func (s *sieve) Event(e base.Event) {
	if s.events++; s.events > maxEvents {
		s.refuse("too many events", 1)
		return
	}
	if reason := s.event(&e); reason != "" {
		s.refuse(reason, 1)
		return
	}
	s.to.Event(e)
}

func (s *sieve) event(e *base.Event) string {
	if e.Device != "" && e.Device != s.target.Labels["device"] && !s.devices {
		return "another's event"
	}
	switch e.Kind {
	case base.EventState, base.EventTrap, base.EventSyslog, base.EventChange, base.EventRestart:
	case base.EventLastGasp, base.EventCheckDone: // only the agent itself says these
		return "event of the host's own"
	default:
		if !labelForm.MatchString(e.Kind) || len(e.Kind) > 64 {
			return "event kind"
		}
	}
	if len(e.Attrs) > maxAttrs || len(e.ID) > 200 || len(e.Component) > 200 {
		return "event too large"
	}
	for k, v := range e.Attrs {
		if len(k) > 100 || len(v) > maxEventText {
			return "event too large"
		}
	}
	if !e.At.IsZero() && s.moment(e.At.UnixMilli()) != "" {
		return "time"
	}
	e.Text = cut(e.Text, maxEventText)
	e.Agent, e.Site = "", s.target.Labels["site"]
	if e.ID != "" { // no plugin can make an event pass for one that is known already
		e.ID = strings.Join([]string{"plugin", s.plugin, e.Site, s.target.ID, e.ID}, "/")
	}
	return ""
}

// cut shortens a text to n bytes at most, at a whole character.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n-3], "") + "…"
}
