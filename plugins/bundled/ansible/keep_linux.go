package ansible

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// lifeline is the descriptor of the pipe that a keeper's starter holds open.
const lifeline = 3

// Keep runs a command in the keeper's own process and returns its exit code: a
// playbook starts workers, which start ssh, which may outlive whoever started
// them. The keeper is told of the end of its starter by a pipe, however that
// ended, and then ends everything the command started, also what left its
// process group. A program's main calls it when it was started as a keeper.
func Keep(command []string) int {
	runtime.LockOSThread() // the command dies with the thread that starts it
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, "keeper:", err)
		return 1
	}
	// Asked to end is the command, which is in our group; we end with it.
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer func() { endChildren() }()
	cmd := exec.Command(command[0], command[1:]...) //nolint:gosec,noctx // the starter's own command; its end is a pipe's
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	restoreSignals()
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "keeper:", err)
		return 1
	}
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	go func() {
		var b [1]byte
		_, _ = os.NewFile(lifeline, "lifeline").Read(b[:])
		endChildren()
		os.Exit(137)
	}()
	err := cmd.Wait()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() < 0:
		return 137
	case errors.As(err, &exit):
		return exit.ExitCode()
	case err != nil:
		fmt.Fprintln(os.Stderr, "keeper:", err)
		return 1
	}
	return 0
}

// restoreSignals lets the command begin with the signals' own meaning: what is
// ignored stays so in a program that is started.
func restoreSignals() { signal.Reset(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP) }

// endChildren ends all our descendants: those whose parent ends become our own
// children, so it goes on until there is none.
func endChildren() {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		all := descendants(os.Getpid())
		if len(all) == 0 {
			return
		}
		for _, pid := range all {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		for { // reap, so that the dead are gone from the list
			pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
			if pid <= 0 || err != nil {
				break
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// descendants are all processes below pid that are not dead already.
func descendants(pid int) []int {
	var all []int
	todo := []int{pid}
	for n := 0; n < len(todo); n++ {
		tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", todo[n]))
		for _, t := range tasks {
			b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", todo[n], t.Name()))
			for _, f := range strings.Fields(string(b)) {
				if c, err := strconv.Atoi(f); err == nil {
					todo = append(todo, c)
					all = append(all, c)
				}
			}
		}
	}
	return all
}

// apart puts a keeper into a process group of its own.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// terminate asks all of a keeper's group to end.
func terminate(pid int) { _ = syscall.Kill(-pid, syscall.SIGTERM) }

// killAll ends a keeper that does not end by itself, with its group.
func killAll(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }
