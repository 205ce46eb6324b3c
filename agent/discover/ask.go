package discover

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/faultline/faultline/agent/discover/topology"
)

// ask tries the credentials at one address and reads the device that takes one.
func (s *sweep) ask(ctx context.Context, a netip.Addr) {
	s.mu.Lock()
	alive := s.hosts[a] != nil
	s.mu.Unlock()
	d, refused, err := s.keys.open(ctx, a, alive)
	if err != nil && ctx.Err() == nil {
		s.note("%s: %v", a, err)
	}
	if d == nil {
		s.step(func() {
			if refused != "" {
				s.host(a, "snmp").Refused = refused
			}
		})
		return
	}
	defer d.session.Close()
	facts := s.readDevice(ctx, a, d)
	s.step(func() {
		s.host(a, "snmp").Facts = facts
		s.status.SNMP++
		s.requests += d.session.Stats().Sent
	})
}

// host returns the address's host, heard in that way; s.mu is held.
func (s *sweep) host(a netip.Addr, heard string) *topology.Host {
	if s.hosts[a] == nil {
		s.hosts[a] = &topology.Host{Address: a}
	}
	s.hosts[a].Heard = heard
	return s.hosts[a]
}

// readDevice reads a device when one of the few places for that is free. One that
// was read at another of its addresses is not read again.
func (s *sweep) readDevice(ctx context.Context, a netip.Addr, d *door) *topology.Facts {
	r := &reader{net: s.net, session: d.session, config: d.config, profiles: s.o.Profiles, noFDB: s.o.NoFDB}
	r.facts.Credential, r.facts.Asked, r.facts.Spoken = d.credential.Name, d.session.Address(), d.session.Version().String()
	select {
	case s.reading <- struct{}{}:
		defer func() { <-s.reading }()
	case <-ctx.Done():
		r.problem("not read: interrupted")
		return &r.facts
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Deadline)
	defer cancel()
	facts, _ := r.read(ctx, func(f *topology.Facts) *topology.Facts { // what failed is among its problems
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.read[a].Same(f)
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range facts.Addresses { // before the place is free: the next may be the same device
		s.read[o.Prefix.Addr()] = facts
	}
	return facts
}

// look finds out the name of a machine that tells none, and which of a few TCP
// ports are open where that tells what it is.
func (s *sweep) look(ctx context.Context, a netip.Addr) {
	s.mu.Lock()
	h := *s.hosts[a]
	s.mu.Unlock()
	if !s.o.NoNames && (h.Facts == nil || h.Facts.SysName == "") {
		h.Name = s.reverse(ctx, a)
	}
	if c := class(h.Facts); !s.o.NoPorts && (c == "" || c == "host" || c == "other") {
		if open, _ := knock(ctx, a, knockPorts, s.pace, s.o.Timeout); len(open) > 0 {
			h.Ports = open
		}
	}
	s.step(func() { *s.hosts[a] = h })
}

func class(f *topology.Facts) string {
	if f == nil {
		return ""
	}
	return f.Class
}

// names bounds how long names are asked for where no server of names answers.
type names struct{ failed atomic.Int32 }

// mostFailures is how many questions may time out before DNS is left alone.
const mostFailures = 3

// reverse returns the name of an address, or "".
func (s *sweep) reverse(ctx context.Context, a netip.Addr) string {
	if s.names.failed.Load() >= mostFailures {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	found, err := net.DefaultResolver.LookupAddr(ctx, a.String())
	if err != nil {
		if ctx.Err() != nil && s.names.failed.Add(1) == mostFailures {
			s.note("no server of names answers: machines without SNMP are called by their addresses")
		}
		return ""
	}
	if len(found) == 0 {
		return ""
	}
	return clean([]byte(strings.TrimSuffix(found[0], ".")))
}
