package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a program that is measured.
type process struct {
	name string
	cmd  *exec.Cmd
	log  *os.File
}

// start starts a program whose log goes to a file of its own.
func start(ctx context.Context, o options, path string, args ...string) (*process, error) {
	name := filepath.Base(path)
	log, err := os.CreateTemp(o.work, name+"-*.log")
	if err != nil {
		return nil, err
	}
	p := &process{name: name, log: log, cmd: exec.CommandContext(ctx, path, args...)}
	var out io.Writer = log
	if o.verbose {
		out = os.Stderr
	}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = 15 * time.Second
	if err := p.cmd.Start(); err != nil {
		_ = log.Close()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// stop ends the program and waits for it. How it ends is of no interest.
func (p *process) stop() {
	_ = p.cmd.Cancel()
	_ = p.cmd.Wait()
	_ = p.log.Close()
}

// failed adds the end of the program's log to an error.
func (p *process) failed(err error) error {
	b, readErr := os.ReadFile(p.log.Name())
	if readErr != nil {
		return err
	}
	return fmt.Errorf("%s: %w\n%s", p.name, err, b[max(0, len(b)-2000):])
}

// usage is what a process holds and has used.
type usage struct {
	RSS, PSS float64 // MiB
	CPU      time.Duration
}

// use reads the process' memory and CPU time.
func (p *process) use() (usage, error) {
	cpu, err := p.cpu()
	if err != nil {
		return usage{}, err
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p.cmd.Process.Pid))
	if err != nil {
		return usage{}, err
	}
	u := usage{CPU: cpu}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kib, _ := strconv.ParseFloat(f[1], 64)
		switch f[0] {
		case "Rss:":
			u.RSS = kib / 1024
		case "Pss:":
			u.PSS = kib / 1024
		}
	}
	return u, nil
}

// cpu is the time that the process has used of processors.
func (p *process) cpu() (time.Duration, error) { return cpuTime(p.cmd.Process.Pid) }

// watched is a process over a window of time.
type watched struct {
	mean, peak usage   // memory, looked at each second
	percent    float64 // of one core
}

// watch looks at processes each second for a while.
func watch(ctx context.Context, window time.Duration, all ...*process) ([]watched, error) {
	out := make([]watched, len(all))
	first := make([]usage, len(all))
	begin := time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 0; ; n++ {
		for i, p := range all {
			u, err := p.use()
			if err != nil {
				return nil, p.failed(err)
			}
			if n == 0 {
				first[i] = u
			}
			w := &out[i]
			w.mean.PSS += (u.PSS - w.mean.PSS) / float64(n+1)
			w.mean.RSS += (u.RSS - w.mean.RSS) / float64(n+1)
			w.peak.PSS, w.peak.RSS = max(w.peak.PSS, u.PSS), max(w.peak.RSS, u.RSS)
			w.percent = 100 * (u.CPU - first[i].CPU).Seconds() / max(time.Since(begin).Seconds(), 0.001)
		}
		if time.Since(begin) >= window {
			return out, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// freeAddress returns a loopback address nobody listens on.
func freeAddress(ctx context.Context) (string, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}

// sleep waits unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// eventually repeats try until it returns nil or the time is over.
func eventually(ctx context.Context, limit time.Duration, try func() error) error {
	end := time.Now().Add(limit)
	for {
		err := try()
		if err == nil || time.Now().After(end) {
			return err
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}
