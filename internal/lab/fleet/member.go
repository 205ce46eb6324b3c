package fleet

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/faultline/faultline/agent/control"
	agentenrol "github.com/faultline/faultline/agent/enrol"
	"github.com/faultline/faultline/agent/link"
	"github.com/faultline/faultline/agent/spool"
	"github.com/faultline/faultline/agent/uplink"
	"github.com/faultline/faultline/internal/selfmetric"
	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
)

// mark is a metric that every agent has once; the others are called value.
const (
	mark  = "fleet_mark"
	value = "fleet_value"
)

// flushPace is the agent's own (agent/app).
const flushPace = 100 * time.Millisecond

// member is one agent without its inputs: identity, spool, uplink and long poll
// are the agent's own. What it measures is made up.
type member struct {
	name, site, dir string
	spool           *spool.Spool
	reg             *selfmetric.Registry
	enc             wire.SampleEncoder
	samples         []base.Sample

	mu      sync.Mutex  // guards the fields below
	taken   int         // samples that the spool took
	newest  time.Time   // of them
	waiting []time.Time // live rounds that the collector does not show yet
	told    bool        // the long poll brought its work
}

func newMember(i, sites, series int, dir string) *member {
	m := &member{name: fmt.Sprintf("agent-%d", i), site: fmt.Sprintf("branch-%d", i%sites), dir: filepath.Join(dir, strconv.Itoa(i))}
	for n := range series - 1 {
		m.samples = append(m.samples, base.Sample{Labels: base.LabelsFrom(value, map[string]string{"n": strconv.Itoa(n)})})
	}
	m.samples = append(m.samples, base.Sample{Labels: base.LabelsFrom(mark, nil)})
	return m
}

// eventID is the id of the member's event number i.
func (m *member) eventID(i int) string { return fmt.Sprintf("%s/fleet/%d", m.name, i) }

// fill measures through a cut that begins at begin and leaves it on disk, with an
// event every ten minutes; it returns how many.
func (m *member) fill(begin, end time.Time, interval time.Duration) (events int, err error) {
	at := begin
	s, err := spool.Open(spool.Options{Dir: filepath.Join(m.dir, "spool"), Now: func() time.Time { return at }})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for ; at.Before(end); at = at.Add(interval) {
		if err := m.measure(s, at); err != nil {
			return events, err
		}
		if at.Sub(begin) >= time.Duration(events)*10*time.Minute {
			if err := m.event(s, at, events); err != nil {
				return events, err
			}
			events++
		}
	}
	return events, nil
}

// measure appends one round; every value moves.
func (m *member) measure(s *spool.Spool, at time.Time) error {
	at = at.Truncate(time.Millisecond)
	for i := range m.samples {
		m.samples[i].Time = at.UnixMilli()
		m.samples[i].Value += float64(i%7) + 1
	}
	b, err := m.enc.Encode(base.Batch{Samples: m.samples})
	if err != nil {
		return err
	}
	if err := s.Append(spool.Samples, b); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.taken, m.newest = m.taken+len(m.samples), at
	return nil
}

func (m *member) event(s *spool.Spool, at time.Time, i int) error {
	b, err := wire.EncodeEvents([]base.Event{{ID: m.eventID(i), Kind: base.EventTrap, At: at, Text: "told during the cut"}})
	if err != nil {
		return err
	}
	return s.Append(spool.Events, b)
}

// open opens what fill left, as an agent that starts does.
func (m *member) open() (err error) {
	m.reg = selfmetric.NewRegistry()
	m.spool, err = spool.Open(spool.Options{Dir: filepath.Join(m.dir, "spool"), Pace: flushPace, Registerer: m.reg})
	return err
}

// run connects and sends, and measures every interval, until ctx ends.
func (m *member) run(ctx context.Context, offset, interval time.Duration, measuring context.Context) error {
	id, err := agentenrol.Open(m.dir)
	if err != nil {
		return err
	}
	client, err := link.New(link.Options{URL: collectorOf(id), Credential: id})
	if err != nil {
		return err
	}
	up, err := uplink.New(uplink.Options{Spool: m.spool, Link: client, BacklogRate: 20_000, Registerer: m.reg}) // 20,000 is the agent's default
	if err != nil {
		return err
	}
	poll, err := control.New(control.Options{Link: client, Dir: m.dir, OnWork: func(wire.Work) error {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.told = true
		return nil
	}})
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return up.Run(ctx) })
	g.Go(func() error { return poll.Run(ctx) })
	g.Go(func() error { return m.live(measuring, offset, interval) })
	return g.Wait()
}

func collectorOf(id *agentenrol.Identity) string {
	address, _ := id.URL()
	return address
}

// live measures until ctx ends.
func (m *member) live(ctx context.Context, offset, interval time.Duration) error {
	t := time.NewTimer(offset)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		at := time.Now().Truncate(time.Millisecond)
		t.Reset(interval)
		m.mu.Lock()
		m.waiting = append(m.waiting, at)
		m.mu.Unlock()
		if err := m.measure(m.spool, at); err != nil {
			return err
		}
	}
}

// shown tells that the collector shows the mark of a time, and returns how long
// each round until then took.
func (m *member) shown(at, now time.Time) (took []time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, w := range m.waiting {
		if w.After(at) {
			break
		}
		took = append(took, now.Sub(w))
		n++
	}
	m.waiting = m.waiting[n:]
	return took
}

// sent is how many samples the collector said it wrote.
func (m *member) sent() int {
	sum := 0.0
	for _, f := range m.reg.Gather() {
		if f.Name == "faultline_uplink_sent_samples_total" {
			for _, s := range f.Metrics {
				sum += s.Value()
			}
		}
	}
	return int(sum)
}

// answers counts the answers of a status to requests of all ways.
func (m *member) answers(status string) int {
	n := 0.0
	for line := range strings.Lines(string(m.reg.Text())) {
		if series, count, _ := strings.Cut(strings.TrimSpace(line), "} "); strings.HasPrefix(series, "faultline_uplink_requests_total{") && strings.Contains(series, fmt.Sprintf("status=%q", status)) {
			v, err := strconv.ParseFloat(count, 64)
			if err != nil {
				continue
			}
			n += v
		}
	}
	return int(n)
}
