package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/faultline/faultline/collector/app"
)

type processPastCmd struct {
	configFlag
	Out  string `short:"o" help:"File to write; without it, standard output." type:"path"`
	Days int    `help:"Only incidents opened in so many days; 0 means all." default:"0"`
}

// Run writes the incidents' events as JSON.
func (c *processPastCmd) Run() error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	var since time.Time
	if c.Days > 0 {
		since = time.Now().AddDate(0, 0, -c.Days)
	}
	out := os.Stdout
	if c.Out != "" {
		if out, err = os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600); err != nil {
			return err
		}
	}
	n, err := app.ExportPast(context.Background(), cfg, out, since)
	if c.Out != "" {
		err = errors.Join(err, out.Close())
		fmt.Printf("%d incidents\n", n)
	}
	return err
}

// personFlags say who does it: a person who can sign in. The password is read
// from the environment, never from the command line.
type personFlags struct {
	configFlag
	User string `required:"" help:"Who publishes or approves; the password is taken from FAULTLINE_PASSWORD."`
}

func (f personFlags) person() (app.Person, error) {
	p := app.Person{Name: f.User, Password: os.Getenv("FAULTLINE_PASSWORD")}
	if p.Password == "" {
		return p, errors.New("set FAULTLINE_PASSWORD to the person's password")
	}
	return p, nil
}

type processPublishCmd struct {
	personFlags
	Comment string `required:"" help:"Why the process changes."`
	File    string `arg:"" type:"existingfile" help:"Process file, its version counted up."`
}

// Run publishes the version.
func (c *processPublishCmd) Run() error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	who, err := c.person()
	if err != nil {
		return err
	}
	text, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	ref, err := app.PublishProcess(context.Background(), cfg, who, string(text), c.Comment)
	if err != nil {
		return err
	}
	fmt.Println(ref, "waits for somebody else's approval")
	return nil
}

type processApproveCmd struct {
	personFlags
	ID      string `arg:"" help:"Process."`
	Version int    `arg:"" help:"Its version."`
}

// Run approves the version; a running collector takes it over within seconds.
func (c *processApproveCmd) Run() error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	who, err := c.person()
	if err != nil {
		return err
	}
	ref, err := app.ApproveProcess(context.Background(), cfg, who, c.ID, c.Version)
	if err != nil {
		return err
	}
	fmt.Println(ref, "is approved")
	return nil
}
