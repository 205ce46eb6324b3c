package syslog

import (
	"os"
	"runtime"
	"testing"
)

// shipped are the patterns that the program brings along.
func shipped(t testing.TB) *Set {
	t.Helper()
	s, err := Load(os.DirFS("../../rules/syslog"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestShipped holds what the shipped patterns find in lines other than their
// examples.
func TestShipped(t *testing.T) {
	set := shipped(t)
	for _, c := range []struct{ line, pattern, group, value string }{
		{"<6>Nov 22 10:11:12 h kernel: [1.2] igb 0000:01:00.0 eth0: igb: eth0 NIC Link is Down", "link_down", "interface", "eth0"},
		{"<6>Nov 22 10:11:12 h kernel: [1.2] tg3 0000:02:00.0 eth1: Link is down", "link_down", "interface", "eth1"},
		{"<187>45: Nov 22 10:11:12.1: %LINK-SW1-3-UPDOWN: Interface Po1, changed state to down", "link_down", "interface", "Po1"},
		{"<187>Nov 22 10:11:12 2026 SW %%10IFNET/3/LINK_UPDOWN: Line protocol state on the interface Ten-GigabitEthernet1/0/49 changed to down.", "protocol_down", "interface", "Ten-GigabitEthernet1/0/49"},
		{"<189>45: Nov 22 10:11:12.1: %SYS-5-CONFIG_I: Configured from console by console", "config_changed", "user", "console"},
		{"<189>45: Nov 22 10:11:12.1: %SYS-5-CONFIG_I: Configured from 10.0.0.5 by snmp", "config_changed", "user", "snmp"},
		{"<189>45: Nov 22 10:11:12.1: %SYS-5-CONFIG_I: Configured from console by bob on vty0 (10.0.0.5)", "config_changed", "from", "10.0.0.5"},
		{"<38>Nov 22 10:11:12 h sshd-session[1]: Failed password for root from 2001:db8::9 port 22 ssh2", "login_failed", "from", "2001:db8::9"},
		{"<3>Nov 22 10:11:12 h kernel: Memory cgroup out of memory: Killed process 77 (postgres) total-vm:1kB", "out_of_memory", "process", "postgres"},
		{"<29>1 2026-11-22T02:11:12Z h systemd 1 - - frr.service: Failed with result 'signal'.", "unit_failed", "unit", "frr.service"},
		{"<187>45: Nov 22 10:11:12.1: %OSPF-5-ADJCHG: Process 1, Nbr 10.0.0.2 on Gi0/1 from FULL to INIT, 1-Way", "ospf_neighbour_down", "reason", "1-Way"},
		{"<13>Nov 22 10:11:12 h app: the interface of the program went down the road", "", "", ""},
		{"<30>Nov 22 10:11:12 h sshd[1]: Connection closed by 10.0.0.9 port 22 [preauth]", "", "", ""},
		{"<188>Nov 22 2026 10:11:12 CORE %%01HTTP/4/LOGIN(s)[3]:User login successfully", "", "", ""},
	} {
		m := Parse([]byte(c.line), now, shanghai)
		got := set.Match(&m)
		switch {
		case got == nil && c.pattern != "":
			t.Errorf("%s: matches nothing, want %s", c.line, c.pattern)
		case got != nil && (got.Pattern.Name != c.pattern || got.Groups[c.group] != c.value):
			t.Errorf("%s: %s with %v, want %s with %s=%s", c.line, got.Pattern.Name, got.Groups, c.pattern, c.group, c.value)
		}
	}
	if set.Len() < 50 {
		t.Errorf("%d patterns are shipped", set.Len())
	}
}

// BenchmarkLoad says what the shipped patterns cost an agent that hears logs.
func BenchmarkLoad(b *testing.B) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var set *Set
	for range b.N {
		set = shipped(b)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1024, "retained-KiB")
	runtime.KeepAlive(set)
}
