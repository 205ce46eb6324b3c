package snmp

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	protocol "github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/internal/secret"
	"github.com/faultline/faultline/plugins/base"
)

// config is a target's address and options, checked.
type config struct {
	protocol.Config
	tables []string // optional tables to be read
	place  string   // room: the device's sensors measure the room it stands in
}

var versions = map[string]protocol.Version{"": protocol.V2c, "1": protocol.V1, "2c": protocol.V2c, "2": protocol.V2c, "3": protocol.V3}

var optionNames = []string{
	"version", "community", "user", "auth_protocol", "auth_password", "priv_protocol", "priv_password",
	"context", "retries", "request_timeout", "any_source", "tables", "place", "addresses",
}

// parse reads the target's settings and reports all that is wrong with them.
// Secrets are never part of an error.
func parse(t base.Target) (config, error) {
	c := config{Config: protocol.Config{Address: t.Address, Retries: 1, Timeout: time.Second, Context: t.Options["context"]},
		tables: strings.Fields(strings.ReplaceAll(t.Options["tables"], ",", " "))}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	for name := range t.Options {
		if !slices.Contains(optionNames, name) {
			fault("option %q is not known; known are %s", name, strings.Join(optionNames, ", "))
		}
	}
	version, ok := versions[strings.TrimPrefix(t.Options["version"], "v")]
	if !ok {
		fault("version %q: want 1, 2c or 3", t.Options["version"])
	}
	c.Version = version
	if s := t.Options["retries"]; s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || n > 10 {
			fault("retries %q: want 0 to 10", s)
		}
		c.Retries = n
	}
	if s := t.Options["request_timeout"]; s != "" {
		d, err := time.ParseDuration(s)
		if err != nil || d <= 0 {
			fault("request_timeout %q: want a duration such as 1s", s)
		}
		c.Timeout = d
	}
	if s := t.Options["any_source"]; s != "" {
		any, err := strconv.ParseBool(s)
		if err != nil {
			fault("any_source %q: want true or false", s)
		}
		c.AnySource = any
	}
	if c.place = t.Options["place"]; c.place != "" && c.place != profile.PlaceRoom && c.place != profile.PlaceDevice {
		fault("place %q: want room or device", c.place)
	}
	if version == protocol.V3 {
		faults = append(faults, c.user(t.Options)...)
	} else if c.Community = secret.String(t.Options["community"]); c.Community == "" || len(c.Community) > 127 {
		fault("version %s needs a community of 1 to 127 bytes", version)
	}
	if len(faults) == 0 {
		faults = append(faults, c.Config.Check())
	}
	return c, errors.Join(faults...)
}

func (c *config) user(o map[string]string) (faults []error) {
	u := &c.User
	u.Name, u.AuthPassword, u.PrivPassword = o["user"], secret.String(o["auth_password"]), secret.String(o["priv_password"])
	var err error
	if u.Auth, err = protocol.ParseAuth(o["auth_protocol"]); err != nil {
		faults = append(faults, fmt.Errorf("auth_protocol %w", err))
	}
	if u.Priv, err = protocol.ParsePriv(o["priv_protocol"]); err != nil {
		faults = append(faults, fmt.Errorf("priv_protocol %w", err))
	}
	return faults
}
