// Package embedded is the time-series engine inside the collector: Prometheus'
// TSDB and PromQL in process, and the HTTP API that Grafana reads. All imports
// of Prometheus server packages stay here, because their API changes with every
// release. It decides nothing about alerts and knows no network protocol for
// writing; package ingest does.
package embedded

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/faultline/faultline/collector/metricstore"
)

// ErrUnavailable is wrapped by errors of a store that is being reopened after
// its log could not be written, or that is closed. Trying again later helps.
var ErrUnavailable = errors.New("metric store unavailable")

// Options of Open. Only Dir is required.
type Options struct {
	Dir              string
	Retention        time.Duration // zero: 400 days
	OutOfOrderWindow time.Duration // zero: metricstore.DefaultOutOfOrderWindow
	MaxAhead         time.Duration // zero: metricstore.MaxAhead
	SyncInterval     time.Duration // between two syncs of the log to disk; zero: 1 s
	QueryTimeout     time.Duration // zero: 2 min
	MaxQueries       int           // evaluated at once, others wait; zero: 20
	// MinFree is the free space in bytes below which nothing is taken in; zero: a
	// tenth of the file system, at most 256 MiB.
	MinFree uint64
	// SyncWith are synced in the same round, before DurableUntil advances: queues
	// that must not know less than the store after a power cut.
	SyncWith   []func() error
	Now        func() time.Time      // nil: time.Now
	Logger     *slog.Logger          // nil: slog.Default
	Registerer prometheus.Registerer // nil: no metrics
}

func (o Options) withDefaults() Options {
	if o.Retention == 0 {
		o.Retention = 400 * 24 * time.Hour
	}
	if o.OutOfOrderWindow == 0 {
		o.OutOfOrderWindow = metricstore.DefaultOutOfOrderWindow
	}
	if o.MaxAhead == 0 {
		o.MaxAhead = metricstore.MaxAhead
	}
	if o.SyncInterval == 0 {
		o.SyncInterval = time.Second
	}
	if o.QueryTimeout == 0 {
		o.QueryTimeout = 2 * time.Minute
	}
	if o.MaxQueries == 0 {
		o.MaxQueries = 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

func (o Options) validate() error {
	var errs []error
	if o.Dir == "" {
		errs = append(errs, errors.New("directory is empty"))
	}
	if o.Retention < 0 || o.OutOfOrderWindow < 0 || o.SyncInterval < 0 || o.QueryTimeout < 0 || o.MaxAhead < 0 {
		errs = append(errs, errors.New("a duration is negative"))
	}
	return errors.Join(errs...)
}

// Store implements metricstore.Appender, Querier, Durable and MetadataKeeper.
// Its methods may be called from several goroutines.
type Store struct {
	opts     Options
	log      *slog.Logger
	engine   *promql.Engine
	disk     *disk
	metadata *metadataStore
	metrics  *metrics
	scratch  sync.Pool // of *scratch

	sequence atomic.Uint64
	durable  atomic.Uint64
	syncNow  chan chan error
	stop     chan struct{}
	stopped  chan struct{}
	closing  sync.Once

	mu      sync.Mutex // guards the fields below
	idle    *sync.Cond // signalled when users becomes 0
	gen     *generation
	users   int
	epoch   string
	failure error // why the log can no longer be trusted; nil while all is well
	closed  bool
}

var (
	_ metricstore.Appender       = (*Store)(nil)
	_ metricstore.Querier        = (*Store)(nil)
	_ metricstore.Durable        = (*Store)(nil)
	_ metricstore.MetadataKeeper = (*Store)(nil)
)

// Open opens or makes the store in the directory. It replays the log, which
// takes some seconds per million series. The store owns the directory until Close.
func Open(opts Options) (*Store, error) {
	opts = opts.withDefaults()
	if err := opts.validate(); err != nil {
		return nil, fmt.Errorf("metric store options: %w", err)
	}
	if err := os.MkdirAll(opts.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("metric store: %w", err)
	}
	s := &Store{
		opts:     opts,
		log:      opts.Logger,
		disk:     newDisk(opts.Dir, opts.MinFree),
		metadata: newMetadataStore(),
		syncNow:  make(chan chan error),
		stop:     make(chan struct{}),
		stopped:  make(chan struct{}),
	}
	s.scratch.New = func() any { return newScratch() }
	s.idle = sync.NewCond(&s.mu)
	s.metrics = newMetrics(s, opts.Registerer)
	s.engine = newEngine(opts)
	gen, err := openGeneration(opts)
	if err != nil {
		s.metrics.unregister(opts.Registerer)
		return nil, err
	}
	s.gen = gen
	s.epoch = rand.Text()
	go s.loop()
	return s, nil
}

// Close syncs and closes the store and waits for running queries and appends.
func (s *Store) Close() error {
	var err error
	s.closing.Do(func() {
		close(s.stop)
		<-s.stopped
		s.mu.Lock()
		s.closed = true
		gen := s.takeLocked()
		s.mu.Unlock()
		if gen != nil {
			err = gen.close()
		}
		s.metrics.unregister(s.opts.Registerer)
	})
	return err
}

// loop syncs the log and reopens a store whose log failed.
func (s *Store) loop() {
	defer close(s.stopped)
	tick := time.NewTicker(s.opts.SyncInterval)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			if err := s.sync(); err != nil {
				s.log.Error("metric store: last sync", "err", err)
			}
			return
		case answer := <-s.syncNow:
			answer <- s.sync()
		case <-tick.C:
			s.disk.tend()
			if s.failed() != nil {
				s.reopen()
				continue
			}
			if err := s.sync(); err != nil {
				s.log.Error("metric store: sync", "err", err)
			}
		}
	}
}

// acquire returns the open generation; the caller must release it.
func (s *Store) acquire() (*generation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gen == nil {
		return nil, s.unavailableLocked()
	}
	s.users++
	return s.gen, nil
}

func (s *Store) unavailableLocked() error {
	switch {
	case s.closed:
		return fmt.Errorf("%w: closed", ErrUnavailable)
	case s.failure != nil:
		return fmt.Errorf("%w: reopening after: %w", ErrUnavailable, s.failure)
	default:
		return fmt.Errorf("%w: reopening", ErrUnavailable)
	}
}

func (s *Store) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users--; s.users == 0 {
		s.idle.Broadcast()
	}
}

// takeLocked takes the generation out of use and waits until nobody uses it.
func (s *Store) takeLocked() *generation {
	gen := s.gen
	s.gen = nil
	for s.users > 0 {
		s.idle.Wait()
	}
	return gen
}

// fail remembers that the log cannot be trusted any more: what follows a torn
// record would be cut off at the next start. The loop reopens the store, which
// cuts the torn end, where nothing was acknowledged.
func (s *Store) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure == nil {
		s.failure = err
		s.log.Error("metric store: log failed, intake stops until it is reopened", "err", err)
	}
}

func (s *Store) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure
}

// reopen closes and opens the engine once there is space again. The epoch
// changes, so that agents send again what was not known to be on disk.
func (s *Store) reopen() {
	if err := s.disk.check(); err != nil {
		return
	}
	s.mu.Lock()
	gen := s.takeLocked()
	s.mu.Unlock()
	if gen != nil {
		if err := gen.close(); err != nil {
			s.log.Warn("metric store: close before reopening", "err", err)
		}
	}
	gen, err := openGeneration(s.opts)
	if err != nil {
		s.log.Error("metric store: reopen", "err", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gen = gen
	s.epoch = rand.Text()
	s.failure = nil
	s.metrics.reopened.Inc()
	s.log.Info("metric store: reopened, taking samples again")
}

// Ready returns nil when the store takes samples, else what stops it.
func (s *Store) Ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gen == nil || s.failure != nil {
		return s.unavailableLocked()
	}
	return s.disk.check()
}

// generation is one opening of the TSDB.
type generation struct {
	db       *tsdb.DB
	registry *prometheus.Registry
	watch    *failureWatch
	sync     *segmentSync
}

func openGeneration(opts Options) (*generation, error) {
	registry := prometheus.NewRegistry()
	watch := &failureWatch{Registerer: registry}
	to := tsdb.DefaultOptions()
	to.RetentionDuration = opts.Retention.Milliseconds()
	to.OutOfOrderTimeWindow = opts.OutOfOrderWindow.Milliseconds()
	to.MaxBlockDuration = min(31*24*time.Hour, max(opts.Retention/10, 2*time.Hour)).Milliseconds()
	to.WALCompression = walCompression
	db, err := tsdb.Open(opts.Dir, quietLogger(opts.Logger, "tsdb"), watch, to, nil)
	if err != nil {
		return nil, fmt.Errorf("metric store open %s: %w", opts.Dir, err)
	}
	return &generation{db: db, registry: registry, watch: watch, sync: newSegmentSync(opts.Dir)}, nil
}

func (g *generation) close() error {
	g.sync.close()
	if err := g.db.Close(); err != nil {
		return fmt.Errorf("metric store close: %w", err)
	}
	return nil
}

// Sync writes everything appended so far to disk before it returns.
func (s *Store) Sync(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case s.syncNow <- answer:
	case <-s.stopped:
		return fmt.Errorf("%w: closed", ErrUnavailable)
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
