package scenario

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/plugins/base"
)

// heartbeatVantage is who says whether agents are alive: the collector itself.
const heartbeatVantage = "collector"

// epoch is when every story begins: a Monday morning, so that working clocks run.
var epoch = time.Date(2026, 1, 5, 1, 0, 0, 0, time.UTC)

// world is a story being played: agents measure the simulated company, what they
// measure travels to the collector when there is a way, and the judge looks at it.
type world struct {
	s     *Scenario
	net   *network
	judge *judge
	start time.Time
	now   time.Time

	polls  []*poll
	kept   map[string][]metricstore.Series // by agent: what has not reached the collector
	late   []delivery                      // what is on its way after a cut
	done   map[int]bool                    // events told
	active time.Time                       // until when every second is looked at
}

// poll is the state of one target.
type poll struct {
	agent  inventory.Agent
	target base.Target
	every  time.Duration
	next   time.Time
}

// delivery is an agent's backlog.
type delivery struct {
	at     time.Time
	agent  string
	series []metricstore.Series
}

// quietStart is how long the company runs before the story begins.
func (s *Scenario) quietStart() time.Duration {
	for _, t := range s.Timeline {
		if len(t.Slow) > 0 {
			return 4 * time.Minute
		}
	}
	return 30 * time.Second
}

// newWorld makes a world that has not begun. clock tells its present to what may
// ask from another goroutine; nil: nobody does.
func newWorld(s *Scenario, rules *Rules, dir string, clock func() time.Time) (*world, error) {
	w := &world{s: s, start: s.begins(), kept: map[string][]metricstore.Series{}, done: map[int]bool{}}
	w.now = w.start.Add(-s.quietStart())
	w.net = newNetwork(s.inv, s.Timeline, w.start, s.Run.Duration)
	if clock == nil {
		clock = func() time.Time { return w.now }
	}
	var err error
	if w.judge, err = newJudge(s, rules, dir, clock); err != nil {
		return nil, err
	}
	for _, a := range s.inv.Agents {
		work, _ := s.inv.Work(a.ID)
		for _, target := range work.Targets {
			if !s.measures(a, target) {
				continue
			}
			every := s.Poll.Duration
			h := fnv.New32a()
			_, _ = h.Write([]byte(a.ID + " " + target.ID))
			offset := time.Duration(h.Sum32()%uint32(every/time.Millisecond)) * time.Millisecond
			w.polls = append(w.polls, &poll{agent: a, target: target, every: every, next: w.now.Add(offset)})
		}
	}
	return w, nil
}

// watch is for how long after a change every second is judged; while nothing
// changes and nothing is under way, every idle-th is.
const (
	watch = 25 * time.Second
	idle  = 5 * time.Second
)

// play lets the world go on to the story's end; look is called after each round.
func (w *world) play(ctx context.Context, look func(at time.Duration) error) error {
	for ; !w.now.After(w.start.Add(w.s.Run.Duration)); w.now = w.now.Add(time.Second) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.second(); err != nil {
			return err
		}
		at := w.now.Sub(w.start)
		if w.resting(at) {
			continue
		}
		if err := w.judge.round(ctx); err != nil {
			return fmt.Errorf("at %s: %w", at, err)
		}
		if err := look(at); err != nil {
			return err
		}
	}
	return nil
}

// second lets everything happen that happens in the company in this second.
func (w *world) second() error {
	if w.net.advance(w.now) {
		w.active = w.now.Add(watch)
	}
	for _, p := range w.polls {
		w.poll(p)
	}
	w.tell()
	return w.deliver()
}

// resting tells whether this second may be left out.
func (w *world) resting(at time.Duration) bool {
	whole := at%idle == 0
	if at < -idle {
		return !whole
	}
	asked := slices.ContainsFunc(w.s.Expect, func(e Expectation) bool { return e.At.Duration == at })
	return !whole && !asked && w.now.After(w.active) && !w.judge.busy()
}

// poll measures a target when it is due: every interval, and a second after a
// failure.
func (w *world) poll(p *poll) {
	if p.next.After(w.now) {
		return
	}
	stopped := w.net.is(func(s *Step) []string { return s.Stopped }, p.agent.ID)
	hung := w.net.is(func(s *Step) []string { return s.Hung }, p.agent.ID)
	if stopped && !w.net.off[p.agent.Device] && w.net.way(p.agent.Device, w.net.collector()) { // nobody closes what is cut or has no power
		w.judge.alive.Connected(p.agent.ID, false)
	}
	if w.net.off[p.agent.Device] || stopped || hung {
		p.next = w.now.Add(time.Second)
		return
	}
	series, ok := w.net.measure(p.agent, p.target)
	p.next = p.next.Add(p.every)
	if !ok {
		p.next = w.now.Add(time.Second)
	}
	if p.target.Input == "host" {
		series = append(series, w.written(p.agent.ID)...)
	}
	w.kept[p.agent.ID] = append(w.kept[p.agent.ID], series...)
}

// written are the samples that steps in force add for an agent.
func (w *world) written(agent string) []metricstore.Series {
	var out []metricstore.Series
	for _, s := range w.net.on {
		for _, a := range s.add {
			if a.labels["agent"] == agent {
				out = append(out, sampleOf(a.name, a.labels, a.at(w.now.Sub(w.start.Add(s.At.Duration))), w.now))
			}
		}
	}
	return out
}

// tell hands out the events whose time has come.
func (w *world) tell() {
	for i := range w.s.Timeline {
		t := &w.s.Timeline[i]
		if t.Event != nil && !w.done[i] && !w.now.Before(w.start.Add(t.At.Duration)) {
			w.done[i] = true
			w.judge.evidence.FeedEvent(t.event(w.now, fmt.Sprintf("event-%d", i)))
		}
	}
}

// deliver sends what agents have when there is a way to the collector: what was
// just measured at once, what piled up during a cut a while later.
func (w *world) deliver() error {
	hq := w.net.collector()
	for _, a := range w.s.inv.Agents {
		held := w.net.is(func(s *Step) []string { return s.Held }, a.ID)
		if len(w.kept[a.ID]) == 0 || w.net.off[a.Device] || held || !w.net.way(a.Device, hq) {
			continue
		}
		live, old := parted(w.kept[a.ID], w.now.Add(-w.s.Poll.Duration))
		delete(w.kept, a.ID)
		if len(old) > 0 {
			w.late = append(w.late, delivery{at: w.now.Add(w.s.Spooled.Duration), agent: a.ID, series: old})
			w.active = w.now.Add(w.s.Spooled.Duration + watch)
		}
		w.judge.alive.Connected(a.ID, true)
		if err := w.judge.feed(a.ID, live); err != nil {
			return err
		}
	}
	for len(w.late) > 0 && !w.late[0].at.After(w.now) {
		if err := w.judge.feed(w.late[0].agent, w.late[0].series); err != nil {
			return err
		}
		w.late = w.late[1:]
	}
	return w.judge.feed(heartbeatVantage, w.judge.alive.Series())
}

// parted parts samples into those newer than a moment and the others.
func parted(all []metricstore.Series, from time.Time) (live, old []metricstore.Series) {
	for _, s := range all {
		if s.Points[0].T > from.UnixMilli() {
			live = append(live, s)
		} else {
			old = append(old, s)
		}
	}
	return live, old
}
