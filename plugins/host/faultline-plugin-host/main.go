// Command faultline-plugin-host runs input plugins for the agent, which starts
// it when a plugin is configured: it links gRPC so that the agent need not. It
// also prints checksums to pin, and tries plugins against their contract.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/faultline/faultline/internal/thrift"
	"github.com/faultline/faultline/plugins/host"
	"github.com/faultline/faultline/plugins/host/pipe"
	"github.com/faultline/faultline/plugins/host/spec"
	"github.com/faultline/faultline/plugins/plugintest/external"
)

// version is set by the build.
var version = "dev"

type cli struct {
	Serve   serveCmd         `cmd:"" hidden:"" help:"Run plugins for the agent, over standard input and output."`
	Sum     sumCmd           `cmd:"" help:"Print the lines of a configuration that pin programs and their files."`
	Conform conformCmd       `cmd:"" help:"Try a plugin against its contract."`
	Version kong.VersionFlag `help:"Print the version."`
}

type serveCmd struct{}

// Run serves the agent until it closes our standard input.
func (serveCmd) Run() error {
	defer thrift.Stay(context.Background(), thrift.Minutely, slog.New(slog.DiscardHandler))()
	out := os.Stdout
	os.Stdout = os.Stderr // nobody else's words get between the frames
	return pipe.Serve(context.Background(), os.Stdin, out, func(c pipe.Config) (pipe.Runner, error) {
		level := slog.LevelInfo
		if c.Debug {
			level = slog.LevelDebug
		}
		return host.New(host.Options{Plugins: c.Plugins, Values: c.Values, Dir: c.Dir, Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))})
	})
}

type sumCmd struct {
	Program string   `arg:"" help:"The plugin's program."`
	Files   []string `arg:"" optional:"" help:"Other files it cannot do without, beside or below it."`
}

// Run prints YAML.
func (c *sumCmd) Run() error {
	program, err := filepath.Abs(c.Program)
	if err != nil {
		return err
	}
	s, err := sum(program)
	if err != nil {
		return err
	}
	fmt.Printf("path: %s\nsha256: %s\n", program, s)
	for i, f := range c.Files {
		if i == 0 {
			fmt.Println("files:")
		}
		if s, err = sum(f); err != nil {
			return err
		}
		abs, err := filepath.Abs(f)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(filepath.Dir(program), abs)
		if err != nil {
			return err
		}
		fmt.Printf("- {path: %s, sha256: %s}\n", rel, s)
	}
	return nil
}

func sum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

type conformCmd struct {
	Contract string            `help:"input, ticket, notify or remedy." required:"" enum:"input,ticket,notify,remedy"`
	Target   []string          `help:"Address of a target that answers; without one, the thermometers of the template."`
	Silent   string            `help:"Address of a target that takes connections and never answers."`
	Closed   string            `help:"Address where nothing is."`
	Bad      []string          `help:"Address that cannot work."`
	Option   map[string]string `help:"Option of the targets."`
	Setting  map[string]string `help:"Setting of the plugin."`
	Remedy   string            `help:"Remedy that goes through, changes something and prints."`
	Slow     string            `help:"Remedy that runs until it is ended."`
	Param    map[string]string `help:"Parameter of the remedy."`
	Deadline time.Duration     `help:"Bound of one call (limits.deadline); 0: as usual."`
	Memory   int64             `help:"Bytes that all its processes may have together (limits.memory); 0: as usual."`
	Program  string            `arg:"" help:"The plugin's program."`
	Files    []string          `arg:"" optional:"" help:"Other files it cannot do without."`
}

// Run runs the suite and prints each check.
func (c *conformCmd) Run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return external.Conform(ctx, external.Trial{Contract: c.Contract, Program: c.Program, Files: c.Files, Settings: c.Setting,
		Targets: c.Target, Silent: c.Silent, Closed: c.Closed, Bad: c.Bad, Options: c.Option, Remedy: c.Remedy, Slow: c.Slow, Parameters: c.Param,
		Limits: spec.Limits{Deadline: c.Deadline, Memory: c.Memory}}, os.Stdout)
}

func main() {
	var c cli
	k := kong.Parse(&c, kong.Name("faultline-plugin-host"), kong.Description("Runs plugins for the agent, pins them, tries them."), kong.Vars{"version": version}, kong.UsageOnError())
	if err := k.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "faultline-plugin-host:", err)
		os.Exit(1)
	}
}
