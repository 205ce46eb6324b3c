package snmp

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/faultline/faultline/internal/secret"
)

// Defaults of Config.
const (
	DefaultPort    = 161
	DefaultTimeout = time.Second
	DefaultMaxRows = 200_000
)

// Config says which device a Session asks and how.
type Config struct {
	Address   string // host, or host:port, or [host]:port; a name is looked up again when the device is silent
	Version   Version
	Community secret.String // of versions 1 and 2c
	User      User          // of version 3
	Context   string        // contextName of version 3

	Timeout   time.Duration // that one reply may take; default DefaultTimeout
	Retries   int           // tries after the first
	AnySource bool          // take answers from another address of the device; counted as Stats.Strays
	MaxRows   int           // of one column; default DefaultMaxRows
}

// validate fills in defaults and returns host and port.
func (c *Config) validate() (host string, port uint16, err error) {
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	if c.MaxRows <= 0 {
		c.MaxRows = DefaultMaxRows
	}
	if c.Retries < 0 || c.Retries > 20 {
		return "", 0, fmt.Errorf("%d retries: want 0 to 20", c.Retries)
	}
	switch c.Version {
	case V1, V2c:
		if c.Community == "" {
			return "", 0, fmt.Errorf("version %s needs a community", c.Version)
		}
	case V3:
		if err := c.User.validate(); err != nil {
			return "", 0, err
		}
	default:
		return "", 0, fmt.Errorf("version %s: want 1, 2c or 3", c.Version)
	}
	return splitAddress(c.Address)
}

func splitAddress(address string) (host string, port uint16, err error) {
	host, port = address, DefaultPort
	if h, p, err := net.SplitHostPort(address); err == nil {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return "", 0, fmt.Errorf("address %q: port %q", address, p)
		}
		host, port = h, uint16(n)
	} else if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' {
		host = host[1 : len(host)-1]
	}
	if host == "" {
		return "", 0, errors.New("address is empty")
	}
	return host, port, nil
}
