package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/faultline/faultline/agent/input/snmp"
	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/rules/profiles"
)

// snmpCmd are the commands that look at devices by SNMP.
type snmpCmd struct {
	Describe describeCmd `cmd:"" help:"Read one device and print what it is and has as JSON."`
	Profile  struct {
		Check profileCheckCmd `cmd:"" help:"Check profile files and name every fault with its line."`
		New   profileNewCmd   `cmd:"" help:"Walk a device that has no profile and draft one."`
	} `cmd:"" help:"Device profiles."`
}

// snmpFlags say how to reach a device by SNMP.
type snmpFlags struct {
	Community    string        `help:"Community of versions 1 and 2c." default:"public" env:"FAULTLINE_SNMP_COMMUNITY"`
	SNMPVersion  string        `name:"snmp-version" help:"SNMP version: 1, 2c or 3." default:"2c" enum:"1,2c,3"`
	User         string        `help:"User of version 3."`
	AuthProtocol string        `help:"MD5, SHA, SHA224, SHA256, SHA384 or SHA512."`
	AuthPassword string        `help:"Authentication password." env:"FAULTLINE_SNMP_AUTH_PASSWORD"`
	PrivProtocol string        `help:"DES, AES, AES192, AES256, AES192C or AES256C (C: Cisco's variant)."`
	PrivPassword string        `help:"Privacy password." env:"FAULTLINE_SNMP_PRIV_PASSWORD"`
	Context      string        `help:"Context name of version 3."`
	Timeout      time.Duration `help:"Of one request." default:"5s"`
	Retries      int           `help:"Repeats of a request that is not answered." default:"1"`
	Profiles     string        `help:"Directory of profiles to use in place of the built-in ones." type:"existingdir" env:"FAULTLINE_PROFILES"`
}

// target makes the input's target for an address.
func (f *snmpFlags) target(address string) base.Target {
	o := map[string]string{"version": f.SNMPVersion, "request_timeout": f.Timeout.String(), "retries": strconv.Itoa(f.Retries)}
	if f.SNMPVersion != "3" {
		o["community"] = f.Community
	}
	for name, value := range map[string]string{"user": f.User, "auth_protocol": f.AuthProtocol, "auth_password": f.AuthPassword,
		"priv_protocol": f.PrivProtocol, "priv_password": f.PrivPassword, "context": f.Context} {
		if value != "" {
			o[name] = value
		}
	}
	return base.Target{ID: address, Input: "snmp", Address: address, Options: o}
}

// profiles loads the profiles that are built in, or those of the directory.
func (f *snmpFlags) profiles() (*profile.Set, error) {
	if f.Profiles != "" {
		return profile.Load(os.DirFS(f.Profiles))
	}
	return profile.Open(profiles.FS())
}

// newInput makes the reader of devices.
func (f *snmpFlags) newInput() (*snmp.Input, error) {
	set, err := f.profiles()
	if err != nil {
		return nil, err
	}
	return snmp.New(snmp.Options{Profiles: set})
}

type describeCmd struct {
	snmpFlags
	Address  string        `help:"HOST or HOST:PORT of the device." required:""`
	Deadline time.Duration `help:"Of everything; what was read by then is printed." default:"45s"`
}

// errSilent is the error of a device that never answered: exit status 2.
type errSilent struct{ error }

// Run reads the device and prints one JSON object.
func (c *describeCmd) Run() error {
	in, err := c.newInput()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, c.Deadline)
	defer cancel()
	t := c.target(c.Address)
	if err := in.CheckTarget(t); err != nil {
		return err
	}
	d, err := in.Describe(ctx, t)
	if err != nil {
		return errSilent{err}
	}
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	return out.Encode(d)
}

type profileCheckCmd struct {
	Directory string `arg:"" help:"Directory of *.yaml files; they must make a whole set." type:"existingdir"`
}

// Run loads the profiles and says how many there are.
func (c *profileCheckCmd) Run() error {
	set, err := profile.Load(os.DirFS(c.Directory))
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d profiles, no faults\n", c.Directory, len(set.Names()))
	return nil
}

// exitStatus is the program's exit status for an error.
func exitStatus(err error) int {
	if errors.As(err, new(errSilent)) {
		return 2
	}
	return 1
}
