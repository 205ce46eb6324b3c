package syslog

import (
	"net"
	"net/netip"
	"strings"
	"sync"

	"github.com/faultline/faultline/plugins/base"
)

// Directory knows devices by their names from the targets, and by their
// addresses from somebody else. It is safe for concurrent use; its Lookup is one
// for Options.
type Directory struct {
	address func(netip.Addr) (device string, ok bool)

	mu      sync.RWMutex // guards the fields below
	devices map[string]*Device
	names   map[string]string // in small letters → device; "" where several have it
	self    string            // the device this agent runs on; "": not known
}

// mostTargets bounds the targets of one device that a line gets measured.
const mostTargets = 16

// NewDirectory makes a Directory of nothing. address says whose an address is
// and may be called from any goroutine.
func NewDirectory(address func(netip.Addr) (device string, ok bool)) *Directory {
	return &Directory{address: address}
}

// Set takes over the targets. A target's device is its label device, else
// instance, else its id; that is also its name, whole and up to the first dot,
// as are its labels instance and sysName. A target of input host is of the
// device the agent runs on.
func (d *Directory) Set(targets []base.Target) {
	devices, names, self := map[string]*Device{}, map[string]string{}, ""
	name := func(n, device string) {
		for _, n := range namesOf(n) {
			if other, ok := names[n]; ok && other != device {
				device = ""
			}
			names[n] = device
		}
	}
	for _, t := range targets {
		id := t.ID
		for _, l := range []string{t.Labels["instance"], t.Labels["device"]} {
			if l != "" {
				id = l
			}
		}
		dev := devices[id]
		if dev == nil {
			dev = &Device{Name: id, Site: t.Labels["site"]}
			devices[id] = dev
			name(id, id)
		}
		if len(dev.Targets) < mostTargets {
			dev.Targets = append(dev.Targets, Target{ID: t.ID, Input: t.Input})
		}
		for _, n := range []string{hostOf(t.Labels["instance"]), t.Labels["sysName"]} {
			if n != "" {
				name(n, id)
			}
		}
		if t.Input == "host" {
			self = id
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.devices, d.names, d.self = devices, names, self
}

// Lookup finds a device by an address or, with the zero address, by a name.
func (d *Directory) Lookup(a netip.Addr, name string) (Device, bool) {
	id := ""
	if a.IsValid() && !a.IsLoopback() {
		var ok bool
		if id, ok = d.address(a); !ok {
			return Device{}, false
		}
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	switch {
	case a.IsLoopback():
		id = d.self
	case !a.IsValid():
		for _, n := range namesOf(name) {
			if id = d.names[n]; id != "" {
				break
			}
		}
	}
	dev, ok := d.devices[id]
	if !ok {
		return Device{}, false
	}
	return *dev, true
}

// namesOf returns a name whole and up to its first dot; an address is none.
func namesOf(name string) []string {
	name = strings.ToLower(name)
	if _, err := netip.ParseAddr(name); err == nil || name == "" {
		return nil
	}
	short, _, dotted := strings.Cut(name, ".")
	if !dotted || short == "" {
		return []string{name}
	}
	return []string{name, short}
}

// hostOf is a label instance without the port that those of databases have.
func hostOf(instance string) string {
	if h, _, err := net.SplitHostPort(instance); err == nil {
		return h
	}
	return instance
}
