package trap

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/plugins/base"
)

// Receiver receives notifications. Listen and Addrs may be called before Run.
type Receiver struct {
	opts    Options
	metrics *metrics
	writer  *writer
	seed    maphash.Seed
	gate    *gate
	queue   chan arrival
	wake    chan struct{} // capacity 1: something is due
	ready   bool          // Listen was called

	sockets []*socket

	mu          sync.Mutex // guards the fields below
	usm         *usm
	communities map[string]bool
	sources     lru[sourceID, *source]
	global      *rate.Limiter
	owing       []*source // suppressed since the last summary
	debts       debt      // of sources that were forgotten
	checks      *checks
	complained  map[complaint]time.Time
	cleared     time.Time // complained
}

// arrival is an event on its way to the Sink.
type arrival struct {
	event  base.Event
	source *source
	seen   *seen
	device Device
	answer answer // to an inform
}

// answer is a message to be sent.
type answer struct {
	message []byte // nil: none
	socket  *socket
	to      netip.AddrPort
	from    netip.Addr // our address; not valid: what the system takes
}

// complaint is what was said in the log.
type complaint struct {
	from netip.Addr
	why  reason
}

// New makes a Receiver; it opens nothing before Listen or Run.
func New(o Options) (*Receiver, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	r := &Receiver{
		opts: o, metrics: newMetrics(o.Registerer), seed: maphash.MakeSeed(),
		writer: newWriter(&o),
		gate:   newGate(o.DatagramRate), queue: make(chan arrival, o.Queue), wake: make(chan struct{}, 1),
		communities: map[string]bool{}, sources: newLRU[sourceID, *source](o.Sources),
		global: rate.NewLimiter(rate.Limit(o.GlobalRate), o.GlobalBurst), checks: newChecks(o.CheckInterval), complained: map[complaint]time.Time{},
	}
	for _, c := range o.Communities {
		r.communities[c.Reveal()] = true
	}
	return r, nil
}

// Run receives until ctx ends; what was received last is in the Sink when it
// returns. It is called once.
func (r *Receiver) Run(ctx context.Context) error {
	if err := r.Listen(); err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	r.opts.Logger.Info("listening for notifications", "addresses", fmt.Sprint(r.Addrs()), "engine", hex.EncodeToString([]byte(r.usm.engine.id)))
	readers, reading := errgroup.WithContext(ctx)
	for _, s := range r.sockets {
		readers.Go(func() error { return r.read(reading, s) })
	}
	helpers, stop := context.WithCancel(ctx)
	defer stop()
	var others sync.WaitGroup
	others.Go(func() { r.opts.Directory.Run(helpers) })
	kept := make(chan struct{})
	go func() { defer close(kept); r.keep(helpers) }()
	interrupted := context.AfterFunc(reading, r.interrupt)
	defer interrupted()
	err := readers.Wait()
	close(r.queue)
	<-kept
	stop()
	others.Wait()
	return errors.Join(ctx.Err(), err)
}

// receive takes one datagram, which it changes, and returns what to answer at
// once.
func (r *Receiver) receive(datagram []byte, in answer) []byte {
	from := in.to.Addr()
	if !r.gate.allow(from) {
		r.metrics.rejected.WithLabelValues(string(reasonFlood)).Inc()
		return nil
	}
	if len(datagram) > largestDatagram {
		r.reject(from, reasonSize)
		return nil
	}
	m, err := snmp.ParseMessage(datagram)
	if err != nil {
		why := reasonGarbage
		var v snmp.VersionError
		if errors.As(err, &v) {
			why = reasonVersion
		}
		r.reject(from, why)
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.opts.Now()
	keys, report, ok := r.admitLocked(m, from, now)
	if !ok {
		return report
	}
	n, ok := readNotice(m, from, r.seed)
	if !ok {
		r.rejectLocked(from, reasonMalformed)
		return nil
	}
	r.metrics.received.WithLabelValues(n.version.String()).Inc()
	if n.inform && !n.incomplete {
		in.message = m.AppendResponse(nil, r.usm.engine.now(), keys)
	}
	return r.takeLocked(n, in, now)
}

// largestDatagram is how large a notification may be, bytes.
const largestDatagram = 16 << 10

// admitLocked tells whether a message is a notification of somebody who may send
// one. Where not, it returns what the sender is told.
func (r *Receiver) admitLocked(m *snmp.Message, from netip.Addr, now time.Time) (keys *snmp.Keys, report []byte, ok bool) {
	if m.Version == snmp.V3 {
		o := r.usm.open(m, from, now)
		if len(o.report) > 0 {
			r.metrics.reports.Inc()
		}
		if o.why != "" {
			if !o.normal {
				r.rejectLocked(from, o.why)
			}
			return nil, o.report, false
		}
		keys = o.keys
	}
	switch tag := m.PDU.Tag; {
	case m.Version == snmp.V1 && tag != snmp.PDUTrapV1, m.Version != snmp.V1 && tag != snmp.PDUTrap && tag != snmp.PDUInform:
		r.rejectLocked(from, reasonKind)
		return nil, nil, false
	case m.Version != snmp.V3 && !r.communities[string(m.Community)] && !r.opts.Directory.community(m.Community):
		r.rejectLocked(from, reasonCommunity)
		return nil, nil, false
	}
	return keys, nil, true
}

// takeLocked folds a repeat, counts what is too much, and queues the rest.
func (r *Receiver) takeLocked(n *notice, in answer, now time.Time) (again []byte) {
	o := r.originOf(n, in.to.Addr())
	s := r.sourceLocked(o)
	if e := s.repeats(n, now, r.opts.Window); e != nil {
		r.metrics.duplicates.Inc()
		if e.kept && in.message != nil {
			r.metrics.acknowledged.Inc()
			return in.message
		}
		return nil
	}
	if o.known {
		r.checks.want(o.device)
	}
	if !s.limiter.AllowN(now, 1) || !r.global.AllowN(now, 1) {
		r.suppressLocked(s, n, now)
		r.nudge()
		return nil
	}
	a := arrival{event: r.writer.event(n, o, now), source: s, seen: s.remember(n, now), device: o.device, answer: in}
	select {
	case r.queue <- a:
	default:
		s.forget(a.seen)
		r.rejectLocked(in.to.Addr(), reasonQueue)
		r.suppressLocked(s, n, now)
	}
	return nil
}

// originOf finds whom a notification is from: the device at the sender's address,
// unless the sender speaks for another.
func (r *Receiver) originOf(n *notice, from netip.Addr) origin {
	o := origin{sender: from, source: from}
	o.device, o.known = r.opts.Lookup(from)
	c := n.claimed
	if !c.IsValid() || c == from || c.IsLoopback() && !from.IsLoopback() || !r.believed(from) {
		return o
	}
	d, known := r.opts.Lookup(c)
	if known && (!o.known || d.ID != o.device.ID) {
		return origin{device: d, known: true, sender: from, source: c}
	}
	return o
}

// believed tells whether a sender may speak for others.
func (r *Receiver) believed(from netip.Addr) bool {
	for _, p := range r.opts.Relays {
		if p.Contains(from) {
			return true
		}
	}
	return len(r.opts.Relays) == 0
}

// sourceLocked returns what is remembered of a source.
func (r *Receiver) sourceLocked(o origin) *source {
	id := sourceID{sender: o.sender}
	if o.source != o.sender {
		id.origin = o.source
	}
	s, ok := r.sources.get(id)
	if !ok {
		s = &source{id: id, limiter: rate.NewLimiter(rate.Limit(r.opts.SourceRate), r.opts.SourceBurst)}
		if old, forgotten := r.sources.put(id, s); forgotten {
			r.oweLocked(old)
		}
		r.metrics.sources.Set(float64(r.sources.len()))
	}
	s.device = o.device
	return s
}

// suppressLocked counts a notification that is too much.
func (r *Receiver) suppressLocked(s *source, n *notice, now time.Time) {
	r.metrics.suppressed.Inc()
	name := n.oid.String()
	if known := r.writer.names().Find(name); known != nil {
		name = known.Name
	}
	switch {
	case !s.suppress(cut(name, false), now):
	case len(r.owing) < r.opts.Sources:
		r.owing = append(r.owing, s)
		r.nudge()
	default:
		r.oweLocked(s)
	}
}

// oweLocked adds a source that is forgotten to what is said of all of those.
func (r *Receiver) oweLocked(s *source) {
	if s.suppressed == 0 {
		return
	}
	if r.debts.count == 0 {
		r.debts.since = s.since
	}
	r.debts.count += s.suppressed
	r.debts.sources++
	r.debts.last = s.last
	s.suppressed = 0
}

// nudge makes keep look at what is due; it never blocks.
func (r *Receiver) nudge() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// reject counts something that is not taken, and says so from time to time.
func (r *Receiver) reject(from netip.Addr, why reason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rejectLocked(from, why)
}

// complainEvery is how often the same is said of one sender, and mostComplaints
// of how many senders that is remembered.
const complainEvery, mostComplaints = 10 * time.Minute, 1024

func (r *Receiver) rejectLocked(from netip.Addr, why reason) {
	r.metrics.rejected.WithLabelValues(string(why)).Inc()
	now, c := r.opts.Now(), complaint{from, why}
	if last, said := r.complained[c]; said && now.Sub(last) < complainEvery {
		return
	}
	if len(r.complained) >= mostComplaints { // whoever sends from a thousand addresses wants to fill the log
		if now.Sub(r.cleared) < complainEvery {
			return
		}
		r.cleared = now
		clear(r.complained)
	}
	r.complained[c] = now
	r.opts.Logger.Warn("notification not taken", "from", from.String(), "reason", string(why), "hint", why.hint())
}
