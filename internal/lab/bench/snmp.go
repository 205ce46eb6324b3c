package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/rules"
)

// What is asked of polling: the work, and its bounds.
const (
	snmpDevices  = 200
	snmpRows     = 59
	snmpInterval = 10 * time.Second
	snmpWarm     = 30 * time.Second

	manyDevices  = 2000
	manyRows     = 12 // 12 × 41 columns and a few: 500 variable bindings
	manyInterval = time.Minute

	deadDevices = 20 // of snmpDevices, in the run for jitter
)

// measureSNMP compares what the agent and its peers use for the same sweeps.
func measureSNMP(ctx context.Context, o options) (table, error) {
	return withResponder(ctx, o, fmt.Sprintf("snmp: %d devices of %d varbinds every %s, watched for %s", snmpDevices, snmpRows*len(ifColumns), snmpInterval, o.window), measureSweeps)
}

// measureSNMPMany polls many small devices seldom.
func measureSNMPMany(ctx context.Context, o options) (table, error) {
	return withResponder(ctx, o, fmt.Sprintf("snmp-many: %d devices every %s on one core", manyDevices, manyInterval), measureMany)
}

// measureSNMPDead looks how evenly devices are polled beside dead ones.
func measureSNMPDead(ctx context.Context, o options) (table, error) {
	return withResponder(ctx, o, fmt.Sprintf("snmp-dead: %d of %d devices do not answer", deadDevices, snmpDevices), measureJitter)
}

// withResponder measures with the program that plays the devices, where it is at hand.
func withResponder(ctx context.Context, o options, name string, measure func(context.Context, options, string, *table) error) (table, error) {
	t := table{Name: name}
	bin, err := buildResponder(ctx, o)
	if err != nil {
		t.note("Not measured: %v.", err)
		return t, nil
	}
	return t, measure(ctx, o, bin, &t)
}

// measureSweeps compares what the agent and its peers use for the same work.
func measureSweeps(ctx context.Context, o options, bin string, t *table) error {
	r, err := startResponder(ctx, o, bin, fleet{devices: snmpDevices, rows: snmpRows})
	if err != nil {
		return err
	}
	defer r.stop()
	own, err := sweepAgent(ctx, o, r, t)
	if err != nil {
		return err
	}
	peers := []sweeps{}
	for _, p := range []peer{{"snmp_exporter", exporterPeer}, {"collectd", collectdPeer}} {
		s, err := p.run(ctx, o, r)
		if err != nil {
			t.note("No mark of %s: %v.", p.name, err)
			continue
		}
		s.name = p.name
		peers = append(peers, s)
	}
	addSweeps(t, own, peers)
	return nil
}

// sweeps is what a poller used and asked while it was watched.
type sweeps struct {
	name     string
	cpu      float64 // ms for 1,000 varbinds received
	rss, pss float64 // MiB, highest
	requests float64 // for each sweep of all devices
	varbinds float64
	values   float64 // useful ones in a sweep, of those varbinds
}

// watchSweeps watches a poller for a window, by the responder's own counts.
func watchSweeps(ctx context.Context, o options, r *responder, p *process) (sweeps, error) {
	before, err := r.count(ctx)
	if err != nil {
		return sweeps{}, err
	}
	used, err := p.cpu()
	if err != nil {
		return sweeps{}, p.failed(err)
	}
	begin := time.Now()
	seen, err := watch(ctx, o.window, p)
	if err != nil {
		return sweeps{}, err
	}
	after, err := r.count(ctx)
	if err != nil {
		return sweeps{}, err
	}
	all, err := p.cpu()
	if err != nil {
		return sweeps{}, p.failed(err)
	}
	peak, err := p.peakRSS()
	n := time.Since(begin).Seconds() / snmpInterval.Seconds()
	got := float64(after.Varbinds - before.Varbinds)
	if got == 0 {
		return sweeps{}, p.failed(errors.New("no varbinds were asked for"))
	}
	return sweeps{cpu: (all - used).Seconds() * 1e6 / got, rss: peak, pss: seen[0].peak.PSS,
		requests: float64(after.In-before.In) / n, varbinds: got / n}, err
}

// peakRSS is the highest resident size so far, in MiB.
func (p *process) peakRSS() (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	f := strings.Fields(rest)
	if len(f) == 0 {
		return 0, fmt.Errorf("%s: no VmHWM in /proc/PID/status", p.name)
	}
	kib, err := strconv.ParseFloat(f[0], 64)
	return kib / 1024, err
}

// sweepAgent lets the agent do the work for a real collector, and checks that
// everything arrives there.
func sweepAgent(ctx context.Context, o options, r *responder, t *table) (sweeps, error) {
	c, err := startStore(ctx, o)
	if err != nil {
		return sweeps{}, err
	}
	defer c.stop()
	a, err := startPoller(ctx, o, c, pollers(r, snmpDevices, snmpInterval, nil))
	if err != nil {
		return sweeps{}, err
	}
	defer a.stop()
	if err := sleep(ctx, snmpWarm); err != nil {
		return sweeps{}, err
	}
	before, err := a.metrics(ctx)
	if err != nil {
		return sweeps{}, err
	}
	s, err := watchSweeps(ctx, o, r, a.process)
	if err != nil {
		return sweeps{}, err
	}
	after, err := a.metrics(ctx)
	if err != nil {
		return sweeps{}, err
	}
	s.values = snmpDevices * float64(len(numericColumns())) * snmpRows
	return s, errors.Join(checkArrival(ctx, c, o.window, t), spoolCost(before, after, t))
}

// startStore starts a collector that judges nothing: rules over every interface of
// all these devices, each second, would take the time of the agent that is measured.
func startStore(ctx context.Context, o options) (*collector, error) {
	dir, err := os.MkdirTemp(o.work, "rules-")
	if err != nil {
		return nil, err
	}
	files, err := fs.Glob(rules.FS(), "alerts/*.yaml")
	if err = errors.Join(err, os.Mkdir(filepath.Join(dir, "alerts"), 0o755)); err != nil {
		return nil, err
	}
	for _, name := range files {
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), []byte("groups: []\n"), 0o600); err != nil {
			return nil, err
		}
	}
	return startCollector(ctx, o, settings{estate: estate{writers: 1}, rules: dir})
}

// spoolCost says what the spool took in while the agent was watched.
func spoolCost(before, after values, t *table) error {
	const spooled, sent = `faultline_spool_acked_bytes_total{lane="samples"}`, `faultline_uplink_sent_samples_total{cursor="live"}`
	bytes, samples := after[spooled]-before[spooled], after[sent]-before[sent]
	if samples <= 0 {
		return errors.New("the agent sent no samples")
	}
	t.add("spooled, synced, sent and acknowledged", "", bytes/samples, "bytes a sample on disk", figure(samples)+" samples")
	return nil
}

// checkArrival counts in the collector's store what the agent measured.
func checkArrival(ctx context.Context, c *collector, window time.Duration, t *table) error {
	var series, samples float64
	for _, col := range ifColumns {
		for expr, sum := range map[string]*float64{"count(%s)": &series, "sum(count_over_time(%s[%s]))": &samples} {
			args := []any{col.name, fmt.Sprintf("%.0fs", window.Seconds())}
			text, err := c.value(ctx, fmt.Sprintf(expr, args[:strings.Count(expr, "%s")]...))
			if err != nil {
				return err
			}
			n, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return err
			}
			*sum += n
		}
	}
	want := float64(snmpDevices * snmpRows * len(ifColumns))
	t.add("series in the collector's store", figure(want), series, "series", "")
	t.add("samples there, of the window", figure(want*window.Seconds()/snmpInterval.Seconds()), samples, "samples", "")
	return nil
}

// addSweeps adds what was used, with the peers beside it.
func addSweeps(t *table, own sweeps, peers []sweeps) {
	for _, f := range []struct {
		what, asked, unit string
		of                func(sweeps) float64
	}{
		{"CPU for 1,000 varbinds received", "≤ 1.0 ms", "ms", func(s sweeps) float64 { return s.cpu }},
		{"CPU for 1,000 numbers of interfaces", "", "ms", func(s sweeps) float64 { return s.cpu * s.varbinds / s.values }},
		{"RSS, highest since the start", "≤ 60 MiB", mib, func(s sweeps) float64 { return s.rss }},
		{"PSS, highest", "", mib, func(s sweeps) float64 { return s.pss }},
		{"requests a sweep", "", "packets", func(s sweeps) float64 { return s.requests }},
		{"varbinds a sweep", "", "varbinds", func(s sweeps) float64 { return s.varbinds }},
	} {
		var marks []string
		for _, p := range peers {
			marks = append(marks, fmt.Sprintf("%s %s: ratio %s", p.name, figure(f.of(p)), figure(f.of(own)/f.of(p))))
		}
		t.add(f.what, f.asked, f.of(own), f.unit, strings.Join(marks, "; "))
	}
}

// measureMany polls many small devices seldom, on one core.
func measureMany(ctx context.Context, o options, bin string, t *table) error {
	r, err := startResponder(ctx, o, bin, fleet{devices: manyDevices, rows: manyRows})
	if err != nil {
		return err
	}
	defer r.stop()
	c, err := startStore(ctx, o)
	if err != nil {
		return err
	}
	defer c.stop()
	a, err := startPoller(ctx, o, c, pollers(r, manyDevices, manyInterval, nil), "taskset", "-c", "0")
	if err != nil {
		return err
	}
	defer a.stop()
	if err := sleep(ctx, manyInterval+snmpWarm); err != nil { // every device was polled at its beat
		return err
	}
	before, err := a.metrics(ctx)
	if err != nil {
		return err
	}
	o.window = max(o.window, manyInterval)
	s, err := watchSweeps(ctx, o, r, a.process)
	if err != nil {
		return err
	}
	after, err := a.metrics(ctx)
	if err != nil {
		return err
	}
	late, err := jitter(ctx, c, manyInterval, 2*manyInterval)
	if err != nil {
		return err
	}
	perSecond := s.varbinds / snmpInterval.Seconds()
	what := fmt.Sprintf("%d devices of %.0f varbinds every %s on one core", manyDevices, perSecond*manyInterval.Seconds()/manyDevices, manyInterval)
	t.add(what+": CPU", "one core", s.cpu*perSecond/1e4, "% of it", figure(s.cpu)+" ms for 1,000 varbinds")
	t.add("the same: RSS, highest", "", s.rss, mib, "")
	t.add("the same: polls left out for being late", "", after.sum("faultline_schedule_skipped_total")-before.sum("faultline_schedule_skipped_total"),
		"polls", fmt.Sprintf("intervals off by %s at p99, %s at most", percent(late.p99), percent(late.most)))
	return nil
}

// poller is a running agent whose own metrics can be read.
type poller struct {
	*process
	url string
}

// pollers are targets as the agent's configuration has them: n devices of a
// responder, and dead ones.
func pollers(r *responder, n int, interval time.Duration, dead []string) []byte {
	var b bytes.Buffer
	add := func(i int, address string) {
		host, _, _ := strings.Cut(address, ":")
		fmt.Fprintf(&b, "  - {id: sw-%04d/snmp, input: snmp, address: %q, interval: %s, labels: {job: snmp, instance: %s, site: hq, device: sw-%04d, role: switch}, options: {community: %s}}\n",
			i, address, interval, host, i, benchCommunity)
	}
	for i := range n {
		add(i, r.address(i))
	}
	for i, address := range dead {
		add(n+i, address)
	}
	return b.Bytes()
}

// startPoller starts an agent with targets of its own; through are a program and
// its arguments that start it.
func startPoller(ctx context.Context, o options, c *collector, targets []byte, through ...string) (*poller, error) {
	dir, err := os.MkdirTemp(o.work, "poller-")
	if err != nil {
		return nil, err
	}
	profiles := filepath.Join(dir, "profiles")
	listen, err := freeAddress(ctx)
	if err = errors.Join(err, os.Mkdir(profiles, 0o755)); err != nil {
		return nil, err
	}
	config := fmt.Sprintf("agent: %s\ndata: %q\nlisten: %s\nprofiles: %q\ncollector: {url: %q, token: %s}\ntargets:\n%s",
		writer(0), dir, listen, profiles, c.url, tokenOf(writer(0)), targets)
	file := filepath.Join(dir, "agent.yaml")
	if err := errors.Join(writeProfile(filepath.Join(profiles, "bench-switch.yaml")), os.WriteFile(file, []byte(config), 0o600)); err != nil {
		return nil, err
	}
	args := append(slices.Clone(through), filepath.Join(o.bin, "faultline-agent"), "run", "--config", file)
	if args[0], err = exec.LookPath(args[0]); err != nil {
		return nil, err
	}
	p, err := start(ctx, o, args[0], args[1:]...)
	if err != nil {
		return nil, err
	}
	return &poller{p, "http://" + listen + "/metrics"}, nil
}

// values are metrics by name with labels.
type values map[string]float64

// sum is that of all series of a metric.
func (v values) sum(name string) float64 {
	total := 0.0
	for series, value := range v {
		if before, _, _ := strings.Cut(series, "{"); before == name {
			total += value
		}
	}
	return total
}

// metrics reads the agent's own.
func (p *poller) metrics(ctx context.Context) (values, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil {
		return nil, err
	}
	text, err := send(req)
	if err != nil {
		return nil, p.failed(err)
	}
	v := values{}
	for line := range strings.Lines(string(text)) {
		if at := strings.LastIndexByte(line, ' '); at > 0 && line[0] != '#' {
			v[line[:at]], _ = strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
		}
	}
	return v, nil
}
