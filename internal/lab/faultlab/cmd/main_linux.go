// Command faultline-lab is what `make lab` starts: it brings a fault lab up with
// the product in it, has it scored, and takes the lab down. It needs root.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/faultline/faultline/internal/lab/faultlab"
)

type cli struct {
	Lab  string   `help:"Directory of the lab." default:"../shared/lab" type:"path"`
	Bin  string   `help:"Directory of the two programs." default:"bin" type:"path"`
	Out  string   `help:"File for the score." default:"lab-score.json" type:"path"`
	Work string   `help:"Directory for configurations, data and logs; by default one that is removed when all went well." type:"path"`
	Hold bool     `help:"Score nothing: bring everything up and wait for Ctrl-C."`
	Args []string `arg:"" optional:"" passthrough:"" help:"Arguments for score.py: --faults a,b --quiet 60 …"`
}

func main() {
	var c cli
	kong.Parse(&c, kong.Name("faultline-lab"), kong.Description("The product in the fault lab, scored."), kong.UsageOnError())
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if len(c.Args) > 0 && c.Args[0] == "--" {
		c.Args = c.Args[1:]
	}
	err := faultlab.Run(ctx, faultlab.Options{Lab: c.Lab, Bin: c.Bin, Out: c.Out, Work: c.Work, Hold: c.Hold, Score: c.Args, Output: os.Stdout})
	if err != nil {
		fmt.Fprintln(os.Stderr, "faultline-lab:", err)
		os.Exit(1)
	}
}
