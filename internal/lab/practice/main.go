// Command faultline-practice is what `make run` starts: a collector, an agent on
// this machine and, unless told otherwise, a simulated practice branch with its
// mailbox. It writes their configurations, starts both programs as children,
// prints where to sign in and takes everything down at Ctrl-C.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/faultline/faultline/internal/lab"
)

// settings are the command line.
type settings struct {
	Port     int    `help:"The console's port; the mailbox takes the next one." default:"8470"`
	Data     string `help:"Directory for everything that is kept." default:"./data" type:"path"`
	Practice bool   `help:"Start the simulated practice branch." default:"true" negatable:""`
	Bin      string `help:"Directory of the two programs." default:"" type:"path"`

	branch  lab.Options // of the simulated branch; zero: as it comes
	smtp    string      // mail server; "" is the mailbox
	replyTo string      // where vendors' answers go; "" is nowhere
	more    string      // further settings of the collector, in YAML
}

func main() {
	var s settings
	kong.Parse(&s, kong.Name("faultline-practice"), kong.Description("Collector, agent and practice branch on this machine."), kong.UsageOnError())
	if s.Bin == "" {
		self, err := os.Executable()
		if err == nil {
			s.Bin = filepath.Dir(self)
		}
	}
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, s, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "faultline-practice:", err)
		os.Exit(1)
	}
}
