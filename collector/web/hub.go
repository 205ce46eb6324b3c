package web

import (
	"errors"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Change says that an incident is not what it was.
type Change struct {
	ID       string
	Site     string
	Affected []string // other sites that it affects
}

// ErrFull says that as many browsers listen as are allowed to.
var ErrFull = errors.New("too many live connections")

// Hub hands changes to the browsers that listen. A slow one misses changes but
// is told to look at everything. The zero value is not ready; see NewHub.
type Hub struct {
	mu     sync.Mutex // guards the fields below
	subs   map[*Subscription]struct{}
	closed bool

	max      int
	dropped  prometheus.Counter
	refused  prometheus.Counter
	watching prometheus.GaugeFunc
}

// Subscription is one listener's queue.
type Subscription struct {
	hub *Hub
	c   chan Change
}

// queueLen is how many changes a listener may be behind.
const queueLen = 32

// NewHub returns a Hub for at most max listeners; the registerer may be nil.
func NewHub(max int, reg prometheus.Registerer) (*Hub, error) {
	h := &Hub{subs: map[*Subscription]struct{}{}, max: max}
	h.dropped = prometheus.NewCounter(prometheus.CounterOpts{Name: "faultline_console_changes_dropped_total", Help: "Changes that a slow browser missed."})
	h.refused = prometheus.NewCounter(prometheus.CounterOpts{Name: "faultline_console_listeners_refused_total", Help: "Live connections refused because there are too many."})
	h.watching = prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "faultline_console_listeners", Help: "Browsers that listen for changes."},
		func() float64 {
			h.mu.Lock()
			defer h.mu.Unlock()
			return float64(len(h.subs))
		})
	if reg == nil {
		return h, nil
	}
	return h, errors.Join(reg.Register(h.dropped), reg.Register(h.refused), reg.Register(h.watching))
}

// Publish hands the change to all listeners. It never blocks.
func (h *Hub) Publish(c Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subs {
		select {
		case s.c <- c:
		default:
			h.dropped.Inc()
			s.replaceOldest(Change{})
		}
	}
}

// replaceOldest makes room for the change "anything may have changed".
func (s *Subscription) replaceOldest(c Change) {
	select {
	case <-s.c:
	default:
	}
	select {
	case s.c <- c:
	default:
	}
}

// Watched tells whether any browser listens.
func (h *Hub) Watched() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.subs) > 0
}

// Subscribe returns a queue of the changes from now on. The caller ends it.
func (h *Hub) Subscribe() (*Subscription, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.subs) >= h.max {
		h.refused.Inc()
		return nil, ErrFull
	}
	s := &Subscription{h, make(chan Change, queueLen)}
	h.subs[s] = struct{}{}
	return s, nil
}

// C is where the changes come; it is closed when the Hub is. The zero Change
// says that some were missed.
func (s *Subscription) C() <-chan Change { return s.c }

// End takes the queue out of the Hub. It may be called twice.
func (s *Subscription) End() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	delete(s.hub.subs, s)
}

// Close ends all live connections, so that the server can shut down.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for s := range h.subs {
		close(s.c)
		delete(h.subs, s)
	}
}
