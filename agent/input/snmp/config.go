package snmp

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/faultline/faultline/plugins/base"
)

// config is a target's address and options, checked.
type config struct {
	host    string
	port    uint16
	version gosnmp.SnmpVersion

	community string
	usm       *gosnmp.UsmSecurityParameters
	flags     gosnmp.SnmpV3MsgFlags
	context   string

	timeout time.Duration // of one request
	retries int
	tables  []string // optional tables to be read
}

var versions = map[string]gosnmp.SnmpVersion{"": gosnmp.Version2c, "1": gosnmp.Version1, "2c": gosnmp.Version2c, "2": gosnmp.Version2c, "3": gosnmp.Version3}

var authProtocols = map[string]gosnmp.SnmpV3AuthProtocol{
	"MD5": gosnmp.MD5, "SHA": gosnmp.SHA, "SHA1": gosnmp.SHA, "SHA224": gosnmp.SHA224,
	"SHA256": gosnmp.SHA256, "SHA384": gosnmp.SHA384, "SHA512": gosnmp.SHA512,
}

// The algorithms with a C extend the key as Cisco does (Reeder), those without
// as the Blumenthal draft says.
var privProtocols = map[string]gosnmp.SnmpV3PrivProtocol{
	"DES": gosnmp.DES, "AES": gosnmp.AES, "AES128": gosnmp.AES, "AES192": gosnmp.AES192,
	"AES256": gosnmp.AES256, "AES192C": gosnmp.AES192C, "AES256C": gosnmp.AES256C,
}

var optionNames = []string{
	"version", "community", "user", "auth_protocol", "auth_password", "priv_protocol", "priv_password",
	"context", "retries", "request_timeout", "tables",
}

// parse reads the target's settings and reports all that is wrong with them.
// Secrets are never part of an error.
func parse(t base.Target) (config, error) {
	c := config{port: 161, retries: 1, timeout: time.Second, context: t.Options["context"], tables: strings.Fields(strings.ReplaceAll(t.Options["tables"], ",", " "))}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	for name := range t.Options {
		if !slices.Contains(optionNames, name) {
			fault("option %q is not known; known are %s", name, strings.Join(optionNames, ", "))
		}
	}
	if err := c.address(t.Address); err != nil {
		faults = append(faults, err)
	}
	version, ok := versions[strings.TrimPrefix(t.Options["version"], "v")]
	if !ok {
		fault("version %q: want 1, 2c or 3", t.Options["version"])
	}
	c.version = version
	if s := t.Options["retries"]; s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || n > 10 {
			fault("retries %q: want 0 to 10", s)
		}
		c.retries = n
	}
	if s := t.Options["request_timeout"]; s != "" {
		d, err := time.ParseDuration(s)
		if err != nil || d <= 0 {
			fault("request_timeout %q: want a duration such as 1s", s)
		}
		c.timeout = d
	}
	if version == gosnmp.Version3 {
		faults = append(faults, c.user(t.Options)...)
	} else if c.community = t.Options["community"]; c.community == "" || len(c.community) > 127 {
		fault("version %s needs a community of 1 to 127 bytes", version)
	}
	return c, errors.Join(faults...)
}

func (c *config) address(address string) error {
	c.host = strings.Trim(address, "[]")
	if host, port, err := net.SplitHostPort(address); err == nil {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("address %q: port %q", address, port)
		}
		c.host, c.port = host, uint16(n)
	}
	if c.host == "" {
		return errors.New("address is empty")
	}
	return nil
}

func (c *config) user(o map[string]string) (faults []error) {
	c.usm = &gosnmp.UsmSecurityParameters{UserName: o["user"], AuthenticationProtocol: gosnmp.NoAuth, PrivacyProtocol: gosnmp.NoPriv}
	if o["user"] == "" {
		faults = append(faults, errors.New("version 3 needs a user"))
	}
	c.flags = gosnmp.NoAuthNoPriv
	if name := o["auth_protocol"]; name != "" {
		p, ok := authProtocols[algorithm(name)]
		if !ok {
			faults = append(faults, fmt.Errorf("auth_protocol %q: want MD5, SHA, SHA224, SHA256, SHA384 or SHA512", name))
		}
		if len(o["auth_password"]) < 8 {
			faults = append(faults, errors.New("auth_password: want at least 8 characters (RFC 3414)"))
		}
		c.flags = gosnmp.AuthNoPriv
		c.usm.AuthenticationProtocol, c.usm.AuthenticationPassphrase = p, o["auth_password"]
	}
	if name := o["priv_protocol"]; name != "" {
		p, ok := privProtocols[algorithm(name)]
		if !ok {
			faults = append(faults, fmt.Errorf("priv_protocol %q: want DES, AES, AES192, AES256, AES192C or AES256C", name))
		}
		if len(o["priv_password"]) < 8 {
			faults = append(faults, errors.New("priv_password: want at least 8 characters (RFC 3414)"))
		}
		if c.flags == gosnmp.NoAuthNoPriv {
			faults = append(faults, errors.New("priv_protocol needs an auth_protocol"))
		}
		c.flags = gosnmp.AuthPriv
		c.usm.PrivacyProtocol, c.usm.PrivacyPassphrase = p, o["priv_password"]
	}
	return faults
}

// algorithm takes the spellings of RFCs and vendors for one name.
func algorithm(s string) string {
	return strings.ToUpper(strings.NewReplacer("-", "", "_", "").Replace(s))
}
