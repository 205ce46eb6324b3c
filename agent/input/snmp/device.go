package snmp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

const (
	oidUpTime   = "1.3.6.1.2.1.1.3.0"
	oidObjectID = "1.3.6.1.2.1.1.2.0"
	oidDescr    = "1.3.6.1.2.1.1.1.0"
	oidName     = "1.3.6.1.2.1.1.5.0"

	slowEvery     = 5 * time.Minute  // names, serials and other things that seldom change
	identifyFirst = 30 * time.Second // a device just started may not show all of itself yet
	identifyEvery = 10 * time.Minute
)

// device is what is known of one target between polls.
type device struct {
	address string
	options map[string]string
	cfg     config
	opts    Options
	used    time.Time // guarded by the Input's mu

	mu sync.Mutex // held during a poll; guards the fields below

	session  *session
	id       profile.Identification
	facts    identity
	plan     *profile.Plan
	identify time.Time // when to look again which profiles fit
	slowAt   time.Time // when to read slow things again
	upTime   float64   // sysUpTime at the last poll, in ticks
	tables   []*table
	problems []Problem         // of the last poll
	keepAll  bool              // keep every value after the poll, to describe the device
	sensors  map[string]string // owner of each sensor's name
	series   map[string]base.Labels
}

func newDevice(c config, t base.Target, o Options) *device {
	return &device{
		address: t.Address, options: maps.Clone(t.Options), cfg: c, opts: o,
		id: profile.Identification{Has: map[string]bool{}}, sensors: map[string]string{}, series: map[string]base.Labels{},
	}
}

// close drops the client; the next poll makes another, which finds the device
// at its present address and engine.
func (d *device) close() {
	if d.session != nil {
		d.session.close()
		d.session = nil
	}
}

// poll reads the device once. An SNMPv3 client whose peer has become another
// engine is not told so in a way that it trusts, so it begins anew once.
func (d *device) poll(ctx context.Context, sink input.Sink) error {
	reused := d.session != nil
	err := d.attempt(ctx, sink)
	if reused && d.session == nil && d.cfg.version == gosnmp.Version3 && !errors.Is(err, gosnmp.ErrMaxRetriesExceeded) && ctx.Err() == nil {
		err = d.attempt(ctx, sink)
	}
	if err != nil {
		return fmt.Errorf("snmp %s: %w", d.address, err)
	}
	return nil
}

// attempt reads the device with the open session, or a new one, and closes it
// when the device did not answer.
func (d *device) attempt(ctx context.Context, sink input.Sink) error {
	start := d.opts.Now()
	if d.session == nil {
		s, err := open(ctx, d.cfg)
		if err != nil {
			return err
		}
		d.session = s
	}
	d.session.begin(ctx)
	d.problems = nil
	p := &poll{device: d, sink: sink, read: &reader{session: d.session, v1: d.cfg.version == gosnmp.Version1, now: d.opts.Now}}
	err := p.run(ctx)
	p.meta(start, err)
	if err != nil && !errors.As(err, new(input.Partial)) {
		d.close()
	}
	return err
}

// poll is one reading of one device.
type poll struct {
	*device
	sink   input.Sink
	read   *reader
	walkAt time.Time // when the first walk began
	slow   bool      // slow things are read in this poll
	given  int       // samples handed over
	faults []error

	columns map[string]map[string]string // whole columns read in this poll, by OID
}

func (p *poll) run(ctx context.Context) error {
	if err := p.hello(ctx); err != nil {
		return err
	}
	now := p.opts.Now()
	if p.plan == nil || !now.Before(p.identify) {
		if err := p.choose(ctx, now); err != nil {
			return input.Partial{Err: err}
		}
	}
	if p.slow = !now.Before(p.slowAt); p.slow {
		p.slowAt = now.Add(slowEvery)
	}
	p.walkAt = now
	var err error
	for _, t := range p.tables {
		t.polled = false
	}
	for i := 0; i < len(p.tables) && err == nil; i++ {
		err = p.tables[i].poll(ctx, p)
	}
	if p.slow && err == nil {
		err = p.identifyDevice(ctx)
	}
	if p.given > 0 {
		p.emitIdentity()
	}
	if err != nil {
		p.slowAt = time.Time{}
		p.faults = append(p.faults, err)
	}
	if p.given == 0 && err == nil { // it answers, and shows nothing at all
		return refusal{reasonAuthorization}
	}
	if err := joined(p.faults); err != nil {
		return input.Partial{Err: err}
	}
	return nil
}

// joined makes one line of faults.
func joined(faults []error) error {
	const most = 8
	var lines []string
	for _, f := range faults {
		if f != nil {
			lines = append(lines, strings.ReplaceAll(f.Error(), "\n", "; "))
		}
	}
	if len(lines) == 0 {
		return nil
	}
	if len(lines) > most {
		lines = append(lines[:most], fmt.Sprintf("and %d more", len(lines)-most))
	}
	return errors.New(strings.Join(lines, "; "))
}

// hello asks for what every device has, and finds out whether it is alive, has
// restarted, or is another one.
func (p *poll) hello(ctx context.Context) error {
	up := -1.0
	var object string
	fault := p.read.get(ctx, opGet, []string{oidUpTime, oidObjectID}, func(i int, v gosnmp.SnmpPDU) {
		if i == 0 {
			up, _ = number(v)
		} else {
			object = text(v, "")
		}
	})
	var s silence
	if errors.As(fault, &s) {
		return s.cause
	}
	if errors.As(fault, new(refusal)) || ctx.Err() != nil {
		return fault
	}
	if up < 0 {
		p.faults = append(p.faults, errors.Join(errors.New("sysUpTime is not there"), fault))
		up = p.upTime
	}
	if object != p.id.SysObjectID && p.id.SysObjectID != "" {
		p.id.Has, p.plan = map[string]bool{}, nil
	}
	if up < p.upTime && !wrapped(p.upTime, up) {
		p.sink.Event(base.Event{Kind: base.EventRestart, At: p.read.at, Text: fmt.Sprintf("sysUpTime fell from %.0f s to %.0f s", p.upTime/100, up/100),
			Attrs: map[string]string{"uptime_seconds": fmt.Sprintf("%.2f", up/100)}})
		p.identify, p.slowAt = time.Time{}, time.Time{}
	}
	p.id.SysObjectID, p.upTime = object, up
	return nil
}

// wrapped tells whether sysUpTime, 32 bits of 1/100 s, went round after 497 days.
func wrapped(before, now float64) bool {
	const full, hour = 1 << 32, 360_000
	return before > full-hour && now < hour
}

// choose finds the profiles that fit. A layer that was there once stays until
// the device is another one: going missing is a fault, not another device.
func (p *poll) choose(ctx context.Context, now time.Time) error {
	err := p.read.get(ctx, opGet, []string{oidDescr, oidName}, func(i int, v gosnmp.SnmpPDU) {
		if i == 0 {
			p.id.SysDescr = text(v, "")
		} else {
			p.id.SysName = text(v, "")
		}
	})
	if silent(err) || ctx.Err() != nil {
		return fmt.Errorf("sysDescr: %w", err)
	}
	probes := p.opts.Profiles.Probes(p.id)
	err = p.read.get(ctx, opNext, probes, func(i int, v gosnmp.SnmpPDU) {
		if _, ok := below(strings.TrimPrefix(v.Name, "."), probes[i]); ok {
			p.id.Has[probes[i]] = true
		}
	})
	if silent(err) || ctx.Err() != nil {
		return fmt.Errorf("finding profiles: %w", err)
	}
	if err != nil {
		p.faults = append(p.faults, fmt.Errorf("finding profiles: %w", err))
	}
	wait := identifyEvery
	if p.plan == nil {
		wait = identifyFirst
	}
	p.identify = now.Add(wait)
	plan := p.opts.Profiles.Select(p.id)
	if p.plan == nil || strings.Join(plan.Profiles, " ") != strings.Join(p.plan.Profiles, " ") {
		p.adopt(plan)
	}
	for _, t := range p.tables {
		t.expected = 0
		for k := range t.fast {
			if t.fast[k].state == notThere {
				t.fast[k].state = notAsked
			}
		}
	}
	return nil
}

// adopt takes a plan; tables that were in the last one keep what was learned.
func (d *device) adopt(plan *profile.Plan) {
	old := map[string]*table{}
	for _, t := range d.tables {
		old[t.def.Name] = t
	}
	d.plan, d.slowAt = plan, time.Time{}
	d.tables = nil
	scalars := map[string]*table{}
	for _, def := range plan.Tables {
		if def.Optional && !slices.Contains(d.cfg.tables, def.Name) {
			continue
		}
		t := newTable(def, d.keepAll)
		if o := old[t.def.Name]; o != nil {
			t.tuning, t.slowTuning = o.tuning, o.slowTuning
		}
		if def.Scalar() {
			scalars[def.Name] = t
		} else {
			t.outer = scalars[def.Outer.Name]
		}
		d.tables = append(d.tables, t)
	}
}

// sample hands over one value.
func (p *poll) sample(ls base.Labels, value float64, at time.Time) {
	p.given++
	p.sink.Sample(base.Sample{Labels: ls, Time: at.UnixMilli(), Value: value})
}

// own returns the labels of a series about the polling itself, made once.
func (d *device) own(name, label, value string) base.Labels {
	key := name + "\x00" + value
	ls, ok := d.series[key]
	if !ok {
		ls = base.LabelsFrom(name, map[string]string{label: value})
		d.series[key] = ls
	}
	return ls
}

// meta says what the poll cost, which tables it could read, and whether the
// device refused us.
func (p *poll) meta(start time.Time, err error) {
	now := p.opts.Now()
	module := "unknown"
	if p.plan != nil {
		if module = p.plan.Own; module == "" {
			module = "generic"
		}
	}
	var walk float64
	if !p.walkAt.IsZero() {
		walk = now.Sub(p.walkAt).Seconds()
	}
	for name, v := range map[string]float64{
		"snmp_scrape_duration_seconds":      now.Sub(start).Seconds(),
		"snmp_scrape_walk_duration_seconds": walk,
		"snmp_scrape_packets_sent":          float64(p.session.sent),
		"snmp_scrape_packets_retried":       float64(p.session.retried),
		"snmp_scrape_pdus_returned":         float64(p.session.pdus),
	} {
		p.sample(p.own(name, "module", module), v, now)
	}
	var refused refusal
	if errors.As(err, &refused) || p.cfg.version == gosnmp.Version3 && (err == nil || errors.As(err, new(input.Partial))) {
		for _, r := range reasons {
			p.sample(p.own("faultline_snmp_auth_failure", "reason", r), truth(r == refused.reason), now)
		}
	}
	for _, t := range p.tables {
		if t.polled && !t.def.Scalar() {
			p.sample(p.own("faultline_snmp_table_success", "table", t.def.Name), truth(t.ok), now)
		}
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
