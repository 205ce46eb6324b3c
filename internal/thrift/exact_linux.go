package thrift

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Of linux/userfaultfd.h.
const (
	userModeOnly     = 1       // UFFD_USER_MODE_ONLY: allowed to everybody
	uffdAPI          = 0xaa    // UFFD_API
	writeProtects    = 1 << 0  // UFFD_FEATURE_PAGEFAULT_FLAG_WP
	unpopulated      = 1 << 13 // UFFD_FEATURE_WP_UNPOPULATED
	asynchronous     = 1 << 15 // UFFD_FEATURE_WP_ASYNC: the kernel settles faults by itself (Linux 6.7)
	ioctlAPI         = 0xc018aa3f
	ioctlRegister    = 0xc020aa00
	modeWriteProtect = 1 << 1 // UFFDIO_REGISTER_MODE_WP
)

// exactly has the kernel bring back, of the mappings, the page that is touched and
// not the sixteen around it (fault-around), which are most of what a program has of
// its file. The kernel does so in mappings whose writes are observed; these are never
// written, so that nothing is ever observed and nobody reads the descriptor, which
// must stay open. An error says that this kernel cannot; it changes nothing then.
func exactly(all []mapping) (fd int, err error) {
	r, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC|unix.O_NONBLOCK|userModeOnly, 0, 0)
	if errno != 0 {
		return -1, fmt.Errorf("userfaultfd: %w", errno)
	}
	fd = int(r)
	api := struct{ api, features, ioctls uint64 }{uffdAPI, writeProtects | unpopulated | asynchronous, 0}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, r, ioctlAPI, uintptr(unsafe.Pointer(&api))); errno != 0 {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("userfaultfd: features: %w", errno)
	}
	for _, m := range all {
		reg := struct{ from, length, mode, ioctls uint64 }{m.from, m.to - m.from, modeWriteProtect, 0}
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, r, ioctlRegister, uintptr(unsafe.Pointer(&reg))); errno != 0 {
			_ = unix.Close(fd) // registers nothing any more
			return -1, fmt.Errorf("userfaultfd: register: %w", errno)
		}
	}
	return fd, nil
}
