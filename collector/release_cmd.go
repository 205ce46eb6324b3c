package main

import (
	"cmp"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/faultline/faultline/collector/config"
	"github.com/faultline/faultline/collector/releases"
	"github.com/faultline/faultline/internal/release"
)

// releaseCmd is what head office does with releases of the agent. The private key
// belongs on a machine of its own: sign there, add here.
type releaseCmd struct {
	Keygen releaseKeygenCmd `cmd:"" help:"Make the key that signs releases, and print its public half."`
	Sign   releaseSignCmd   `cmd:"" help:"Make a signed release of the bare programs that make package built."`
	Add    releaseAddCmd    `cmd:"" help:"Check a signed release and let agents have it."`
	List   releaseListCmd   `cmd:"" help:"List the releases that are there."`
}

type releaseKeygenCmd struct {
	Out string `required:"" help:"File for the private key; it must not be there yet." type:"path"`
}

// Run writes the key, readable by its owner alone.
func (c *releaseKeygenCmd) Run() error {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("release keygen: %w", err)
	}
	err = pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("release keygen: %w", err)
	}
	fmt.Printf("%s\n\nPut it into agents.release_key of the collector, before agents enrol, or into update.keys of agents.\n", release.EncodePublic(pub))
	return nil
}

type releaseSignCmd struct {
	Key       string `required:"" help:"The private key." type:"existingfile"`
	From      string `help:"Directory of the bare programs." default:"dist" type:"path"`
	Release   string `required:"" help:"Version, as the programs say it of themselves." name:"as"`
	Out       string `required:"" help:"Directory to put the release's own directory into; DATA/releases of a collector, or one to carry there." type:"path"`
	Downgrade bool   `help:"Agents may take it in place of a later version."`
}

// Run signs and says what is in the release.
func (c *releaseSignCmd) Run() error {
	key, err := readReleaseKey(c.Key)
	if err != nil {
		return err
	}
	m, err := releases.Dir(c.Out).Sign(key, c.From, c.Release, c.Downgrade, time.Now())
	if err != nil {
		return err
	}
	for _, f := range m.Files {
		fmt.Printf("%s/%s\t%d bytes\t%s\n", f.OS, f.Arch, f.Size, f.SHA256)
	}
	fmt.Printf("signed: %s\n", filepath.Join(c.Out, m.Version))
	return nil
}

func readReleaseKey(path string) (ed25519.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("key of releases: %w", err)
	}
	b, _ := pem.Decode(text)
	if b == nil {
		return nil, fmt.Errorf("key of releases: %s is no PEM", path)
	}
	k, err := x509.ParsePKCS8PrivateKey(b.Bytes)
	key, ok := k.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("key of releases: %s is not what release keygen made", path)
	}
	return key, nil
}

func releasesOf(cfg config.Config) releases.Dir {
	return releases.Dir(cmp.Or(cfg.Agents.Releases, filepath.Join(cfg.Data, "releases")))
}

type releaseAddCmd struct {
	configFlag
	From string `arg:"" help:"The signed release's directory." type:"existingdir"`
}

// Run checks signature and programs before anything is put in place.
func (c *releaseAddCmd) Run() error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	key, err := release.ParsePublic(cfg.Agents.ReleaseKey)
	if err != nil {
		return fmt.Errorf("release add: agents.release_key: %w", err)
	}
	m, err := releasesOf(cfg).Add([]ed25519.PublicKey{key}, c.From)
	if err != nil {
		return err
	}
	fmt.Printf("release %s is there; assign it with `program: %s` in agents.settings\n", m.Version, m.Version)
	return nil
}

type releaseListCmd struct{ configFlag }

// Run lists versions.
func (c *releaseListCmd) Run() error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	list, err := releasesOf(cfg).List()
	for _, v := range list {
		fmt.Println(v)
	}
	return err
}
