package host

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// niceness of plugins: one that spins leaves the processor to everything else.
const niceness = 10

// isolate sets how the process is started: in a group of its own, dying with
// the thread that starts it, within its fence from its first instruction.
func isolate(cmd *exec.Cmd, f *fence) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if f != nil && f.fd != nil {
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(f.fd.Fd()) //nolint:gosec // a file descriptor
	}
}

// restrain sets what the kernel holds a running process to. Without a cgroup
// RLIMIT_DATA stops what allocates faster than the watch looks: it counts what
// is mapped, of which a Go program uses a part, hence the allowance. Children
// inherit it.
func restrain(pid int, f *fence) {
	_ = unix.Setpriority(unix.PRIO_PGRP, pid, niceness)
	_ = unix.Prlimit(pid, unix.RLIMIT_CORE, &unix.Rlimit{}, nil)
	if f != nil && f.fd == nil && f.memory > 0 {
		room := uint64(2*f.memory + 256<<20) //nolint:gosec // validated
		_ = unix.Prlimit(pid, unix.RLIMIT_DATA, &unix.Rlimit{Cur: room, Max: room}, nil)
	}
}

func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }

// resident is the memory of a process and all its descendants that are in its
// group, in bytes: what is not shared with other programs' files is counted by
// RSS, which is cheap and at most too high.
func resident(pid int) int64 {
	total := int64(0)
	todo := []int{pid}
	for n := 0; n < len(todo) && n < 512; n++ {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", todo[n]))
		if err != nil {
			continue
		}
		if fields := bytes.Fields(b); len(fields) > 1 {
			pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
			total += pages * int64(os.Getpagesize())
		}
		todo = append(todo, children(todo[n])...)
	}
	return total
}

// children are the processes that any thread of a process has started.
func children(pid int) []int {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil
	}
	var all []int
	for _, t := range tasks {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, t.Name()))
		if err != nil {
			continue
		}
		for _, f := range strings.Fields(string(b)) {
			if c, err := strconv.Atoi(f); err == nil {
				all = append(all, c)
			}
		}
	}
	return all
}
