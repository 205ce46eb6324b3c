package host

import (
	"os/exec"
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
