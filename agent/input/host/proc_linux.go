package host

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// proc joins a path below /proc.
func (l *linux) proc(path string) string { return l.opts.Proc + "/" + path }

func (l *linux) meminfo(_ context.Context, e *emitter) error {
	b, err := e.read(l.proc("meminfo"))
	if err != nil {
		return err
	}
	eachLine(b, func(f [][]byte) {
		if len(f) < 2 {
			return
		}
		v, ok := parseNumber(f[1])
		if !ok {
			return
		}
		inBytes := len(f) == 3
		if inBytes {
			v *= 1024
		}
		e.put(l.memoryName(e.word(f[0]), inBytes), v)
	})
	return nil
}

// memoryName turns "Active(anon):" into node_memory_Active_anon_bytes, once.
func (l *linux) memoryName(word string, inBytes bool) string {
	name := l.memory[word]
	if name == "" {
		name = "node_memory_" + strings.TrimRight(strings.NewReplacer("(", "_", ")", "", ":", "").Replace(word), "_")
		if inBytes {
			name += "_bytes"
		}
		if l.memory == nil {
			l.memory = map[string]string{}
		}
		l.memory[word] = name
	}
	return name
}

func (l *linux) stat(_ context.Context, e *emitter) error {
	b, err := e.read(l.proc("stat"))
	if err != nil {
		return err
	}
	boot := 0.0
	eachLine(b, func(f [][]byte) {
		if len(f) < 2 {
			return
		}
		v, ok := parseNumber(f[1])
		if !ok {
			return
		}
		switch string(f[0]) {
		case "ctxt":
			e.put("node_context_switches_total", v)
		case "intr":
			e.put("node_intr_total", v)
		case "processes":
			e.put("node_forks_total", v)
		case "procs_running":
			e.put("node_procs_running", v)
		case "procs_blocked":
			e.put("node_procs_blocked", v)
		case "btime":
			boot = v
		}
	})
	e.put("node_boot_time_seconds", l.bootTime(e, boot))
	return nil
}

// bootTime returns when this machine started. In a container /proc/stat tells
// of the host while /proc/uptime may tell of the container, which is what can
// restart. A value once found is kept while it stays the same within seconds,
// since uptime and clock are not read at the same moment.
func (l *linux) bootTime(e *emitter, stat float64) float64 {
	const apart, jitter = 60, 5
	boot := stat
	if b, err := e.read(l.proc("uptime")); err == nil {
		first, _, _ := bytes.Cut(b, []byte{' '})
		if up, ok := parseNumber(first); ok {
			if since := math.Round(float64(e.now().UnixMilli())/1000 - up); since > stat+apart {
				boot = since
			}
		}
	}
	if math.Abs(boot-l.boot) > jitter {
		l.boot = boot
	}
	return l.boot
}

var vmstatNames = regexp.MustCompile(`^(oom_kill|pgpg|pswp|pg.*fault)`)

func (l *linux) vmstat(_ context.Context, e *emitter) error {
	b, err := e.read(l.proc("vmstat"))
	if err != nil {
		return err
	}
	eachLine(b, func(f [][]byte) {
		if len(f) == 2 && vmstatNames.Match(f[0]) {
			if v, ok := parseNumber(f[1]); ok {
				e.put(e.concat([]byte("node_vmstat_"), f[0]), v)
			}
		}
	})
	return nil
}

func (l *linux) softirqs(_ context.Context, e *emitter) error {
	b, err := e.read(l.proc("softirqs"))
	if err != nil {
		return err
	}
	eachLine(b, func(f [][]byte) {
		if len(f) < 2 || !bytes.HasSuffix(f[0], []byte(":")) {
			return
		}
		kind := e.word(bytes.TrimSuffix(f[0], []byte(":")))
		for cpu, count := range f[1:] {
			if v, ok := parseNumber(count); ok {
				e.put("node_softirqs_functions_total", v, "cpu", strconv.Itoa(cpu), "type", kind)
			}
		}
	})
	return nil
}

func (l *linux) schedstat(_ context.Context, e *emitter) error {
	b, err := e.read(l.proc("schedstat"))
	if err != nil {
		return err
	}
	eachLine(b, func(f [][]byte) {
		if len(f) < 10 || !bytes.HasPrefix(f[0], []byte("cpu")) {
			return
		}
		cpu := e.word(f[0][len("cpu"):])
		for i, name := range []string{"node_schedstat_running_seconds_total", "node_schedstat_waiting_seconds_total", "node_schedstat_timeslices_total"} {
			v, ok := parseNumber(f[7+i])
			if i < 2 {
				v /= 1e9
			}
			if ok {
				e.put(name, v, "cpu", cpu)
			}
		}
	})
	return nil
}

// pressure reads how long tasks waited for a resource (PSI).
func (l *linux) pressure(_ context.Context, e *emitter) error {
	for _, resource := range []string{"cpu", "io", "memory"} {
		b, err := e.read(l.proc("pressure/" + resource))
		if err != nil {
			return err
		}
		eachLine(b, func(f [][]byte) {
			if len(f) < 5 || !bytes.HasPrefix(f[4], []byte("total=")) {
				return
			}
			v, ok := parseNumber(f[4][len("total="):])
			switch {
			case !ok:
			case string(f[0]) == "some":
				e.put("node_pressure_"+resource+"_waiting_seconds_total", v/1e6)
			case resource != "cpu": // "full" says nothing for processors
				e.put("node_pressure_"+resource+"_stalled_seconds_total", v/1e6)
			}
		})
	}
	return nil
}

func (l *linux) filefd(_ context.Context, e *emitter) error {
	b, err := e.read(l.proc("sys/fs/file-nr"))
	if err != nil {
		return err
	}
	f := split(bytes.TrimSpace(b), make([][]byte, 0, 4))
	if len(f) != 3 {
		return fmt.Errorf("file-nr has %d fields, want 3", len(f))
	}
	if v, ok := parseNumber(f[0]); ok {
		e.put("node_filefd_allocated", v)
	}
	if v, ok := parseNumber(f[2]); ok {
		e.put("node_filefd_maximum", v)
	}
	return nil
}

func (l *linux) entropy(_ context.Context, e *emitter) error {
	v, ok := e.number(l.proc("sys/kernel/random/entropy_avail"))
	if !ok {
		return fs.ErrNotExist
	}
	e.put("node_entropy_available_bits", v)
	if v, ok := e.number(l.proc("sys/kernel/random/poolsize")); ok {
		e.put("node_entropy_pool_size_bits", v)
	}
	return nil
}

// diskNames are the columns of /proc/diskstats after the device's name; sectors
// are of 512 bytes whatever the device says, times in milliseconds.
var diskNames = []struct {
	name   string
	factor float64
}{
	{"node_disk_reads_completed_total", 1}, {"node_disk_reads_merged_total", 1}, {"node_disk_read_bytes_total", 512}, {"node_disk_read_time_seconds_total", 1e-3},
	{"node_disk_writes_completed_total", 1}, {"node_disk_writes_merged_total", 1}, {"node_disk_written_bytes_total", 512}, {"node_disk_write_time_seconds_total", 1e-3},
	{"node_disk_io_now", 1}, {"node_disk_io_time_seconds_total", 1e-3}, {"node_disk_io_time_weighted_seconds_total", 1e-3},
	{"node_disk_discards_completed_total", 1}, {"node_disk_discards_merged_total", 1}, {"node_disk_discarded_sectors_total", 1}, {"node_disk_discard_time_seconds_total", 1e-3},
	{"node_disk_flush_requests_total", 1}, {"node_disk_flush_requests_time_seconds_total", 1e-3},
}

func (l *linux) diskstats(_ context.Context, e *emitter) error {
	b, err := e.read(l.proc("diskstats"))
	if err != nil {
		return err
	}
	eachLine(b, func(f [][]byte) {
		if len(f) < 14 || skipDisks.Match(f[2]) {
			return
		}
		device := e.word(f[2])
		e.put("node_disk_info", 1, "device", device, "major", e.word(f[0]), "minor", e.word(f[1]))
		for i, d := range diskNames {
			if i+3 >= len(f) {
				break
			}
			if v, ok := parseNumber(f[i+3]); ok {
				e.put(d.name, v*d.factor, "device", device)
			}
		}
	})
	return nil
}
