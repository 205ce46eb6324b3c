//go:build !windows

package doctor

import "syscall"

// privateModes tells whether file modes keep others out.
const privateModes = true

// freeBytes is what this user may still write where dir is.
func freeBytes(dir string) (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), nil //nolint:unconvert // types differ between systems
}
