package host

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// cgroup measures the control group that bounds the processors of what runs
// here: in a container the machine's idle time says nothing of how busy it is.
// The nearest bounded group counts (Linux Documentation/admin-guide/cgroup-v1/cpuacct,
// cgroup-v2: cpu.max, cpu.stat). One with nothing in it but this agent is our own
// bound and no measurement.
func (l *linux) cgroup(_ context.Context, e *emitter) error {
	b, err := e.read(l.proc("self/cgroup"))
	if err != nil {
		return err
	}
	for line := range bytes.Lines(b) {
		hierarchy, rest, ok := strings.Cut(strings.TrimSpace(string(line)), ":")
		controllers, path, more := strings.Cut(rest, ":")
		switch {
		case !ok || !more:
		case hierarchy == "0" && controllers == "":
			if l.cgroup2(e, l.opts.Sys+"/fs/cgroup", path) {
				return nil
			}
		case hasWord(controllers, "cpu"):
			if l.cgroup1(e, path) {
				return nil
			}
		}
	}
	return nil
}

func hasWord(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}

// cgroup2 goes up from a group of version 2 to the nearest that is bounded.
func (l *linux) cgroup2(e *emitter, root, path string) bool {
	for ; path != "" && path != "/"; path = path[:strings.LastIndexByte(path, '/')] {
		quota, period, ok := strings.Cut(text(root+path+"/cpu.max"), " ")
		q, qerr := strconv.ParseFloat(quota, 64)
		p, perr := strconv.ParseFloat(strings.TrimSpace(period), 64)
		if !ok || qerr != nil || perr != nil || p <= 0 {
			continue
		}
		stat := words(text(root + path + "/cpu.stat"))
		usage, known := stat["usage_usec"]
		if !known || !others(root+path) {
			return false
		}
		e.put("faultline_cgroup_cpu_limit_cores", q/p)
		e.put("faultline_cgroup_cpu_seconds_total", usage/1e6)
		if t, ok := stat["throttled_usec"]; ok {
			e.put("faultline_cgroup_cpu_throttled_seconds_total", t/1e6)
		}
		return true
	}
	return false
}

// cgroup1 does the same in version 1, where time is accounted by cpuacct.
func (l *linux) cgroup1(e *emitter, path string) bool {
	root := l.opts.Sys + "/fs/cgroup/"
	for ; path != "" && path != "/"; path = path[:strings.LastIndexByte(path, '/')] {
		q, qok := single(root + "cpu" + path + "/cpu.cfs_quota_us")
		p, pok := single(root + "cpu" + path + "/cpu.cfs_period_us")
		if !qok || !pok || q <= 0 || p <= 0 {
			continue
		}
		usage, known := single(root + "cpuacct" + path + "/cpuacct.usage")
		if !known || !others(root+"cpu"+path) {
			return false
		}
		e.put("faultline_cgroup_cpu_limit_cores", q/p)
		e.put("faultline_cgroup_cpu_seconds_total", usage/1e9)
		if t, ok := words(text(root + "cpu" + path + "/cpu.stat"))["throttled_time"]; ok {
			e.put("faultline_cgroup_cpu_throttled_seconds_total", t/1e9)
		}
		return true
	}
	return false
}

// others tells whether more than this process is in a group or below it.
func others(dir string) bool {
	if n := len(strings.Fields(text(dir + "/cgroup.procs"))); n > 1 {
		return true
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, d := range entries {
		if d.IsDir() {
			return true
		}
	}
	return false
}

// text is a small file's content, "" where there is none.
func text(path string) string {
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return strings.TrimSpace(string(b))
}

func single(path string) (float64, bool) {
	f, err := strconv.ParseFloat(text(path), 64)
	return f, err == nil
}

// words reads lines of a word and a number.
func words(s string) map[string]float64 {
	m := map[string]float64{}
	for line := range strings.Lines(s) {
		name, number, _ := strings.Cut(strings.TrimSpace(line), " ")
		if f, err := strconv.ParseFloat(number, 64); err == nil {
			m[name] = f
		}
	}
	return m
}
