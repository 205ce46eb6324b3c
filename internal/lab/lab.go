// Package lab simulates a small branch for practice runs, demonstrations and
// tests: a router, a switch, a UPS and an environment sensor that answer SNMP
// v2c over real UDP, and a leased line as a TCP path. Breaking something only
// changes what these answer. It is no part of the product: nothing outside this
// folder knows what can be broken, and what is measured of a simulated branch
// goes the way of all other measurements.
package lab

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/faultline/faultline/internal/lab/control"
	"github.com/faultline/faultline/internal/lang"
)

// Names are the inventory's names of everything in the practice company, so
// that a test may rename all of it.
type Names struct {
	HQ, Branch, HQRouter                string // sites and head office's router
	Router, Switch, UPS, Sensor, Server string
	Line, Carrier, Supplier, Maintainer string
	LANPort, WANPort, Room, Humidity    string // the router's ports; the sensor's names of what it measures
	RouterPort, ServerPort, UPSPort     string // the switch's ports
	SensorPort                          string
}

// DefaultNames returns the names of `make run`.
func DefaultNames() Names {
	return Names{
		HQ: "hq", Branch: "practice", HQRouter: "hq-rtr",
		Router: "practice-rtr", Switch: "practice-sw", UPS: "practice-ups", Sensor: "practice-env", Server: "practice-srv",
		Line: "practice-line", Carrier: "practice-carrier", Supplier: "practice-supplier", Maintainer: "practice-ups-service",
		LANPort: "lan0", WANPort: "wan0", Room: "Room temperature", Humidity: "Room humidity",
		RouterPort: "p1", ServerPort: "p2", UPSPort: "p3", SensorPort: "p4",
	}
}

// Options shape the branch. Zero fields take the defaults of `make run`.
type Options struct {
	Names     Names
	Network   string        // first three numbers of the loopback addresses used; default 127.84.70
	Community string        // SNMP v2c community; default practice
	Agent     string        // id of the agent that polls the branch; default practice
	AgentHash string        // SHA-256 of that agent's token, in hexadecimal; may be empty
	Interval  time.Duration // of polling; default 5 s
	Circuit   string        // the carrier's number of the line; default SH-0231
	Domain    string        // of all mail addresses; default practice.example

	RoomCelsius, HeatCelsius float64       // usual temperature, and where heat takes it; 23.5 and 38
	LimitCelsius             float64       // the sensor's limit in the inventory; 30
	HeatRamp                 time.Duration // from the usual temperature to the other; 4 s
	BatteryMinutes           float64       // runtime of a full battery; 40
	BatterySpeed             float64       // how much faster than real time it drains; 4

	Now func() time.Time // time.Now when nil
}

func (o Options) withDefaults() Options {
	if o.Names == (Names{}) {
		o.Names = DefaultNames()
	}
	o.Network = or(o.Network, "127.84.70")
	o.Community = or(o.Community, "practice")
	o.Agent = or(o.Agent, "practice")
	o.Interval = or(o.Interval, 5*time.Second)
	o.Circuit = or(o.Circuit, "SH-0231")
	o.Domain = or(o.Domain, "practice.example")
	o.RoomCelsius = or(o.RoomCelsius, 23.5)
	o.HeatCelsius = or(o.HeatCelsius, 38)
	o.LimitCelsius = or(o.LimitCelsius, 30)
	o.HeatRamp = or(o.HeatRamp, 4*time.Second)
	o.BatteryMinutes = or(o.BatteryMinutes, 40)
	o.BatterySpeed = or(o.BatterySpeed, 4)
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// What can be broken.
const (
	faultUPS    = "ups"
	faultLine   = "line"
	faultRouter = "router"
	faultHeat   = "heat"
)

var faultTitles = []control.Fault{
	{Name: faultLine, Title: lang.Text{ZH: "专线中断", EN: "Leased line cut"}},
	{Name: faultRouter, Title: lang.Text{ZH: "路由器失效", EN: "Router dead"}},
	{Name: faultUPS, Title: lang.Text{ZH: "市电中断,UPS 供电", EN: "Mains lost, UPS on battery"}},
	{Name: faultHeat, Title: lang.Text{ZH: "机房高温", EN: "Machine room too hot"}},
}

// Branch is a running practice branch. Its methods may be called from several
// goroutines.
type Branch struct {
	opt     Options
	agents  []*snmpAgent
	gateway *gate // the router's LAN address
	farEnd  *gate // head office's end of the line, as reached through it

	mu     sync.Mutex           // guards the fields below
	since  map[string]time.Time // since when what is broken
	room   slope                // temperature
	power  slope                // charge of the battery, percent
	boot   map[string]time.Time // when each device started
	losses uint64               // of the mains, ever
	closed bool
}

// Start brings the branch up on free loopback ports. Close, or the end of ctx,
// takes it down.
func Start(ctx context.Context, opt Options) (*Branch, error) {
	opt = opt.withDefaults()
	now := opt.Now()
	b := &Branch{
		opt: opt, since: map[string]time.Time{}, boot: map[string]time.Time{},
		room:  slope{value: opt.RoomCelsius, target: opt.RoomCelsius, at: now, perSecond: math.Abs(opt.HeatCelsius-opt.RoomCelsius) / opt.HeatRamp.Seconds()},
		power: slope{value: 100, target: 100, at: now, perSecond: 100 / (opt.BatteryMinutes * 60) * opt.BatterySpeed},
	}
	if err := b.listen(now); err != nil {
		return nil, errors.Join(fmt.Errorf("start practice branch: %w", err), b.Close())
	}
	context.AfterFunc(ctx, func() { _ = b.Close() })
	return b, nil
}

func (b *Branch) listen(now time.Time) error {
	n := b.opt.Names
	for i, name := range []string{n.Router, n.Switch, n.UPS, n.Sensor} {
		b.boot[name] = now.Add(-time.Duration(41+13*i) * time.Hour) // none started with the simulation
	}
	for _, d := range []struct {
		name, host string
		table      func(state) []instance
	}{
		{n.Router, "1", b.router}, {n.Switch, "2", b.switchTable}, {n.UPS, "20", b.ups}, {n.Sensor, "30", b.sensor},
	} {
		conn, err := net.ListenPacket("udp", net.JoinHostPort(b.address(d.host), "0"))
		if err != nil {
			return err
		}
		b.agents = append(b.agents, serveSNMP(conn, b.opt.Community, func() []instance {
			s := b.state()
			if d.name == n.Router && s.broken[faultRouter] {
				return nil
			}
			return d.table(s)
		}))
	}
	var err error
	if b.gateway, err = openGate(b.address("1")); err != nil {
		return err
	}
	b.farEnd, err = openGate(b.address("254"))
	return err
}

func (b *Branch) address(host string) string { return b.opt.Network + "." + host }

// Close takes the branch down and waits for it. It may be called twice.
func (b *Branch) Close() error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	var errs []error
	for _, a := range b.agents {
		errs = append(errs, a.close())
	}
	for _, g := range []*gate{b.gateway, b.farEnd} {
		if g != nil {
			errs = append(errs, g.shut())
		}
	}
	return errors.Join(errs...)
}

// Faults returns what can be broken and what is.
func (b *Branch) Faults() []control.Fault {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := slices.Clone(faultTitles)
	for i := range out {
		out[i].Since, out[i].Broken = b.since[out[i].Name], !b.since[out[i].Name].IsZero()
	}
	return out
}

// Break breaks something, beside what is broken already. Breaking it again
// changes nothing.
func (b *Branch) Break(name string) error {
	if !slices.ContainsFunc(faultTitles, func(f control.Fault) bool { return f.Name == name }) {
		return fmt.Errorf("break %q: %w", name, control.ErrUnknownFault)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.since[name].IsZero() {
		return nil
	}
	now := b.opt.Now()
	b.since[name] = now
	switch name {
	case faultHeat:
		b.room = b.room.towards(b.opt.HeatCelsius, now)
	case faultUPS:
		b.power = b.power.towards(0, now)
		b.losses++
	}
	return b.pathsLocked()
}

// Mend repairs everything. The room cools and the battery charges in their time.
func (b *Branch) Mend() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.opt.Now()
	if !b.since[faultRouter].IsZero() {
		b.boot[b.opt.Names.Router] = now
	}
	clear(b.since)
	b.room = b.room.towards(b.opt.RoomCelsius, now)
	b.power = b.power.towards(100, now)
	return b.pathsLocked()
}

// pathsLocked opens and shuts the TCP paths as the faults demand. The line
// leads through the router.
func (b *Branch) pathsLocked() error {
	if b.closed {
		return errors.New("the practice branch is closed")
	}
	router := b.since[faultRouter].IsZero()
	line := b.since[faultLine].IsZero()
	return errors.Join(b.gateway.set(router), b.farEnd.set(router && line))
}

// state is the branch at one moment.
type state struct {
	now     time.Time
	broken  map[string]bool
	celsius float64
	charge  float64       // percent
	battery time.Duration // on battery for so long; 0 on mains
	losses  uint64        // of the mains, ever
	uptime  map[string]time.Duration
}

func (b *Branch) state() state {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.opt.Now()
	s := state{now: now, broken: map[string]bool{}, uptime: map[string]time.Duration{}, celsius: b.room.now(now), charge: b.power.now(now), losses: b.losses}
	for name := range b.since {
		s.broken[name] = true
	}
	if s.broken[faultUPS] {
		s.battery = now.Sub(b.since[faultUPS])
	}
	for name, boot := range b.boot {
		s.uptime[name] = now.Sub(boot)
	}
	return s
}

// slope is a value that moves to a target at an even pace.
type slope struct {
	value, target float64
	at            time.Time // when it was value
	perSecond     float64
}

func (s slope) now(t time.Time) float64 {
	way := s.perSecond * t.Sub(s.at).Seconds()
	if s.target < s.value {
		return math.Max(s.target, s.value-way)
	}
	return math.Min(s.target, s.value+way)
}

func (s slope) towards(target float64, t time.Time) slope {
	return slope{value: s.now(t), target: target, at: t, perSecond: s.perSecond}
}

// addressOf returns host and port of a simulated SNMP agent.
func addressOf(a *snmpAgent) (host, port string) {
	u := a.conn.LocalAddr().(*net.UDPAddr)
	return u.IP.String(), strconv.Itoa(u.Port)
}
