package host

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	familyLooks = 2   // it is asked at every so manieth look who belongs to a plugin
	mostFamily  = 512 // processes that are looked at
)

// memoryLook sees how much memory a process and its descendants have. It looks
// several times a second for as long as a plugin runs, so it reads with the three
// calls that a file needs, into one buffer. It is used from one goroutine at a time.
type memoryLook struct {
	family []int // the process and what it started
	looks  int
	path   []byte
	buf    [4096]byte
}

// resident is the memory of a process and of its descendants, in bytes, by RSS,
// which is cheap and at most too high: pages that others share count in full.
func (m *memoryLook) resident(pid int) int64 {
	if m.looks%familyLooks == 0 || len(m.family) == 0 || m.family[0] != pid {
		m.findFamily(pid)
	}
	m.looks++
	total := int64(0)
	for _, p := range m.family {
		m.at(p)
		_, rest, _ := bytes.Cut(m.read("statm"), []byte(" ")) // size resident …, in pages
		pages, _, _ := bytes.Cut(rest, []byte(" "))
		total += decimal(pages) * int64(os.Getpagesize())
	}
	return total
}

// findFamily asks each thread of each process which processes it started.
func (m *memoryLook) findFamily(pid int) {
	m.family = append(m.family[:0], pid)
	for n := 0; n < len(m.family) && n < mostFamily; n++ {
		m.at(m.family[n])
		tasks, err := os.ReadDir(string(m.path) + "task")
		if err != nil {
			continue
		}
		for _, t := range tasks {
			for rest := m.read("task/" + t.Name() + "/children"); len(rest) > 0; {
				var child []byte
				child, rest, _ = bytes.Cut(rest, []byte(" "))
				if c := decimal(child); c > 0 {
					m.family = append(m.family, int(c))
				}
			}
		}
	}
	m.family = m.family[:min(len(m.family), mostFamily)]
}

// at makes the path of a process, which read completes.
func (m *memoryLook) at(pid int) {
	m.path = append(strconv.AppendInt(append(m.path[:0], "/proc/"...), int64(pid), 10), '/')
}

// read returns the beginning of a process' file, valid until the next read; nothing
// of one that has gone.
func (m *memoryLook) read(name string) []byte {
	here := len(m.path)
	m.path = append(m.path, name...)
	fd, err := unix.Open(string(m.path), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	m.path = m.path[:here]
	if err != nil {
		return nil
	}
	defer func() { _ = unix.Close(fd) }() // it was read only
	for {
		n, err := unix.Read(fd, m.buf[:])
		if err == unix.EINTR {
			continue
		}
		return m.buf[:max(n, 0)]
	}
}

// decimal reads digits; anything else is 0.
func decimal(b []byte) (n int64) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0
		}
		n = 10*n + int64(c-'0')
	}
	return n
}
