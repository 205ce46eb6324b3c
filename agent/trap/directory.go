package trap

import (
	"context"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/internal/secret"
	"github.com/faultline/faultline/plugins/base"
)

// Device is what notifications are attached to.
type Device struct {
	ID, Site, Component string
	Targets             []string // ids of what is polled of it
}

// Directory knows devices by their addresses, and what they are polled with, from
// the targets. It is safe for concurrent use.
type Directory struct {
	changed chan struct{} // capacity 1: there are names to look up

	mu          sync.RWMutex // guards the fields below
	targets     []base.Target
	names       map[string][]netip.Addr // what names of targets were found to mean
	devices     map[netip.Addr]Device
	recipients  map[snmp.User]*recipient
	communities map[secret.String]bool
}

// recipient is a user that targets are polled as.
type recipient struct {
	*snmp.Recipient
	at map[netip.Addr]bool // addresses of these targets
}

// mostChecked bounds the targets that one device's notification has checked.
const mostChecked = 16

// NewDirectory makes a Directory of nothing.
func NewDirectory() *Directory {
	return &Directory{changed: make(chan struct{}, 1), names: map[string][]netip.Addr{}}
}

// Set takes over the targets. A target's device is its label device, else
// instance, else its id; its addresses are Address and those that its option or
// label "addresses" lists. An address that several devices claim is that of the
// one polled there, or nobody's where that does not tell.
func (d *Directory) Set(targets []base.Target) {
	d.mu.Lock()
	d.targets = slices.Clone(targets)
	d.rebuildLocked()
	d.mu.Unlock()
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

// Lookup returns whose an address is.
func (d *Directory) Lookup(a netip.Addr) (Device, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	dev, ok := d.devices[a.Unmap().WithZone("")]
	return dev, ok
}

// claim is what speaks for an address being a device's.
type claim struct {
	device string
	polled bool // at this address
}

func (d *Directory) rebuildLocked() {
	devices, claims := map[string]*Device{}, map[netip.Addr][]claim{}
	old := d.recipients
	d.recipients, d.communities = map[snmp.User]*recipient{}, map[secret.String]bool{}
	used := map[string]bool{}
	for _, t := range d.targets {
		id := deviceOf(t)
		dev := devices[id]
		if dev == nil {
			dev = &Device{ID: id, Site: t.Labels["site"], Component: t.Labels["component"]}
			devices[id] = dev
		}
		if dev.Component != t.Labels["component"] {
			dev.Component = "" // targets of several components: the device it is
		}
		if len(dev.Targets) < mostChecked {
			dev.Targets = append(dev.Targets, t.ID)
		}
		polled, other := d.addressesLocked(t, used)
		for _, a := range polled {
			claims[a] = append(claims[a], claim{id, true})
		}
		for _, a := range other {
			claims[a] = append(claims[a], claim{id, false})
		}
		d.credentialsLocked(t, append(polled, other...), old)
	}
	maps.DeleteFunc(d.names, func(name string, _ []netip.Addr) bool { return !used[name] })
	d.devices = make(map[netip.Addr]Device, len(claims))
	for a, cs := range claims {
		if id := owner(cs); id != "" {
			d.devices[a] = *devices[id]
		}
	}
}

// owner is the device that the claims agree on, or "".
func owner(cs []claim) string {
	polled := slices.ContainsFunc(cs, func(c claim) bool { return c.polled })
	id := ""
	for _, c := range cs {
		if c.polled != polled {
			continue
		}
		if id != "" && id != c.device {
			return ""
		}
		id = c.device
	}
	return id
}

func deviceOf(t base.Target) string {
	for _, id := range []string{t.Labels["device"], t.Labels["instance"]} {
		if id != "" {
			return id
		}
	}
	return t.ID
}

// addressesLocked returns the addresses that a target is polled at and those that
// it is said to have besides.
func (d *Directory) addressesLocked(t base.Target, used map[string]bool) (polled, other []netip.Addr) {
	switch a, name := hostOf(t.Address); {
	case a.IsValid():
		polled = append(polled, a)
	case name != "":
		used[name] = true
		polled = append(polled, d.names[name]...)
	}
	for _, list := range []string{t.Options["addresses"], t.Labels["addresses"]} {
		for _, s := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ';' || r == ' ' }) {
			if a, _ := hostOf(s); a.IsValid() {
				other = append(other, a)
			}
		}
	}
	return polled, other
}

// hostOf returns the address, or the name, of the host in an address as inputs
// take it: host, host:port, [host]:port or a URL.
func hostOf(s string) (a netip.Addr, name string) {
	if u, err := url.Parse(s); err == nil && u.Host != "" {
		s = u.Host
	}
	if host, _, err := net.SplitHostPort(s); err == nil {
		s = host
	}
	s = strings.Trim(s, "[]")
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}, s
	}
	return a.Unmap().WithZone(""), ""
}

// credentialsLocked notes what a target is polled with.
func (d *Directory) credentialsLocked(t base.Target, at []netip.Addr, old map[snmp.User]*recipient) {
	if t.Input != "snmp" {
		return
	}
	if strings.TrimPrefix(t.Options["version"], "v") != "3" {
		if c := secret.String(t.Options["community"]); c != "" {
			d.communities[c] = true
		}
		return
	}
	u := snmp.User{Name: t.Options["user"], AuthPassword: secret.String(t.Options["auth_password"]), PrivPassword: secret.String(t.Options["priv_password"])}
	var err1, err2 error
	u.Auth, err1 = snmp.ParseAuth(t.Options["auth_protocol"])
	u.Priv, err2 = snmp.ParsePriv(t.Options["priv_protocol"])
	if err1 != nil || err2 != nil {
		return // the input says what is wrong
	}
	r := d.recipients[u]
	if r == nil {
		r = &recipient{at: map[netip.Addr]bool{}}
		if o := old[u]; o != nil {
			r.Recipient = o.Recipient // with its keys
		} else if r.Recipient, err1 = snmp.NewRecipient(u); err1 != nil {
			return
		}
		d.recipients[u] = r
	}
	for _, a := range at {
		r.at[a] = true
	}
}

// community tells whether a target is polled with it.
func (d *Directory) community(c []byte) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.communities[secret.String(c)]
}

// users returns whom of the name a sender may be: those that targets at its
// address are polled as; where there are none, all that authenticate themselves.
func (d *Directory) users(name string, from netip.Addr) []*snmp.Recipient {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var here, any []*snmp.Recipient
	for u, r := range d.recipients {
		switch {
		case u.Name != name:
		case r.at[from]:
			here = append(here, r.Recipient)
		case u.Auth != snmp.NoAuth:
			any = append(any, r.Recipient)
		}
	}
	if len(here) > 0 {
		return here
	}
	return any
}

// lookAgain is how often names of targets are looked up.
const lookAgain = 5 * time.Minute

// Run keeps the addresses of targets that are given by name, until ctx ends. A
// Receiver does so for its Directory; call it where there is none.
func (d *Directory) Run(ctx context.Context) {
	timer := time.NewTicker(lookAgain)
	defer timer.Stop()
	for {
		d.resolve(ctx)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-d.changed:
		}
	}
}

// resolve looks up the names of targets. What is known of a name that cannot be
// looked up now is kept.
func (d *Directory) resolve(ctx context.Context) {
	d.mu.RLock()
	names := map[string]bool{}
	for _, t := range d.targets {
		if a, name := hostOf(t.Address); !a.IsValid() && name != "" {
			names[name] = true
		}
	}
	d.mu.RUnlock()
	found := map[string][]netip.Addr{}
	for name := range names {
		one, cancel := context.WithTimeout(ctx, 5*time.Second)
		as, err := net.DefaultResolver.LookupNetIP(one, "ip", name)
		cancel()
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			for i := range as {
				as[i] = as[i].Unmap()
			}
			found[name] = as
		}
	}
	if len(found) == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.Copy(d.names, found)
	d.rebuildLocked()
}
