package service

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"

	"github.com/faultline/faultline/agent/input/systemd"
)

// states are the units that systemd has loaded; one that no one started and
// nothing needs is not among them, and does not run.
func states(ctx context.Context, root string, _ []string) ([]service, error) {
	var out []service
	_, err := systemd.List(ctx, root, func(name, load, active []byte) {
		out = append(out, service{string(name), string(load) == "loaded" && string(active) == "active"})
	})
	return out, err
}

// commLength is how much of a process' name the kernel keeps (proc_pid_comm(5)).
const commLength = 15

func short(name string) string { return name[:min(len(name), commLength)] }

// processes counts the processes by name, zombies left out.
func processes(proc string) (map[string]int, error) {
	d, err := os.Open(proc)
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
	counts := map[string]int{}
	for _, pid := range names {
		if _, err := strconv.Atoi(pid); err != nil {
			continue
		}
		b, err := os.ReadFile(filepath.Join(proc, pid, "stat"))
		if err != nil {
			continue // it has ended meanwhile
		}
		open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
		if open < 0 || end < open || end+2 >= len(b) || b[end+2] == 'Z' {
			continue
		}
		counts[string(b[open+1:end])]++
	}
	return counts, nil
}
