package reflect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/faultline/faultline/internal/selfmetric"
)

const (
	leastToken  = 16   // bytes
	mostSize    = 9000 // bytes of a packet that is answered
	mostSession = 1024
	sessionLife = time.Minute // without a packet
)

// Options are the settings of a Reflector. Listen and Token are required.
type Options struct {
	Listen string // UDP address
	Token  string // shared with the senders, at least 16 bytes
	Rate   float64
	// Burst is how many packets at once, and Rate how many a second, are answered to
	// all senders together; default 1000 and 2000. One sender gets a quarter.
	Burst      int
	Now        func() time.Time
	Logger     *slog.Logger
	Registerer selfmetric.Registerer // nil: not registered
}

func (o *Options) setDefaults() error {
	if o.Listen == "" {
		return errors.New("reflect: no address to listen at")
	}
	if len(o.Token) < leastToken {
		return fmt.Errorf("reflect: the token has fewer than %d bytes: strangers could guess it", leastToken)
	}
	if o.Rate == 0 {
		o.Rate = 1000
	}
	if o.Burst == 0 {
		o.Burst = 2000
	}
	if o.Rate < 0 || o.Burst < 4 {
		return errors.New("reflect: rate is negative or burst below 4")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Reflector answers test packets. Its sessions belong to the goroutine of Run.
type Reflector struct {
	opts     Options
	token    []byte
	conn     *net.UDPConn
	closing  sync.Once
	packets  *selfmetric.CounterVec
	all      *rate.Limiter
	sessions map[netip.AddrPort]*session
}

// session is what is counted of one sender's socket.
type session struct {
	sent  uint32 // replies
	last  time.Time
	limit *rate.Limiter
}

// New makes a Reflector and opens its socket. Run must be called; it closes it.
func New(o Options) (*Reflector, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	r := &Reflector{opts: o, token: []byte(o.Token), all: rate.NewLimiter(rate.Limit(o.Rate), o.Burst), sessions: map[netip.AddrPort]*session{},
		packets: selfmetric.NewCounterVec(selfmetric.Opts{Name: "faultline_reflect_packets_total", Help: "Test packets by what became of them."}, []string{"outcome"})}
	if o.Registerer != nil {
		if err := o.Registerer.Register(r.packets); err != nil {
			return nil, fmt.Errorf("reflect: %w", err)
		}
	}
	c, err := (&net.ListenConfig{}).ListenPacket(context.Background(), "udp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("reflect: listen %s: %w", o.Listen, err)
	}
	r.conn = c.(*net.UDPConn)
	_ = DontFragment(r.conn) // elsewhere large answers may come in pieces
	return r, nil
}

// Addr is where it listens.
func (r *Reflector) Addr() net.Addr { return r.conn.LocalAddr() }

// Run answers until ctx ends. It is called once.
func (r *Reflector) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { r.closing.Do(func() { _ = r.conn.Close() }) })
	defer stop()
	buf := make([]byte, mostSize+1)
	for {
		n, from, err := r.conn.ReadFromUDPAddrPort(buf)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			r.packets.WithLabelValues("read_error").Inc()
			r.opts.Logger.Warn("read test packet", "err", err)
			if !pause(ctx) {
				return ctx.Err()
			}
			continue
		}
		outcome := r.answer(buf[:n], from)
		r.packets.WithLabelValues(outcome).Inc()
	}
}

// pause waits a moment, and tells whether ctx goes on.
func pause(ctx context.Context) bool {
	t := time.NewTimer(100 * time.Millisecond)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// answer sends one reply and says what became of the packet.
func (r *Reflector) answer(p []byte, from netip.AddrPort) string {
	now := r.opts.Now()
	if len(p) > mostSize {
		return "too_large"
	}
	if _, err := ParseRequest(p, r.token); err != nil {
		if errors.Is(err, ErrForged) {
			return "forged"
		}
		return "short"
	}
	s := r.session(from, now)
	if s == nil {
		return "too_many_sessions"
	}
	if !r.all.AllowN(now, 1) || !s.limit.AllowN(now, 1) {
		return "rate"
	}
	fillReply(p, s.sent, now, r.opts.Now(), r.token)
	s.sent++
	if _, err := r.conn.WriteToUDPAddrPort(p, from); err != nil {
		return "write_error"
	}
	return "answered"
}

// session returns the sender's session. When there are too many, those that
// ended make room; nil when there is none.
func (r *Reflector) session(from netip.AddrPort, now time.Time) *session {
	s := r.sessions[from]
	if s == nil || now.Sub(s.last) > sessionLife {
		if len(r.sessions) >= mostSession {
			for a, old := range r.sessions {
				if now.Sub(old.last) > sessionLife {
					delete(r.sessions, a)
				}
			}
		}
		if len(r.sessions) >= mostSession && s == nil {
			return nil
		}
		s = &session{limit: rate.NewLimiter(rate.Limit(r.opts.Rate/4), max(r.opts.Burst/4, 1))}
		r.sessions[from] = s
	}
	s.last = now
	return s
}
