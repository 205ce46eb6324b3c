package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/faultline/faultline/agent/discover"
	"github.com/faultline/faultline/agent/discover/inventory"
	"github.com/faultline/faultline/internal/secret"
)

// discoverCmd looks over networks and proposes an inventory.
type discoverCmd struct {
	Networks []string `arg:"" name:"network" help:"Networks or addresses: 10.1.0.0/24 10.2.0.7."`
	Exclude  []string `help:"Networks or addresses that are left alone." placeholder:"NETWORK"`
	Limit    int      `help:"Addresses at most." default:"4096"`

	Community    []string `help:"Community to try, in versions 2c and 1; may be given several times. Each wrong one may make a device send a trap." sep:"none" env:"FAULTLINE_SNMP_COMMUNITY"`
	User         string   `help:"User of version 3 to try."`
	AuthProtocol string   `help:"MD5, SHA, SHA224, SHA256, SHA384 or SHA512."`
	AuthPassword string   `help:"Authentication password." env:"FAULTLINE_SNMP_AUTH_PASSWORD"`
	PrivProtocol string   `help:"DES, AES, AES192, AES256, AES192C or AES256C (C: Cisco's variant)."`
	PrivPassword string   `help:"Privacy password." env:"FAULTLINE_SNMP_PRIV_PASSWORD"`
	Context      string   `help:"Context name of version 3."`
	Credentials  string   `help:"File, mode 0600, with credentials: [{name, version, community, user, auth_protocol, auth_password, priv_protocol, priv_password, context}]." type:"path"`
	Profiles     string   `help:"Directory of profiles to use in place of the built-in ones." type:"existingdir" env:"FAULTLINE_PROFILES"`

	Port           uint16        `help:"UDP port of SNMP." default:"161"`
	Rate           float64       `help:"Packets a second to addresses of which nothing is known." default:"100"`
	Parallel       int           `help:"Devices read at once." default:"4"`
	Timeout        time.Duration `help:"Of one request." default:"1s"`
	Retries        int           `help:"Repeats of a request to what answered something." default:"1"`
	DeviceDeadline time.Duration `help:"For all that is read from one device." default:"60s"`
	SkipSilent     bool          `help:"Do not ask by SNMP what does not answer ICMP."`
	NoFDB          bool          `name:"no-fdb" help:"Do not read the forwarding tables of switches."`
	NoPorts        bool          `help:"Do not try TCP ports of what tells nothing of itself."`
	NoNames        bool          `help:"Do not ask DNS for names."`

	Site     string `help:"Site of what is found, as the inventory calls it." default:"site-1"`
	Agent    string `help:"Agent that is to measure it." default:"agent-1"`
	Root     string `help:"What everything is reached through: an address, a name, or self where the collector stands here. Default: the default gateway."`
	Existing string `help:"Inventory (file or directory) to compare with: only what is new, changed and gone is written." type:"path"`
	Output   string `help:"File to write, with mode 0600; it holds communities and passwords. Default: standard output, without them." short:"o" type:"path"`
	Force    bool   `help:"Write over a file that is there."`
	Secrets  bool   `help:"Communities and passwords on standard output too."`
	JSON     bool   `name:"json" help:"Everything that is known as JSON, never with secrets."`
}

// Run sweeps, and prints what it found, also when it is interrupted.
func (c *discoverCmd) Run() error {
	o, err := c.options()
	if err != nil {
		return err
	}
	paper := discover.Paper{Site: c.Site, Agent: c.Agent, Secrets: c.Output != "" || c.Secrets, JSON: c.JSON}
	if c.Existing != "" {
		if paper.Existing, err = inventory.Load(c.Existing); err != nil {
			return err
		}
	}
	if err := mayWrite(c.Output, c.Force); err != nil {
		return err
	}
	progress := discover.NewProgress(os.Stderr)
	o.Report = progress.Report
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	result, err := discover.Run(ctx, o)
	stop() // a second Ctrl-C ends the program
	progress.Close()
	if err != nil {
		return err
	}
	paper.Now = time.Now()
	document, err := result.Write(result.Propose(c.Root), paper)
	if err != nil {
		return err
	}
	if err := writeNew(c.Output, c.Force, document); err != nil {
		return err
	}
	for _, n := range result.Notes {
		fmt.Fprintln(os.Stderr, "faultline-agent: note:", n)
	}
	switch {
	case result.Interrupted:
		return errors.New("interrupted: this is what was found until then")
	case len(result.Hosts) == 0:
		return errSilent{fmt.Errorf("none of %d addresses answered", result.Addresses)}
	}
	return nil
}

// options makes the sweep's settings of the flags.
func (c *discoverCmd) options() (discover.Options, error) {
	o := discover.Options{Limit: c.Limit, Port: c.Port, Rate: c.Rate, Parallel: c.Parallel, Timeout: c.Timeout, Retries: c.Retries, Deadline: c.DeviceDeadline,
		SkipSilent: c.SkipSilent, NoFDB: c.NoFDB, NoPorts: c.NoPorts, NoNames: c.NoNames}
	if o.Retries == 0 {
		o.Retries = -1
	}
	var errs [4]error
	o.Networks, errs[0] = discover.ParseNetworks(c.Networks)
	o.Exclude, errs[1] = discover.ParseNetworks(c.Exclude)
	o.Credentials, errs[2] = c.credentials()
	o.Profiles, errs[3] = (&snmpFlags{Profiles: c.Profiles}).profiles()
	return o, errors.Join(errs[:]...)
}

// credentials are those of the file, then those of the flags; public where
// nothing is given.
func (c *discoverCmd) credentials() ([]discover.Credential, error) {
	var all []discover.Credential
	if c.Credentials != "" {
		file, err := discover.LoadCredentials(c.Credentials)
		if err != nil {
			return nil, err
		}
		all = file
	}
	if c.User != "" {
		all = append(all, discover.Credential{Version: "3", User: c.User, AuthProtocol: c.AuthProtocol, AuthPassword: secret.String(c.AuthPassword),
			PrivProtocol: c.PrivProtocol, PrivPassword: secret.String(c.PrivPassword), Context: c.Context})
	}
	for _, community := range c.Community {
		all = append(all, discover.Credential{Community: secret.String(community)})
	}
	if len(all) == 0 {
		all = []discover.Credential{{Name: "public", Community: "public"}}
	}
	return all, nil
}

// mayWrite tells before the work is done whether its result could be written;
// "" is standard output.
func mayWrite(path string, force bool) error {
	if path == "" {
		return nil
	}
	if _, err := os.Lstat(path); err == nil && !force {
		return fmt.Errorf("%s is there already: --force writes over it", path)
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// writeNew writes a file that only its owner can read, or to standard output. A
// file that is there is replaced whole, and only if forced.
func writeNew(path string, force bool, data []byte) error {
	if path == "" {
		_, err := os.Stdout.Write(data)
		return err
	}
	if force {
		return replace(path, data)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is there already: --force writes over it", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// replace puts a file in place of another at once.
func replace(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // what is left of it
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(f.Name(), path)
}
