package host

// collectors returns what is measured on Linux, in order.
func collectors(o Options, sys system) []collector {
	l := &linux{opts: o}
	f := &fileSystems{sys: sys, pending: map[string]bool{}}
	return []collector{
		{"arp", l.arp},
		{"bonding", l.bonding},
		{"cgroup", l.cgroup},
		{"conntrack", l.conntrack},
		{"cpu", cpuTimes(sys)},
		{"diskstats", l.diskstats},
		{"dmi", l.dmi},
		{"edac", l.edac},
		{"entropy", l.entropy},
		{"filefd", l.filefd},
		{"filesystem", f.read},
		{"hwmon", l.hwmon},
		{"loadavg", loadAverages(sys)},
		{"mdadm", l.mdadm},
		{"meminfo", l.meminfo},
		{"netclass", l.netclass},
		{"netdev", l.netdev},
		{"netstat", l.netstat},
		{"os", l.osRelease},
		{"pressure", l.pressure},
		{"processes", (&processes{linux: l}).read},
		{"reboot", l.reboot},
		{"schedstat", l.schedstat},
		{"sockstat", l.sockstat},
		{"softirqs", l.softirqs},
		{"softnet", l.softnet},
		{"stat", l.stat},
		{"systemd", newUnits(o.Root).read},
		{"thermal_zone", l.thermal},
		{"time", clock},
		{"timex", l.timex},
		{"uname", l.uname},
		{"vmstat", l.vmstat},
	}
}

// linux reads /proc and /sys.
type linux struct {
	opts    Options
	boot    float64                  // node_boot_time_seconds as first seen
	memory  map[string]string        // names of metrics by the kernel's words
	classes map[string]*netInterface // by name
}
