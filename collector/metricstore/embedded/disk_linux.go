package embedded

import (
	"os"
	"syscall"
)

// space returns the free and total bytes of the directory's file system; ok is
// false when they cannot be known.
func space(dir string) (free, total uint64, ok bool) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, 0, false
	}
	size := uint64(st.Bsize)
	return st.Bavail * size, st.Blocks * size, true
}

// reserve makes a file that occupies its size on disk.
func reserve(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if size > 0 {
		err = syscall.Fallocate(int(f.Fd()), 0, 0, size)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
