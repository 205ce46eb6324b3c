package evidence

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/collector/truth"
	"github.com/faultline/faultline/plugins/base"
)

// flapWindow is the time within which changes of truth are counted.
const flapWindow = 2 * time.Minute

// Options configure a Store. Elements and Now are required.
type Options struct {
	Elements   *Elements
	Horizon    time.Duration // a reading older than this is unknown; default 20 s
	Retain     time.Duration // a reading older than this is forgotten; default 7 days
	Max        int           // readings kept at most; further subjects are counted and not kept; default 500 000
	Now        func() time.Time
	Turned     func()                // told that a reading turned bad or is no longer bad; must not block; nil: nobody
	Registerer prometheus.Registerer // nil: no metrics
}

// Store takes samples and events and keeps the latest reading of each element.
// It is safe for concurrent use.
type Store struct {
	o        Options
	refused  prometheus.Counter
	readings prometheus.Gauge

	elements atomic.Pointer[Elements]

	mu    sync.RWMutex // guards cells and what they hold
	cells map[Key]*cell
	parts map[subject]map[string]string // how samples call a part, by the number they give it
}

// cell is what is kept of one key.
type cell struct {
	Reading
	history
	told map[string]time.Time // by attribute: the moment its value is of; nil: none
}

// New makes a Store.
func New(o Options) (*Store, error) {
	if o.Elements == nil || o.Now == nil {
		return nil, errors.New("evidence options: elements and now are required")
	}
	if o.Horizon <= 0 {
		o.Horizon = 20 * time.Second
	}
	if o.Retain <= 0 {
		o.Retain = 7 * 24 * time.Hour
	}
	if o.Max <= 0 {
		o.Max = 500_000
	}
	if o.Turned == nil {
		o.Turned = func() {}
	}
	s := &Store{o: o, cells: map[Key]*cell{}, parts: map[subject]map[string]string{},
		refused: prometheus.NewCounter(prometheus.CounterOpts{Name: "faultline_evidence_refused_total",
			Help: "Readings not kept because the store is full."}),
		readings: prometheus.NewGauge(prometheus.GaugeOpts{Name: "faultline_evidence_readings", Help: "Readings kept."}),
	}
	s.elements.Store(o.Elements)
	if o.Registerer != nil {
		o.Registerer.MustRegister(s.refused, s.readings)
	}
	return s, nil
}

// SetElements replaces what samples are evidence of. Readings stay; those that
// no element renews any more grow old.
func (s *Store) SetElements(e *Elements) { s.elements.Store(e) }

// Feed takes samples measured by the agent. Metrics that are no evidence cost
// one map look-up. Samples older than what is known correct the past where nothing
// was seen, and nothing else.
func (s *Store) Feed(agent string, series []metricstore.Series) {
	elements := s.elements.Load()
	for i := range series {
		maps := elements.byMetric[series[i].Labels.Name()]
		points := measured(series[i].Points)
		if len(maps) == 0 || len(points) == 0 {
			continue
		}
		for _, m := range maps {
			if k, ok := m.key(series[i].Labels); ok {
				if agent != "" {
					k.Vantage = agent
				}
				s.take(k, m, series[i].Labels.Get(m.Index), points)
			}
		}
	}
}

// measured leaves out what says that a series ended: nobody measured that, and a
// reading that nobody renews grows old by itself.
func measured(points []metricstore.Point) []metricstore.Point {
	ended := func(p metricstore.Point) bool { return base.IsStale(p.V) }
	if !slices.ContainsFunc(points, ended) {
		return points
	}
	return slices.DeleteFunc(slices.Clone(points), ended)
}

func (s *Store) take(k Key, m *mapping, number string, points []metricstore.Point) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.cellLocked(k)
	if c == nil {
		return
	}
	if number != "" {
		s.numberLocked(k, number)
	}
	for _, p := range points {
		if m.Attr != "" {
			if at := s.clamp(time.UnixMilli(p.T)); !at.Before(c.told[m.Attr]) {
				c.tellAttr(m.Attr, strconv.FormatFloat(p.V*m.Scale, 'g', -1, 64), at)
			}
			continue
		}
		t, v := m.judge(p.V, p.T)
		s.observeLocked(c, t, v, s.clamp(time.UnixMilli(p.T)))
	}
}

// numberLocked remembers the number of a part.
func (s *Store) numberLocked(k Key, number string) {
	at := subject{k.Element, k.Subject}
	if s.parts[at][number] == k.Component {
		return
	}
	if s.parts[at] == nil {
		s.parts[at] = map[string]string{}
	}
	s.parts[at][number] = k.Component
}

// clamp takes a moment ahead of our clock for now: a sender's fast clock must
// not make its later samples look late.
func (s *Store) clamp(at time.Time) time.Time {
	if now := s.o.Now(); at.After(now) {
		return now.UTC()
	}
	return at.UTC()
}

func (s *Store) cellLocked(k Key) *cell {
	c := s.cells[k]
	if c != nil {
		return c
	}
	if len(s.cells) >= s.o.Max {
		s.refused.Inc()
		return nil
	}
	c = &cell{}
	s.cells[k] = c
	s.readings.Set(float64(len(s.cells)))
	return c
}

// observeLocked takes one reading and tells when it turned the truth from or to bad.
func (s *Store) observeLocked(c *cell, t truth.Truth, v float64, at time.Time) {
	was := c.Truth
	c.observe(t, v, at, s.o.Horizon)
	if c.Truth != was && (c.Truth == truth.Bad || was == truth.Bad) {
		s.o.Turned()
	}
}

// observe takes one reading. An unknown one says nothing about the truth, a late
// one only about its own time.
func (c *cell) observe(t truth.Truth, v float64, at time.Time, silence time.Duration) {
	switch {
	case t == truth.Unknown || at.Equal(c.At):
		return
	case at.Before(c.At):
		c.late(t, at, silence)
	default:
		c.newest(t, at, silence)
		c.At, c.Value = at, v
	}
	c.read(&c.Reading)
}

// tellAttr sets an attribute to what it was at a moment.
func (c *cell) tellAttr(name, value string, at time.Time) {
	if c.told == nil {
		c.told = map[string]time.Time{}
	}
	c.told[name] = at
	c.setAttr(name, value)
}

// setAttr replaces the map, since views share it.
func (c *cell) setAttr(name, value string) {
	if c.Attrs[name] == value {
		return
	}
	m := maps.Clone(c.Attrs)
	if m == nil {
		m = map[string]string{}
	}
	m[name] = value
	c.Attrs = m
}

// Snapshot returns the picture at now and forgets readings nobody renewed for
// the time to retain.
func (s *Store) Snapshot(now time.Time) View {
	v := &view{now: now, horizon: s.o.Horizon, readings: map[Key]Reading{}, index: map[subject][]Key{}}
	s.mu.Lock()
	for k, c := range s.cells {
		if !c.At.IsZero() && now.Sub(c.At) > s.o.Retain {
			delete(s.cells, k)
			delete(s.parts, subject{k.Element, k.Subject}) // those that live say their number again
			continue
		}
		r := c.Reading
		r.Changes = c.changes(now.Add(-flapWindow))
		v.readings[k] = r
	}
	s.readings.Set(float64(len(s.cells)))
	s.mu.Unlock()
	for k := range v.readings {
		at := subject{k.Element, k.Subject}
		v.index[at] = append(v.index[at], k)
	}
	return v
}

// subject is what a View is indexed by.
type subject struct{ element, name string }

// view is a consistent copy of the readings.
type view struct {
	now      time.Time
	horizon  time.Duration
	readings map[Key]Reading
	index    map[subject][]Key
}

// Now is the moment of the picture.
func (v *view) Now() time.Time { return v.now }

// Get returns the reading; see View.
func (v *view) Get(k Key) Reading {
	r := v.readings[k]
	if r.Truth != truth.Unknown && v.now.Sub(r.At) > v.horizon {
		r.Before, r.BeforeAt, r.BeforeSince = r.Truth, r.At, r.Since
		r.Truth, r.Since = truth.Unknown, r.At.Add(v.horizon)
	}
	return r
}

// Find returns the matching keys, sorted.
func (v *view) Find(p Key) []Key {
	var out []Key
	fits := func(want, have string) bool { return want == "" || want == have }
	take := func(keys []Key) {
		for _, k := range keys {
			if fits(p.Component, k.Component) && fits(p.Vantage, k.Vantage) {
				out = append(out, k)
			}
		}
	}
	if p.Element != "" && p.Subject != "" {
		take(v.index[subject{p.Element, p.Subject}])
	} else {
		for at, keys := range v.index {
			if fits(p.Element, at.element) && fits(p.Subject, at.name) {
				take(keys)
			}
		}
	}
	slices.SortFunc(out, compareKeys)
	return out
}

func compareKeys(a, b Key) int {
	for _, p := range [][2]string{{a.Element, b.Element}, {a.Subject, b.Subject}, {a.Component, b.Component}, {a.Vantage, b.Vantage}} {
		if c := strings.Compare(p[0], p[1]); c != 0 {
			return c
		}
	}
	return 0
}
