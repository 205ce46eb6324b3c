// Package config is the agent's own YAML file: where its data is, which
// collector it reports to, and targets it measures besides those the collector
// hands out. It opens nothing but the files the configuration names.
package config

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/faultline/faultline/internal/release"
	"github.com/faultline/faultline/internal/secret"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/host/spec"
)

// Config is the agent's configuration with defaults filled in.
type Config struct {
	Agent       string        `yaml:"agent"` // this agent's id in the inventory
	Data        string        `yaml:"data"`  // directory of the spool and of what the collector handed out last
	Interval    time.Duration `yaml:"interval"`
	Timeout     time.Duration `yaml:"timeout"`     // of one measurement
	Concurrency int           `yaml:"concurrency"` // measurements at once
	Listen      string        `yaml:"listen"`      // status and own metrics, loopback; "" is none
	Profiles    string        `yaml:"profiles"`    // directory of device profiles that stand beside, or in place of, the shipped ones
	Secrets     string        `yaml:"secrets"`     // directory of the files that targets may name for their passwords
	Traps       Traps         `yaml:"traps"`
	Syslog      Syslog        `yaml:"syslog"`
	Reflect     Reflect       `yaml:"reflect"`
	Collector   Collector     `yaml:"collector"`
	Spool       Spool         `yaml:"spool"`
	Memory      Memory        `yaml:"memory"`
	Targets     []base.Target `yaml:"targets"`
	Plugins     []spec.Plugin `yaml:"plugins"`     // inputs in programs of their own
	PluginHost  string        `yaml:"plugin_host"` // the program that runs them; "" is faultline-plugin-host beside the agent, or in PATH
	Update      Update        `yaml:"update"`

	// Own are the settings that the file names: what head office says of them does
	// not count.
	Own []string `yaml:"-"`
	// HandedProfiles is the directory of device profiles that head office assigned;
	// "": none.
	HandedProfiles string `yaml:"-"`
}

// Update is how the agent's program is replaced by head office. Without a key it
// is not.
type Update struct {
	Keys     []string      `yaml:"keys"`     // whose releases are taken (faultline-collector release keygen)
	Patience time.Duration `yaml:"patience"` // in which a new program must have reached the collector; 0 is 90s
	Rate     int           `yaml:"rate"`     // bytes a second of a download; 0 is 512 KiB
}

// Collector is where samples and events go.
type Collector struct {
	URL       string        `yaml:"url"`
	Token     secret.String `yaml:"token"`
	TokenFile string        `yaml:"token_file"`
	CAFile    string        `yaml:"ca_file"` // PEM; "" is the system's
}

// Traps is where SNMP notifications are taken. The communities and users that
// targets are polled with are believed of their devices without being named.
type Traps struct {
	Listen       []string        `yaml:"listen"`      // host:port; none: nothing is taken
	Communities  []secret.String `yaml:"communities"` // of any sender
	Users        []TrapUser      `yaml:"users"`       // of any sender
	Relays       []string        `yaml:"relays"`      // addresses that may speak for others; none: all may
	EngineResets bool            `yaml:"engine_resets"`
}

// TrapUser is one SNMPv3 user.
type TrapUser struct {
	Name         string        `yaml:"name"`
	AuthProtocol string        `yaml:"auth_protocol"`
	AuthPassword secret.String `yaml:"auth_password"`
	PrivProtocol string        `yaml:"priv_protocol"`
	PrivPassword secret.String `yaml:"priv_password"`
}

// Syslog is where devices' log lines are taken.
type Syslog struct {
	UDP      string   `yaml:"udp"`      // host:port; "" is none
	TCP      string   `yaml:"tcp"`      // host:port; "" is none
	TLS      string   `yaml:"tls"`      // host:port, as TCP over TLS; "" is none
	Relays   []string `yaml:"relays"`   // addresses that may speak for others
	Patterns string   `yaml:"patterns"` // directory of patterns that stand beside the shipped ones

	CertFile     string `yaml:"cert_file"`      // PEM, shown over TLS; "": one that the agent makes
	KeyFile      string `yaml:"key_file"`       // PEM; "": it stands in CertFile
	ClientCAFile string `yaml:"client_ca_file"` // PEM: who may send over TLS; "": everybody
}

// Reflect answers the line tests of other agents, so that loss and delay are
// known by direction. The senders' targets name the same token.
type Reflect struct {
	Listen    string        `yaml:"listen"` // UDP host:port; "" is none
	Token     secret.String `yaml:"token"`  // 16 bytes or more
	TokenFile string        `yaml:"token_file"`
	Rate      float64       `yaml:"rate"` // answers a second, to all senders together; 0 is 1000
}

// leastReflectToken is how short the token of a reflector may be, in bytes.
const leastReflectToken = 16

// Spool bounds the store on disk.
type Spool struct {
	MaxBytes    int64         `yaml:"max_bytes"`
	MaxAge      time.Duration `yaml:"max_age"`
	BacklogRate float64       `yaml:"backlog_rate"` // samples a second sent from the backlog
}

// Memory bounds what the agent holds in memory; plugins have bounds of their own.
type Memory struct {
	MaxBytes int64 `yaml:"max_bytes"` // from 90 % on targets are left out
}

// leastMemory is the smallest bound of memory, in bytes: the agent alone takes a third.
const leastMemory = 32 << 20

// Default returns the settings that a file need not name.
func Default() Config {
	return Config{Data: "/var/lib/faultline-agent", Secrets: "/etc/faultline/secrets", Interval: 15 * time.Second, Timeout: 10 * time.Second, Concurrency: 64,
		Spool: Spool{MaxBytes: 2 << 30, MaxAge: 7 * 24 * time.Hour, BacklogRate: 20000}, Memory: Memory{MaxBytes: 256 << 20}}
}

// Load reads and validates a file. Faults are all reported at once.
func Load(path string) (Config, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("agent configuration: %w", err)
	}
	return Parse(path, b)
}

// Parse reads and validates a configuration; name is used in messages.
func Parse(name string, b []byte) (Config, error) {
	c := Default()
	if err := yaml.UnmarshalWithOptions(b, &c, yaml.Strict()); err != nil {
		return Config{}, fmt.Errorf("%s: %s", name, yaml.FormatError(err, false, true))
	}
	var named map[string]any
	if err := yaml.Unmarshal(b, &named); err != nil {
		return Config{}, fmt.Errorf("%s: %s", name, yaml.FormatError(err, false, true))
	}
	c.Own = slices.Sorted(maps.Keys(named))
	if dir := os.Getenv("FAULTLINE_DATA"); dir != "" {
		c.Data = filepath.Join(dir, "agent")
	}
	if err := c.validate(); err != nil {
		return Config{}, fmt.Errorf("%s: %w", name, err)
	}
	var err error
	if c.Collector.Token, err = c.Collector.Token.OrFile(c.Collector.TokenFile); err != nil {
		return Config{}, fmt.Errorf("%s: collector.token_file: %w", name, err)
	}
	if c.Reflect.Token, err = c.Reflect.Token.OrFile(c.Reflect.TokenFile); err != nil {
		return Config{}, fmt.Errorf("%s: reflect.token_file: %w", name, err)
	}
	if n := len(c.Reflect.Token); c.Reflect.Listen != "" && n < leastReflectToken {
		return Config{}, fmt.Errorf("%s: reflect.token: %d bytes, want %d or more: strangers could guess it", name, n, leastReflectToken)
	}
	return c, nil
}

func (c Config) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Agent == "" {
		bad("agent: the agent's id in the inventory is missing")
	}
	if u, err := url.Parse(c.Collector.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		bad("collector.url: %q is not an http or https address", c.Collector.URL)
	}
	if err := spec.Validate(c.Plugins); err != nil {
		errs = append(errs, err)
	}
	for _, k := range c.Update.Keys {
		if _, err := release.ParsePublic(k); err != nil {
			bad("update.keys: %v", err)
		}
	}
	if c.Update.Patience < 0 || c.Update.Rate < 0 {
		bad("update: patience and rate cannot be negative")
	}
	if c.Interval < time.Second {
		bad("interval: %s is below 1s", c.Interval)
	}
	if c.Timeout < 100*time.Millisecond {
		bad("timeout: %s is below 100ms", c.Timeout)
	}
	if c.Concurrency < 1 {
		bad("concurrency: %d is below 1", c.Concurrency)
	}
	if c.Spool.MaxBytes < 1<<20 {
		bad("spool.max_bytes: %d is below 1 MiB", c.Spool.MaxBytes)
	}
	if c.Memory.MaxBytes < leastMemory {
		bad("memory.max_bytes: %d is below %d (32 MiB)", c.Memory.MaxBytes, leastMemory)
	}
	if c.Spool.MaxAge < time.Minute {
		bad("spool.max_age: %s is below 1m", c.Spool.MaxAge)
	}
	if c.Reflect.Listen != "" {
		if _, _, err := net.SplitHostPort(c.Reflect.Listen); err != nil {
			bad("reflect.listen: %q is no host:port", c.Reflect.Listen)
		}
	}
	for _, l := range [...][2]string{{"udp", c.Syslog.UDP}, {"tcp", c.Syslog.TCP}, {"tls", c.Syslog.TLS}} {
		if _, _, err := net.SplitHostPort(l[1]); l[1] != "" && err != nil {
			bad("syslog.%s: %q is no host:port", l[0], l[1])
		}
	}
	if c.Syslog.TLS == "" && (c.Syslog.CertFile != "" || c.Syslog.ClientCAFile != "") {
		bad("syslog.tls: the address is missing; certificates are for it")
	}
	if c.Reflect.Rate < 0 {
		bad("reflect.rate: %g is negative", c.Reflect.Rate)
	}
	seen := map[string]bool{}
	for i, t := range c.Targets {
		switch {
		case t.ID == "" || t.Input == "":
			bad("targets[%d]: id and input are required", i)
		case seen[t.ID]:
			bad("targets[%d]: id %q is used twice", i, t.ID)
		}
		seen[t.ID] = true
	}
	return errors.Join(errs...)
}
