package snmp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	protocol "github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

const (
	slowEvery     = 5 * time.Minute  // names, serials and other things that seldom change
	emptyAgain    = 30 * time.Second // tables without rows, then ever more seldom up to slowEvery
	slowAgain     = 2 * time.Minute  // names of which some are known, where the device was lost while they were read
	identifyFirst = 30 * time.Second // a device just started may not show all of itself yet
	identifyEvery = 10 * time.Minute
)

var (
	oidUpTime   = protocol.MustParseOID("1.3.6.1.2.1.1.3.0")
	oidObjectID = protocol.MustParseOID("1.3.6.1.2.1.1.2.0")
	oidDescr    = protocol.MustParseOID("1.3.6.1.2.1.1.1.0")
	oidName     = protocol.MustParseOID("1.3.6.1.2.1.1.5.0")
)

// device is what is known of one target between polls.
type device struct {
	address string
	options map[string]string
	cfg     config
	opts    *Options
	net     *protocol.Transport
	layouts *sync.Map // *layout by *profile.Table
	until   time.Time // it is kept unless it is polled; guarded by the Input's mu

	mu sync.Mutex // held during a poll; guards the fields below

	session  *protocol.Session
	id       profile.Identification
	facts    identity
	anew     bool // another kind of device answers than the facts are of
	plan     *profile.Plan
	identify time.Time // when to look again which profiles fit
	slowAt   time.Time // when to read slow things outside tables again
	factsAt  time.Time // when to read the identity again
	upTime   float64   // sysUpTime at the last poll, in ticks
	restarts uint32    // how often it fell: counters began anew
	boot     int64     // when the device started, by its up time, s since 1970
	tables   []*table  // what is outside tables first
	turns    turns
	problems []Problem         // of the last poll
	keepAll  bool              // keep every value after the poll, to describe the device
	names    map[string]string // owner of each sensor's, pool's and processor's name
	series   map[string]base.Labels
	learned  memory
	keptAt   time.Time // when learned was last written down
}

func newDevice(c config, t base.Target, o *Options, net *protocol.Transport) *device {
	return &device{
		address: t.Address, options: maps.Clone(t.Options), cfg: c, opts: o, net: net,
		id: profile.Identification{Has: map[string]bool{}}, names: map[string]string{}, series: map[string]base.Labels{},
		learned: memory{},
	}
}

// close drops the session; the next poll makes another, which finds the device
// at its present address and engine.
func (d *device) close() {
	if d.session != nil {
		d.session.Close()
		d.session = nil
	}
}

// poll reads the device once.
func (d *device) poll(ctx context.Context, sink input.Sink) error {
	start := d.opts.Now()
	if d.session == nil {
		s, err := d.net.Open(ctx, d.cfg.Config)
		if err != nil {
			return fmt.Errorf("snmp %s: %w", d.address, err)
		}
		d.session = s
	}
	d.problems = nil
	p := &poll{device: d, sink: sink, before: d.session.Stats()}
	err := p.run(ctx)
	p.meta(start, err)
	if err != nil {
		return fmt.Errorf("snmp %s: %w", d.address, err)
	}
	return nil
}

// errNoUpTime is the fault of a device without what every device has.
var errNoUpTime = errors.New("sysUpTime is not there")

// poll is one reading of one device.
type poll struct {
	*device
	sink   input.Sink
	before protocol.Stats
	walkAt time.Time // when the first walk began
	slow   bool      // slow things are read in this poll
	given  int       // samples handed over
	faults []error
	unread []string // tables that were not come to

	columns map[string]textColumn // read in this poll, by OID
}

func (p *poll) run(ctx context.Context) error {
	for _, t := range p.tables {
		t.polled = false
	}
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
	if err := p.readTables(ctx); err != nil {
		p.faults = append(p.faults, err)
	}
	if p.given > 0 {
		p.emitIdentity()
	}
	if len(p.unread) > 0 {
		p.faults = append(p.faults, fmt.Errorf("%w: %s", errNotReached, strings.Join(p.unread, ", ")))
	}
	fault := joined(p.faults)
	switch {
	case p.given == 0 && (fault == nil || fault.Error() == errNoUpTime.Error()): // it answers, and shows nothing at all
		return protocol.Refusal{Reason: protocol.NotAuthorized}
	case fault != nil:
		return input.Partial{Err: fault}
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
	faults, err := p.session.Get(ctx, []protocol.OID{oidUpTime, oidObjectID}, func(i int, v protocol.Value) {
		if i == 0 {
			up, _ = number(v)
		} else {
			object = text(v, "")
		}
	})
	if err != nil {
		return err
	}
	if up < 0 {
		p.faults = append(p.faults, errors.Join(errNoUpTime, faultOf(faults)))
		up = p.upTime
	}
	if object != p.id.SysObjectID && p.id.SysObjectID != "" {
		p.id.Has, p.plan, p.anew = map[string]bool{}, nil, true
	}
	if up < p.upTime && !wrapped(p.upTime, up) {
		p.restarts++
		p.sink.Event(base.Event{Kind: base.EventRestart, At: p.session.At(), Text: fmt.Sprintf("sysUpTime fell from %.0f s to %.0f s", p.upTime/100, up/100),
			Attrs: map[string]string{"uptime_seconds": fmt.Sprintf("%.2f", up/100)}})
		p.identify, p.slowAt, p.factsAt = time.Time{}, time.Time{}, time.Time{}
		for _, t := range p.tables {
			t.slowAt = time.Time{}
		}
	}
	p.id.SysObjectID, p.upTime = object, up
	p.boot = p.session.At().Unix() - int64(up/100)
	return nil
}

// wrapped tells whether sysUpTime, 32 bits of 1/100 s, went round after 497 days.
func wrapped(before, now float64) bool {
	const full, hour = 1 << 32, 360_000
	return before > full-hour && now < hour
}

// faultOf makes one error of single objects' faults, or nil.
func faultOf(faults []protocol.Fault) error {
	all := make([]error, len(faults))
	for i, f := range faults {
		all[i] = f
	}
	return errors.Join(all...)
}

// choose finds the profiles that fit. A layer that was there once stays until
// the device is another one: going missing is a fault, not another device.
func (p *poll) choose(ctx context.Context, now time.Time) error {
	before, had := p.id, len(p.id.Has)
	_, err := p.session.Get(ctx, []protocol.OID{oidDescr, oidName}, func(i int, v protocol.Value) {
		if i == 0 {
			p.id.SysDescr = text(v, "")
		} else {
			p.id.SysName = text(v, "")
		}
	})
	if err != nil {
		return fmt.Errorf("sysDescr: %w", err)
	}
	if err := p.probe(ctx); err != nil {
		return err
	}
	wait := identifyEvery
	if p.plan == nil {
		wait = identifyFirst
	}
	p.identify = now.Add(wait)
	if p.plan == nil || p.id.SysDescr != before.SysDescr || p.id.SysName != before.SysName || len(p.id.Has) != had {
		plan := p.opts.Profiles.Select(p.id)
		if p.plan == nil || strings.Join(plan.Profiles, " ") != strings.Join(p.plan.Profiles, " ") {
			p.adopt(plan)
		}
	}
	for _, t := range p.tables {
		t.expected = 0
		for k := range t.fast {
			if t.state[k] == notThere {
				t.state[k] = notAsked
			}
		}
	}
	return nil
}

// probe finds out which subtrees that decide about profiles the device has. Of
// another maker's enterprise it is asked first whether there is anything at all.
func (p *poll) probe(ctx context.Context) error {
	var ask []string
	foreign := map[string][]string{}
	own := enterprise(p.id.SysObjectID)
	for _, oid := range p.opts.Profiles.Probes(p.id) {
		if e := enterprise(oid); e != "" && e != own && e != oid {
			foreign[e] = append(foreign[e], oid)
		} else {
			ask = append(ask, oid)
		}
	}
	there, err := p.there(ctx, slices.AppendSeq(ask, maps.Keys(foreign)))
	if err != nil {
		return err
	}
	ask = ask[:0]
	for e, oids := range foreign {
		if there[e] {
			ask = append(ask, oids...)
		}
	}
	_, err = p.there(ctx, ask)
	return err
}

// enterprise is the part of an OID that names a maker, or "".
func enterprise(oid string) string {
	const prefix = "1.3.6.1.4.1."
	rest, ok := strings.CutPrefix(oid, prefix)
	if !ok {
		return ""
	}
	number, _, _ := strings.Cut(rest, ".")
	return prefix + number
}

// there asks which subtrees have an instance, and remembers them.
func (p *poll) there(ctx context.Context, subtrees []string) (map[string]bool, error) {
	oids := parsedOIDs(subtrees)
	found := map[string]bool{}
	faults, err := p.session.Next(ctx, oids, func(i int, oid []byte, v protocol.Value) {
		if protocol.OID(oid).Below(oids[i]) && !v.Absent() {
			found[subtrees[i]] = true
			p.id.Has[subtrees[i]] = true
		}
	})
	if err != nil {
		return nil, fmt.Errorf("finding profiles: %w", err)
	}
	if fault := faultOf(faults); fault != nil {
		p.faults = append(p.faults, fmt.Errorf("finding profiles: %w", fault))
	}
	return found, nil
}

// parsedOIDs encodes OIDs of profiles, which were checked when these were loaded.
func parsedOIDs(texts []string) []protocol.OID {
	oids := make([]protocol.OID, len(texts))
	for i, t := range texts {
		oids[i] = protocol.MustParseOID(t)
	}
	return oids
}

// adopt takes a plan.
func (d *device) adopt(plan *profile.Plan) {
	d.plan, d.slowAt, d.factsAt = plan, time.Time{}, time.Time{}
	d.tables = nil
	scalars := map[string]*table{}
	for _, def := range plan.Tables {
		if def.Optional && !slices.Contains(d.cfg.tables, def.Name) {
			continue
		}
		t := newTable(d.layout(def))
		t.learned = d.learned.of(def.Name)
		if def.Scalar() {
			scalars[def.Name] = t
		} else {
			t.outer = scalars[def.Outer.Name]
		}
		d.tables = append(d.tables, t)
	}
	slices.SortStableFunc(d.tables, func(a, b *table) int { return cmp.Compare(a.turn(), b.turn()) })
	d.turns = turns{}
}

// layout returns how a table is read.
func (d *device) layout(def *profile.Table) *layout {
	if d.keepAll || d.layouts == nil {
		return newLayout(def, d.keepAll)
	}
	if l, ok := d.layouts.Load(def); ok {
		return l.(*layout)
	}
	l, _ := d.layouts.LoadOrStore(def, newLayout(def, false))
	return l.(*layout)
}

// sample hands over one value.
func (p *poll) sample(ls base.Labels, value float64, at time.Time) {
	p.given++
	p.sink.Sample(base.Sample{Labels: ls, Time: at.UnixMilli(), Value: value})
}
