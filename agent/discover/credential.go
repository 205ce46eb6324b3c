package discover

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/internal/secret"
	"github.com/faultline/faultline/internal/yamlfile"
)

// Credential is one way to be let in by a device. The tags are those of a file
// of credentials.
type Credential struct {
	Name         string        `yaml:"name"`    // how proposals call it
	Version      string        `yaml:"version"` // 1, 2c or 3; "" is 2c, and 1 where that is not answered
	Community    secret.String `yaml:"community"`
	User         string        `yaml:"user"`
	AuthProtocol string        `yaml:"auth_protocol"`
	AuthPassword secret.String `yaml:"auth_password"`
	PrivProtocol string        `yaml:"priv_protocol"`
	PrivPassword secret.String `yaml:"priv_password"`
	Context      string        `yaml:"context"`
}

// credentialFile is a file of credentials.
type credentialFile struct {
	Credentials []Credential `yaml:"credentials"`
}

// LoadCredentials reads a file of credentials; all faults are reported. A file
// that others than its owner can read is refused.
func LoadCredentials(path string) ([]Credential, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("read credentials: others can read %s (mode %04o): chmod 600 it", path, info.Mode().Perm())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	return parseCredentials(path, data)
}

func parseCredentials(name string, data []byte) ([]Credential, error) {
	f, err := yamlfile.Parse(name, data)
	if err != nil {
		return nil, err
	}
	var c credentialFile
	if err := f.Decode(&c); err != nil {
		return nil, err
	}
	var faults []error
	for i := range c.Credentials {
		if err := c.Credentials[i].Check(); err != nil {
			faults = append(faults, f.Faultf(fmt.Sprintf("credentials[%d]", i), "%v", err))
		}
	}
	if len(c.Credentials) == 0 {
		faults = append(faults, fmt.Errorf("%s: no credentials", name))
	}
	return c.Credentials, errors.Join(faults...)
}

// Check returns what is wrong with a credential. It never shows secrets.
func (c *Credential) Check() error {
	_, err := c.configs("127.0.0.1", 161)
	return err
}

// configs returns how to ask a device with the credential, the best way first.
func (c *Credential) configs(host string, port uint16) ([]snmp.Config, error) {
	base := snmp.Config{Address: hostPort(host, port), Context: c.Context}
	var all []snmp.Config
	add := func(v snmp.Version) {
		base.Version = v
		all = append(all, base)
	}
	switch c.Version {
	case "", "1", "2c":
		base.Community = c.Community
		if c.Version != "1" {
			add(snmp.V2c)
		}
		if c.Version != "2c" {
			add(snmp.V1)
		}
	case "3":
		u := snmp.User{Name: c.User, AuthPassword: c.AuthPassword, PrivPassword: c.PrivPassword}
		var errs [2]error
		if u.Auth, errs[0] = snmp.ParseAuth(c.AuthProtocol); errs[0] != nil {
			errs[0] = fmt.Errorf("auth_protocol %w", errs[0])
		}
		if u.Priv, errs[1] = snmp.ParsePriv(c.PrivProtocol); errs[1] != nil {
			errs[1] = fmt.Errorf("priv_protocol %w", errs[1])
		}
		if err := errors.Join(errs[:]...); err != nil {
			return nil, err
		}
		base.User = u
		add(snmp.V3)
	default:
		return nil, fmt.Errorf("version %q: want 1, 2c or 3", c.Version)
	}
	for _, config := range all {
		if err := config.Check(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// named gives every credential a name that proposals can tell it by.
func named(all []Credential) []Credential {
	taken := map[string]bool{}
	out := make([]Credential, len(all))
	for i, c := range all {
		if c.Name == "" && c.Version == "3" {
			c.Name = "user " + c.User
		}
		for n := i + 1; c.Name == "" || taken[c.Name]; n++ {
			c.Name = fmt.Sprintf("credential %d", n)
		}
		taken[c.Name] = true
		out[i] = c
	}
	return out
}
