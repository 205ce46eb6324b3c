package probe

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// Sizes of IP packets in bytes.
const (
	header4, header6 = 20 + 8, 40 + 8 // IP and ICMP or UDP
	least4, least6   = 576, 1280      // what every path carries
	largeCount       = 5              // packets of a large size
)

// line tests how well a way carries: loss, delay and its variation over many
// small packets, whether large ones pass unfragmented and, where a reflector
// answers at the far end, in which direction packets are lost. Where routers
// record the route it says whether a packet passed another line. A router that
// answers itself may note its own address instead of the line its answer takes
// (Linux does): ask a host behind it.
type line struct {
	resolver
	echo      echo
	large     int // bytes of an IP packet; 0: not tested
	route     bool
	elsewhere []netip.Addr // addresses of other lines: who passes them made a detour
	reflector *stamp       // nil: none
}

func newLine(o *options, opts Options) (module, error) {
	p := &line{
		resolver: o.host(opts),
		large:    o.number("large", 1500, 0, 9000),
		route:    o.flag("record_route", true),
		echo: echo{
			count: o.number("count", 20, 2, 1000), size: o.number("size", 56, cookieLen, 1400), ttl: 64,
			spacing: o.duration("spacing", 50*time.Millisecond), timeout: o.duration("timeout", time.Second),
		},
	}
	if p.large > 0 && p.large < least6 {
		o.fault("large %d: want 0 or at least %d", p.large, least6)
	}
	for s := range strings.FieldsFuncSeq(o.text("elsewhere", ""), func(r rune) bool { return r == ',' || r == ' ' }) {
		a, err := netip.ParseAddr(s)
		if err != nil {
			o.fault("elsewhere %q: want addresses", s)
		}
		p.elsewhere = append(p.elsewhere, a.Unmap())
	}
	token := o.text("token", "")
	port := o.number("reflect_port", 0, 1, 65535)
	stateful := o.flag("stateful", token != "")
	if port != 0 {
		p.reflector = &stamp{port: port, token: []byte(token), stateful: stateful}
	} else if token != "" {
		o.fault("token without reflect_port")
	}
	return p, nil
}

func (p *line) run(ctx context.Context, r *result) error {
	dst, _, err := p.lookup(ctx, r)
	if err != nil {
		r.put("faultline_probe_loss_ratio", 1)
		r.failed(err)
		return nil
	}
	var found findings
	g, _ := errgroup.WithContext(ctx) // the tests do not end each other
	g.Go(func() error { return p.test(ctx, dst, &found) })
	if p.reflector != nil {
		g.Go(func() error {
			found.twoWay = p.reflector.test(ctx, dst, p.echo, p.large)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	found.put(r, p)
	return nil
}

// findings are what one test of a line found.
type findings struct {
	small, large tally
	mtu          int          // bytes of the largest IP packet that passed; 0: not looked for
	path         []netip.Addr // recorded
	recorded     bool
	twoWay       twoWay
}

// test asks by ICMP.
func (p *line) test(ctx context.Context, dst net.IPAddr, f *findings) error {
	c, err := listenEcho(dst, p.echo.ttl, 9000)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	f.small = p.echo.exchange(ctx, c)
	if f.small.sent == 0 && ctx.Err() != nil {
		return ctx.Err()
	}
	if f.small.received == 0 {
		return nil
	}
	wait := min(max(3*f.small.longest, 200*time.Millisecond), p.echo.timeout)
	if p.route {
		f.path, f.recorded = recordRoute(ctx, dst, wait)
	}
	if p.large == 0 || dontFragment(c) != nil {
		return nil
	}
	f.large = sized(p.large, largeCount, wait, dst).exchange(ctx, c)
	switch {
	case f.large.received > 0:
		f.mtu = p.large
	case f.large.sent == largeCount:
		f.mtu = p.fit(ctx, c, dst, wait)
	}
	return nil
}

// sized is an exchange of IP packets of so many bytes.
func sized(bytes, count int, wait time.Duration, dst net.IPAddr) *echo {
	header := header4
	if dst.IP.To4() == nil {
		header = header6
	}
	return &echo{count: count, size: bytes - header, spacing: 20 * time.Millisecond, timeout: wait}
}

// fit finds the largest packet that passes, by halving; 0 when time does not
// suffice or none passes.
func (p *line) fit(ctx context.Context, c *echoConn, dst net.IPAddr, wait time.Duration) int {
	good, bad := least4, p.large
	if c.v6 {
		good = least6
	}
	for first := true; bad-good > 1; first = false {
		try := (good + bad) / 2
		if first {
			try = good
		}
		t := sized(try, 2, wait, dst).exchange(ctx, c)
		switch {
		case t.received > 0 && first: // as expected
		case t.received > 0:
			good = try
		case ctx.Err() != nil || first:
			return 0
		default:
			bad = try
		}
	}
	return good
}

func (f *findings) put(r *result, p *line) {
	r.put("faultline_probe_loss_ratio", f.small.loss())
	r.put("faultline_probe_packets_sent", float64(f.small.sent))
	if f.small.received > 0 {
		r.success = true
		r.put("probe_icmp_duration_seconds", (f.small.rtt / time.Duration(f.small.received)).Seconds(), "phase", "rtt")
		r.put("faultline_probe_rtt_min_seconds", f.small.shortest().Seconds())
		r.put("faultline_probe_rtt_max_seconds", f.small.longest.Seconds())
		r.put("probe_icmp_reply_hop_limit", float64(f.small.hops))
		r.put("faultline_probe_jitter_seconds", variation(f.small.each).Seconds())
	}
	if f.large.sent > 0 {
		r.put("faultline_probe_large_loss_ratio", f.large.loss(), "bytes", strconv.Itoa(p.large))
	}
	if f.mtu > 0 {
		r.put("faultline_probe_path_mtu_bytes", float64(f.mtu))
	}
	if f.recorded {
		r.put("faultline_probe_detour", truth(f.detour(p.elsewhere)))
		r.put("faultline_probe_recorded_route_info", 1, "route", joined(f.path))
	}
	if p.reflector != nil {
		f.twoWay.put(r, p.large)
		r.success = r.success || f.twoWay.answered
	}
}

// detour tells whether a packet passed one of the addresses on its way there or
// back.
func (f *findings) detour(elsewhere []netip.Addr) bool {
	for _, a := range f.path {
		for _, e := range elsewhere {
			if a == e {
				return true
			}
		}
	}
	return false
}

func joined(path []netip.Addr) string {
	var b strings.Builder
	for i, a := range path {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(a.String())
	}
	return b.String()
}

// variation is the mean difference between neighbours; 0 stands for lost.
func variation(each []time.Duration) time.Duration {
	var sum, last time.Duration
	n := 0
	for _, d := range each {
		if d == 0 {
			continue
		}
		if last != 0 {
			sum += (d - last).Abs()
			n++
		}
		last = d
	}
	return sum / time.Duration(max(n, 1))
}
