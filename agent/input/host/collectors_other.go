//go:build !linux && !windows

package host

// collectors returns what is measured where /proc is not Linux's and Windows is not there.
func collectors(_ Options, sys system) []collector { return portable(sys) }
