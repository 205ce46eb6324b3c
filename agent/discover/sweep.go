package discover

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/faultline/faultline/agent/discover/topology"
	"github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/internal/profile"
)

// Options are the settings of a sweep. Zero values are the defaults.
type Options struct {
	Networks, Exclude []netip.Prefix
	Limit             int // addresses at most; default 4096
	Credentials       []Credential
	Profiles          *profile.Set // required

	Port       uint16        // of SNMP; default 161
	Rate       float64       // packets a second to addresses of which nothing is known; default 100
	Parallel   int           // devices read at once; default 4
	Timeout    time.Duration // of one request; default 1 s
	Retries    int           // of devices that answered something; default 1, -1 is none
	Deadline   time.Duration // for one device; default 60 s
	MaxRows    int           // of one table; default 10,000
	SkipSilent bool          // do not ask by SNMP what answers no ICMP
	NoFDB      bool          // do not read forwarding tables
	NoPorts    bool          // do not try TCP ports
	NoNames    bool          // do not ask DNS

	Report func(Status) // called from one goroutine at a time, often
}

// validate fills in defaults.
func (o *Options) validate() error {
	setDefault(&o.Limit, 4096)
	setDefault(&o.Port, snmp.DefaultPort)
	setDefault(&o.Rate, 100)
	setDefault(&o.Parallel, 4)
	setDefault(&o.Timeout, time.Second)
	setDefault(&o.Retries, 1)
	setDefault(&o.Deadline, time.Minute)
	setDefault(&o.MaxRows, 10_000)
	o.Retries = max(o.Retries, 0)
	if o.Report == nil {
		o.Report = func(Status) {}
	}
	switch {
	case o.Profiles == nil:
		return errors.New("no profiles")
	case len(o.Networks) == 0:
		return errors.New("no network")
	case o.Rate < 1 || o.Rate > 10_000:
		return fmt.Errorf("rate %g: want 1 to 10000 packets a second", o.Rate)
	case o.Parallel < 1 || o.Parallel > 64:
		return fmt.Errorf("%d devices at once: want 1 to 64", o.Parallel)
	case o.Timeout < 0 || o.Deadline < 0:
		return errors.New("a time is negative")
	}
	for i := range o.Credentials {
		if err := o.Credentials[i].Check(); err != nil {
			return fmt.Errorf("credential %d: %w", i+1, err)
		}
	}
	o.Credentials = named(o.Credentials)
	return nil
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Status is how far a sweep is.
type Status struct {
	Phase       string // ping, snmp or names
	Done, Total int    // of the phase
	Answered    int    // addresses
	SNMP        int    // of them by SNMP
}

// Result is what a sweep found.
type Result struct {
	Hosts       []topology.Host // by address
	Credentials []Credential    // by the names that Facts use; Version is as given
	Swept       []netip.Prefix
	Excluded    []netip.Prefix
	Addresses   int      // that were asked
	Interrupted bool     // ctx ended before all was asked
	Notes       []string // what was left out, and why
	Took        time.Duration
	Requests    uint64 // SNMP messages sent to devices that answered
}

// Run sweeps. When ctx ends, what was found until then is the result and
// Interrupted is set; the error is about the options, or that nothing can be
// sent at all.
func Run(ctx context.Context, o Options) (*Result, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("discover: %w", err)
	}
	all, err := addresses(o.Networks, o.Exclude, o.Limit)
	if err != nil {
		return nil, fmt.Errorf("discover: %w", err)
	}
	transport := snmp.NewTransport(snmp.Options{})
	defer func() { _ = transport.Close() }()
	p := newPace(o.Rate)
	s := &sweep{o: o, pace: p, net: transport, hosts: map[netip.Addr]*topology.Host{}, read: map[netip.Addr]*topology.Facts{}, reading: make(chan struct{}, o.Parallel),
		keys: &keyring{net: transport, port: o.Port, timeout: o.Timeout, retries: o.Retries, maxRows: o.MaxRows, pace: p, all: o.Credentials, opened: make([]int, len(o.Credentials))}}
	start := time.Now()
	s.run(ctx, all)
	r := &Result{Credentials: o.Credentials, Swept: o.Networks, Excluded: o.Exclude, Addresses: len(all), Interrupted: ctx.Err() != nil, Notes: s.notes, Took: time.Since(start), Requests: s.requests}
	for _, h := range s.hosts {
		r.Hosts = append(r.Hosts, *h)
	}
	slices.SortFunc(r.Hosts, func(x, y topology.Host) int { return x.Address.Compare(y.Address) })
	return r, nil
}

// sweep is a Run under way.
type sweep struct {
	o    Options
	pace *pace
	net  *snmp.Transport
	keys *keyring

	reading chan struct{} // places for devices being read
	names   names

	mu       sync.Mutex // guards the fields below, and calls of Report
	status   Status
	hosts    map[netip.Addr]*topology.Host
	read     map[netip.Addr]*topology.Facts // of devices read, by every address of their own
	notes    []string
	requests uint64
}

func (s *sweep) run(ctx context.Context, all []netip.Addr) {
	s.ping(ctx, all)
	if ctx.Err() != nil {
		return
	}
	asked := all
	if s.o.SkipSilent {
		asked = slices.DeleteFunc(slices.Clone(all), func(a netip.Addr) bool { return s.hosts[a] == nil })
	}
	if len(s.o.Credentials) > 0 {
		s.each(ctx, "snmp", asked, s.ask)
	}
	var known []netip.Addr
	for _, a := range all {
		if s.hosts[a] != nil {
			known = append(known, a)
		}
	}
	s.each(ctx, "names", known, s.look)
}

// begin starts a phase.
func (s *sweep) begin(phase string, total int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Phase, s.status.Done, s.status.Total = phase, 0, total
	s.o.Report(s.status)
}

// step counts one address of the phase as done, after change.
func (s *sweep) step(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if change != nil {
		change()
	}
	s.status.Done++
	s.status.Answered = len(s.hosts)
	s.o.Report(s.status)
}

func (s *sweep) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if text := fmt.Sprintf(format, args...); !slices.Contains(s.notes, text) {
		s.notes = append(s.notes, text)
	}
}

// ping finds out who answers ICMP or, where that may not be sent, who refuses a
// UDP packet or a TCP connection.
func (s *sweep) ping(ctx context.Context, all []netip.Addr) {
	s.begin("ping", len(all))
	heard, err := pings(ctx, all, s.pace, s.o.Timeout, func(n, most, heard int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.status.Done, s.status.Total, s.status.Answered = n, most, heard
		s.o.Report(s.status)
	})
	for a, rtt := range heard {
		s.hosts[a] = &topology.Host{Address: a, Heard: "icmp", RTT: rtt}
	}
	if err == nil || ctx.Err() != nil {
		return
	}
	s.note("ICMP may not be sent (%v): UDP and TCP were tried instead; machines that drop both look dead", err)
	s.each(ctx, "ping", all, func(ctx context.Context, a netip.Addr) {
		alive := refuses(ctx, a, s.pace, s.o.Timeout)
		var open []int
		if !alive {
			open, alive = knock(ctx, a, alivePorts, s.pace, s.o.Timeout)
		}
		s.step(func() {
			if alive {
				s.hosts[a] = &topology.Host{Address: a, Heard: "tcp", Ports: open}
			}
		})
	})
}

// waiting is how many addresses are asked at once; most of them are silent, and
// the rate bounds what is sent.
const waiting = 256

// each does one thing for many addresses, several at once, and returns when all
// are done.
func (s *sweep) each(ctx context.Context, phase string, all []netip.Addr, do func(context.Context, netip.Addr)) {
	s.begin(phase, len(all))
	var group sync.WaitGroup
	slots := make(chan struct{}, waiting)
	for _, a := range all {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		group.Go(func() {
			defer func() { <-slots }()
			do(ctx, a)
		})
	}
	group.Wait()
}
