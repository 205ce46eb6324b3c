package register

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/lang"
)

func TestCheckPatches(t *testing.T) {
	g := inventory.NewGraph(&inventory.Inventory{
		Sites: []inventory.Site{{ID: "b1"}, {ID: "b2"}},
		Devices: []inventory.Device{{ID: "sw", Site: "b1", Ports: []inventory.Port{{Name: "up", To: "rtr"}}}, {ID: "mute", Site: "b1"}, {ID: "rtr", Site: "b1"},
			{ID: "prn", Site: "b1", Addresses: []string{"10.1.0.9"}}, {ID: "ap", Site: "b1", Name: lang.Text{EN: "AP Lobby"}}, {ID: "far", Site: "b2"}},
		Patches: []inventory.Patch{
			{Site: "b1", Panel: "A", Port: "1", Switch: "sw", SwitchPort: "GE1", Device: "48-8E-EF-71-66-E0"},
			{Site: "b1", Panel: "A", Port: "2", Switch: "sw", SwitchPort: "ge2", Device: "prn"},
			{Site: "b1", Panel: "A", Port: "3", Switch: "sw", SwitchPort: "GE3", Device: "ap"},
			{Site: "b1", Panel: "A", Port: "4", Switch: "sw", SwitchPort: "GE4", Device: "prn"},
			{Site: "b1", Panel: "A", Port: "5", Switch: "sw", SwitchPort: "GE5", Device: "pc"},
			{Site: "b1", Panel: "A", Port: "6", Switch: "mute", SwitchPort: "GE1", Device: "pc"},
			{Site: "b1", Panel: "A", Port: "7", Outlet: "3F-07"},
			{Site: "b1", Panel: "A", Port: "8", Switch: "sw", SwitchPort: "GE8"},
			{Site: "b2", Panel: "A", Port: "1"},
		}})
	seen := []Sighting{
		{"sw", "GE1", "488e.ef71.66e0", "", "fdb"}, {"sw", "GE2", "00:11:22:33:44:55", "", "fdb"}, {"rtr", "lan", "10.1.0.9", "00:11:22:33:44:55", "arp"},
		{"sw", "GE3", "ap lobby", "eth0", "lldp"}, {"sw", "GE4", "00:00:00:00:00:01", "", "fdb"}, {"sw", "GE8", "00:00:00:00:00:02", "", "fdb"},
		{"sw", "GE9", "00:00:00:00:00:03", "", "fdb"}, {"sw", "up", "00:00:00:00:00:04", "", "fdb"}, {"far", "GE9", "00:00:00:00:00:05", "", "fdb"},
	}
	for i := range 5 { // an uplink nobody registered
		seen = append(seen, Sighting{"sw", "GE10", "00:00:00:00:01:0" + string(rune('0'+i)), "", "fdb"})
	}
	var got []string
	for _, c := range CheckPatches(g, "b1", seen) {
		got = append(got, c.Port+" "+c.SwitchPort+" "+c.Verdict+" "+strings.Join(c.Seen, ","))
	}
	want := []string{"1 GE1 same 48:8e:ef:71:66:e0", "2 ge2 same prn", "3 GE3 same ap", "4 GE4 differs 00:00:00:00:00:01", "5 GE5 empty ", "6 GE1 unknown ", "7  unknown ",
		"8 GE8 differs 00:00:00:00:00:02", " GE9 extra 00:00:00:00:00:03"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if n := Differences(CheckPatches(g, "b1", seen)); n != 3 {
		t.Errorf("%d differences", n)
	}
}
