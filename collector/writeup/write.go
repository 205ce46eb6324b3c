package writeup

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/lang"
)

// writer writes one document's chapters.
type writer struct {
	View
	events   []incident.Event
	now      time.Time
	language string
}

// say returns the words of the key in the document's language.
func (w *writer) say(key string, args ...any) string {
	t, ok := words[key]
	if !ok {
		return key
	}
	if len(args) == 0 {
		return t.In(w.language)
	}
	return fmt.Sprintf(t.In(w.language), args...)
}

func (w *writer) text(t lang.Text) string { return t.In(w.language) }

// time writes a moment in the reader's zone, with the zone.
func (w *writer) time(t time.Time) string {
	if t.IsZero() {
		return w.say("none")
	}
	t = t.In(w.Zone)
	return t.Format("2006-01-02 15:04:05 -07:00")
}

// length writes a duration in hours and minutes.
func (w *writer) length(d time.Duration) string {
	m := int64(d.Round(time.Minute) / time.Minute)
	return w.say("length", m/60, m%60)
}

func (w *writer) section(id string) Section { return Section{ID: id, Title: w.say("section." + id)} }

// fact adds a line, unless there is nothing to say.
func (w *writer) fact(s *Section, key, value string) {
	if value != "" {
		s.Facts = append(s.Facts, [2]string{w.say(key), value})
	}
}

// when is time and place.
func (w *writer) when() Section {
	i, s := w.Incident, w.section("when")
	w.fact(&s, "number", i.Number)
	w.fact(&s, "subject", w.text(i.Diagnosis.Title))
	w.fact(&s, "place", w.place())
	w.fact(&s, "thing", w.name(i.Diagnosis.Device)+component(i.Diagnosis.Component))
	w.fact(&s, "circuit", i.Diagnosis.Circuit)
	w.fact(&s, "class", w.word("class", i.Diagnosis.Class))
	w.fact(&s, "severity", w.word("severity", i.Severity))
	w.fact(&s, "fault_at", w.time(i.FaultAt))
	w.fact(&s, "opened_at", w.time(i.OpenedAt))
	if i.Acked {
		w.fact(&s, "acked_by", w.actor(i.AckedBy))
	}
	for _, end := range []struct {
		key string
		at  time.Time
	}{{"recovered_at", i.RecoveredAt}, {"verified_at", i.VerifiedAt}, {"closed_at", i.ClosedAt}} {
		if !end.at.IsZero() {
			w.fact(&s, end.key, w.time(end.at))
		}
	}
	if to, over := ended(i); over {
		w.fact(&s, "lasted", w.length(to.Sub(i.FaultAt)))
	} else {
		w.fact(&s, "lasts", w.length(w.now.Sub(i.FaultAt)))
	}
	return s
}

func component(name string) string {
	if name == "" {
		return ""
	}
	return " · " + name
}

// ended is when the fault was over, as far as is known.
func ended(i incident.Incident) (time.Time, bool) {
	for _, at := range []time.Time{i.RecoveredAt, i.VerifiedAt, i.ClosedAt} {
		if !at.IsZero() {
			return at, true
		}
	}
	return time.Time{}, false
}

func (w *writer) place() string {
	if t := w.text(w.Place); t != "" {
		return t
	}
	return w.Incident.Diagnosis.Site
}

// name is what people call a site, line or device, with its inventory name.
func (w *writer) name(id string) string {
	if w.Name == nil || id == "" {
		return id
	}
	if _, t := w.Name(id); w.text(t) != "" && w.text(t) != id {
		return w.text(t) + " (" + id + ")"
	}
	return id
}

// symptoms are what was seen before anybody acted: alerts and what people wrote.
func (w *writer) symptoms() Section {
	s := w.section("symptoms")
	seen := map[string]bool{}
	add := func(t string) {
		if t = strings.TrimSpace(t); t != "" && !seen[t] {
			seen[t] = true
			s.Paragraphs = append(s.Paragraphs, t)
		}
	}
	for _, e := range w.events {
		switch e.Kind {
		case incident.Opened:
			if e.Comment != "" {
				add(w.say("reported", w.actor(e.Actor), e.Comment))
			}
		case incident.AlertJoined:
			add(w.alert(*e.Alert))
		case incident.AlertsJoined:
			for _, a := range e.Alerts {
				add(w.alert(a))
			}
		}
	}
	const most = 40 // of a storm; the rest are in the console
	if n := len(s.Paragraphs); n > most {
		s.Paragraphs = append(s.Paragraphs[:most], w.say("more", n-most))
	}
	return s
}

func (w *writer) alert(a incident.AlertRef) string {
	t := w.text(a.Summary)
	if t == "" {
		t = a.Name
	}
	if !a.Since.IsZero() {
		t += " (" + w.time(a.Since) + ")"
	}
	return t
}

// scope is what was unreachable or down because of it.
func (w *writer) scope() Section {
	s := w.section("scope")
	by := map[string][]string{}
	for _, id := range w.Incident.Diagnosis.Affected {
		kind := "device"
		if w.Name != nil {
			if k, _ := w.Name(id); k != "" {
				kind = k
			}
		}
		by[kind] = append(by[kind], w.name(id))
	}
	for _, kind := range []string{"site", "line", "device"} {
		if list := by[kind]; len(list) > 0 {
			w.fact(&s, "affected."+kind, w.say("list", len(list), strings.Join(list, w.say("separator"))))
		}
	}
	if len(w.Incident.Diagnosis.Affected) == 0 {
		w.fact(&s, "affected.device", w.say("nothing_else"))
	}
	if w.Users > 0 {
		w.fact(&s, "users", strconv.Itoa(w.Users))
	} else {
		w.fact(&s, "users", w.say("unknown"))
	}
	if n := len(w.Incident.Children); n > 0 {
		w.fact(&s, "children", strconv.Itoa(n))
	}
	return s
}

// measured is the evidence of the diagnosis as it stood.
func (w *writer) measured() Section {
	d, s := w.Incident.Diagnosis, w.section("measured")
	if p := w.text(d.Proof); p != "" {
		s.Paragraphs = append(s.Paragraphs, p)
	}
	if d.Provisional {
		s.Paragraphs = append(s.Paragraphs, strings.TrimSpace(w.say("provisional")+" "+w.text(d.Decides)))
	}
	s.Head = []string{w.say("col.subject"), w.say("col.state"), w.say("col.says"), w.say("col.at")}
	for _, o := range d.Evidence {
		value := w.text(o.Text)
		if o.Value != nil && o.Unit != "" { // without one it is a state, which the words say
			value = strings.TrimSpace(fmt.Sprintf("%s %.4g %s", value, *o.Value, o.Unit))
		}
		s.Rows = append(s.Rows, []string{w.name(o.Subject), w.word("truth", o.Truth), value, w.time(o.At)})
	}
	for _, e := range slices.Backward(w.events) {
		if e.Kind == incident.Verified && !e.Proof.IsZero() {
			s.Paragraphs = append(s.Paragraphs, w.say("proof")+w.text(e.Proof))
			break
		}
	}
	if len(s.Rows) == 0 {
		s.Head = nil
	}
	return s
}

// cause is what the measurements say, and what people found.
func (w *writer) cause() Section {
	s := w.field(FieldCause)
	s.Facts = append(s.Facts, [2]string{w.say("by_measurement"), w.text(w.Incident.Diagnosis.Title)})
	if i := w.Incident; i.FirstClass != "" && i.FirstClass != i.Diagnosis.Class {
		w.fact(&s, "first_class", w.word("class", i.FirstClass))
	}
	return s
}

// field is a chapter that a person writes.
func (w *writer) field(name string) Section {
	s := w.section(name)
	s.Field = name
	if t := strings.TrimSpace(w.Fields[name]); t != "" {
		s.Paragraphs = strings.Split(strings.ReplaceAll(t, "\r\n", "\n"), "\n")
		return s
	}
	s.Empty = true
	return s
}

// word is the word for one of a set of values; one without a word stays as it is.
func (w *writer) word(set, value string) string {
	if _, ok := words[set+"."+value]; ok {
		return w.say(set + "." + value)
	}
	return value
}
