package faultlab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/faultline/faultline/internal/lab/mailbox"
)

// Options say what to run. Lab, Bin and Output are required.
type Options struct {
	Lab    string   // directory of the lab: lab, score.py, README.md
	Bin    string   // directory of faultline-agent and faultline-collector
	Out    string   // file for the score
	Work   string   // configurations, data and logs; "" is a temporary directory, removed when all went well
	Hold   bool     // score nothing: print how to reach the collector and wait for ctx
	Score  []string // further arguments for score.py
	Output io.Writer
}

// run is one run of the lab.
type run struct {
	Options
	work  workspace
	relay *relay
	box   *mailbox.Box
	token string
}

// Run brings the lab up with the product in it, has it scored, and takes it
// down again, also when something failed. It needs root.
func Run(ctx context.Context, o Options) error {
	r := &run{Options: o}
	if err := r.prepare(ctx); err != nil {
		return fmt.Errorf("fault lab: %w", err)
	}
	err := r.up(ctx)
	if err == nil {
		err = r.inLab(ctx)
	}
	err = errors.Join(err, r.lab(context.WithoutCancel(ctx), "down"))
	if err != nil {
		return fmt.Errorf("fault lab (logs in %s): %w", r.work.path("log"), err)
	}
	if o.Work == "" {
		return os.RemoveAll(r.work.dir)
	}
	return nil
}

func (r *run) prepare(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return errors.New("network namespaces need root")
	}
	var err error
	for _, dir := range []*string{&r.Lab, &r.Bin} {
		if *dir, err = filepath.Abs(*dir); err != nil {
			return err
		}
	}
	for _, file := range []string{filepath.Join(r.Lab, "lab"), filepath.Join(r.Lab, "score.py"), filepath.Join(r.Bin, "faultline-agent"), filepath.Join(r.Bin, "faultline-collector")} {
		if _, err := os.Stat(file); err != nil {
			return err
		}
	}
	if err := r.install(ctx); err != nil {
		return err
	}
	dir := r.Work
	if dir == "" {
		dir, err = os.MkdirTemp("", "faultline-lab-")
	} else if dir, err = filepath.Abs(dir); err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	r.work = workspace{dir: dir, bin: r.Bin}
	return errors.Join(err, r.work.write())
}

// install brings in what the lab's README asks for and is missing.
func (r *run) install(ctx context.Context) error {
	readme, err := os.ReadFile(filepath.Join(r.Lab, "README.md"))
	if err != nil {
		return err
	}
	var missing []string
	for _, p := range packages(string(readme)) {
		out, _ := exec.CommandContext(ctx, "dpkg-query", "-W", "-f=${db:Status-Status}", p).Output()
		if string(out) != "installed" {
			missing = append(missing, p)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	fmt.Fprintln(r.Output, "installing", strings.Join(missing, " "))
	if err := r.command(ctx, "apt-get", "update", "-qq"); err != nil {
		return err
	}
	return r.command(ctx, "apt-get", append([]string{"install", "-y", "-qq", "--no-install-recommends"}, missing...)...)
}

// command runs a program to its end, its output among ours.
func (r *run) command(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = r.Output, r.Output
	cmd.Env = append(os.Environ(), "FAULTLINE_TOKEN="+r.token, "DEBIAN_FRONTEND=noninteractive", "PYTHONUNBUFFERED=1")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(name), err)
	}
	return nil
}

func (r *run) lab(ctx context.Context, args ...string) error {
	return r.command(ctx, filepath.Join(r.Lab, "lab"), args...)
}

func (r *run) up(ctx context.Context) error {
	return r.lab(ctx, "up", "--fast", "--agent-cmd", r.work.agentCommand(), "--collector-cmd", r.work.collectorCommand())
}

// inLab opens the way to the collector, waits until everything is measured, and
// has the product scored.
func (r *run) inLab(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var err error
	if r.relay, err = openRelay(collectorNode, collectorAddress); err != nil {
		return err
	}
	err = inNode(collectorNode, func() (err error) {
		r.box, err = mailbox.Open(mailAddress, r.work.path("mail"))
		return err
	})
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.relay.run(ctx) })
	g.Go(func() error { return r.box.Run(ctx) })
	g.Go(func() error {
		defer cancel() // the others end with the score
		return r.score(ctx)
	})
	return g.Wait()
}

func (r *run) score(ctx context.Context) error {
	if err := r.heard(ctx); err != nil {
		return err
	}
	api := "http://" + r.relay.listener.Addr().String() + "/api/v1/incidents"
	if r.Hold {
		fmt.Fprintf(r.Output, "up; the API is %s, the token is %s, Ctrl-C takes the lab down\n", api, r.token)
		<-ctx.Done()
		return nil
	}
	args := []string{"--api", api, "--adapter", r.work.path("adapter.json"), "--out", r.Out}
	err := r.command(ctx, filepath.Join(r.Lab, "score.py"), append(args, r.Score...)...)
	fmt.Fprintf(r.Output, "mails sent by the product: %d\n", len(r.box.Mails()))
	return err
}
