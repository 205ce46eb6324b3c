package discover

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/agent/discover/topology"
)

func TestSystemTables(t *testing.T) {
	route := "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n" +
		"eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\neth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
	if got := parseRoutes(strings.NewReader(route)); got != netip.MustParseAddr("10.0.0.1") {
		t.Errorf("gateway %v", got)
	}
	arp := "IP address       HW type     Flags       HW address            Mask     Device\n10.0.0.1  0x1  0x2  aa:bb:cc:dd:ee:ff  *  eth0\n10.0.0.9  0x1  0x0  00:00:00:00:00:00  *  eth0\n"
	want := []topology.ARPEntry{{Address: netip.MustParseAddr("10.0.0.1"), MAC: topology.MAC{0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}}}
	if d := cmp.Diff(want, parseARP(strings.NewReader(arp)), cmp.Comparer(func(x, y netip.Addr) bool { return x == y })); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}
