package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/faultline/faultline/agent/input/host"
	"github.com/faultline/faultline/agent/input/textfile"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// machine is a host whose /proc, /sys and / are files of ours, read by the agent's
// own input. Its file system is a real one, of memory, since its size is asked of
// the kernel; so are its clock and its kernel's name.
type machine struct {
	root, disk string
	in         *host.Input
	scripts    *textfile.Input
	begin      time.Time // of the faults
	now        time.Time
	mounted    bool
	missing    []string
}

func newHost(root string) (*machine, error) {
	m := &machine{root: root, disk: filepath.Join(root, "disk")}
	if err := os.MkdirAll(m.disk, 0o755); err != nil {
		return nil, err
	}
	if err := syscall.Mount("tmpfs", m.disk, "tmpfs", 0, "size=10m,nr_inodes=220"); err != nil {
		m.missing = append(m.missing, fmt.Sprintf("a disk that fills: mount: %v", err))
	} else {
		m.mounted = true
	}
	for k, v := range map[string]string{"HOST_PROC": root + "/proc", "HOST_SYS": root + "/sys"} { // gopsutil's
		if err := os.Setenv(k, v); err != nil {
			return nil, err
		}
	}
	m.scripts = textfile.New(textfile.Options{Now: func() time.Time { return m.now }})
	m.in = host.New(host.Options{Proc: root + "/proc", Sys: root + "/sys", Root: root, Now: func() time.Time { return m.now }})
	return m, nil
}

func (m *machine) close() {
	if m.mounted {
		_ = syscall.Unmount(m.disk, 0)
	}
}

func (m *machine) measure(ctx context.Context, at time.Time, ill bool, k *keeper) error {
	m.now = at
	if ill && m.begin.IsZero() {
		m.begin = at
	}
	for name, text := range m.files(at, ill) {
		path := filepath.Join(m.root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if ill && m.mounted {
		if err := m.fill(int(at.Sub(m.begin) / step)); err != nil {
			return err
		}
	}
	err := m.in.Gather(ctx, base.Target{ID: "host", Input: "host"}, k)
	if errors.As(err, new(input.Partial)) {
		err = nil // of what was not made up there is nothing to read
	}
	if err != nil {
		return err
	}
	err = m.scripts.Gather(ctx, base.Target{ID: "scripts", Input: "textfile", Options: map[string]string{"directory": filepath.Join(m.root, "scripts")}}, k)
	if ill && err != nil {
		err = nil // a file of it is broken: that is the fault
	}
	return err
}

// fill writes to the disk and makes files on it, a little more with every step.
func (m *machine) fill(n int) error {
	if n == 0 {
		if err := os.WriteFile(filepath.Join(m.disk, "data"), make([]byte, 9600<<10), 0o644); err != nil {
			return err
		}
		for i := range 199 {
			if err := os.WriteFile(filepath.Join(m.disk, fmt.Sprint("f", i)), nil, 0o644); err != nil {
				return err
			}
		}
	}
	if n%8 == 1 {
		if err := os.WriteFile(filepath.Join(m.disk, fmt.Sprint("g", n)), make([]byte, 4<<10), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// files is what the kernel would show. Counters go on from the beginning of 1970;
// since the faults began they run faster.
func (m *machine) files(at time.Time, ill bool) map[string]string {
	quiet := float64(at.Unix() % 100_000_000)
	sick := 0.0
	if ill {
		sick = at.Sub(m.begin).Seconds() + 1
		quiet = float64(m.begin.Unix()%100_000_000) + sick
	}
	count := func(calm, wild float64) string { return fmt.Sprintf("%.0f", calm*quiet+wild*sick) }
	either := func(well, bad string) string {
		if ill {
			return bad
		}
		return well
	}
	boot := "1700000000"
	if ill {
		boot = fmt.Sprint(m.begin.Unix() - 10)
	}
	idle := fmt.Sprintf("%.0f", 99*(quiet-sick))
	cpu := count(0.5, 69.5) + " 0 0 " + idle + " " + count(0, 15) + " 0 0 " + count(0, 15) + " 0 0"
	mounts := "30 1 8:1 / " + m.disk + " rw,relatime shared:1 - ext4 /dev/sda1 rw\n" + either("", "31 1 8:2 / "+m.root+"/gone rw - ext4 /dev/sdb1 rw\n")
	eth := strings.Join([]string{count(1000, 2e8), count(10, 1e5), count(0, 1e4), "0 0 0 0 0", count(1000, 2e8), count(10, 1e5), count(0, 1e4), "0 0 0 0 0"}, " ")
	return map[string]string{
		"proc/stat":           "cpu  " + cpu + "\ncpu0 " + cpu + "\nintr 1\nctxt " + count(1000, 50_000) + "\nbtime " + boot + "\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n",
		"proc/meminfo":        "MemTotal: 8000000 kB\nMemFree: " + either("7000000", "300000") + " kB\nMemAvailable: " + either("7200000", "400000") + " kB\nSwapTotal: 2000000 kB\nSwapFree: " + either("2000000", "100000") + " kB\n",
		"proc/vmstat":         "pgmajfault " + count(1, 3000) + "\noom_kill " + count(0, 0.1) + "\n",
		"proc/loadavg":        either("1 1 1 1/1 1\n", "8 8 8 1/1 1\n"),
		"proc/1/mountinfo":    mounts,
		"proc/self/mountinfo": mounts,
		"proc/filesystems":    "\text4\n",
		"proc/net/dev":        "Inter-|\n face |\n  eth0: " + eth + "\n",
		"proc/diskstats": "   8       0 sda " + strings.Join([]string{count(1, 100), "0", count(8, 204_800), count(1, 30_000), count(1, 100), "0", count(8, 204_800), count(1, 30_000), "0",
			count(1, 900), count(1, 20_000)}, " ") + "\n",
		"proc/sys/net/netfilter/nf_conntrack_count": either("10", "9000"), "proc/sys/net/netfilter/nf_conntrack_max": "10000",
		"sys/class/net/eth0/speed": "1000\n", "sys/class/net/eth0/ifindex": "2\n", "sys/class/net/eth0/operstate": "up\n", "sys/class/net/eth0/mtu": "1500\n",
		"sys/class/net/bonding_masters": "bond0\n", "sys/class/net/bond0/bonding/slaves": "eth1 eth2\n",
		"sys/class/net/bond0/lower_eth1/bonding_slave/mii_status": "up\n", "sys/class/net/bond0/lower_eth2/bonding_slave/mii_status": either("up\n", "down\n"),
		"sys/class/hwmon/hwmon0/name": "coretemp\n", "sys/class/hwmon/hwmon0/temp1_input": either("40000\n", "91000\n"), "sys/class/hwmon/hwmon0/temp1_label": "Package\n",
		"sys/class/hwmon/hwmon0/temp1_crit_alarm": either("0\n", "1\n"),
		"sys/block/md0/md/raid_disks":             "2\n", "sys/block/md0/md/array_state": either("active\n", "inactive\n"), "sys/block/md0/md/dev-sda1/state": "in_sync\n",
		"sys/block/md0/md/dev-sdb1/state":         either("in_sync\n", "faulty\n"),
		"sys/devices/system/edac/mc/mc0/ce_count": count(0, 1),
		"sys/devices/system/edac/mc/mc0/ue_count": either("0", "1"),
		"proc/sys/fs/file-nr":                     either("100 0 1000\n", "950 0 1000\n"), "sys/class/hwmon/hwmon0/temp1_max": "80000\n",
		"scripts/backup.prom": either("backup_ok 1\n", "backup_ok one\n"),
		"etc/debian_version":  "12.1\n", "run/reboot-required": "*** System restart required ***\n",
	}
}
