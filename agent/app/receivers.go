package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/faultline/faultline/agent/reflect"
	"github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/agent/spool"
	"github.com/faultline/faultline/agent/syslog"
	"github.com/faultline/faultline/agent/trap"
	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/rules/profiles"
	shipped "github.com/faultline/faultline/rules/syslog"
)

// receivers hear what devices say of themselves, and answer other agents' line
// tests. All are off unless the configuration names addresses.
type receivers struct {
	directory *trap.Directory // whose address is whose, from the targets
	traps     *trap.Receiver
	syslog    *syslog.Receiver
	reflector *reflect.Reflector
}

// listen makes the receivers and opens their sockets.
func (a *App) listen() (err error) {
	a.hear.directory = trap.NewDirectory()
	if len(a.cfg.Traps.Listen) > 0 {
		if a.hear.traps, err = a.newTraps(); err != nil {
			return err
		}
		if err := a.hear.traps.Listen(); err != nil {
			return err
		}
	}
	if s := a.cfg.Syslog; s.UDP != "" || s.TCP != "" || s.TLS != "" {
		if a.hear.syslog, err = a.newSyslog(false); err != nil {
			return errors.Join(err, a.silence())
		}
	}
	if r := a.cfg.Reflect; r.Listen != "" {
		a.hear.reflector, err = reflect.New(reflect.Options{Listen: r.Listen, Token: r.Token.Reveal(), Rate: r.Rate, Logger: a.log, Registerer: a.reg})
		if err != nil {
			return errors.Join(err, a.silence())
		}
	}
	return nil
}

// silence closes what listen opened, when nothing will run.
func (a *App) silence() error {
	if a.hear.traps != nil {
		return a.hear.traps.Close()
	}
	return nil
}

// run hears until ctx ends.
func (r *receivers) run(ctx context.Context, g *errgroup.Group) {
	if r.traps != nil {
		g.Go(func() error { return r.traps.Run(ctx) })
	}
	if r.syslog != nil {
		g.Go(func() error { return r.syslog.Run(ctx) })
	}
	if r.reflector != nil {
		g.Go(func() error { return r.reflector.Run(ctx) })
	}
	if r.syslog != nil && r.traps == nil {
		g.Go(func() error { r.directory.Run(ctx); return nil })
	}
}

func (a *App) newTraps() (*trap.Receiver, error) {
	c := a.cfg.Traps
	o := trap.Options{
		Listen: c.Listen, Communities: c.Communities, Directory: a.hear.directory, EngineResets: c.EngineResets,
		Sink: a.keepEvents, Check: a.schedule.CheckNow, Dir: a.cfg.Data, Agent: a.cfg.Agent, Logger: a.log, Registerer: a.reg,
	}
	var faults []error
	for _, u := range c.Users {
		auth, err := snmp.ParseAuth(u.AuthProtocol)
		faults = append(faults, err)
		priv, err := snmp.ParsePriv(u.PrivProtocol)
		faults = append(faults, err)
		o.Users = append(o.Users, snmp.User{Name: u.Name, Auth: auth, AuthPassword: u.AuthPassword, Priv: priv, PrivPassword: u.PrivPassword})
	}
	var err error
	o.Relays, err = prefixes(c.Relays)
	faults = append(faults, err)
	o.Profiles = []fs.FS{profiles.FS()}
	if a.cfg.Profiles != "" {
		o.Profiles = append(o.Profiles, os.DirFS(a.cfg.Profiles))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("traps: %w", err)
	}
	return trap.New(o)
}

// newSyslog makes a receiver of log lines, which listens where the configuration
// says, or with local nowhere.
func (a *App) newSyslog(local bool) (*syslog.Receiver, error) {
	sources := []fs.FS{shipped.FS()}
	if dir := a.cfg.Syslog.Patterns; dir != "" {
		sources = append(sources, os.DirFS(dir))
	}
	patterns, err := syslog.Load(sources...)
	if err != nil {
		return nil, err
	}
	relays, err := prefixes(a.cfg.Syslog.Relays)
	if err != nil {
		return nil, fmt.Errorf("syslog: %w", err)
	}
	shown, err := a.syslogTLS()
	if err != nil {
		return nil, err
	}
	return syslog.New(syslog.Options{
		UDP: a.cfg.Syslog.UDP, TCP: a.cfg.Syslog.TCP, TLS: a.cfg.Syslog.TLS, TLSConfig: shown, Local: local, Patterns: patterns, Lookup: a.sender, Relays: relays, Sink: a.keepLines,
		Check: a.schedule.CheckNow, Interval: a.cfg.Interval, Agent: a.cfg.Agent, Logger: a.log, Registerer: a.reg,
	})
}

// keepLines is the sink of log lines: besides keeping them it remembers who
// changed which configuration.
func (a *App) keepLines(batch base.Batch, events []base.Event) {
	a.authors.note(events)
	a.keep(batch, events)
}

// prefixes reads addresses and networks.
func prefixes(texts []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, t := range texts {
		p, err := netip.ParsePrefix(t)
		if err != nil {
			addr, aerr := netip.ParseAddr(t)
			if aerr != nil {
				return nil, fmt.Errorf("relays: %q is neither an address nor a network", t)
			}
			p = netip.PrefixFrom(addr, addr.BitLen())
		}
		all = append(all, p)
	}
	return all, nil
}

// sender finds a device by its address or, without one, by the name that it
// gives itself.
func (a *App) sender(addr netip.Addr, name string) (syslog.Device, bool) {
	var d trap.Device
	ok := false
	if addr.IsValid() {
		d, ok = a.hear.directory.Lookup(addr)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !ok {
		if d = a.names[name]; d.ID == "" {
			return syslog.Device{}, false
		}
	}
	out := syslog.Device{Name: d.ID, Site: d.Site}
	for _, id := range d.Targets {
		out.Targets = append(out.Targets, syslog.Target{ID: id, Input: a.inputOf[id]})
	}
	return out, true
}

// introduce tells the receivers which devices there are.
func (a *App) introduce(targets []base.Target) {
	a.hear.directory.Set(targets)
	names, inputs := map[string]trap.Device{}, map[string]string{}
	for _, t := range targets {
		inputs[t.ID] = t.Input
		if id := t.Labels["device"]; id != "" {
			d := names[id]
			d.ID, d.Site, d.Targets = id, t.Labels["site"], append(d.Targets, t.ID)
			names[id] = d
		}
	}
	a.mu.Lock()
	a.names, a.inputOf = names, inputs
	a.mu.Unlock()
}

// keepEvents is the sink of what must be on disk before it is acknowledged.
func (a *App) keepEvents(events []base.Event) error {
	b, err := wire.EncodeEvents(events)
	if err == nil {
		err = a.spool.Append(spool.Events, b)
	}
	if err != nil {
		a.lost.WithLabelValues(spool.Events.String()).Add(float64(len(events)))
		a.log.Error("keep notifications", "count", len(events), "err", err)
		return err
	}
	a.keep(base.Batch{Samples: a.traps.note(events, time.Now())}, nil)
	return nil
}
