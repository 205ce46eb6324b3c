package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	agentenrol "github.com/faultline/faultline/agent/enrol"
	"github.com/faultline/faultline/collector/enrol"
	"github.com/faultline/faultline/collector/sqlstore"
)

// ReconnectOptions say how many agents come back and with what.
type ReconnectOptions struct {
	Collector CollectorOptions // Inventory is filled in
	Dir       string           // for the agents
	Agents    int
	Series    int           // of each
	Cut       time.Duration // how long nothing could be sent
	Interval  time.Duration // between measurements
	Live      time.Duration // how long they go on at least, once they are back; zero: three intervals
	Patience  time.Duration // for draining; zero: 20 minutes
}

// Figures are what was counted.
type Figures struct {
	Agents             int
	Backlog, Lived     int // samples in the spools when the line came back, and measured since
	Lost, Twice        int // samples that the collector does not have, or has beyond what was measured
	Events, EventsLost int
	Told               int // agents whose long poll brought their work

	Ready, NotReady         int // how often readiness was asked, and not answered by 200
	ReadyP50, ReadyWorst    time.Duration
	Rounds, Unseen          int // live rounds the collector showed, and those it never did
	LiveP50, LiveP99        time.Duration
	LiveWorst               time.Duration
	Fill, Back, Drain       time.Duration // Back: until every agent had something accepted
	Requests, Again, Silent int           // answers that took samples, those that asked for patience, none at all
	CPU                     time.Duration // of the collector meanwhile
	RSS                     int64         // of the collector at most, bytes
}

// sitesOf is how many sites a number of agents is spread over.
func sitesOf(agents int) int { return max(1, (agents+4)/5) }

// inventory has a head office and branches, and agents that measure nothing that
// the collector hands out.
func inventory(agents int) []byte {
	b := []byte("company: Fleet\nsites:\n  - {id: hq, name: {zh-CN: 总公司, en: Head office}, kind: hq}\n")
	for i := range sitesOf(agents) {
		b = fmt.Appendf(b, "  - {id: branch-%[1]d, name: {zh-CN: 分公司 %[1]d, en: Branch %[1]d}, kind: branch}\n", i)
	}
	b = append(b, "devices:\n"...)
	for i := range agents {
		b = fmt.Appendf(b, "  - {id: srv-%[1]d, name: {zh-CN: 服务器 %[1]d, en: Server %[1]d}, site: branch-%[2]d, kind: server, addresses: [10.%[3]d.%[4]d.7]}\n", i, i%sitesOf(agents), 1+i/200, i%200)
	}
	b = append(b, "agents:\n"...)
	for i := range agents {
		b = fmt.Appendf(b, "  - {id: agent-%[1]d, site: branch-%[2]d, device: srv-%[1]d}\n", i, i%sitesOf(agents))
	}
	return b
}

// reconnect is one run of Reconnect.
type reconnect struct {
	o       ReconnectOptions
	c       *Collector
	begin   time.Time // of the cut
	members []*member
	f       Figures

	mu    sync.Mutex // guards the fields below
	ready []time.Duration
	live  []time.Duration
}

// Reconnect starts the collector, enrols the agents, lets each measure through a
// cut that ends now, and lets all come back at one moment. It returns when
// everything that was kept has been sent, having counted what the collector has.
func Reconnect(ctx context.Context, o ReconnectOptions) (f Figures, err error) {
	o.Live, o.Patience = cmp.Or(o.Live, 3*o.Interval), cmp.Or(o.Patience, 20*time.Minute)
	o.Collector.Inventory = inventory(o.Agents)
	r := &reconnect{o: o}
	r.f.Agents = o.Agents
	for i := range o.Agents {
		r.members = append(r.members, newMember(i, sitesOf(o.Agents), o.Series, filepath.Join(o.Dir, "agents")))
	}
	if r.c, err = StartCollector(ctx, o.Collector); err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, r.c.Stop()) }()
	if err := r.enrol(ctx); err != nil {
		return f, fmt.Errorf("enrol: %w", err)
	}
	if err := r.fill(ctx); err != nil {
		return f, fmt.Errorf("fill the spools: %w", err)
	}
	if err := r.back(ctx); err != nil {
		return r.f, fmt.Errorf("%w; the collector's log ends with %s", err, r.c.Log(3000))
	}
	return r.f, r.count(ctx)
}

// each does something for all agents, some at once.
func (r *reconnect) each(ctx context.Context, atOnce int, do func(context.Context, *member) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, m := range r.members {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := do(ctx, m); err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// enrol lets every agent in by a token of its own, over the wire.
func (r *reconnect) enrol(ctx context.Context) error {
	store, err := sqlstore.Open(ctx, sqlstore.Options{URL: r.c.Database})
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	authority, err := enrol.OpenAuthority(filepath.Join(r.c.Data, "authority"), time.Now(), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	none := ""
	return r.each(ctx, 4, func(ctx context.Context, m *member) error {
		token, err := enrol.IssueToken(ctx, store, authority, enrol.NewToken{Site: m.site, Agent: m.name, Actor: "fleet"}, time.Now())
		if err != nil {
			return err
		}
		_, err = agentenrol.Enrol(ctx, agentenrol.Options{URL: r.c.AgentsURL, Token: token, Dir: m.dir, Machine: &none, Host: m.name})
		return err
	})
}

// fill measures through the cut and opens what is left of it.
func (r *reconnect) fill(ctx context.Context) error {
	started := time.Now()
	r.begin = started.Add(-r.o.Cut).Truncate(time.Millisecond)
	err := r.each(ctx, 16, func(_ context.Context, m *member) error {
		n, err := m.fill(r.begin, r.begin.Add(r.o.Cut), r.o.Interval)
		if err != nil {
			return err
		}
		r.mu.Lock()
		r.f.Events, r.f.Backlog = r.f.Events+n, r.f.Backlog+m.taken
		r.mu.Unlock()
		return m.open()
	})
	r.f.Fill = time.Since(started)
	return err
}

// back lets all agents come back at once, watches the collector, and returns when
// nothing more waits and the agents have ended.
func (r *reconnect) back(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.o.Patience)
	defer cancel()
	before, err := r.c.CPU()
	if err != nil {
		return err
	}
	started := time.Now()
	running, stop := context.WithCancel(ctx)
	measuring, enough := context.WithCancel(running)
	var watchers, agents errgroup.Group
	watching, look := context.WithCancel(ctx)
	watchers.Go(func() error { return r.watchReady(watching) })
	watchers.Go(func() error { return r.watchLive(watching) })
	for i, m := range r.members {
		offset := r.o.Interval * time.Duration(i) / time.Duration(len(r.members))
		agents.Go(func() error {
			if err := m.run(running, offset, r.o.Interval, measuring); err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
			return nil
		})
	}
	err = r.drained(ctx, started, enough)
	look()
	err = errors.Join(err, watchers.Wait())
	stop()
	err = errors.Join(err, agents.Wait())
	enough()
	for _, m := range r.members {
		err = errors.Join(err, m.spool.Close())
	}
	after, errCPU := r.c.CPU()
	r.f.CPU = after - before
	r.f.RSS, _ = r.c.RSS()
	r.sum()
	return errors.Join(err, errCPU)
}

// drained waits until all have sent all, stops the measuring when the backlog is
// gone, and waits until the last round has arrived too.
func (r *reconnect) drained(ctx context.Context, started time.Time, enough func()) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for done := false; ; {
		waiting, silent := 0, 0
		for _, m := range r.members {
			sent := m.sent()
			if sent == 0 {
				silent++
			}
			m.mu.Lock()
			// Before the end the newest rounds may be on their way.
			if left := m.taken - sent; left > 0 && (done || left > 2*len(m.samples)) {
				waiting++
			}
			m.mu.Unlock()
		}
		if silent == 0 && r.f.Back == 0 {
			r.f.Back = time.Since(started)
		}
		switch {
		case waiting > 0 || silent > 0 || time.Since(started) < r.o.Live:
		case !done:
			done, r.f.Drain = true, time.Since(started)
			enough()
		case r.allShown():
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d agents have not sent all, %d nothing: %w", waiting, silent, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// allShown tells whether no live round waits to be shown.
func (r *reconnect) allShown() bool {
	return !slices.ContainsFunc(r.members, func(m *member) bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return len(m.waiting) > 0
	})
}

// watchReady asks over and over whether the collector is ready.
func (r *reconnect) watchReady(ctx context.Context) error {
	for ctx.Err() == nil {
		begin := time.Now()
		_, err := r.c.Call(context.WithoutCancel(ctx), http.MethodGet, "/-/ready", nil)
		r.mu.Lock()
		r.ready = append(r.ready, time.Since(begin))
		if err != nil {
			r.f.NotReady++
		}
		r.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

// watchLive looks again and again at the newest time of each agent's mark.
func (r *reconnect) watchLive(ctx context.Context) error {
	for ctx.Err() == nil {
		found, err := r.c.Query(ctx, "timestamp("+mark+")", "agent")
		if err != nil && ctx.Err() == nil {
			return err
		}
		now := time.Now()
		for _, m := range r.members {
			if at, ok := found[m.name]; ok {
				took := m.shown(time.UnixMilli(int64(at*1000+0.5)), now)
				r.mu.Lock()
				r.live = append(r.live, took...)
				r.mu.Unlock()
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(300 * time.Millisecond):
		}
	}
	return nil
}

// sum makes figures of what was watched.
func (r *reconnect) sum() {
	quantile := func(all []time.Duration, q float64) time.Duration {
		if len(all) == 0 {
			return 0
		}
		slices.Sort(all)
		return all[int(q*float64(len(all)-1))]
	}
	r.f.Ready, r.f.Rounds = len(r.ready), len(r.live)
	r.f.ReadyP50, r.f.ReadyWorst = quantile(r.ready, 0.5), quantile(r.ready, 1)
	r.f.LiveP50, r.f.LiveP99, r.f.LiveWorst = quantile(r.live, 0.5), quantile(r.live, 0.99), quantile(r.live, 1)
	total := 0
	for _, m := range r.members {
		total, r.f.Unseen = total+m.taken, r.f.Unseen+len(m.waiting)
		if m.told {
			r.f.Told++
		}
		r.f.Requests += m.answers("2xx")
		r.f.Again += m.answers("503") + m.answers("429")
		r.f.Silent += m.answers("none")
	}
	r.f.Lived = total - r.f.Backlog
}

// count compares what the collector has with what was measured, agent by agent.
func (r *reconnect) count(ctx context.Context) error {
	span := int((time.Since(r.begin) + time.Hour).Seconds())
	err := r.each(ctx, 2, func(ctx context.Context, m *member) error {
		found, err := r.c.Query(ctx, fmt.Sprintf(`sum by (agent) (count_over_time({agent=%q,site=%q,__name__=~"%s|%s"}[%ds]))`, m.name, m.site, mark, value, span), "agent")
		if err != nil {
			return err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		missing := m.taken - int(found[m.name])
		r.f.Lost, r.f.Twice = r.f.Lost+max(missing, 0), r.f.Twice+max(-missing, 0)
		return nil
	})
	if err != nil {
		return err
	}
	store, err := sqlstore.Open(ctx, sqlstore.Options{URL: r.c.Database})
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	events, err := store.AgentEvents(ctx, r.begin.Add(-time.Hour), time.Now().Add(time.Hour), 1_000_000)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, e := range events {
		there[e.ID+" "+e.Agent+" "+e.Site] = true
	}
	each := r.f.Events / len(r.members)
	for _, m := range r.members {
		for i := range each { // all have the same number
			if !there[m.eventID(i)+" "+m.name+" "+m.site] {
				r.f.EventsLost++
			}
		}
	}
	return nil
}
