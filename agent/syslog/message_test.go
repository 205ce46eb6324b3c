package syslog

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	now      = time.Date(2026, 11, 22, 2, 30, 0, 0, time.UTC)
	shanghai = time.FixedZone("CST", 8*3600)
)

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t.UTC()
}

func TestParse(t *testing.T) {
	local := at("2026-11-22T02:11:12Z") // 10:11:12 in Shanghai
	cases := []struct {
		name, line string
		want       Message
	}{
		{"RFC 5424", `<165>1 2026-11-22T02:11:12.003Z host.example evntslog 12 ID47 [x@1 a="q\"]" b="2"][y@1] ` + "\ufeff" + `机房 hot`,
			Message{Facility: 20, Level: 5, Sent: at("2026-11-22T02:11:12.003Z"), Zoned: true, Host: "host.example", App: "evntslog", Proc: "12", Code: "ID47", Text: "机房 hot"}},
		{"RFC 5424, all nil", `<34>1 - - - - - -`, Message{Facility: 4, Level: 2}},
		{"not RFC 5424 after all", `<34>1 sheep, 2 sheep`, Message{Facility: 4, Level: 2, Text: "1 sheep, 2 sheep"}},
		{"RFC 3164", `<38>Nov 22 10:11:12 b1srv sshd[4711]: Failed password for root`,
			Message{Facility: 4, Level: 6, Sent: local, Host: "b1srv", App: "sshd", Proc: "4711", Text: "Failed password for root"}},
		{"one digit day", `<38>Nov  2 10:11:12 b1srv sudo: x`, Message{Facility: 4, Level: 6, Sent: at("2026-11-02T02:11:12Z"), Host: "b1srv", App: "sudo", Text: "x"}},
		{"rsyslog's forward format", `<38>2026-11-22T02:11:12.123456+00:00 b1srv systemd[1]: x.service: Failed`,
			Message{Facility: 4, Level: 6, Sent: at("2026-11-22T02:11:12Z"), Zoned: true, Host: "b1srv", App: "systemd", Proc: "1", Text: "x.service: Failed"}},
		{"no host (busybox)", `<13>Nov 22 10:11:12 root: hello`, Message{Facility: 1, Level: 5, Sent: local, App: "root", Text: "hello"}},
		{"no header", `<13>just text`, Message{Facility: 1, Level: 5, Text: "just text"}},
		{"no priority", `Nov 22 10:11:12 h kernel: x`, Message{Facility: -1, Level: -1, Sent: local, Host: "h", App: "kernel", Text: "x"}},
		{"kernel with time", `<4>Nov 22 10:11:12 h kernel: [12.345678] Out of memory`, Message{Facility: 0, Level: 4, Sent: local, Host: "h", App: "kernel", Text: "[12.345678] Out of memory"}},
		{"priority too large", `<999>x`, Message{Facility: -1, Level: -1, Text: "<999>x"}},
		{"empty", ``, Message{Facility: -1, Level: -1}},

		{"IOS", `<187>45: *Mar  1 00:00:45.123: %LINK-3-UPDOWN: Interface GigabitEthernet0/1, changed state to down`,
			Message{Facility: 23, Level: 3, Sent: at("2027-02-28T16:00:45Z"), Code: "LINK-3-UPDOWN", Vendor: VendorCisco, Text: "Interface GigabitEthernet0/1, changed state to down"}},
		{"IOS, origin-id, zone", `<189>000123: b2rtr: Nov 22 10:11:12.500 CST: %SYS-5-CONFIG_I: Configured from console by bob on vty0 (10.0.0.5)`,
			Message{Facility: 23, Level: 5, Sent: local, Host: "b2rtr", Code: "SYS-5-CONFIG_I", Vendor: VendorCisco, Text: "Configured from console by bob on vty0 (10.0.0.5)"}},
		{"IOS, year", `<189>45: Nov 22 2026 02:11:12.500 UTC: %SYS-5-RESTART: System restarted --`,
			Message{Facility: 23, Level: 5, Sent: local, Zoned: true, Code: "SYS-5-RESTART", Vendor: VendorCisco, Text: "System restarted --"}},
		{"IOS through a relay", `<187>Nov 22 10:11:12 10.0.0.1 45: Nov 22 10:11:11.1: %LINK-3-UPDOWN: Interface Gi0/1, changed state to up`,
			Message{Facility: 23, Level: 3, Sent: local, Host: "10.0.0.1", Code: "LINK-3-UPDOWN", Vendor: VendorCisco, Text: "Interface Gi0/1, changed state to up"}},
		{"IOS XR", `<187>45: b2rtr RP/0/RSP0/CPU0:Nov 22 10:11:12.123 : ifmgr[257]: %PKT_INFRA-LINK-3-UPDOWN : Interface TenGigE0/0/0/1, changed state to Down`,
			Message{Facility: 23, Level: 3, Sent: local, Host: "b2rtr", Code: "PKT_INFRA-LINK-3-UPDOWN", Vendor: VendorCisco, Text: "Interface TenGigE0/0/0/1, changed state to Down"}},
		{"NX-OS", `<189>: 2026 Nov 22 02:11:12.123 UTC: %ETHPORT-5-IF_DOWN_LINK_FAILURE: Interface Ethernet1/1 is down (Link failure)`,
			Message{Facility: 23, Level: 5, Sent: local, Zoned: true, Code: "ETHPORT-5-IF_DOWN_LINK_FAILURE", Vendor: VendorCisco, Text: "Interface Ethernet1/1 is down (Link failure)"}},
		{"ASA", `<166>Nov 22 2026 10:11:12 fw1 : %ASA-6-605005: Login permitted from 10.0.0.5/4711 to inside:10.0.0.1/ssh for user "bob"`,
			Message{Facility: 20, Level: 6, Sent: local, Host: "fw1", Code: "ASA-6-605005", Vendor: VendorCisco, Text: `Login permitted from 10.0.0.5/4711 to inside:10.0.0.1/ssh for user "bob"`}},
		{"Ruijie", `<188>*Nov 22 10:11:12: RJ-SW %LINK-3-UPDOWN: Interface GigabitEthernet 0/1, changed state to down.`,
			Message{Facility: 23, Level: 3, Sent: local, Host: "RJ-SW", Code: "LINK-3-UPDOWN", Vendor: VendorCisco, Text: "Interface GigabitEthernet 0/1, changed state to down."}},

		{"VRP5", `<188>Nov 22 2026 10:11:12 CORE %%01IFNET/4/LINK_STATE(l)[12]:The line protocol IP on the interface GigabitEthernet0/0/1 has entered the DOWN state.`,
			Message{Facility: 23, Level: 4, Sent: local, Host: "CORE", Code: "IFNET/4/LINK_STATE", Vendor: VendorHuawei, Text: "The line protocol IP on the interface GigabitEthernet0/0/1 has entered the DOWN state."}},
		{"VRP5 with offset", `<188>Nov 22 2026 10:11:12+08:00 CORE %%01IFPDT/4/IF_STATE(l)[0]:Interface GigabitEthernet0/0/1 has turned into DOWN state.`,
			Message{Facility: 23, Level: 4, Sent: local, Zoned: true, Host: "CORE", Code: "IFPDT/4/IF_STATE", Vendor: VendorHuawei, Text: "Interface GigabitEthernet0/0/1 has turned into DOWN state."}},
		{"VRP8", `<188>Nov 22 2026 02:11:12 CE1 %%01IFPDT/4/IF_STATE(s):CID=0x807a0406;Interface 10GE1/0/1 has turned into DOWN state.`,
			Message{Facility: 23, Level: 4, Sent: at("2026-11-21T18:11:12Z"), Host: "CE1", Code: "IFPDT/4/IF_STATE", Vendor: VendorHuawei, Text: "Interface 10GE1/0/1 has turned into DOWN state."}},
		{"Comware 7", `<187>Nov 22 10:11:12 2026 H3C-SW %%10IFNET/3/PHY_UPDOWN: Physical state on the interface GigabitEthernet1/0/1 changed to down.`,
			Message{Facility: 23, Level: 3, Sent: local, Host: "H3C-SW", Code: "IFNET/3/PHY_UPDOWN", Vendor: VendorH3C, Text: "Physical state on the interface GigabitEthernet1/0/1 changed to down."}},
		{"Comware, milliseconds, slot", `<187>Nov 22 10:11:12:345 2026 SW %%10IFNET/3/LINK_UPDOWN(l): -DevIP=10.1.1.1-Slot=1; GigabitEthernet1/0/1 link status is DOWN.`,
			Message{Facility: 23, Level: 3, Sent: local, Host: "SW", Code: "IFNET/3/LINK_UPDOWN", Vendor: VendorH3C, Text: "-DevIP=10.1.1.1-Slot=1; GigabitEthernet1/0/1 link status is DOWN."}},
		{"FortiOS", `<185>date=2026-11-22 time=10:11:12 devname="FGT-1" devid="FGT60" tz="+0800" logid="0100032002" type="event" level="alert" msg="Administrator admin login failed from ssh(10.0.0.9) because of invalid password"`,
			Message{Facility: 23, Level: 1, Sent: local, Zoned: true, Host: "FGT-1", Code: "0100032002", Vendor: VendorFortinet}},
		{"Junos", `<28>Nov 22 10:11:12 mx1 rpd[1234]: RPD_OSPF_NBRDOWN: OSPF neighbor 10.0.0.2 (realm ospf-v2 ge-0/0/1.0 area 0.0.0.0) state changed from Full to Down`,
			Message{Facility: 3, Level: 4, Sent: local, Host: "mx1", App: "rpd", Proc: "1234", Text: "RPD_OSPF_NBRDOWN: OSPF neighbor 10.0.0.2 (realm ospf-v2 ge-0/0/1.0 area 0.0.0.0) state changed from Full to Down"}},
		{"GBK", "<188>Nov 22 2026 10:11:12 CORE %%01ALM/4/X(l):\xbb\xfa\xb7\xbf", Message{Facility: 23, Level: 4, Sent: local, Host: "CORE", Code: "ALM/4/X", Vendor: VendorHuawei, Text: "机房"}},
		{"control characters", "<13>Nov 22 10:11:12 h a: x\ny\x1b[31m\r\n", Message{Facility: 1, Level: 5, Sent: local, Host: "h", App: "a", Text: "x y [31m"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := Parse([]byte(c.line), now, shanghai)
			if c.want.Vendor == VendorFortinet {
				c.want.Text = c.line[strings.Index(c.line, "date="):]
			}
			got.Sent = got.Sent.Truncate(time.Millisecond).UTC()
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestYear holds that a time without a year is the one next to now.
func TestYear(t *testing.T) {
	for _, c := range []struct{ now, line, want string }{
		{"2027-01-01T00:00:10Z", "<38>Jan  1 08:00:05 h a: x", "2027-01-01T00:00:05Z"},
		{"2027-01-01T00:00:10Z", "<38>Dec 31 23:59:59 h a: x", "2026-12-31T15:59:59Z"},
		{"2026-12-31T15:59:50Z", "<38>Jan  1 00:00:05 h a: x", "2026-12-31T16:00:05Z"},
		{"2028-02-29T12:00:00Z", "<38>Feb 29 19:00:00 h a: x", "2028-02-29T11:00:00Z"},
	} {
		if got := Parse([]byte(c.line), at(c.now), shanghai).Sent; !got.Equal(at(c.want)) {
			t.Errorf("%s at %s: %s, want %s", c.line, c.now, got, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"<34>1 2026-11-22T02:11:12Z h a p i [x y=\"z\\\"]\"] t", "<187>45: *Mar  1 00:00:45.123: %LINK-3-UPDOWN: x",
		"<188>Nov 22 2026 10:11:12+08:00 CORE %%01IFPDT/4/IF_STATE(l)[0]:x", "<1>date=2026-11-22 time=1 devname=\"", "<187>Nov 22 10:11:12:345 2026 SW %%10IFNET/3/LINK_UPDOWN(l): -DevIP=1; x"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m := Parse(b, now, shanghai)
		if m.Facility > 23 || m.Level > 7 || strings.ContainsAny(m.Text+m.Host+m.App, "\n\r\x00") {
			t.Errorf("%+v", m)
		}
	})
}
