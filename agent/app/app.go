// Package app builds an agent from its configuration and runs it. It is the
// only package of the agent that knows all the others.
package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	agentconfig "github.com/faultline/faultline/agent/config"
	"github.com/faultline/faultline/agent/control"
	"github.com/faultline/faultline/agent/enrol"
	"github.com/faultline/faultline/agent/input/backup"
	"github.com/faultline/faultline/agent/input/file"
	"github.com/faultline/faultline/agent/input/host"
	"github.com/faultline/faultline/agent/input/ipmi"
	"github.com/faultline/faultline/agent/input/modbus"
	"github.com/faultline/faultline/agent/input/probe"
	"github.com/faultline/faultline/agent/input/redfish"
	"github.com/faultline/faultline/agent/input/scrape"
	"github.com/faultline/faultline/agent/input/snmp"
	"github.com/faultline/faultline/agent/input/textfile"
	"github.com/faultline/faultline/agent/input/ups"
	"github.com/faultline/faultline/agent/link"
	"github.com/faultline/faultline/agent/schedule"
	"github.com/faultline/faultline/agent/spool"
	"github.com/faultline/faultline/agent/trap"
	"github.com/faultline/faultline/agent/uplink"
	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/internal/selfmetric"
	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/bundled/config"
	"github.com/faultline/faultline/plugins/bundled/database"
	"github.com/faultline/faultline/plugins/host/meter"
	"github.com/faultline/faultline/plugins/host/pipe"
	"github.com/faultline/faultline/plugins/input"
	shipped "github.com/faultline/faultline/rules/profiles"
)

// flushPace is how often samples are flushed to disk and sent at most: the polls
// of many targets share a flush and a request.
const flushPace = 100 * time.Millisecond

// idleEncoders is how many encoders of batches are kept.
const idleEncoders = 2

// Options are what the program brings besides its configuration.
type Options struct {
	Logger  *slog.Logger
	Version string
	Replace Replacer // replaces the program when head office wants so; nil: never
}

// App is a built agent.
type App struct {
	cfg      agentconfig.Config
	log      *slog.Logger
	reg      *selfmetric.Registry
	data     *os.File // lock on the data directory
	inputs   map[string]input.Input
	spool    *spool.Spool
	schedule *schedule.Scheduler
	uplink   *uplink.Uplink
	control  *control.Control
	link     *link.Client
	identity *enrol.Identity        // nil: the agent has a token
	plugins  *pipe.Client           // inputs in programs of their own; without any it does nothing
	lost     *selfmetric.CounterVec // what could not be spooled, by lane

	encoders chan *wire.SampleEncoder // idle ones: a sync.Pool loses them at every collection of garbage

	version string
	began   time.Time
	watch   watchers // of what is measured

	hear    receivers
	lines   *lines // what the input log reads
	authors authors
	traps   trapSeries

	file     agentconfig.Config // as its file says
	settings *wire.Settings     // of head office, laid below it
	replace  Replacer           // nil: the program is not replaced from here
	told     chan struct{}      // capacity 1: there is something new to say of this agent
	cancel   context.CancelCauseFunc
	updates  sync.WaitGroup

	mu      sync.Mutex             // guards the fields below
	handed  []base.Target          // what the collector handed out last
	names   map[string]trap.Device // devices by name
	inputOf map[string]string      // of targets, by id
	checks  sync.WaitGroup

	endUpdate context.CancelFunc // of the release being prepared; nil: none
	since     time.Time          // when the work in force came in force
	accepted  uint64             // requests accepted then
}

// New builds an agent; nothing is measured or sent before Run.
func New(cfg agentconfig.Config, o Options) (*App, error) {
	file := cfg
	settings, err := handed(cfg.Data)
	if err != nil {
		o.Logger.Error("settings of head office are left out", "err", err)
	}
	if cfg, err = withHanded(cfg, settings); err != nil {
		o.Logger.Error("settings of head office are left out", "err", err)
		cfg, settings = file, nil
	}
	a := &App{cfg: cfg, file: file, settings: settings, replace: o.Replace, told: make(chan struct{}, 1), log: o.Logger, reg: selfmetric.NewRegistry(), version: o.Version, began: time.Now()}
	a.lost = selfmetric.NewCounterVec(selfmetric.Opts{Name: "faultline_agent_unspooled_total", Help: "Samples and events that the spool would not take."}, []string{"lane"})
	a.reg.MustRegister(a.lost)
	a.encoders = make(chan *wire.SampleEncoder, idleEncoders)
	inputs, err := builtin(cfg, filepath.Join(cfg.Data, "config"), a.authors.of, o.Logger)
	if err != nil {
		return nil, err
	}
	if a.plugins, err = addPlugins(cfg, inputs, o.Logger); err != nil {
		return nil, err
	}
	a.lines = newLines(a)
	for _, in := range local(cfg, a.lines.hear) {
		inputs[in.Name()] = in
	}
	a.reg.MustRegister(meter.New(a.plugins.Status))
	a.inputs = inputs
	client, identity, err := newLink(cfg, o.Version)
	if err != nil {
		return nil, err
	}
	a.link, a.identity = client, identity
	if a.schedule, err = schedule.New(schedule.Options{Inputs: inputs, Sink: a.keep, Interval: cfg.Interval, Timeout: cfg.Timeout,
		Concurrency: cfg.Concurrency, Agent: cfg.Agent, Logger: o.Logger, Registerer: a.reg}); err != nil {
		return nil, err
	}
	if a.data, err = lockDir(cfg.Data); err != nil {
		return nil, err
	}
	if a.spool, err = spool.Open(spool.Options{Dir: filepath.Join(cfg.Data, "spool"), MaxBytes: cfg.Spool.MaxBytes, MaxAge: cfg.Spool.MaxAge, Pace: flushPace,
		Logger: o.Logger, Registerer: a.reg}); err != nil {
		return nil, err
	}
	a.uplink, err = uplink.New(uplink.Options{Spool: a.spool, Link: client, BacklogRate: cfg.Spool.BacklogRate, Logger: o.Logger, Registerer: a.reg})
	if err == nil {
		a.control, err = control.New(control.Options{Link: client, Dir: cfg.Data, OnWork: a.apply, Open: a.open, OnKept: a.kept, OnProgram: a.offer, OnCheck: a.check, Logger: o.Logger, Registerer: a.reg})
	}
	if err == nil {
		err = a.listen()
	}
	if err != nil {
		return nil, errors.Join(err, a.spool.Close())
	}
	return a, nil
}

// Check reports what would keep the agent from running with this configuration.
func Check(cfg agentconfig.Config) error {
	versions, err := os.MkdirTemp("", "faultline-check-") // who checks is not always who runs: nothing is left in the agent's own directory
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(versions) }()
	inputs, err := builtin(cfg, versions, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	if _, err := addPlugins(cfg, inputs, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	s, err := schedule.New(schedule.Options{Inputs: inputs, Sink: func(base.Batch, []base.Event) {}})
	if err != nil {
		return err
	}
	_, _, linkErr := newLink(cfg, "check")
	return errors.Join(s.SetTargets(cfg.Targets), linkErr)
}

// builtin are the inputs compiled in. Versions is the directory of devices'
// configurations, and author who changed one.
func builtin(cfg agentconfig.Config, versions string, author func(string, time.Time) (config.Author, bool), log *slog.Logger) (map[string]input.Input, error) {
	profiles, err := profile.Open(shipped.FS())
	if err != nil {
		return nil, err
	}
	if cfg.HandedProfiles != "" {
		if profiles, err = profiles.With(os.DirFS(cfg.HandedProfiles)); err != nil {
			return nil, err
		}
	}
	if cfg.Profiles != "" {
		if profiles, err = profiles.With(os.DirFS(cfg.Profiles)); err != nil {
			return nil, err
		}
	}
	s, err := snmp.New(snmp.Options{Profiles: profiles, State: filepath.Join(cfg.Data, "snmp.json"), Logger: log})
	if err != nil {
		return nil, err
	}
	c, err := config.New(config.Options{Dir: versions, SecretDir: cfg.Secrets, Author: author})
	if err != nil {
		return nil, err
	}
	m := map[string]input.Input{}
	for _, in := range []input.Input{host.New(host.Options{}), s, probe.New(probe.Options{}), database.New(database.Options{SecretDir: cfg.Secrets}), c,
		scrape.New(scrape.Options{SecretDir: cfg.Secrets}), textfile.New(textfile.Options{}), file.New(file.Options{}), backup.New(backup.Options{}), ups.New(ups.Options{SecretDir: cfg.Secrets}), modbus.New(modbus.Options{}), ipmi.New(ipmi.Options{SecretDir: cfg.Secrets}), redfish.New(redfish.Options{SecretDir: cfg.Secrets})} {
		m[in.Name()] = in
	}
	for _, in := range local(cfg, nil) {
		m[in.Name()] = in
	}
	return m, nil
}

// Run measures and sends until ctx ends; what was measured last is on disk when
// it returns.
func (a *App) Run(ctx context.Context) error {
	a.retarget()
	ctx, a.cancel = context.WithCancelCause(ctx)
	defer a.cancel(nil)
	whole := ctx
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.tellState(ctx) })
	g.Go(func() error { return a.schedule.Run(ctx) })
	g.Go(func() error { return a.uplink.Run(ctx) })
	g.Go(func() error { return a.control.Run(ctx) })
	g.Go(func() error { return a.plugins.Run(ctx) })
	g.Go(func() error { return a.boundMemory(ctx, memoryEvery) })
	if a.identity != nil {
		g.Go(func() error { return a.identity.Run(ctx, a.link, a.log) })
	}
	a.hear.run(ctx, g)
	g.Go(func() error { return a.lines.run(ctx) })
	if a.hear.traps != nil {
		g.Go(func() error { return a.renewTraps(ctx) })
	}
	if a.cfg.Listen != "" {
		g.Go(func() error { return a.serveStatus(ctx) })
	}
	a.log.Info("agent runs", "agent", a.cfg.Agent, "collector", a.cfg.Collector.URL)
	err := g.Wait()
	a.checks.Wait()
	a.updates.Wait()
	for name, in := range a.inputs {
		if c, ok := in.(io.Closer); ok {
			if cerr := c.Close(); cerr != nil {
				a.log.Warn("close input", "input", name, "err", cerr)
			}
		}
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	err = errors.Join(err, a.spool.Close(), a.data.Close())
	if cause := context.Cause(whole); err == nil && isReason(cause) {
		return cause
	}
	return err
}

// keep is the scheduler's sink: from here on it is on disk.
func (a *App) keep(batch base.Batch, events []base.Event) {
	if len(events) > 0 {
		for i := range events {
			if events[i].Agent == "" {
				events[i].Agent = a.cfg.Agent
			}
		}
		b, err := wire.EncodeEvents(events)
		a.append(spool.Events, b, err, len(events))
	}
	if n := batch.Len(); n > 0 {
		b, err := a.encode(batch)
		a.append(spool.Samples, b, err, n)
	}
	a.watch.see(batch, events)
}

// encode encodes with an idle encoder, which has its tables already, or a new one.
func (a *App) encode(batch base.Batch) ([]byte, error) {
	var e *wire.SampleEncoder
	select {
	case e = <-a.encoders:
	default:
		e = &wire.SampleEncoder{}
	}
	b, err := e.Encode(batch)
	select {
	case a.encoders <- e:
	default:
	}
	return b, err
}

func (a *App) append(lane spool.Lane, b []byte, err error, n int) {
	if err == nil {
		err = a.spool.Append(lane, b)
	}
	if err != nil {
		a.lost.WithLabelValues(lane.String()).Add(float64(n))
		a.log.Error("keep measurements", "lane", lane.String(), "count", n, "err", err)
	}
}

// apply takes over the targets that the collector handed out, unless they cannot
// be measured here and others can.
func (a *App) apply(w wire.Work) error {
	err := a.checkWork(w)
	a.mu.Lock()
	if err != nil && a.handed != nil {
		a.mu.Unlock()
		return err
	}
	a.handed = w.Targets
	for i := range a.handed {
		if a.handed[i].Interval == 0 {
			a.handed[i].Interval = w.Interval
		}
	}
	if a.handed == nil {
		a.handed = []base.Target{}
	}
	a.mu.Unlock()
	a.retarget()
	return nil
}

// retarget polls the local targets and those handed out; a local one wins over
// one of the same id.
func (a *App) retarget() {
	a.mu.Lock()
	all := slices.Clone(a.cfg.Targets)
	for _, t := range a.handed {
		if !slices.ContainsFunc(a.cfg.Targets, func(l base.Target) bool { return l.ID == t.ID }) {
			all = append(all, t)
		}
	}
	a.mu.Unlock()
	if err := a.schedule.SetTargets(all); err != nil {
		a.log.Error("targets that cannot be measured", "err", err)
	}
	a.introduce(all)
	a.log.Info("targets", "count", len(all))
}

// check measures at once what the collector asks for and answers with an event
// after the samples.
func (a *App) check(ctx context.Context, c wire.Check) {
	ctx, cancel := context.WithDeadline(ctx, c.Expires)
	a.checks.Go(func() {
		defer cancel()
		e := base.Event{ID: a.cfg.Agent + "/check/" + c.ID, Kind: base.EventCheckDone, At: time.Now(), Agent: a.cfg.Agent, Attrs: map[string]string{"request": c.ID}}
		if err := a.schedule.CheckNow(ctx, c.Targets); err != nil {
			e.Text = err.Error()
		}
		a.keep(base.Batch{}, []base.Event{e})
	})
}
