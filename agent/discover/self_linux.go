package discover

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net/netip"
	"os"
	"strings"

	"github.com/faultline/faultline/agent/discover/topology"
)

// routes returns the default gateway and the table of neighbours.
func routes() (gateway netip.Addr, arp []topology.ARPEntry) {
	if f, err := os.Open("/proc/net/route"); err == nil {
		gateway = parseRoutes(f)
		_ = f.Close()
	}
	if f, err := os.Open("/proc/net/arp"); err == nil {
		arp = parseARP(f)
		_ = f.Close()
	}
	return gateway, arp
}

// parseRoutes finds the default route in proc_net_route's form: interface,
// destination and gateway as hexadecimal of the host's byte order.
func parseRoutes(r io.Reader) netip.Addr {
	for in := bufio.NewScanner(r); in.Scan(); {
		f := strings.Fields(in.Text())
		if len(f) < 8 || f[1] != "00000000" || f[7] != "00000000" {
			continue
		}
		b, err := hex.DecodeString(f[2])
		if err != nil || len(b) != 4 {
			continue
		}
		var a [4]byte
		binary.NativeEndian.PutUint32(a[:], binary.BigEndian.Uint32(b))
		if gateway := netip.AddrFrom4(a); !gateway.IsUnspecified() {
			return gateway
		}
	}
	return netip.Addr{}
}

// parseARP reads /proc/net/arp: address, type, flags, hardware address, ...
// Incomplete entries have flag 2 not set.
func parseARP(r io.Reader) []topology.ARPEntry {
	var all []topology.ARPEntry
	for in := bufio.NewScanner(r); in.Scan(); {
		f := strings.Fields(in.Text())
		if len(f) < 4 {
			continue
		}
		a, err := netip.ParseAddr(f[0])
		m := macText(f[3])
		if err == nil && m != (topology.MAC{}) && f[2] != "0x0" {
			all = append(all, topology.ARPEntry{Address: a, MAC: m})
		}
	}
	return all
}
