package host

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v3/disk"
)

// What node_exporter leaves out by default.
var (
	skipMounts = regexp.MustCompile(`^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)`)
	skipTypes  = regexp.MustCompile(`^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs)$`)
	skipDisks  = regexp.MustCompile(`^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$`)
	remote     = regexp.MustCompile(`^(nfs4?|cifs|smb.*|fuse.*|ceph|glusterfs|lustre|9p|afs|beegfs)$`)
)

// unitsPace is how often every unit or service is told; one that changed is at once.
const unitsPace = time.Minute

// cpuTimes gives the time of every processor in every mode.
func cpuTimes(sys system) func(context.Context, *emitter) error {
	var kept modes
	return func(ctx context.Context, e *emitter) error {
		times, err := sys.Processors(ctx)
		if err != nil {
			return err
		}
		for _, t := range times {
			cpu := strings.TrimPrefix(t.CPU, "cpu")
			for _, m := range [...]struct {
				mode    string
				seconds float64
			}{
				{"idle", t.Idle}, {"iowait", t.Iowait}, {"irq", t.Irq}, {"nice", t.Nice}, {"softirq", t.Softirq}, {"steal", t.Steal}, {"system", t.System}, {"user", t.User},
			} {
				e.put("node_cpu_seconds_total", kept.upwards(cpu, m.mode, m.seconds), "cpu", cpu, "mode", m.mode)
			}
			e.put("node_cpu_guest_seconds_total", t.Guest, "cpu", cpu, "mode", "user")
			e.put("node_cpu_guest_seconds_total", t.GuestNice, "cpu", cpu, "mode", "nice")
		}
		return nil
	}
}

// modes are the times of processors as they were told last.
type modes map[[2]string]float64

// jump is how far a time may go back without having begun anew, in seconds.
const jump = 60

// upwards tells a time that does not go back by a little: the kernel's idle and
// iowait do (Documentation/filesystems/proc.rst), and a container's more so. To
// whoever asks for the rate each would be a new beginning.
func (m *modes) upwards(cpu, mode string, seconds float64) float64 {
	if *m == nil {
		*m = modes{}
	}
	k := [2]string{cpu, mode}
	if last := (*m)[k]; seconds < last && last-seconds < jump {
		return last
	}
	(*m)[k] = seconds
	return seconds
}

func loadAverages(sys system) func(context.Context, *emitter) error {
	return func(ctx context.Context, e *emitter) error {
		l, err := sys.Load(ctx)
		if err != nil {
			return err
		}
		e.put("node_load1", l.Load1)
		e.put("node_load5", l.Load5)
		e.put("node_load15", l.Load15)
		return nil
	}
}

func clock(_ context.Context, e *emitter) error {
	now := e.now()
	zone, offset := now.Zone()
	e.put("node_time_seconds", float64(now.UnixNano())/1e9)
	e.put("node_time_zone_offset_seconds", float64(offset), "time_zone", zone)
	return nil
}

// fileSystems measures what is mounted. A remote file system whose server is
// gone blocks whoever asks for it, so those are asked in a goroutine of their
// own, one at a time, and count as failed until they answer.
type fileSystems struct {
	sys system

	mu      sync.Mutex
	pending map[string]bool // mount points being asked
}

// patience is how long a remote file system may take to answer.
const patience = time.Second

func (f *fileSystems) read(ctx context.Context, e *emitter) error {
	parts, err := f.sys.FileSystems(ctx)
	if err != nil {
		return err
	}
	seen, again := map[string]bool{}, mountedAgain(parts)
	for _, p := range parts {
		key := p.Device + "\x00" + p.Mountpoint
		if seen[key] || !measured(p) {
			continue
		}
		seen[key] = true
		if again[p.Mountpoint] {
			e.put("faultline_filesystem_again", 1, "device", p.Device, "fstype", p.Fstype, "mountpoint", p.Mountpoint)
		}
		u, err := f.usage(ctx, p)
		if err != nil {
			e.put("node_filesystem_device_error", 1, "device", p.Device, "device_error", reason(err), "fstype", p.Fstype, "mountpoint", p.Mountpoint)
			continue
		}
		put := func(name string, v float64) {
			e.put(name, v, "device", p.Device, "fstype", p.Fstype, "mountpoint", p.Mountpoint)
		}
		put("node_filesystem_size_bytes", float64(u.Total))
		put("node_filesystem_free_bytes", float64(u.Total-u.Used))
		put("node_filesystem_avail_bytes", float64(u.Free))
		put("node_filesystem_files", float64(u.InodesTotal))
		put("node_filesystem_files_free", float64(u.InodesFree))
		put("node_filesystem_readonly", truth(slices.Contains(p.Opts, "ro")))
		put("node_filesystem_device_error", 0)
	}
	return nil
}

func (f *fileSystems) usage(ctx context.Context, p disk.PartitionStat) (*disk.UsageStat, error) {
	if !remote.MatchString(p.Fstype) {
		return f.sys.Usage(ctx, p.Mountpoint)
	}
	f.mu.Lock()
	if f.pending[p.Mountpoint] {
		f.mu.Unlock()
		return nil, context.DeadlineExceeded
	}
	f.pending[p.Mountpoint] = true
	f.mu.Unlock()
	type answer struct {
		u   *disk.UsageStat
		err error
	}
	done := make(chan answer, 1)
	go func() { // ends when the kernel lets go of it, however late: nobody can wait for that
		u, err := f.sys.Usage(context.WithoutCancel(ctx), p.Mountpoint)
		f.mu.Lock()
		delete(f.pending, p.Mountpoint)
		f.mu.Unlock()
		done <- answer{u, err}
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case a := <-done:
		return a.u, a.err
	case <-timer.C:
		return nil, context.DeadlineExceeded
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// reason is an error in few words, fit for a label.
func reason(err error) string {
	s := err.Error()
	return strings.TrimSpace(s[strings.LastIndex(s, ": ")+1:])
}
