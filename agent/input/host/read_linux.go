package host

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// read returns the file's content, valid until the next read. Hundreds of small
// files of /proc and /sys are read at each measurement: the three calls they need
// are made directly, since package os would try to poll each, with five calls more.
func (e *emitter) read(path string) ([]byte, error) {
	fd, err := uninterrupted(func() (int, error) { return unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer func() { _ = unix.Close(fd) }() // it was read only
	b := *e.buf
	for n := 0; ; {
		if n == len(b) {
			b = append(b, make([]byte, len(b))...)
			*e.buf = b
		}
		m, err := uninterrupted(func() (int, error) { return unix.Read(fd, b[n:]) })
		switch {
		case err != nil:
			return nil, &fs.PathError{Op: "read", Path: path, Err: err}
		case m == 0:
			return b[:n], nil
		}
		n += m
	}
}

// uninterrupted repeats a call that a signal broke off.
func uninterrupted(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR { //nolint:errorlint // system calls return it bare
			return n, err
		}
	}
}
