package discover

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
)

// ParseNetworks reads networks (10.0.0.0/24) and single addresses.
func ParseNetworks(texts []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, list := range texts {
		for _, text := range strings.Split(list, ",") {
			text = strings.TrimSpace(text)
			if a, err := netip.ParseAddr(text); err == nil {
				all = append(all, netip.PrefixFrom(a.Unmap().WithZone(""), a.Unmap().BitLen()))
				continue
			}
			p, err := netip.ParsePrefix(text)
			if err != nil {
				return nil, fmt.Errorf("network %q: want an address or a network such as 10.0.0.0/24", text)
			}
			all = append(all, p.Masked())
		}
	}
	return all, nil
}

// addresses returns the addresses of the networks, each once, without those
// excluded and, of IPv4 networks of more than two, without the first and the
// last. More than limit are an error.
func addresses(networks, exclude []netip.Prefix, limit int) ([]netip.Addr, error) {
	total := 0.0
	for _, p := range networks {
		total += math.Exp2(float64(p.Addr().BitLen() - p.Bits()))
	}
	if most := float64(limit) * 4; total > most { // excluded ones may make up for some
		return nil, fmt.Errorf("%.0f addresses are more than the limit of %d: name smaller networks, or raise the limit", total, limit)
	}
	var all []netip.Addr
	seen := map[netip.Addr]bool{}
	for _, p := range networks {
		for a := p.Addr(); p.Contains(a); a = a.Next() {
			if !seen[a] && !edge(p, a) && !within(exclude, a) {
				seen[a] = true
				all = append(all, a)
			}
			if a == last(p) {
				break
			}
		}
	}
	if len(all) > limit {
		return nil, fmt.Errorf("%d addresses are more than the limit of %d: name smaller networks, or raise the limit", len(all), limit)
	}
	return all, nil
}

// edge tells whether an address is an IPv4 network's own or its broadcast.
func edge(p netip.Prefix, a netip.Addr) bool {
	return a.Is4() && p.Bits() < 31 && (a == p.Addr() || a == last(p))
}

// last returns the last address of a network.
func last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func within(networks []netip.Prefix, a netip.Addr) bool {
	for _, p := range networks {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
