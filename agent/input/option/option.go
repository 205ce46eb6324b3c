// Package option reads the options of a target, which are texts by name, and
// gathers what is wrong with them, so that people see all faults at once. It
// knows no input; secrets and certificates are in files of their own.
package option

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Reader reads one target's options. It is used by one goroutine.
type Reader struct {
	input  string
	values map[string]string
	used   map[string]bool
	faults []error
}

// New makes a Reader; input is named in what it says of unknown options.
func New(input string, values map[string]string) *Reader {
	return &Reader{input: input, values: values, used: map[string]bool{}}
}

// Fault adds a fault.
func (r *Reader) Fault(format string, args ...any) {
	r.faults = append(r.faults, fmt.Errorf(format, args...))
}

// Err returns all faults, options that nobody asked for among them.
func (r *Reader) Err() error {
	var unknown []string
	for name := range r.values {
		if !r.used[name] {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		r.Fault("option %q is not known to input %s", name, r.input)
	}
	return errors.Join(r.faults...)
}

// Text returns an option, or otherwise when there is none.
func (r *Reader) Text(name, otherwise string) string {
	r.used[name] = true
	if v := r.values[name]; v != "" {
		return v
	}
	return otherwise
}

// OneOf returns an option that has one of these values; the first when there is none.
func (r *Reader) OneOf(name string, allowed ...string) string {
	v := r.Text(name, allowed[0])
	if !slices.Contains(allowed, v) {
		r.Fault("%s %q: want one of %s", name, v, strings.Join(allowed, ", "))
	}
	return v
}

// Number returns a whole number within bounds.
func (r *Reader) Number(name string, otherwise, least, most int) int {
	s := r.Text(name, "")
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		r.Fault("%s %q: want a number from %d to %d", name, s, least, most)
		return otherwise
	}
	return n
}

// Bytes returns a size in bytes within bounds, of 64 bits on every architecture.
func (r *Reader) Bytes(name string, otherwise, least, most int64) int64 {
	s := r.Text(name, "")
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < least || n > most {
		r.Fault("%s %q: want a number from %d to %d", name, s, least, most)
		return otherwise
	}
	return n
}

// Duration returns a duration within bounds. It also takes days: 2d.
func (r *Reader) Duration(name string, otherwise, least, most time.Duration) time.Duration {
	s := r.Text(name, "")
	if s == "" {
		return otherwise
	}
	d, err := parseDuration(s)
	if err != nil || d < least || d > most {
		r.Fault("%s %q: want a duration such as 30s or 26h, from %s to %s", name, s, least, most)
		return otherwise
	}
	return d
}

func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > 10_000 {
			return 0, fmt.Errorf("%q is no number of days", days)
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	return time.ParseDuration(s)
}

// Flag returns true or false.
func (r *Reader) Flag(name string, otherwise bool) bool {
	s := r.Text(name, "")
	if s == "" {
		return otherwise
	}
	b, err := strconv.ParseBool(s)
	if err != nil {
		r.Fault("%s %q: want true or false", name, s)
	}
	return b
}

// Path returns an absolute path; with required its absence is a fault.
func (r *Reader) Path(name string, required bool) string {
	p := r.Text(name, "")
	switch {
	case p == "" && required:
		r.Fault("%s is missing", name)
	case p != "" && !filepath.IsAbs(p):
		r.Fault("%s %q: want an absolute path", name, p)
	}
	return p
}

// HostPort splits an address; port is used when it names none.
func (r *Reader) HostPort(address string, port int) (host, hostPort string) {
	host, p, err := net.SplitHostPort(address)
	if err != nil {
		host, p = strings.Trim(address, "[]"), strconv.Itoa(port)
	}
	_, notIP := netip.ParseAddr(host)
	if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 || host == "" || strings.ContainsAny(host, "/ ") || strings.Contains(host, ":") && notIP != nil {
		r.Fault("address %q: want host or host:port", address)
	}
	return host, net.JoinHostPort(host, p)
}
