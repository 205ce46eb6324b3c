// Package ingest takes samples and events from agents and other senders: it
// knows the sender, bounds and decodes what it sends, puts the sender's own
// labels on every sample, appends, and answers only then. It speaks Prometheus
// remote write 1.0 and 2.0 and a JSON array of events. It judges nothing and
// keeps nothing; the store's log is where a sample becomes safe.
package ingest

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
)

// Paths that the Handler serves.
const (
	PathWrite  = "/api/v1/write"
	PathEvents = "/api/v1/events"
)

// Errors that Authenticate wraps to say which answer the sender gets.
var (
	ErrUnauthorized = errors.New("unauthorized") // 401: no or wrong credentials
	ErrForbidden    = errors.New("forbidden")    // 403: known, but may not write
)

// Source is who sends.
type Source struct {
	Agent string // value of the label agent on every sample; a sender cannot choose it
	Site  string // value of the label site on every sample
	// AnySite lets a sample's own label site stand; Site fills it in where it is missing.
	AnySite bool
	Labels  base.Labels // further labels that replace the sender's
}

// Options of New. Appender and Authenticate are required.
type Options struct {
	Appender metricstore.Appender
	// Mirrors get what the Appender has taken, before the answer. A mirror's
	// error makes the sender repeat, so it must not come from a remote outage.
	Mirrors      []metricstore.Appender
	Durable      metricstore.Durable        // nil: answers tell nothing about durability
	Metadata     metricstore.MetadataKeeper // nil: metadata is dropped
	Authenticate func(*http.Request) (Source, error)
	// Events takes an agent's events; it returns nil only when they are safe and
	// folds repeats by ID. nil: events are answered 404.
	Events func(ctx context.Context, agent string, events []base.Event) error
	// Observers see what was appended, in order. They must not keep the slices
	// (strings may be kept) and must not block.
	Observers  []func(src Source, series []metricstore.Series)
	Limits     Limits
	Now        func() time.Time      // nil: time.Now
	Logger     *slog.Logger          // nil: slog.Default
	Registerer prometheus.Registerer // nil: no metrics
}

// Limits bound what one sender and all senders together may ask for. Zero
// fields get the defaults that are named beside them.
type Limits struct {
	BodyBytes       int64         // compressed; 8 MiB
	DecodedBytes    int           // decompressed; 64 MiB
	Series          int           // in one request; 100,000
	Samples         int           // in one request; 1,000,000
	Events          int           // in one request; 10,000
	Labels          int           // of one series, ours included; 64
	LabelNameBytes  int           // 256
	LabelValueBytes int           // 4096
	RequestsPerSec  float64       // of one agent; 50
	RequestsBurst   int           // of one agent; 200
	Concurrent      int           // requests of all senders; 64
	Backlog         int           // of these such as bring what was kept through a cut; an eighth
	MaxAhead        time.Duration // how far ahead of our clock a sample may be; metricstore.MaxAhead
}

func (l Limits) withDefaults() Limits {
	orInt := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	orInt(&l.DecodedBytes, 64<<20)
	orInt(&l.Series, 100_000)
	orInt(&l.Samples, 1_000_000)
	orInt(&l.Events, 10_000)
	orInt(&l.Labels, 64)
	orInt(&l.LabelNameBytes, 256)
	orInt(&l.LabelValueBytes, 4096)
	orInt(&l.RequestsBurst, 200)
	orInt(&l.Concurrent, 64)
	orInt(&l.Backlog, max(1, l.Concurrent/8))
	if l.BodyBytes <= 0 {
		l.BodyBytes = 8 << 20
	}
	if l.RequestsPerSec <= 0 {
		l.RequestsPerSec = 50
	}
	if l.MaxAhead <= 0 {
		l.MaxAhead = metricstore.MaxAhead
	}
	return l
}

// Handler serves PathWrite and PathEvents.
type Handler struct {
	opts     Options
	mux      *http.ServeMux
	log      *slog.Logger
	metrics  *metrics
	rates    *rates
	places   chan struct{} // one for each request under way
	kept     chan struct{} // of these one for each that brings backlog
	decoders chan *decoder // free ones
	interned *interner
	refusals refusals
}

// New makes a Handler.
func New(opts Options) (*Handler, error) {
	if opts.Appender == nil || opts.Authenticate == nil {
		return nil, errors.New("ingest options: appender and authenticate are required")
	}
	opts.Limits = opts.Limits.withDefaults()
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	h := &Handler{
		opts:     opts,
		mux:      http.NewServeMux(),
		log:      opts.Logger,
		rates:    newRates(opts.Limits, opts.Now),
		places:   make(chan struct{}, opts.Limits.Concurrent),
		kept:     make(chan struct{}, opts.Limits.Backlog),
		decoders: make(chan *decoder, opts.Limits.Concurrent),
		interned: newInterner(opts.Limits),
	}
	h.metrics = newMetrics(h, opts.Registerer)
	h.mux.HandleFunc("POST "+PathWrite, h.guard("write", h.write))
	if opts.Events != nil {
		h.mux.HandleFunc("POST "+PathEvents, h.guard("events", h.events))
	}
	return h, nil
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

// guard authenticates, bounds rate and concurrency, answers with the fault that
// serve returns, and counts the outcome.
func (h *Handler) guard(what string, serve func(http.ResponseWriter, *http.Request, Source) *fault) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		begin := h.opts.Now()
		f := h.admit(w, r, serve)
		outcome := "ok"
		if f != nil {
			outcome = f.outcome
			f.answer(w)
		}
		h.metrics.requests.WithLabelValues(what, outcome).Inc()
		h.metrics.seconds.WithLabelValues(what).Observe(h.opts.Now().Sub(begin).Seconds())
		if f == nil {
			return
		}
		if log, unsaid := h.refusals.say(r.RemoteAddr, f.outcome, begin); log {
			h.log.Warn("ingest: refused", "what", what, "from", r.RemoteAddr, "outcome", f.outcome, "status", f.status, "err", f.text, "unsaid", unsaid)
		}
	}
}

// backlogPatience is how long senders of backlog are put off at most beyond a
// second; at random, so that they do not come back together.
const backlogPatience = 4 * time.Second

// admit lets a request in or says why not. Few of those that bring backlog are let
// in at once: when hundreds of agents come back, what is live finds its place.
func (h *Handler) admit(w http.ResponseWriter, r *http.Request, serve func(http.ResponseWriter, *http.Request, Source) *fault) *fault {
	src, err := h.opts.Authenticate(r)
	switch {
	case errors.Is(err, ErrForbidden):
		return &fault{status: http.StatusForbidden, outcome: "forbidden", text: err.Error()}
	case err != nil:
		w.Header().Set("WWW-Authenticate", `Bearer realm="faultline"`)
		return &fault{status: http.StatusUnauthorized, outcome: "unauthorized", text: err.Error()}
	}
	if wait := h.rates.wait(src.Agent); wait > 0 {
		return &fault{
			status: http.StatusTooManyRequests, outcome: "rate_limited", retry: wait,
			text: "too many requests from this agent, send larger ones or wait",
		}
	}
	if r.Header.Get(wire.HeaderBacklog) != "" {
		select {
		case h.kept <- struct{}{}:
			defer func() { <-h.kept }()
		default:
			return &fault{status: http.StatusServiceUnavailable, outcome: "backlog", retry: time.Second + rand.N(backlogPatience), text: "others are catching up too, send what is live meanwhile"}
		}
	}
	select {
	case h.places <- struct{}{}:
		defer func() { <-h.places }()
	default:
		return &fault{status: http.StatusServiceUnavailable, outcome: "busy", retry: time.Second, text: "too many requests at once"}
	}
	return serve(w, r, src)
}

// decoder returns a free decoder or a new one; put it back with release.
func (h *Handler) decoder() *decoder {
	select {
	case d := <-h.decoders:
		return d
	default:
		return newDecoder(h.opts.Limits, h.interned)
	}
}

func (h *Handler) release(d *decoder) {
	d.reset()
	select {
	case h.decoders <- d:
	default:
	}
}
