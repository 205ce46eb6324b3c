// Package probe is the input that asks from outside whether something answers:
// ICMP echo, TCP connect, HTTP, DNS, DHCP and NTP, and how well a line carries,
// with the metric names of blackbox_exporter. A probe that was carried out is a
// success of the poll (up 1) whatever it found; probe_success says what it
// found. It follows no path and reads no device.
package probe

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// Options are the settings of an Input.
type Options struct {
	Now      func() time.Time // default time.Now
	Resolver *net.Resolver    // default net.DefaultResolver
}

// Input probes targets; the option module says how.
type Input struct {
	opts Options

	mu      sync.Mutex
	modules map[string]*compiled // by target id
}

// module carries out one kind of probe.
type module interface {
	// run probes the target and notes what it found. It returns an error only
	// when it could not probe at all, which says nothing about the target.
	run(ctx context.Context, r *result) error
}

// builder makes a module from a target's settings.
type builder func(o *options, opts Options) (module, error)

var builders = map[string]builder{"icmp": newICMP, "line": newLine, "tcp": newTCP, "http": newHTTP, "dns": newDNS, "dhcp": newDHCP, "ntp": newNTP}

type compiled struct {
	address string
	options map[string]string
	module  module
	labels  map[string]base.Labels // of series, made once
	infos   map[string]base.Labels // of series named _info that the last probe gave
}

// New makes an Input.
func New(o Options) *Input {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Resolver == nil {
		o.Resolver = net.DefaultResolver
	}
	return &Input{opts: o, modules: map[string]*compiled{}}
}

// Name is "probe".
func (in *Input) Name() string { return "probe" }

// CheckTarget reports what is wrong with the target's options.
func (in *Input) CheckTarget(t base.Target) error {
	_, err := in.build(t)
	return err
}

// Gather probes the target once.
func (in *Input) Gather(ctx context.Context, t base.Target, sink input.Sink) error {
	c, err := in.compiled(t)
	if err != nil {
		return err
	}
	start := in.opts.Now()
	r := &result{at: start.UnixMilli(), sink: sink, labels: c.labels, infos: map[string]base.Labels{}}
	if err := c.module.run(ctx, r); err != nil {
		return fmt.Errorf("probe %s %s: %w", t.Options["module"], t.Address, err)
	}
	r.put("probe_success", truth(r.success))
	r.put("probe_duration_seconds", in.opts.Now().Sub(start).Seconds())
	r.ended(c.infos)
	c.infos = r.infos
	return nil
}

func (in *Input) compiled(t base.Target) (*compiled, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	c := in.modules[t.ID]
	if c != nil && c.address == t.Address && maps.Equal(c.options, t.Options) {
		return c, nil
	}
	m, err := in.build(t)
	if err != nil {
		return nil, err
	}
	c = &compiled{address: t.Address, options: maps.Clone(t.Options), module: m, labels: map[string]base.Labels{}}
	in.modules[t.ID] = c
	return c, nil
}

func (in *Input) build(t base.Target) (module, error) {
	name := t.Options["module"]
	b := builders[name]
	if b == nil {
		return nil, fmt.Errorf("module %q: want one of %s", name, strings.Join(slices.Sorted(maps.Keys(builders)), ", "))
	}
	o := &options{address: t.Address, values: t.Options, used: map[string]bool{"module": true}}
	m, err := b(o, in.opts)
	if err != nil {
		return nil, err
	}
	return m, o.err()
}

// result is what one probe found. A module may be asked again for the same
// target only after the last run has ended.
type result struct {
	at      int64
	sink    input.Sink
	labels  map[string]base.Labels
	infos   map[string]base.Labels // given so far, of series named _info
	success bool
}

// put hands over one value; label is names and values in turn.
func (r *result) put(name string, value float64, label ...string) {
	key := name + "\x00" + strings.Join(label, "\x00")
	ls, ok := r.labels[key]
	if !ok {
		if len(r.labels) > mostLabels { // of answers that differ every time
			clear(r.labels)
		}
		m := map[string]string{}
		for i := 0; i+1 < len(label); i += 2 {
			m[label[i]] = label[i+1]
		}
		ls = base.LabelsFrom(name, m)
		r.labels[key] = ls
	}
	if strings.HasSuffix(name, "_info") {
		r.infos[key] = ls
	}
	r.sink.Sample(base.Sample{Labels: ls, Time: r.at, Value: value})
}

// ended says 0 of what the last probe said 1 and this one no longer does, so
// that nobody takes it for lasting.
func (r *result) ended(before map[string]base.Labels) {
	for key, ls := range before {
		if _, still := r.infos[key]; !still {
			r.sink.Sample(base.Sample{Labels: ls, Time: r.at, Value: 0})
		}
	}
}

// mostLabels bounds the label sets that are kept of one target.
const mostLabels = 256

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// resolver finds the address to probe.
type resolver struct {
	host    string
	network string // ip, ip4 or ip6
	resolve *net.Resolver
}

// lookup resolves the host, preferring IPv4, and notes how long it took.
func (x resolver) lookup(ctx context.Context, r *result) (net.IPAddr, time.Duration, error) {
	start := time.Now()
	host, zone, _ := strings.Cut(x.host, "%")
	ip := net.ParseIP(host)
	if ip == nil {
		ips, err := x.resolve.LookupIP(ctx, x.network, x.host)
		if err != nil {
			r.put("probe_dns_lookup_time_seconds", time.Since(start).Seconds())
			return net.IPAddr{}, time.Since(start), err
		}
		ip = ips[0]
		if i := slices.IndexFunc(ips, func(ip net.IP) bool { return ip.To4() != nil }); i >= 0 {
			ip = ips[i]
		}
	}
	took := time.Since(start)
	r.put("probe_dns_lookup_time_seconds", took.Seconds())
	protocol := 6.0
	if ip.To4() != nil {
		protocol = 4
	}
	r.put("probe_ip_protocol", protocol)
	return net.IPAddr{IP: ip, Zone: zone}, took, nil
}
