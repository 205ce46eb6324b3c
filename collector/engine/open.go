package engine

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/incident"
)

// openSet keeps the incidents that are not closed, oldest first, ready for ten
// thousand of them: a round and a tick walk along it without copying any. An
// incident it handed out never changes; a new version takes its place.
type openSet struct {
	byID  map[string]*entry
	order []*entry // by OpenedAt, then id
}

// entry is an incident and when its next timer is due, zero for none.
type entry struct {
	*incident.Incident
	due time.Time
}

func newOpenSet(list []incident.Incident) *openSet {
	s := &openSet{byID: make(map[string]*entry, len(list)), order: make([]*entry, 0, len(list))}
	for _, i := range list {
		o := &entry{&i, nextDue(i.Timers)}
		s.byID[i.ID], s.order = o, append(s.order, o)
	}
	slices.SortFunc(s.order, byOpening)
	return s
}

func byOpening(a, b *entry) int {
	return cmp.Or(a.OpenedAt.Compare(b.OpenedAt), strings.Compare(a.ID, b.ID))
}

func nextDue(timers []incident.Timer) time.Time {
	var due time.Time
	for _, t := range timers {
		if due.IsZero() || t.Due.Before(due) {
			due = t.Due
		}
	}
	return due
}

func (s *openSet) get(id string) (*incident.Incident, bool) {
	if o, ok := s.byID[id]; ok {
		return o.Incident, true
	}
	return nil, false
}

// put takes over a new version of an incident, and drops one that is closed.
func (s *openSet) put(i incident.Incident) {
	old, known := s.byID[i.ID]
	if known && i.Open() && old.OpenedAt.Equal(i.OpenedAt) {
		old.Incident, old.due = &i, nextDue(i.Timers)
		return
	}
	if known {
		n, _ := slices.BinarySearchFunc(s.order, old, byOpening)
		s.order = slices.Delete(s.order, n, n+1)
		delete(s.byID, i.ID)
	}
	if !i.Open() {
		return
	}
	o := &entry{&i, nextDue(i.Timers)}
	n, _ := slices.BinarySearchFunc(s.order, o, byOpening)
	s.byID[i.ID], s.order = o, slices.Insert(s.order, n, o)
}

// those returns the incidents of a kind, oldest first.
func (s *openSet) those(of func(*incident.Incident) bool) []*incident.Incident {
	out := make([]*incident.Incident, 0, len(s.order))
	for _, o := range s.order {
		if of(o.Incident) {
			out = append(out, o.Incident)
		}
	}
	return out
}

// overdue returns the ids of at most so many incidents with a timer that is due,
// the one that waits for longest first.
func (s *openSet) overdue(now time.Time, most int) []string {
	var late []*entry
	for _, o := range s.order {
		if !o.due.IsZero() && !o.due.After(now) {
			late = append(late, o)
		}
	}
	slices.SortFunc(late, func(a, b *entry) int { return cmp.Or(a.due.Compare(b.due), byOpening(a, b)) })
	ids := make([]string, 0, min(len(late), most))
	for _, o := range late[:min(len(late), most)] {
		ids = append(ids, o.ID)
	}
	return ids
}

func all(*incident.Incident) bool { return true }

// fault tells whether measurements speak about an incident: requests and changes
// are people's, and no alert joins or closes them; a drill's have evidence of
// their own (HandleDrill).
func fault(i *incident.Incident) bool {
	return i.Diagnosis.Class != incident.ClassRequest && i.Drill == ""
}

// ofDrill tells whether an incident is a drill's.
func ofDrill(id string) func(*incident.Incident) bool {
	return func(i *incident.Incident) bool { return i.Drill == id }
}
