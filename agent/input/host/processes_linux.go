package host

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	mostPIDs  = 20_000
	lookTwice = 200 * time.Millisecond
)

// processes tells by name who uses the processors and the memory, while they are
// scarce: faultline_process_cpu_cores and faultline_process_resident_bytes. It
// reads names only, never command lines, which may hold secrets. On a machine with
// time to spare it reads two small files and no process.
type processes struct {
	*linux
	busy, total float64 // ticks of all processors at the last poll
	last        map[int]spent
	lastAt      time.Time
}

func (p *processes) read(ctx context.Context, e *emitter) error {
	scarce, err := p.scarce(e)
	if err != nil {
		return err
	}
	if !scarce {
		p.last = nil
		return fs.ErrNotExist
	}
	if p.last == nil {
		if p.last, err = p.scan(e); err != nil {
			return err
		}
		p.lastAt = e.now()
		t := time.NewTimer(lookTwice)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	now, err := p.scan(e)
	if err != nil {
		return err
	}
	at := e.now()
	cores, resident := byName(p.last, now, at.Sub(p.lastAt).Seconds())
	p.last, p.lastAt = now, at
	for _, name := range leading(cores, leastCores) {
		e.put("faultline_process_cpu_cores", cores[name], "process", name)
	}
	for _, name := range leading(resident, 1) {
		e.put("faultline_process_resident_bytes", resident[name], "process", name)
	}
	return nil
}

// scarce tells whether the processors or the memory are much in use.
func (p *processes) scarce(e *emitter) (bool, error) {
	b, err := e.read(p.proc("stat"))
	if err != nil {
		return false, err
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	var total, idle float64
	for i, f := range bytes.Fields(line) {
		if v, ok := parseNumber(f); ok && i <= 8 { // guests' time is in user's
			total += v
			if i == 4 || i == 5 { // idle, iowait
				idle += v
			}
		}
	}
	busy := total - idle
	share := (busy - p.busy) / max(total-p.total, 1)
	first := p.total == 0
	p.busy, p.total = busy, total
	if b, err = e.read(p.proc("meminfo")); err != nil {
		return false, err
	}
	var all, available float64
	eachLine(b, func(f [][]byte) {
		if len(f) >= 2 {
			v, _ := parseNumber(f[1])
			switch string(f[0]) {
			case "MemTotal:":
				all = v
			case "MemAvailable:":
				available = v
			}
		}
	})
	return !first && share > busyFrom || all > 0 && 1-available/all > fullFrom, nil
}

// scan reads what every process has used. One that ends meanwhile is left out.
func (p *processes) scan(e *emitter) (map[int]spent, error) {
	d, err := os.Open(p.opts.Proc)
	if err != nil {
		return nil, err
	}
	names, err := d.Readdirnames(-1)
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, err
	}
	out := make(map[int]spent, len(names))
	for _, n := range names {
		pid, err := strconv.Atoi(n)
		if err != nil || len(out) == mostPIDs {
			continue
		}
		b, err := e.read(p.proc(n + "/stat"))
		if err != nil {
			continue
		}
		if s, ok := parseStat(b, e.word); ok {
			out[pid] = s
		}
	}
	return out, nil
}

// parseStat reads /proc/PID/stat (proc_pid_stat(5)). The name stands in
// parentheses and may itself hold any character; word makes it a string.
func parseStat(b []byte, word func([]byte) string) (spent, bool) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open {
		return spent{}, false
	}
	var fields [22][]byte
	f := split(b[end+1:], fields[:0]) // from field 3, the state
	if len(f) < 22 {
		return spent{}, false
	}
	user, ok1 := parseNumber(f[11])
	system, ok2 := parseNumber(f[12])
	started, err := strconv.ParseUint(string(f[19]), 10, 64)
	pages, ok3 := parseNumber(f[21])
	if !ok1 || !ok2 || !ok3 || err != nil {
		return spent{}, false
	}
	comm := b[open+1 : end]
	if bytes.HasPrefix(comm, []byte("kworker/")) { // the kernel's workers have a name for each job
		comm = comm[:len("kworker")]
	}
	return spent{name: strings.ToValidUTF8(word(comm), "?"), started: started, ticks: user + system, bytes: pages * float64(os.Getpagesize())}, true
}
