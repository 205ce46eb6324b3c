package snmp

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Options are the settings of a Transport; the zero value will do.
type Options struct {
	Now           func() time.Time // what Reply.At is taken from; default time.Now
	ReceiveBuffer int              // bytes asked of the kernel for each socket; default 4 MiB, the kernel may give less
}

// Counts says what a Transport received that no Session was waiting for.
type Counts struct {
	Unknown uint64 // answers nothing that was asked
	Garbage uint64 // no SNMP
}

// Transport owns the sockets: one for each address family, opened when first
// needed. It sorts what arrives by what it answers. It is safe for concurrent use.
type Transport struct {
	opts    Options
	readers sync.WaitGroup
	done    chan struct{} // closed by Close
	walks   sync.Pool     // of *walk

	mu      sync.Mutex // guards the fields below
	sockets [2]*datagrams
	closed  bool
	asked   map[uint32]asked // by request-id or message-id
	waiting deadlines
	timer   *time.Timer
	ringing time.Time // when timer goes off, zero: it does not
	counts  Counts

	passwords map[[32]byte][]byte // keys by a hash of protocol and password
	engines   map[*engine]string  // their IDs
}

// keptPast is how many ids of the past each Session keeps to know late answers.
const keptPast = 8

// NewTransport makes a Transport; it opens nothing yet.
func NewTransport(o Options) *Transport {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.ReceiveBuffer <= 0 {
		o.ReceiveBuffer = 4 << 20
	}
	t := &Transport{opts: o, done: make(chan struct{}), asked: map[uint32]asked{}, passwords: map[[32]byte][]byte{}, engines: map[*engine]string{}}
	t.timer = time.AfterFunc(time.Hour, t.ring)
	t.timer.Stop()
	return t
}

// Close closes the sockets, ends what is waited for with ErrClosed, and waits for
// the readers. It may be called twice.
func (t *Transport) Close() error {
	t.mu.Lock()
	var errs []error
	if !t.closed {
		t.closed = true
		close(t.done)
		t.timer.Stop()
		for _, c := range t.sockets {
			if c != nil {
				errs = append(errs, c.Close())
			}
		}
		for len(t.waiting) > 0 {
			p := t.waiting[0]
			t.waiting.remove(p)
			p.wake <- transportClosed
		}
	}
	t.mu.Unlock()
	t.readers.Wait()
	return errors.Join(errs...)
}

// Counts returns what was received for nobody.
func (t *Transport) Counts() Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts
}

// socket returns the socket of the address's family.
func (t *Transport) socket(a netip.Addr) (*datagrams, error) {
	family, network := 0, "udp4"
	if a.Is6() {
		family, network = 1, "udp6"
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, ErrClosed
	}
	if t.sockets[family] != nil {
		return t.sockets[family], nil
	}
	c, err := net.ListenUDP(network, nil)
	if err != nil {
		return nil, fmt.Errorf("open %s socket: %w", network, err)
	}
	_ = c.SetReadBuffer(t.opts.ReceiveBuffer) // what the kernel gives will do
	hearICMP(c, family == 1)
	d, err := newDatagrams(c, family == 1)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s socket: %w", network, err), c.Close())
	}
	t.sockets[family] = d
	t.readers.Add(1)
	go t.read(d)
	return d, nil
}

// read sorts what arrives until the socket is closed.
func (t *Transport) read(d *datagrams) {
	defer t.readers.Done()
	in := &incoming{buf: make([]byte, 1<<16)}
	for {
		datagram, from, err := d.receive(in)
		switch {
		case err == nil:
			t.sort(datagram, from)
		case unreachable(err):
			readICMP(d.UDPConn, t.refuse)
		default: // closed, or out of memory for a moment
			select {
			case <-t.done:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
}

// sort gives a datagram to the session that waits for it.
func (t *Transport) sort(datagram []byte, from netip.AddrPort) {
	now := time.Now()
	id, ok := peek(datagram)
	p := t.claim(id, ok, from, now, datagram)
	if p == nil {
		return
	}
	p.datagram = append(p.datagram[:0], datagram...)
	p.at, p.from = t.opts.Now(), from
	p.wake <- answered
}

// claim returns who waits for the id, if the datagram is its answer.
func (t *Transport) claim(id uint32, ok bool, from netip.AddrPort, now time.Time, datagram []byte) *pending {
	t.mu.Lock()
	defer t.mu.Unlock()
	a, known := t.asked[id]
	switch {
	case !ok:
		t.counts.Garbage++
		return nil
	case !known:
		t.counts.Unknown++
		return nil
	}
	p, rtt := a.p, now.Sub(a.sent)
	if from != p.target {
		if p.strays++; !p.any {
			p.elsewhere = from
			return nil
		}
	}
	switch {
	case a.round != p.round || p.claimed && len(p.spare.datagram) > 0:
		p.late++
		p.lateRTT = max(p.lateRTT, rtt)
		return nil
	case p.claimed: // the one that came first may turn out to be no answer
		p.spare = arrival{append(p.spare.datagram[:0], datagram...), t.opts.Now(), from, rtt}
		return nil
	}
	p.claimed, p.rtt = true, rtt
	t.waiting.remove(p)
	return p
}

// refuse ends the tries that wait for an answer from an address of which ICMP says
// that it cannot be reached.
func (t *Transport) refuse(to netip.AddrPort, cause error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var hit []*pending
	for _, p := range t.waiting {
		if p.target == to {
			hit = append(hit, p)
		}
	}
	for _, p := range hit {
		t.waiting.remove(p)
		p.cause = cause
		p.wake <- refused
	}
}

// ask registers one more try and returns its id, and the longest round trip of
// late answers since the last time.
func (t *Transport) ask(p *pending, now, deadline time.Time) (id uint32, late time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return 0, 0, ErrClosed
	}
	late, p.lateRTT, p.cause = p.lateRTT, 0, nil
	for taken := true; taken; { // four bytes long in BER, never 0
		id = rand.Uint32()&0x7fffffff | 1<<24
		_, taken = t.asked[id]
	}
	t.asked[id] = asked{p, p.round, now}
	p.ids = append(p.ids, id)
	t.waitLocked(p, deadline)
	return id, late, nil
}

// again goes on waiting after an answer that was none.
func (t *Transport) again(p *pending) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		p.claimed = false
		p.wake <- transportClosed
	case len(p.spare.datagram) > 0:
		p.arrival, p.spare = p.spare, arrival{datagram: p.datagram[:0]}
		p.wake <- answered
	default:
		p.claimed = false
		t.waitLocked(p, p.deadline)
	}
}

func (t *Transport) waitLocked(p *pending, deadline time.Time) {
	if p.claimed {
		return
	}
	t.waiting.remove(p)
	p.deadline = deadline
	t.waiting.add(p)
	t.setLocked()
}

// setLocked sets the timer for the first deadline; one that goes off early finds
// nothing and is set again.
func (t *Transport) setLocked() {
	if len(t.waiting) == 0 {
		return
	}
	first := t.waiting[0].deadline
	if t.ringing.IsZero() || first.Before(t.ringing) {
		t.ringing = first
		t.timer.Reset(time.Until(first))
	}
}

// ring wakes those whose time is over.
func (t *Transport) ring() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ringing = time.Time{}
	if t.closed {
		return
	}
	now := time.Now()
	for p := t.waiting.due(now); p != nil; p = t.waiting.due(now) {
		p.wake <- timedOut
	}
	t.setLocked()
}

// claimedNow tells whether an answer crossed with the end of the wait.
func (t *Transport) claimedNow(p *pending) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return p.claimed
}

// end forgets a request. What still comes for it is late. taken says that the
// answer was received from p.wake.
func (t *Transport) end(p *pending, taken bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting.remove(p)
	if p.claimed && !taken { // the reader may still be writing
		t.mu.Unlock()
		for <-p.wake != answered {
		}
		t.mu.Lock()
	}
	if len(p.spare.datagram) > 0 {
		p.late++
		p.spare.datagram = p.spare.datagram[:0]
	}
	p.claimed, p.elsewhere = false, netip.AddrPort{}
	p.round++
	p.past = append(p.past, p.ids...)
	p.ids = p.ids[:0]
	if over := len(p.past) - keptPast; over > 0 {
		for _, id := range p.past[:over] {
			delete(t.asked, id)
		}
		p.past = append(p.past[:0], p.past[over:]...)
	}
	for len(p.wake) > 0 {
		<-p.wake
	}
}

// leave forgets a session.
func (t *Transport) leave(p *pending) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting.remove(p)
	for _, id := range append(p.past, p.ids...) {
		delete(t.asked, id)
	}
	p.past, p.ids = nil, nil
}
