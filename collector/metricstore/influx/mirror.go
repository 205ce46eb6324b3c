// Package influx mirrors samples to InfluxDB, by its v2 write API: each Append
// goes to a queue on disk and is written by Run. An outage of InfluxDB neither
// blocks whoever appends nor loses points; a point written twice is one point,
// because InfluxDB knows it by series and time. Package influx answers no
// queries; rules and charts use the metric store itself.
package influx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"
	"github.com/klauspost/compress/s2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline/faultline/collector/metricstore"
)

// Options of Open. URL, Bucket and Dir are required.
type Options struct {
	URL         string // http://host:8086
	Org, Bucket string // for InfluxDB 1.8: no org, bucket "database/retention-policy"
	Token       string // secret; for InfluxDB 1.8: "user:password"
	Dir         string // of the queue
	MaxBytes    int64  // of the queue, beyond which the oldest points are dropped; zero: 4 GiB
	BatchPoints int    // in one write; zero: 5000
	Timeout     time.Duration
	MinBackoff  time.Duration // after a failed write; zero: 1 s
	MaxBackoff  time.Duration // zero: 30 s
	HTTPClient  *http.Client  // nil: one with Timeout (zero: 30 s)
	Now         func() time.Time
	Logger      *slog.Logger
	Registerer  prometheus.Registerer // nil: no metrics
}

func (o Options) withDefaults() Options {
	if o.MaxBytes == 0 {
		o.MaxBytes = 4 << 30
	}
	if o.BatchPoints == 0 {
		o.BatchPoints = 5000
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.MinBackoff == 0 {
		o.MinBackoff = time.Second
	}
	if o.MaxBackoff == 0 {
		o.MaxBackoff = 30 * time.Second
	}
	if o.HTTPClient == nil {
		o.HTTPClient = &http.Client{Timeout: o.Timeout}
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
	if u, err := url.Parse(o.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		errs = append(errs, errors.New("url must be http://host:port or https://host:port"))
	}
	if o.Bucket == "" {
		errs = append(errs, errors.New("bucket is empty"))
	}
	if o.Dir == "" {
		errs = append(errs, errors.New("directory is empty"))
	}
	if o.MaxBytes < 0 || o.BatchPoints < 0 {
		errs = append(errs, errors.New("a bound is negative"))
	}
	return errors.Join(errs...)
}

// Mirror is a queue and its way to InfluxDB. Append, Sync and Status may be
// called from several goroutines, Run once.
type Mirror struct {
	opts       Options
	log        *slog.Logger
	queue      *queue
	client     influxdb2.Client
	write      func(ctx context.Context, lines string) error
	quarantine *quarantine
	metrics    *metrics
	buffers    sync.Pool // of *buffer
	wake       chan struct{}

	last atomic.Pointer[outcome]
}

// outcome of the newest attempt to write.
type outcome struct {
	at  time.Time
	err error
}

// Status is what people are told about the mirror.
type Status struct {
	Points, Bytes int64     // waiting
	At            time.Time // of the newest attempt to write; zero: none yet
	Err           error     // of that attempt
}

type buffer struct{ lines, packed []byte }

var _ metricstore.Appender = (*Mirror)(nil)

// Open opens the queue. Nothing is sent before Run.
func Open(opts Options) (*Mirror, error) {
	opts = opts.withDefaults()
	if err := opts.validate(); err != nil {
		return nil, fmt.Errorf("influx options: %w", err)
	}
	m := &Mirror{opts: opts, log: opts.Logger, wake: make(chan struct{}, 1)}
	m.buffers.New = func() any { return new(buffer) }
	m.quarantine = &quarantine{dir: opts.Dir, now: opts.Now}
	var err error
	if m.queue, err = openQueue(opts.Dir, opts.MaxBytes, opts.Logger); err != nil {
		return nil, fmt.Errorf("influx queue: %w", err)
	}
	m.metrics = newMetrics(m, opts.Registerer)
	m.client = influxdb2.NewClientWithOptions(strings.TrimSuffix(opts.URL, "/"), opts.Token, influxdb2.DefaultOptions().
		SetPrecision(time.Millisecond).SetUseGZip(true).SetHTTPClient(opts.HTTPClient).SetLogLevel(0))
	api := m.client.WriteAPIBlocking(opts.Org, opts.Bucket)
	m.write = func(ctx context.Context, lines string) error { return api.WriteRecord(ctx, lines) }
	return m, nil
}

// Close syncs and closes the queue. Run must have returned.
func (m *Mirror) Close() error {
	m.client.Close()
	m.metrics.unregister(m.opts.Registerer)
	return m.queue.close()
}

// Append implements metricstore.Appender: it queues the points. The only error
// is one of the local disk. Values InfluxDB does not have (NaN, infinities,
// stale markers) are left out and counted.
func (m *Mirror) Append(_ context.Context, series []metricstore.Series) (metricstore.Stats, error) {
	b := m.buffers.Get().(*buffer)
	defer m.buffers.Put(b)
	var points, skipped int
	b.lines, points, skipped = appendLines(b.lines[:0], series)
	m.metrics.skipped.Add(float64(skipped))
	stats := metricstore.Stats{Appended: points + skipped}
	if points == 0 {
		return stats, nil
	}
	if need := s2.MaxEncodedLen(len(b.lines)); cap(b.packed) < need {
		b.packed = make([]byte, need)
	}
	dropped, err := m.queue.append(s2.Encode(b.packed[:cap(b.packed)], b.lines), points)
	m.metrics.dropped.WithLabelValues("backlog_full").Add(float64(dropped))
	if err != nil {
		return metricstore.Stats{}, fmt.Errorf("influx queue: %w", err)
	}
	m.metrics.queued.Add(float64(points))
	select {
	case m.wake <- struct{}{}:
	default:
	}
	return stats, nil
}

// Sync brings the queue to disk.
func (m *Mirror) Sync() error {
	if err := m.queue.sync(); err != nil {
		return fmt.Errorf("influx queue: %w", err)
	}
	return nil
}

// Status tells how far the mirror is behind.
func (m *Mirror) Status() Status {
	s := Status{}
	s.Points, s.Bytes = m.queue.waiting()
	if o := m.last.Load(); o != nil {
		s.At, s.Err = o.at, o.err
	}
	return s
}

// Check tells whether InfluxDB answers. It asks /ping, which all versions and
// compatible servers have; /ready is missing before 2.0.
func (m *Mirror) Check(ctx context.Context) error {
	ok, err := m.client.Ping(ctx)
	if err != nil {
		return fmt.Errorf("influx ping: %w", err)
	}
	if !ok {
		return errors.New("influx ping: the server did not answer as InfluxDB does")
	}
	return nil
}

// Run writes what is queued until ctx ends. What is left stays in the queue.
func (m *Mirror) Run(ctx context.Context) error {
	const tick = time.Second
	backoff := time.Duration(0)
	for ctx.Err() == nil {
		n, err := m.drain(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			backoff = min(max(2*backoff, m.opts.MinBackoff), m.opts.MaxBackoff)
			wait := max(backoff/2+rand.N(backoff/2+1), retryAfter(err))
			m.log.Warn("influx: write failed, points stay queued", "err", err, "again_in", wait)
			pause(ctx, nil, wait)
		case n == 0:
			backoff = 0
			if err := m.Sync(); err != nil {
				m.log.Error("influx: sync queue", "err", err)
			}
			pause(ctx, m.wake, tick)
		default:
			backoff = 0
		}
	}
	return nil
}

func pause(ctx context.Context, wake <-chan struct{}, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-t.C:
	}
}

// drain writes one batch and returns how many points it dealt with.
func (m *Mirror) drain(ctx context.Context) (int, error) {
	batch, err := m.queue.peek(m.opts.BatchPoints)
	if err != nil {
		return 0, err
	}
	m.metrics.unreadable.Add(float64(batch.unreadable))
	if batch.points == 0 {
		return 0, nil
	}
	d := delivery{Mirror: m, budget: maxWritesPerBatch}
	err = d.send(ctx, batch.lines)
	m.last.Store(&outcome{at: m.opts.Now(), err: err})
	if err != nil {
		m.metrics.errors.Inc()
		return 0, err
	}
	m.queue.ack(batch)
	return batch.points, nil
}
