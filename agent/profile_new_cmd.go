package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/faultline/faultline/agent/discover"
	"github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/internal/secret"
)

// profileNewCmd drafts a profile of a device that has none.
type profileNewCmd struct {
	snmpFlags
	Address  string        `help:"HOST or HOST:PORT of the device." required:""`
	Name     string        `help:"Name of the profile. Default: made of the maker's name and number."`
	Subtree  []string      `help:"OID to walk in place of what the device has below 1.3.6.1.4.1; may be given several times." placeholder:"OID"`
	All      bool          `help:"Also what present profiles read already."`
	Objects  int           `help:"Objects to read at most." default:"20000"`
	Deadline time.Duration `help:"Of everything; what was read by then is drafted." default:"120s"`
	Output   string        `help:"File to write; it should be called like the profile. Default: standard output." short:"o" type:"path"`
	Force    bool          `help:"Write over a file that is there."`
}

// config makes the protocol's settings of the flags.
func (f *snmpFlags) config(address string) (snmp.Config, error) {
	c := snmp.Config{Address: address, Timeout: f.Timeout, Retries: f.Retries, Context: f.Context}
	switch f.SNMPVersion {
	case "1", "2c":
		c.Version, c.Community = snmp.V2c, secret.String(f.Community)
		if f.SNMPVersion == "1" {
			c.Version = snmp.V1
		}
		return c, c.Check()
	}
	c.Version = snmp.V3
	c.User = snmp.User{Name: f.User, AuthPassword: secret.String(f.AuthPassword), PrivPassword: secret.String(f.PrivPassword)}
	var errs [2]error
	c.User.Auth, errs[0] = snmp.ParseAuth(f.AuthProtocol)
	c.User.Priv, errs[1] = snmp.ParsePriv(f.PrivProtocol)
	if err := errors.Join(errs[:]...); err != nil {
		return c, err
	}
	return c, c.Check()
}

// Run walks the device and writes a draft.
func (c *profileNewCmd) Run() error {
	config, err := c.config(c.Address)
	if err != nil {
		return err
	}
	profiles, err := c.profiles()
	if err != nil {
		return err
	}
	if err := mayWrite(c.Output, c.Force); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, c.Deadline)
	defer cancel()
	d, err := discover.Unknown{Config: config, Profiles: profiles, Name: c.Name, Subtrees: c.Subtree, Objects: c.Objects, All: c.All}.Draft(ctx)
	if snmp.Silent(err) {
		return errSilent{err}
	}
	if err != nil {
		return err
	}
	if err := writeNew(c.Output, c.Force, d.Text); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "faultline-agent: profile %s: %d tables and %d scalars of %d objects, read by %d requests in %v\n", d.Name, d.Tables, d.Scalars, d.Objects, d.Requests, d.Took.Round(10*time.Millisecond))
	return nil
}
