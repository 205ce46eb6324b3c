package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/app"
	"github.com/faultline/faultline/collector/trail"
)

// verifyCmd proves an export of the log without a database.
type verifyCmd struct {
	File string `arg:"" help:"Export to prove, from GET /api/v1/trail or the command trail." type:"existingfile"`
	Head string `help:"The newest daily head as it was noted elsewhere; the export must end with it."`
}

// Run reads the file and names every row that was altered, removed or moved.
func (c *verifyCmd) Run() error {
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	rep, err := trail.Verify(f)
	if err != nil {
		return err
	}
	for _, fault := range rep.Faults {
		fmt.Println("fault:", fault)
	}
	if c.Head != "" && !strings.EqualFold(c.Head, rep.Head) {
		fmt.Printf("fault: the newest head is %s, not %s\n", rep.Head, c.Head)
		rep.Faults = append(rep.Faults, fmt.Errorf("head"))
	}
	fmt.Printf("%d incidents, %d events in full, %d left out by the filter, %d entries of people's audit, %d daily heads", rep.Incidents, rep.Events, rep.Stubs, rep.Entries, rep.Seals)
	if rep.Head != "" {
		fmt.Printf("; newest head %s", rep.Head)
	}
	fmt.Println()
	if len(rep.Faults) > 0 {
		return fmt.Errorf("verify %s: %d faults", c.File, len(rep.Faults))
	}
	fmt.Println("ok: nothing was altered, removed or moved")
	return nil
}

// trailCmd exports the log.
type trailCmd struct {
	configFlag
	Out  string `help:"File to write." required:"" type:"path"`
	Role string `help:"Only events of this role in full."`
	From string `help:"Only events from this time on: 2026-11-22T00:00:00Z."`
	To   string `help:"Only events before this time."`
	Q    string `help:"Only events with this word."`
}

// Run writes the export.
func (c *trailCmd) Run() error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	f := trail.Filter{Role: c.Role, Keyword: c.Q}
	for text, at := range map[string]*time.Time{c.From: &f.From, c.To: &f.To} {
		if text == "" {
			continue
		}
		if *at, err = time.Parse(time.RFC3339, text); err != nil {
			return err
		}
	}
	out, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	shown, err := app.ExportFile(context.Background(), cfg, out, f)
	if errClose := out.Close(); err == nil {
		err = errClose
	}
	if err != nil {
		return err
	}
	fmt.Printf("%d events in full; prove the file with: faultline-collector verify %s\n", shown, c.Out)
	return nil
}
