package thrift

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// program is this program's own file in memory: its code and what is only read. The
// zero value is ready; it is used from one goroutine at a time, and closed.
type program struct {
	fd    int  // what keeps the mappings exact, if asked
	exact bool // only the page that is touched comes back
	asked bool
}

// giveBack lets go of the pages that are in memory. What runs again comes back from the
// page cache at the next touch; what only the start needed does not. It returns how
// many bytes were let go. Mappings with a page that was written to stay as they are.
func (p *program) giveBack() (uint64, error) {
	all, err := ownMappings()
	if err != nil {
		return 0, err
	}
	if !p.asked {
		p.asked = true
		if fd, err := exactly(all); err == nil { // else: a kernel before 6.7, or a container that may not
			p.fd, p.exact = fd, true
		}
	}
	gone := uint64(0)
	for _, m := range all {
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, uintptr(m.from), uintptr(m.to-m.from), unix.MADV_DONTNEED); errno != 0 {
			return gone, fmt.Errorf("give back memory: madvise: %w", errno)
		}
		gone += m.resident
	}
	return gone, nil
}

// close has pages come back as they did before.
func (p *program) close() {
	if p.exact {
		_ = unix.Close(p.fd)
		p.exact = false
	}
}

// ownMappings are those of the program's file that are only read.
func ownMappings() ([]mapping, error) {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return nil, fmt.Errorf("give back memory: %w", err)
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return nil, fmt.Errorf("give back memory: %w", err)
	}
	return readOnly(smaps, self), nil
}

// mapping is a part of the address space, in bytes.
type mapping struct{ from, to, resident uint64 }

// readOnly finds the mappings of a file that cannot be written and never were, in
// the form of /proc/PID/smaps.
func readOnly(smaps []byte, file string) []mapping {
	var all []mapping
	var now mapping
	wanted := false
	for line := range bytes.Lines(smaps) {
		f := strings.Fields(string(line))
		if len(f) >= 5 && strings.Contains(f[0], "-") { // 00400000-00a40000 r-xp 00000000 fe:00 123 /path
			from, to, _ := strings.Cut(f[0], "-")
			var errFrom, errTo error
			now.from, errFrom = strconv.ParseUint(from, 16, 64)
			now.to, errTo = strconv.ParseUint(to, 16, 64)
			wanted = errFrom == nil && errTo == nil && len(f) == 6 && f[5] == file && !strings.Contains(f[1], "w") && strings.HasSuffix(f[1], "p")
			continue
		}
		if !wanted || len(f) < 2 {
			continue
		}
		kib, _ := strconv.ParseUint(f[1], 10, 64)
		switch f[0] {
		case "Rss:":
			now.resident = kib << 10
		case "Anonymous:": // pages that were written to before they became read-only
			if kib == 0 {
				all = append(all, now)
			}
			wanted = false
		}
	}
	return all
}
