package syslog

import (
	"net/netip"
	"testing"

	"github.com/faultline/faultline/plugins/base"
)

func TestDirectory(t *testing.T) {
	d := NewDirectory(func(a netip.Addr) (string, bool) { return "b1rtr", a == netip.MustParseAddr("10.255.0.11") })
	if _, ok := d.Lookup(netip.Addr{}, "x"); ok {
		t.Error("an empty directory knows x")
	}
	labels := func(device, instance string) map[string]string {
		return map[string]string{"device": device, "instance": instance, "site": "branch-1"}
	}
	d.Set([]base.Target{
		{ID: "1", Input: "snmp", Labels: labels("b1rtr", "10.255.0.11")}, {ID: "2", Input: "probe", Labels: labels("b1rtr", "10.255.0.11")},
		{ID: "3", Input: "snmp", Labels: map[string]string{"device": "b1sw", "sysName": "SW-2F.corp.test"}},
		{ID: "4", Input: "host", Labels: labels("b1srv", "b1srv")},
		{ID: "5", Input: "snmp", Labels: map[string]string{"device": "one", "sysName": "same"}}, {ID: "6", Input: "snmp", Labels: map[string]string{"device": "two", "sysName": "same"}},
		{ID: "7", Input: "database", Labels: labels("b1db", "db-1.corp.test:5432")},
	})
	for _, c := range []struct{ address, name, want string }{
		{"10.255.0.11", "", "b1rtr"}, {"10.0.0.9", "", ""}, {"127.0.0.1", "", "b1srv"}, {"::1", "", "b1srv"},
		{"", "B1SW", "b1sw"}, {"", "b1rtr.corp.test", "b1rtr"}, {"", "sw-2f", "b1sw"}, {"", "SW-2F.corp.test", "b1sw"}, {"", "same", ""}, {"", "db-1", "b1db"}, {"", "", ""}, {"", "10.255.0.11", ""},
	} {
		a, _ := netip.ParseAddr(c.address)
		got, ok := d.Lookup(a, c.name)
		if got.Name != c.want || ok != (c.want != "") {
			t.Errorf("%q %q: %v %v, want %q", c.address, c.name, got, ok, c.want)
		}
	}
	got, _ := d.Lookup(netip.Addr{}, "b1rtr")
	if len(got.Targets) != 2 || got.Targets[1] != (Target{"2", "probe"}) || got.Site != "branch-1" {
		t.Errorf("device %+v", got)
	}
}
