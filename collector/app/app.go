// Package app builds a collector from its configuration and runs it. It is the
// only package of the collector that knows all the others; it decides nothing.
package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/alertmanager"
	"github.com/faultline/faultline/collector/config"
	"github.com/faultline/faultline/collector/drill"
	"github.com/faultline/faultline/collector/duty"
	notifyer "github.com/faultline/faultline/collector/effect/notify"
	"github.com/faultline/faultline/collector/effect/notify/chat"
	"github.com/faultline/faultline/collector/effect/notify/hooks"
	"github.com/faultline/faultline/collector/effect/notify/post"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/enrol"
	"github.com/faultline/faultline/collector/evidence"
	"github.com/faultline/faultline/collector/fleet"
	"github.com/faultline/faultline/collector/handbook"
	"github.com/faultline/faultline/collector/heartbeat"
	"github.com/faultline/faultline/collector/intake"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/knowledge"
	"github.com/faultline/faultline/collector/lease"
	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/collector/metricstore/embedded"
	"github.com/faultline/faultline/collector/metricstore/influx"
	"github.com/faultline/faultline/collector/outbox"
	"github.com/faultline/faultline/collector/reporter"
	"github.com/faultline/faultline/collector/ruler"
	"github.com/faultline/faultline/collector/selfwatch"
	"github.com/faultline/faultline/collector/sqlstore"
	"github.com/faultline/faultline/collector/web"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/notify"
	desk "github.com/faultline/faultline/plugins/ticket"
)

// Options are what the program brings besides its configuration.
type Options struct {
	Logger  *slog.Logger
	Version string
	Reload  <-chan os.Signal // each asks to read inventory and rules again; nil: never
}

// App is a built collector.
type App struct {
	cfg config.Config
	log *slog.Logger
	reg *prometheus.Registry
	ver string

	data     *os.File // lock on the data directory
	basis    atomic.Pointer[basis]
	again    <-chan os.Signal // asks for another reading of the basis
	metrics  *embedded.Store
	mirror   *influx.Mirror // nil: none
	store    *sqlstore.Store
	accounts *account.Service
	sessions *account.Sessions
	duty     *duty.Book
	post     *post.Post // messages to single people
	told     *notifyer.Executor
	daily    *daily // nil: no daily report
	climbs   climber
	feedKey  []byte // of links to calendars
	desk     *inventory.Desk
	evidence *evidence.Store
	looked   struct { // see picture
		sync.Mutex
		at   time.Time
		view evidence.View
	}
	fleet     *fleet.Fleet
	alive     *heartbeat.Monitor
	ruler     *ruler.Ruler
	topology  *selfwatch.Topology
	outside   *intake.Board // alerts of other systems
	silences  alertmanager.Silences
	amAPI     *alertmanager.Handler
	chat      *chat.Service  // nil: no robots
	hooks     *hooks.Service // nil: no subscribers
	mails     notify.Channel // nil: no mail server
	knowledge *knowledge.Base
	reporter  *reporter.Service
	vendors   vendors
	buttonKey []byte
	lease     *lease.Holder
	engine    *engine.Engine
	quiets    *engine.Quiets
	drills    *drill.Desk
	drillMail desk.Desk              // sends what drills hold back to their mailbox; nil: nothing does
	judged    *prometheus.CounterVec // see newJudgements
	auditor   *auditor
	handbook  *handbook.Handbook
	approved  atomic.Value // string: stamp of the versions in force
	basisMu   sync.Mutex   // held while basis is replaced
	outbox    *outbox.Outbox
	hub       *web.Hub
	server    *http.Server
	enrol     *enrol.Service     // nil: agents have tokens only
	agents    *http.Server       // nil: as above
	failed    prometheus.Counter // rounds of judging that failed
	judging   prometheus.Histogram
	wake      chan struct{} // capacity 1: evidence turned, judge early
	windows   chan struct{} // capacity 1: a change moved on, see to its window

	registering // register and inspections (register.go)
}

// New opens stores, loads rules and inventory and prepares everything; nothing
// runs yet. What it opened is closed by Run, or by New itself when it fails.
func New(ctx context.Context, cfg config.Config, o Options) (*App, error) {
	a := &App{cfg: cfg, log: o.Logger, ver: o.Version, again: o.Reload, reg: prometheus.NewRegistry(), wake: make(chan struct{}, 1), windows: make(chan struct{}, 1)}
	a.reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"data directory", a.lockData}, {"inventory and rules", a.loadBasis}, {"metric store", a.openMetrics}, {"database", a.openStore},
		{"accounts", a.openAccounts}, {"people", a.openDuty}, {"enrolment", a.openEnrolment}, {"fleet", a.openFleet}, {"intake", a.openIntake}, {"judging", a.buildJudging}, {"delivery", a.buildDelivery}, {"reporting", a.openReporting}, {"handbook", a.openHandbook}, {"register", a.buildRegister}, {"vendors", a.openVendors}, {"HTTP", a.buildHTTP},
	} {
		if err := step.do(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", step.what, err), a.close())
		}
	}
	return a, nil
}

// Run serves until ctx ends, then stops everything in order.
func (a *App) Run(ctx context.Context) error {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.cfg.Listen)
	if err != nil {
		return errors.Join(fmt.Errorf("listen: %w", err), a.close())
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.serve(ln) })
	g.Go(func() error { return stopServer(ctx, a.server) })
	g.Go(func() error { return a.lease.Run(ctx) })
	g.Go(func() error { return a.beat(ctx) })
	g.Go(func() error { return a.prune(ctx) })
	g.Go(func() error { return a.keepDuty(ctx) })
	g.Go(func() error { return a.fleet.Run(ctx) })
	g.Go(func() error { return a.reloadWhenAsked(ctx) })
	g.Go(func() error { return a.watchVersions(ctx) })
	g.Go(func() error { return a.watchAccess(ctx) })
	g.Go(func() error { return a.watchIncidents(ctx) })
	g.Go(func() error {
		return selfwatch.New(selfwatch.Options{Gatherer: a.reg, Appender: a.metrics, Instance: a.instance(), Logger: a.log}).Run(ctx)
	})
	g.Go(func() error { return a.topology.Run(ctx) })
	if a.mirror != nil {
		g.Go(func() error { return a.mirror.Run(ctx) })
	}
	if err := a.serveAgents(ctx, g); err != nil {
		g.Go(func() error { return err })
	}
	if err := a.serveVendors(ctx, g); err != nil {
		g.Go(func() error { return err })
	}
	g.Go(func() error { return a.runPlugins(ctx) })
	a.log.Info("collector serves", "listen", a.cfg.Listen, "version", a.ver)
	err = g.Wait()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, a.close())
}

func (a *App) serve(ln net.Listener) error { return a.serveOn(ln, a.server) }

// serveOn serves people, or vendors: over TLS where there is a certificate.
func (a *App) serveOn(ln net.Listener, s *http.Server) error {
	var err error
	if a.cfg.TLS.CertFile != "" {
		err = s.ServeTLS(ln, a.cfg.TLS.CertFile, a.cfg.TLS.KeyFile)
	} else {
		err = s.Serve(ln)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve: %w", err)
}

// close closes what is open, last opened first.
func (a *App) close() error {
	var errs []error
	if a.mirror != nil {
		errs = append(errs, a.mirror.Close())
	}
	if a.store != nil {
		errs = append(errs, a.store.Close())
	}
	if a.metrics != nil {
		errs = append(errs, a.metrics.Close())
	}
	if a.data != nil {
		errs = append(errs, a.data.Close())
	}
	return errors.Join(errs...)
}

func (a *App) openMetrics(context.Context) error {
	opts := embedded.Options{Dir: filepath.Join(a.cfg.Data, "metrics"), Retention: a.cfg.Retention, Logger: a.log, Registerer: a.reg}
	if c := a.cfg.Influx; c.URL != "" {
		m, err := influx.Open(influx.Options{Dir: filepath.Join(a.cfg.Data, "influx"), URL: c.URL, Org: c.Org, Bucket: c.Bucket,
			Token: c.Token.Reveal(), MaxBytes: c.MaxBytes, Logger: a.log, Registerer: a.reg})
		if err != nil {
			return err
		}
		a.mirror = m
		opts.SyncWith = append(opts.SyncWith, m.Sync)
	}
	var err error
	a.metrics, err = embedded.Open(opts)
	return err
}

func (a *App) openStore(ctx context.Context) error {
	s, err := sqlstore.Open(ctx, sqlstore.Options{URL: a.cfg.DatabaseURL(), Idle: a.cfg.Lease.TTL / 2, Logger: a.log})
	if err != nil {
		return err
	}
	a.store = s
	return s.Migrate(ctx)
}

// openAccounts makes the first administrator and the token file.
func (a *App) openAccounts(ctx context.Context) error {
	var err error
	a.accounts, err = account.New(account.Options{Store: a.store, Logger: a.log, AgentByTokenHash: func(hash string) (string, string, bool) {
		ag, ok := a.graph().Inventory().AgentByToken(hash)
		return ag.ID, ag.Site, ok
	}})
	if err != nil {
		return err
	}
	a.sessions = account.NewSessions(a.accounts, a.store.Sessions(), a.cfg.TLS.CertFile != "", a.log)
	if err := a.accounts.EnsureTokenFile(ctx, filepath.Join(a.cfg.Data, "admin.token")); err != nil {
		return err
	}
	name, password, err := a.accounts.EnsureAdmin(ctx)
	if err != nil {
		return err
	}
	return a.noteFirstSignIn(name, password)
}

// noteFirstSignIn keeps the first password where only the owner of the data
// directory reads it, until it has been changed.
func (a *App) noteFirstSignIn(name, password string) error {
	path := filepath.Join(a.cfg.Data, "first-sign-in")
	if password == "" {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	return os.WriteFile(path, []byte(fmt.Sprintf("user %s   first password %s   (you will be asked to set your own)\n", name, password)), 0o600)
}

// instance is the label instance of the collector's own series.
func (a *App) instance() string {
	host, err := os.Hostname()
	if err != nil {
		return "collector"
	}
	return host
}

// limitsEvery is how often the inventory's limits are written: rules compare
// with samples no older than their horizon.
const limitsEvery = 5 * time.Second

// limits are the devices' own limits as series, for rules to compare with:
// faultline_limit{class="temperature"} in the unit of the sensor.
func (a *App) limits(now time.Time) []metricstore.Series {
	var out []metricstore.Series
	for _, d := range a.graph().Inventory().Devices {
		for name, v := range d.Limits {
			class, _, _ := strings.Cut(name, "_") // temperature_celsius, humidity_percent
			out = append(out, metricstore.Series{
				Labels: base.LabelsFrom("faultline_limit", map[string]string{"job": "faultline", "site": d.Site, "device": d.ID, "class": class}),
				Points: []metricstore.Point{{T: now.UnixMilli(), V: v}},
			})
		}
	}
	return out
}

// beat writes faultline_agent_up once a second, and the limits now and then.
func (a *App) beat(ctx context.Context) error {
	var limited time.Time
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		series := a.alive.Series()
		if time.Since(limited) >= limitsEvery {
			limited = time.Now()
			series = append(series, a.limits(limited)...)
		}
		if len(series) == 0 {
			continue
		}
		if _, err := a.metrics.Append(ctx, series); err != nil && ctx.Err() == nil {
			a.log.Warn("write agents' state", "err", err)
			continue
		}
		a.evidence.Feed(heartbeatVantage, series)
	}
}

// seenFor is how long ids of facts are remembered: longer than any agent's spool.
const seenFor = 30 * 24 * time.Hour

// prune forgets old ids and sessions once an hour.
func (a *App) prune(ctx context.Context) error {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		a.drills.Rest(time.Now())
		_, errSeen := a.store.PruneSeen(ctx, time.Now().Add(-seenFor))
		_, errSessions := a.store.Sessions().Prune(ctx)
		errOutside := errors.Join(a.outside.Prune(ctx), a.amAPI.Prune(ctx), a.pruneVendors(ctx))
		if err := errors.Join(errSeen, errSessions, errOutside, a.duty.Prune(ctx), pruneMarks(ctx, a.store, time.Now())); err != nil && ctx.Err() == nil {
			a.log.Warn("prune the database", "err", err)
		}
	}
}

// heartbeatVantage is who saw that an agent is alive: the collector itself.
const heartbeatVantage = "collector"
