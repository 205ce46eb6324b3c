package host

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shirou/gopsutil/v3/disk"

	"github.com/faultline/faultline/agent/input/inputtest"
	"github.com/faultline/faultline/plugins/base"
)

// fixture is a tree of files below a root that stands for /proc, /sys and /.
func fixture(t *testing.T, files map[string]string) string {
	t.Helper()
	return inputtest.Write(t, files)
}

// recorder keeps values by series, written as name{label=value,...}.
type recorder map[string]float64

func (r recorder) Sample(sm base.Sample) {
	var labels []string
	for _, l := range sm.Labels {
		if l.Name != base.MetricName {
			labels = append(labels, l.Name+"="+l.Value)
		}
	}
	name := sm.Labels.Name()
	if len(labels) > 0 {
		name += "{" + strings.Join(labels, ",") + "}"
	}
	r[name] = sm.Value
}

// Block keeps the block's samples one by one.
func (r recorder) Block(b base.Block) {
	for sm := range b.Samples() {
		r.Sample(sm)
	}
}

func (r recorder) Event(base.Event) {}

// read runs one collector over a fixture.
func read(t *testing.T, files map[string]string, now time.Time, collector func(*linux) func(context.Context, *emitter) error) (recorder, error) {
	t.Helper()
	root := fixture(t, files)
	l := &linux{opts: Options{Proc: root, Sys: root, Root: root}}
	r, buf := recorder{}, make([]byte, 16)
	e := &emitter{sink: r, cache: newLabelCache(), buf: &buf, now: func() time.Time { return now }}
	err := collector(l)(context.Background(), e)
	return r, err
}

func TestCollectors(t *testing.T) {
	tests := []struct {
		name      string
		files     map[string]string
		collector func(*linux) func(context.Context, *emitter) error
		want      recorder
	}{
		{"hwmon", map[string]string{
			"class/hwmon/hwmon0/name": "coretemp\n", "class/hwmon/hwmon0/temp1_input": "48500\n", "class/hwmon/hwmon0/temp1_crit": "100000\n",
			"class/hwmon/hwmon0/temp1_crit_alarm": "1\n", "class/hwmon/hwmon0/temp1_label": "Package id 0\n", "class/hwmon/hwmon0/fan2_input": "1200\n",
			"class/hwmon/hwmon0/in0_input": "12100\n", "class/hwmon/hwmon0/power1_average": "35000000\n", "class/hwmon/hwmon0/uevent": "",
		}, func(l *linux) func(context.Context, *emitter) error { return l.hwmon }, recorder{
			"node_hwmon_chip_names{chip=coretemp,chip_name=coretemp}": 1, "node_hwmon_temp_celsius{chip=coretemp,sensor=temp1}": 48.5,
			"node_hwmon_temp_crit_celsius{chip=coretemp,sensor=temp1}": 100, "node_hwmon_temp_crit_alarm{chip=coretemp,sensor=temp1}": 1,
			"node_hwmon_temp_crit_alarm_celsius{chip=coretemp,sensor=temp1}":         1,
			"node_hwmon_sensor_label{chip=coretemp,label=Package id 0,sensor=temp1}": 1, "node_hwmon_fan_rpm{chip=coretemp,sensor=fan2}": 1200,
			"node_hwmon_in_volts{chip=coretemp,sensor=in0}": 12.1, "node_hwmon_power_average_watt{chip=coretemp,sensor=power1}": 35,
		}},
		{"edac", map[string]string{
			"devices/system/edac/mc/mc0/ce_count": "3\n", "devices/system/edac/mc/mc0/ue_count": "1\n", "devices/system/edac/mc/mc0/ce_noinfo_count": "0\n",
			"devices/system/edac/mc/mc0/csrow2/ce_count": "3\n", "devices/system/edac/mc/mc0/csrow2/ue_count": "1\n", "devices/system/edac/mc/power/control": "auto\n",
		}, func(l *linux) func(context.Context, *emitter) error { return l.edac }, recorder{
			"node_edac_correctable_errors_total{controller=0}": 3, "node_edac_uncorrectable_errors_total{controller=0}": 1,
			"node_edac_csrow_correctable_errors_total{controller=0,csrow=unknown}": 0, "node_edac_csrow_correctable_errors_total{controller=0,csrow=2}": 3,
			"node_edac_csrow_uncorrectable_errors_total{controller=0,csrow=2}": 1,
		}},
		{"a container's share of version 2", map[string]string{
			"self/cgroup": "0::/lxc/web/init.scope\n", "fs/cgroup/lxc/web/init.scope/cpu.max": "max 100000\n", "fs/cgroup/lxc/web/cpu.max": "50000 100000\n",
			"fs/cgroup/lxc/web/cpu.stat": "usage_usec 2500000\nthrottled_usec 1000000\n", "fs/cgroup/lxc/web/cgroup.procs": "1\n7\n",
		}, func(l *linux) func(context.Context, *emitter) error { return l.cgroup }, recorder{
			"faultline_cgroup_cpu_limit_cores": 0.5, "faultline_cgroup_cpu_seconds_total": 2.5, "faultline_cgroup_cpu_throttled_seconds_total": 1,
		}},
		{"a container's share of version 1", map[string]string{
			"self/cgroup": "5:cpuset:/c/x\n4:cpu,cpuacct:/c/x\n", "fs/cgroup/cpu/c/x/cpu.cfs_quota_us": "150000\n", "fs/cgroup/cpu/c/x/cpu.cfs_period_us": "100000\n",
			"fs/cgroup/cpu/c/x/cgroup.procs": "3\n4\n", "fs/cgroup/cpu/c/x/cpu.stat": "nr_throttled 3\nthrottled_time 2000000000\n", "fs/cgroup/cpuacct/c/x/cpuacct.usage": "7000000000\n",
		}, func(l *linux) func(context.Context, *emitter) error { return l.cgroup }, recorder{
			"faultline_cgroup_cpu_limit_cores": 1.5, "faultline_cgroup_cpu_seconds_total": 7, "faultline_cgroup_cpu_throttled_seconds_total": 2,
		}},
		{"a bound of the agent alone is none", map[string]string{
			"self/cgroup": "0::/system.slice/agent.service\n", "fs/cgroup/system.slice/agent.service/cpu.max": "20000 100000\n",
			"fs/cgroup/system.slice/agent.service/cpu.stat": "usage_usec 1\n", "fs/cgroup/system.slice/agent.service/cgroup.procs": "9\n",
		}, func(l *linux) func(context.Context, *emitter) error { return l.cgroup }, recorder{}},
		{"mdadm", map[string]string{
			"block/md0/md/raid_disks": "2\n", "block/md0/md/array_state": "clean\n", "block/md0/md/sync_action": "recover\n",
			"block/md0/md/dev-sda1/state": "in_sync\n", "block/md0/md/dev-sdb1/state": "faulty\n", "block/md0/md/dev-sdc1/state": "spare\n",
		}, func(l *linux) func(context.Context, *emitter) error { return l.mdadm }, recorder{
			"node_md_disks_required{device=md0}": 2, "node_md_disks{device=md0,state=active}": 1, "node_md_disks{device=md0,state=failed}": 1,
			"node_md_disks{device=md0,state=spare}": 1, "node_md_state{device=md0,state=active}": 0, "node_md_state{device=md0,state=inactive}": 0,
			"node_md_state{device=md0,state=check}": 0, "node_md_state{device=md0,state=recovering}": 1, "node_md_state{device=md0,state=resync}": 0,
		}},
		{"bonding", map[string]string{
			"class/net/bonding_masters": "bond0\n", "class/net/bond0/bonding/slaves": "eth0 eth1\n",
			"class/net/bond0/lower_eth0/bonding_slave/mii_status": "up\n", "class/net/bond0/lower_eth1/bonding_slave/mii_status": "down\n",
		}, func(l *linux) func(context.Context, *emitter) error { return l.bonding }, recorder{
			"node_bonding_slaves{master=bond0}": 2, "node_bonding_active{master=bond0}": 1,
		}},
		{"schedstat", map[string]string{"schedstat": "version 15\ntimestamp 1\ncpu0 0 0 0 0 0 0 2000000000 500000000 7\ndomain0 1 0\n"},
			func(l *linux) func(context.Context, *emitter) error { return l.schedstat }, recorder{
				"node_schedstat_running_seconds_total{cpu=0}": 2, "node_schedstat_waiting_seconds_total{cpu=0}": 0.5, "node_schedstat_timeslices_total{cpu=0}": 7,
			}},
		{"dmi", map[string]string{"class/dmi/id/product_serial": "ABC\n", "class/dmi/id/sys_vendor": "Maker\n"},
			func(l *linux) func(context.Context, *emitter) error { return l.dmi }, recorder{"node_dmi_info{product_serial=ABC,system_vendor=Maker}": 1}},
		{"meminfo", map[string]string{"meminfo": "MemTotal:  10 kB\nActive(anon):  1 kB\nHugePages_Total:  3\n"},
			func(l *linux) func(context.Context, *emitter) error { return l.meminfo },
			recorder{"node_memory_MemTotal_bytes": 10240, "node_memory_Active_anon_bytes": 1024, "node_memory_HugePages_Total": 3}},
		{"os", map[string]string{"etc/os-release": "ID=kylin\nNAME=\"Kylin Linux\"\nVERSION_ID=\"10.1.2\"\nPRETTY_NAME='Kylin V10'\n"},
			func(l *linux) func(context.Context, *emitter) error { return l.osRelease }, recorder{
				"node_os_info{id=kylin,name=Kylin Linux,pretty_name=Kylin V10,version_id=10.1.2}": 1, "node_os_version{id=kylin,name=Kylin Linux}": 10.1,
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := read(t, tt.files, time.Now(), tt.collector)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("series (-want +got):\n%s", d)
			}
		})
	}
}

func TestBootTime(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	tests := []struct {
		name, uptime string
		want         float64
	}{
		{"machine", "400000.41 1\n", 600_000},
		{"container that started later", "1000.02 1\n", 999_000},
		{"no uptime", "", 600_000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := read(t, map[string]string{"stat": "ctxt 5\nbtime 600000\n", "uptime": tt.uptime}, now,
				func(l *linux) func(context.Context, *emitter) error { return l.stat })
			if err != nil || got["node_boot_time_seconds"] != tt.want {
				t.Errorf("boot time %v, error %v, want %v", got["node_boot_time_seconds"], err, tt.want)
			}
		})
	}
}

// stuckSystem has a remote file system whose server is gone.
type stuckSystem struct {
	gopsutil
	release chan struct{}
}

func (s stuckSystem) FileSystems(context.Context) ([]disk.PartitionStat, error) {
	return []disk.PartitionStat{
		{Device: "nas:/x", Mountpoint: "/mnt/x", Fstype: "nfs4", Opts: []string{"rw"}},
		{Device: "/dev/sda1", Mountpoint: "/", Fstype: "ext4", Opts: []string{"ro"}},
		{Device: "proc", Mountpoint: "/proc", Fstype: "proc"},
		{Device: "/dev/sdb1", Mountpoint: "/bad", Fstype: "xfs"},
	}, nil
}

func (s stuckSystem) Usage(_ context.Context, path string) (*disk.UsageStat, error) {
	switch path {
	case "/mnt/x":
		<-s.release
	case "/bad":
		return nil, errors.New("statfs /bad: input/output error")
	}
	return &disk.UsageStat{Total: 100, Used: 40, Free: 50, InodesTotal: 10, InodesFree: 5}, nil
}

func TestStuckFileSystem(t *testing.T) {
	release := make(chan struct{})
	f := &fileSystems{sys: stuckSystem{release: release}, pending: map[string]bool{}}
	r, buf := recorder{}, make([]byte, 16)
	e := &emitter{sink: r, cache: newLabelCache(), buf: &buf, now: time.Now}
	for range 2 { // the second time it is not asked again
		if err := f.read(context.Background(), e); err != nil {
			t.Fatal(err)
		}
	}
	const root = "{device=/dev/sda1,fstype=ext4,mountpoint=/}"
	want := recorder{
		"node_filesystem_size_bytes" + root: 100, "node_filesystem_free_bytes" + root: 60, "node_filesystem_avail_bytes" + root: 50,
		"node_filesystem_files" + root: 10, "node_filesystem_files_free" + root: 5, "node_filesystem_readonly" + root: 1, "node_filesystem_device_error" + root: 0,
		"node_filesystem_device_error{device=nas:/x,device_error=context deadline exceeded,fstype=nfs4,mountpoint=/mnt/x}": 1,
		"node_filesystem_device_error{device=/dev/sdb1,device_error=input/output error,fstype=xfs,mountpoint=/bad}":        1,
	}
	if d := cmp.Diff(want, r); d != "" {
		t.Errorf("series (-want +got):\n%s", d)
	}
	close(release)
}

// TestPortable runs the subset for other systems on this one.
func TestPortable(t *testing.T) {
	r, buf := recorder{}, make([]byte, 16)
	for _, c := range portable(gopsutil{}) {
		e := &emitter{sink: r, cache: newLabelCache(), buf: &buf, now: time.Now}
		if err := c.read(context.Background(), e); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for _, want := range []string{"node_memory_MemTotal_bytes", "node_boot_time_seconds", "node_load1", "node_network_up{device=lo}"} {
		if _, ok := r[want]; !ok {
			t.Errorf("%s is missing", want)
		}
	}
}

func FuzzFiles(f *testing.F) {
	for _, s := range []string{"cpu0 1 2 3\nbtime 5\n", "Tcp: a b\nTcp: 1 2\n", "eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n", "TCP: inuse 5 mem\n", " 8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n"} {
		f.Add([]byte(s))
	}
	dir := f.TempDir()
	names := []string{"stat", "meminfo", "vmstat", "diskstats", "softirqs", "schedstat", "net/dev", "net/arp", "net/netstat", "net/snmp", "net/snmp6", "net/sockstat", "net/softnet_stat", "pressure/cpu", "sys/fs/file-nr"}
	l := &linux{opts: Options{Proc: dir, Sys: dir, Root: dir}}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, n := range names {
			path := filepath.Join(dir, n)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		buf := make([]byte, 16)
		e := &emitter{sink: recorder{}, cache: newLabelCache(), buf: &buf, now: time.Now}
		for _, read := range []func(context.Context, *emitter) error{l.stat, l.meminfo, l.vmstat, l.diskstats, l.softirqs, l.schedstat, l.netdev, l.arp, l.netstat, l.sockstat, l.softnet, l.pressure, l.filefd} {
			_ = read(context.Background(), e)
		}
	})
}
