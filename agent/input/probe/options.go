package probe

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// options reads a target's options and gathers what is wrong with them.
type options struct {
	address string
	values  map[string]string
	used    map[string]bool
	faults  []error
}

func (o *options) fault(format string, args ...any) {
	o.faults = append(o.faults, fmt.Errorf(format, args...))
}

// err returns all faults, options that nobody asked for among them.
func (o *options) err() error {
	var unknown []string
	for name := range o.values {
		if !o.used[name] {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		o.fault("option %q is not known to module %s", name, o.values["module"])
	}
	return errors.Join(o.faults...)
}

func (o *options) text(name, otherwise string) string {
	o.used[name] = true
	if v := o.values[name]; v != "" {
		return v
	}
	return otherwise
}

func (o *options) number(name string, otherwise, least, most int) int {
	s := o.text(name, "")
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		o.fault("%s %q: want a number from %d to %d", name, s, least, most)
	}
	return n
}

func (o *options) duration(name string, otherwise time.Duration) time.Duration {
	s := o.text(name, "")
	if s == "" {
		return otherwise
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		o.fault("%s %q: want a duration such as 1s", name, s)
	}
	return d
}

func (o *options) flag(name string, otherwise bool) bool {
	s := o.text(name, "")
	if s == "" {
		return otherwise
	}
	b, err := strconv.ParseBool(s)
	if err != nil {
		o.fault("%s %q: want true or false", name, s)
	}
	return b
}

func (o *options) pattern(name string) *regexp.Regexp {
	s := o.text(name, "")
	if s == "" {
		return nil
	}
	re, err := regexp.Compile(s)
	if err != nil {
		o.fault("%s: %v", name, err)
	}
	return re
}

// host takes the whole address as a host.
func (o *options) host(opts Options) resolver {
	if o.address == "" {
		o.fault("address is empty")
	}
	return o.resolver(strings.Trim(o.address, "[]"), opts)
}

// hostPort splits the address; port 0 means that it must name one.
func (o *options) hostPort(port int, opts Options) (resolver, string) {
	host, p, err := net.SplitHostPort(o.address)
	if err != nil {
		if host, p = strings.Trim(o.address, "[]"), strconv.Itoa(port); port == 0 {
			o.fault("address %q: want host:port", o.address)
		}
	}
	if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 && port == 0 && host != "" {
		o.fault("address %q: port %q", o.address, p)
	}
	if host == "" {
		o.fault("address %q has no host", o.address)
	}
	return o.resolver(host, opts), p
}

func (o *options) resolver(host string, opts Options) resolver {
	x := resolver{host: host, network: "ip", resolve: opts.Resolver}
	switch p := o.text("ip_protocol", ""); p {
	case "":
	case "4", "6":
		x.network += p
	default:
		o.fault("ip_protocol %q: want 4 or 6", p)
	}
	return x
}
