package main

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime is the time that a process' threads, those that ended included, have used of
// processors, in user and system, by the clock that Linux keeps of each process
// (clock_getcpuclockid(3)): to the nanosecond, where /proc/PID/stat has 10 ms.
func cpuTime(pid int) (time.Duration, error) {
	const scheduled = 2 // CPUCLOCK_SCHED
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|scheduled, &t); err != nil { //nolint:gosec // a process' number
		return 0, fmt.Errorf("CPU time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}
