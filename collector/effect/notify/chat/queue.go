package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/faultline/faultline/collector/effect/notify/budget"
	"github.com/faultline/faultline/collector/effect/notify/robot"
	"github.com/faultline/faultline/plugins/ticket"
)

// maxWaiting bounds the notices that wait for one robot; more stay with the
// sender, which keeps them on disk as well.
const maxWaiting = 5000

// maxDone bounds the keys of notices said already that are remembered.
const maxDone = 2000

// entry is a notice that waits.
type entry struct {
	Notice
	name  string // in the store
	fails int    // final refusals since this start
}

// wrong tells whether the robot called the notice wrong often enough.
func (e *entry) wrong() bool { return e.fails >= maxFinal }

// memory is what a robot's next life has to know; it is stored before and after
// every message.
type memory struct {
	Budget budget.State `json:"budget"`
	Begun  []string     `json:"begun,omitempty"` // keys of the message under way
	Maybe  []string     `json:"maybe,omitempty"` // keys that may have been said
	Done   []string     `json:"done,omitempty"`  // keys said last, oldest first
	Ill    string       `json:"ill,omitempty"`   // problem of the present episode of refusals or failures
	Since  time.Time    `json:"since,omitzero"`  // when it began
	Told   bool         `json:"told,omitempty"`  // the alarm of the episode was taken
	Bye    bool         `json:"bye,omitempty"`   // the end of an episode is still to be told
}

// speaker is one robot.
type speaker struct {
	set  robot.Settings
	o    *Options
	m    *metrics
	wake chan struct{} // capacity 1: something new waits

	tokens robot.Tokens // of apps
	busy   sync.Mutex   // one step at a time
	tries  int          // failed messages in a row; guarded by busy
	hold   time.Time    // not before, after a failure; guarded by busy

	mu      sync.Mutex // guards the fields below
	open    bool       // what waits has been read
	waiting map[string]*entry
	mem     memory
	done    map[string]bool      // mem.Done
	lately  map[string]time.Time // by words: when they were accepted last
	swept   time.Time            // when lately was cleaned
}

func newSpeaker(set robot.Settings, o *Options, m *metrics) *speaker {
	return &speaker{set: set, o: o, m: m, wake: make(chan struct{}, 1), waiting: map[string]*entry{}, done: map[string]bool{}, lately: map[string]time.Time{}}
}

// names in the store. The robot's name is escaped by its length, so that no
// name is another's prefix.
func (s *speaker) prefix() string {
	return fmt.Sprintf("chat/%d/%s/", len(s.set.Name), s.set.Name)
}
func (s *speaker) memoryName() string           { return s.prefix() + "memory" }
func (s *speaker) noticeName(key string) string { return s.prefix() + "notice/" + key }
func (s *speaker) isNotice(name string) bool    { return strings.HasPrefix(name, s.prefix()+"notice/") }
func (s *speaker) limits() (l budget.Limits)    { return limitsOf(s.set.Limits()) }
func limitsOf(l robot.Limits) (out budget.Limits) {
	return budget.Limits{PerMinute: l.PerMinute, Reserve: l.Reserve, Digests: l.Digests, Gap: l.Gap, Mute: l.Mute}
}

// accept stores a notice.
func (s *speaker) accept(ctx context.Context, n Notice) error {
	s.mu.Lock()
	switch {
	case !s.open:
		s.mu.Unlock()
		return &ticket.Error{Op: "chat", Retryable: true, Err: errors.New("robots do not speak on this collector at the moment")}
	case s.waiting[n.Key] != nil || s.done[n.Key], s.echoLocked(n):
		s.mu.Unlock()
		return nil
	case len(s.waiting) >= maxWaiting:
		s.mu.Unlock()
		s.m.full.WithLabelValues(s.set.Name).Inc()
		return &ticket.Error{Op: "chat", Retryable: true, Err: fmt.Errorf("%d notices wait for robot %s already", maxWaiting, s.set.Name)}
	}
	s.mu.Unlock()
	b, err := json.Marshal(n)
	if err == nil {
		err = s.o.Store.KVPut(ctx, s.noticeName(n.Key), string(b))
	}
	if err != nil {
		return &ticket.Error{Op: "chat", Retryable: true, Err: fmt.Errorf("keep notice for robot %s: %w", s.set.Name, err)}
	}
	s.mu.Lock()
	s.waiting[n.Key] = &entry{Notice: n, name: s.noticeName(n.Key)}
	s.lately[n.words()] = s.o.Now()
	s.showLocked()
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return nil
}

// echoFor is how long a group is not told the same words on one incident again:
// a group that serves several roles hears of each step once.
const echoFor = 2 * time.Minute

// echoLocked tells whether the group was told these words of the incident just
// now, and forgets older ones.
func (s *speaker) echoLocked(n Notice) bool {
	now := s.o.Now()
	old := func(_ string, at time.Time) bool { return now.Sub(at) >= echoFor || at.After(now) }
	if now.Sub(s.swept) >= echoFor || now.Before(s.swept) {
		maps.DeleteFunc(s.lately, old)
		s.swept = now
	}
	at, told := s.lately[n.words()]
	return told && !old("", at) && n.Number != "" && !n.Repeat
}

// words is what people see of a notice.
func (n Notice) words() string { return n.Number + "\n" + n.Title + "\n" + n.Text }

// load reads what waits. A message that was under way may have arrived.
func (s *speaker) load(ctx context.Context) error {
	kept, err := s.o.Store.KVList(ctx, s.prefix())
	if err != nil {
		return fmt.Errorf("read what waits for robot %s: %w", s.set.Name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mem, s.waiting, s.done = memory{}, map[string]*entry{}, map[string]bool{}
	if raw, ok := kept[s.memoryName()]; ok {
		if err := json.Unmarshal([]byte(raw), &s.mem); err != nil {
			s.o.Logger.Error("memory of a robot is unreadable and begins anew", "robot", s.set.Name, "err", err)
		}
	}
	for _, k := range s.mem.Done {
		s.done[k] = true
	}
	s.mem.Maybe, s.mem.Begun = append(s.mem.Maybe, s.mem.Begun...), nil
	var stale []string
	for name, raw := range kept {
		if !s.isNotice(name) {
			continue
		}
		e := &entry{name: name}
		if err := json.Unmarshal([]byte(raw), &e.Notice); err != nil {
			s.o.Logger.Error("notice is unreadable", "robot", s.set.Name, "name", name, "err", err)
			continue
		}
		if s.done[e.Key] { // said, and not deleted any more
			stale = append(stale, name)
			continue
		}
		e.Repeat = e.Repeat || slices.Contains(s.mem.Maybe, e.Key)
		s.waiting[e.Key] = e
	}
	s.open = true
	s.showLocked()
	if len(stale) > 0 {
		return s.o.Store.KVDelete(ctx, stale...)
	}
	return nil
}

// shut makes the speaker take nothing until the next load.
func (s *speaker) shut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = false
}

// censusLocked counts what waits, and tells whether the robot called any of it
// wrong often enough.
func (s *speaker) censusLocked() (urgent, other int, wrong bool) {
	for _, e := range s.waiting {
		if e.urgent() {
			urgent++
		} else {
			other++
		}
		wrong = wrong || e.wrong()
	}
	return urgent, other, wrong
}

// lanesLocked returns what waits, urgent and other, oldest first; what the robot
// keeps calling wrong comes last, so that it is in nobody's way.
func (s *speaker) lanesLocked() (urgent, other []*entry) {
	for e := range maps.Values(s.waiting) {
		if e.urgent() {
			urgent = append(urgent, e)
		} else {
			other = append(other, e)
		}
	}
	older := func(a, b *entry) int {
		if a.wrong() != b.wrong() {
			return map[bool]int{false: -1, true: 1}[a.wrong()]
		}
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return strings.Compare(a.Key, b.Key)
	}
	slices.SortFunc(urgent, older)
	slices.SortFunc(other, older)
	return urgent, other
}

// save stores the memory.
func (s *speaker) save(ctx context.Context) error {
	s.mu.Lock()
	b, err := json.Marshal(s.mem)
	s.mu.Unlock()
	if err == nil {
		err = s.fenced(ctx)
	}
	if err == nil {
		err = s.o.Store.KVPut(ctx, s.memoryName(), string(b))
	}
	if err != nil {
		s.m.store.WithLabelValues(s.set.Name).Inc()
		return fmt.Errorf("keep the memory of robot %s: %w", s.set.Name, err)
	}
	return nil
}

// forget drops notices that were told.
func (s *speaker) forget(ctx context.Context, batch []*entry) error {
	names := make([]string, len(batch))
	s.mu.Lock()
	for i, e := range batch {
		names[i] = e.name
		delete(s.waiting, e.Key)
	}
	s.showLocked()
	s.mu.Unlock()
	if err := s.o.Store.KVDelete(ctx, names...); err != nil {
		s.m.store.WithLabelValues(s.set.Name).Inc()
		return fmt.Errorf("forget notices of robot %s: %w", s.set.Name, err) // load finds their keys among Done
	}
	return nil
}

// rememberLocked notes keys as said.
func (s *speaker) rememberLocked(batch []*entry) {
	for _, e := range batch {
		s.done[e.Key] = true
		s.mem.Done = append(s.mem.Done, e.Key)
	}
	for len(s.mem.Done) > maxDone {
		delete(s.done, s.mem.Done[0])
		s.mem.Done = s.mem.Done[1:]
	}
	said := func(k string) bool { return s.done[k] }
	s.mem.Maybe = slices.DeleteFunc(s.mem.Maybe, said)
}

func (s *speaker) showLocked() {
	s.m.waiting.WithLabelValues(s.set.Name).Set(float64(len(s.waiting)))
	ill := 0.0
	if s.mem.Ill != "" {
		ill = 1
	}
	s.m.muted.WithLabelValues(s.set.Name).Set(ill)
}
