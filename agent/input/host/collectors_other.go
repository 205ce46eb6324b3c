//go:build !linux

package host

// collectors returns what is measured where /proc is not Linux's.
func collectors(_ Options, sys system) []collector { return portable(sys) }
