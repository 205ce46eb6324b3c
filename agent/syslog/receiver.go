package syslog

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/faultline/faultline/internal/selfmetric"
	"github.com/faultline/faultline/plugins/base"
)

// Device is who a line is about.
type Device struct {
	Name    string // in the inventory
	Site    string
	Targets []Target // by which it is measured
}

// Target is one way a device is measured.
type Target struct {
	ID    string
	Input string
}

// Options are the settings of a Receiver. Patterns, Lookup and Sink are
// required, and one of UDP, TCP, TLS and Local.
type Options struct {
	UDP, TCP  string      // addresses to listen at; "" is none
	TLS       string      // as TCP, over TLS by TLSConfig (RFC 5425); "" is none
	TLSConfig *tls.Config // with a certificate; required with TLS
	Local     bool        // without an address: only what Hear is given
	Patterns  *Set

	// Lookup finds a device by the address a line came from or, with the zero
	// address, by the name that a line gives its sender. It may be called from any
	// goroutine and returns at once.
	Lookup func(addr netip.Addr, name string) (Device, bool)
	// Relays may speak for others: their lines are about whom they name. Loopback
	// always may.
	Relays   []netip.Prefix
	Hostname string // by which this host names itself; default the system's
	// Sink takes samples and events; from one goroutine. The slices are its to keep.
	Sink func(base.Batch, []base.Event)
	// Check measures targets now. It is called from several goroutines, never twice
	// at once for a device. Nil: nothing is measured.
	Check func(ctx context.Context, targets []string) error

	MaxLine    int           // bytes of a line; default 8192. The rest is cut off
	MaxConns   int           // TCP connections at once; default 256
	Rate       float64       // lines a second from one source; default 200
	Burst      int           // lines at once from one source; default 2000
	EventRate  float64       // events a second about one device; default 2
	EventBurst int           // events at once about one device; default 50
	Fold       time.Duration // a repeat within this is counted and not told again at once; default 30 s
	CheckEvery time.Duration // a device is measured at most so often; default 5 s
	Interval   time.Duration // of samples; default 15 s

	Agent      string         // put on events
	Location   *time.Location // of times that name no zone; default local
	Now        func() time.Time
	NewID      func() string
	Logger     *slog.Logger
	Registerer selfmetric.Registerer // nil: not registered
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func (o *Options) setDefaults() error {
	if o.Patterns == nil || o.Lookup == nil || o.Sink == nil {
		return errors.New("syslog: patterns, lookup and sink are required")
	}
	if o.TLS != "" && o.TLSConfig == nil {
		return errors.New("syslog: TLS needs a certificate")
	}
	if o.UDP == "" && o.TCP == "" && o.TLS == "" && !o.Local {
		return errors.New("syslog: no address to listen at")
	}
	setDefault(&o.MaxLine, 8192)
	setDefault(&o.MaxConns, 256)
	setDefault(&o.Rate, 200)
	setDefault(&o.Burst, 2000)
	setDefault(&o.EventRate, 2)
	setDefault(&o.EventBurst, 50)
	setDefault(&o.Fold, 30*time.Second)
	setDefault(&o.CheckEvery, 5*time.Second)
	setDefault(&o.Interval, 15*time.Second)
	setDefault(&o.Location, time.Local)
	if o.Hostname == "" {
		o.Hostname, _ = os.Hostname()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = randomID
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxLine < 480 || o.MaxConns < 1 || o.Rate <= 0 || o.Burst < 1 || o.EventRate <= 0 || o.EventBurst < 1 || o.Fold < 0 || o.Interval < 0 {
		return errors.New("syslog: a setting is negative, or lines are shorter than 480 bytes")
	}
	return nil
}

func randomID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// Receiver hears logs. Hear, Last, Addrs and SetPatterns may be called from any goroutine.
type Receiver struct {
	opts   Options
	meters *meters
	udp    *net.UDPConn
	tcp    net.Listener
	tls    net.Listener

	queue chan base.Event // on their way to the Sink
	wake  chan struct{}   // capacity 1: devices wait to be measured

	mu      sync.Mutex // guards the fields below
	set     *Set
	sources map[netip.Addr]*source
	devices map[string]*device
	folds   map[foldKey]*fold
	counted map[countKey]*count
	series  map[seriesKey]*tally
	pending map[string]*wanted
}

// New makes a Receiver and opens its sockets, so that an address that cannot be
// had is known at once. Run must be called; it closes them.
func New(o Options) (*Receiver, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	r := &Receiver{opts: o, set: o.Patterns, queue: make(chan base.Event, 1024), wake: make(chan struct{}, 1),
		sources: map[netip.Addr]*source{}, devices: map[string]*device{}, folds: map[foldKey]*fold{}, counted: map[countKey]*count{},
		series: map[seriesKey]*tally{}, pending: map[string]*wanted{}}
	r.meters = newMeters(o.Registerer)
	if err := r.listen(); err != nil {
		return nil, err
	}
	return r, nil
}

// SetPatterns replaces the patterns.
func (r *Receiver) SetPatterns(s *Set) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.set = s
}

// Run hears until ctx ends; what was heard is with the Sink when it returns. It
// is called once.
func (r *Receiver) Run(ctx context.Context) error {
	var hear, rest sync.WaitGroup
	stop := context.AfterFunc(ctx, r.close)
	defer stop()
	if r.udp != nil {
		hear.Go(func() { r.serveUDP(ctx) })
	}
	if r.tcp != nil {
		hear.Go(func() { r.serveTCP(ctx, r.tcp) })
	}
	if r.tls != nil {
		hear.Go(func() { r.serveTCP(ctx, r.tls) })
	}
	done := make(chan struct{})
	rest.Go(func() { r.deliver(done) })
	rest.Go(func() { r.measure(ctx) })
	hear.Wait()
	<-ctx.Done() // without sockets nothing else ends it
	close(done)
	rest.Wait()
	return ctx.Err()
}

// deliver hands events to the Sink, several at once when many come, and samples
// at every interval, until done is closed.
func (r *Receiver) deliver(done <-chan struct{}) {
	tick := time.NewTicker(r.opts.Interval)
	defer tick.Stop()
	sweep := time.NewTicker(time.Second)
	defer sweep.Stop()
	for {
		select {
		case e := <-r.queue:
			r.flush([]base.Event{e}, false)
		case <-sweep.C:
			r.unfold(r.opts.Now())
		case <-tick.C:
			r.flush(nil, true)
		case <-done:
			r.unfold(r.opts.Now().Add(r.opts.Fold))
			r.flush(nil, true)
			return
		}
	}
}

// flush takes along what else waits and hands it over. all says whether every
// series is written, or those that changed.
func (r *Receiver) flush(events []base.Event, all bool) {
	for len(events) < cap(r.queue) {
		select {
		case e := <-r.queue:
			events = append(events, e)
			continue
		default:
		}
		break
	}
	samples := r.samples(r.opts.Now(), all)
	if len(events)+len(samples) > 0 {
		r.opts.Sink(base.Batch{Samples: samples}, events)
	}
}

// send queues an event; the queue is bounded and what does not fit is counted.
func (r *Receiver) send(e base.Event) {
	select {
	case r.queue <- e:
		r.meters.events.Inc()
	default:
		r.meters.dropped.WithLabelValues("queue_full").Inc()
	}
}
