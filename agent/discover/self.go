package discover

import (
	"net"
	"net/netip"
	"os"
	"slices"

	"github.com/faultline/faultline/agent/discover/topology"
)

// Self tells of this machine what can be known without privilege: its name,
// networks and hardware addresses, where it is one of the hosts, and on Linux its
// default gateway and whom it knows by ARP.
func Self(hosts []topology.Host) topology.Self {
	var s topology.Self
	swept := false
	interfaces, err := net.Interfaces()
	if err != nil {
		return s
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		addresses, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addresses {
			n, ok := a.(*net.IPNet)
			if !ok {
				continue
			}
			ip, _ := netip.AddrFromSlice(n.IP)
			ip = ip.Unmap()
			ones, _ := n.Mask.Size()
			if ip.IsLinkLocalUnicast() {
				continue
			}
			s.Networks = append(s.Networks, netip.PrefixFrom(ip, ones))
			swept = swept || slices.ContainsFunc(hosts, func(h topology.Host) bool { return h.Address == ip })
			if m := topology.MACOf(i.HardwareAddr); m.Own() && !slices.Contains(s.MACs, m) {
				s.MACs = append(s.MACs, m)
			}
		}
	}
	s.Name, _ = os.Hostname()
	s.Gateway, s.ARP = routes()
	if !swept {
		s.Networks, s.MACs, s.Name = nil, nil, ""
	}
	return s
}
