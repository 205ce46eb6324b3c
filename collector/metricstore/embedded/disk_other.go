//go:build !linux

package embedded

import "errors"

// space is not known on this system: the intake is stopped by write errors only.
func space(string) (free, total uint64, ok bool) { return 0, 0, false }

func reserve(string, int64) error { return errors.ErrUnsupported }
