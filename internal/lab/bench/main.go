// Command bench measures the two built programs and prints what was asked for
// and what was measured, with a peer measured in the same run beside it where
// one is installed. It judges nothing and is no part of the product.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// options are what the command line says.
type options struct {
	bin     string        // directory of the two programs
	peers   string        // directory of packages that were unpacked and not installed
	work    string        // scratch directory
	window  time.Duration // over which processes are watched
	faults  int           // incidents timed in each setting
	rounds  int           // of 100,000 samples sent to each receiver
	goTool  string
	verbose bool // children's logs go to stderr
}

// section is one table and what fills it.
type section struct {
	name string
	run  func(context.Context, options) (table, error)
}

func sections() []section {
	return []section{{"agent", measureAgent}, {"plugin", measurePlugin}, {"incident", measureIncidents}, {"incidents", measureManyOpen}, {"ingest", measureIngest}, {"storage", measureStorage}, {"snmp", measureSNMP},
		{"snmp-many", measureSNMPMany}, {"snmp-dead", measureSNMPDead}, {"snmp-branch", measureSNMPBranch}, {"cut", measureCut}}
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	var o options
	only := flag.String("only", "", "sections to run, with commas: agent, plugin, incident, incidents, ingest, storage, snmp, snmp-many, snmp-dead, snmp-branch, cut; none: all")
	out := flag.String("out", "", "also write the figures to this file, as JSON")
	flag.StringVar(&o.bin, "bin", "bin", "directory of faultline-agent and faultline-collector")
	flag.StringVar(&o.peers, "peers", ".cache/peers", "directory of unpacked packages of other agents")
	flag.StringVar(&o.goTool, "go", "go", "the go command")
	flag.DurationVar(&o.window, "window", seconds("BENCH_SECONDS", time.Minute), "how long processes are watched")
	flag.IntVar(&o.faults, "faults", 60, "incidents timed in each setting")
	flag.IntVar(&o.rounds, "rounds", 20, "rounds of 100,000 samples sent to each receiver")
	flag.BoolVar(&o.verbose, "v", false, "show the logs of the programs that are measured")
	flag.Parse()
	var err error
	if o.bin, err = filepath.Abs(o.bin); err != nil {
		return err
	}
	if o.work, err = os.MkdirTemp("", "faultline-bench-"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(o.work) }()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return runAll(ctx, o, *only, *out)
}

// runAll runs the sections wanted; one that fails does not keep the others from running.
func runAll(ctx context.Context, o options, only, out string) error {
	want := strings.FieldsFunc(only, func(r rune) bool { return r == ',' })
	r := report{Machine: thisMachine()}
	fmt.Printf("%s\n", r.Machine)
	var errs []error
	for _, s := range sections() {
		if len(want) > 0 && !slices.Contains(want, s.name) {
			continue
		}
		t, err := s.run(ctx, o)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.name, err))
		}
		t.Name = cmp.Or(t.Name, s.name)
		if len(t.Rows)+len(t.Notes) > 0 {
			r.Tables = append(r.Tables, t)
			fmt.Printf("\n%s", t)
		}
		if ctx.Err() != nil {
			break
		}
	}
	if out != "" {
		errs = append(errs, r.write(out))
	}
	return errors.Join(errs...)
}

// seconds reads a number of seconds from the environment.
func seconds(name string, otherwise time.Duration) time.Duration {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	return otherwise
}
