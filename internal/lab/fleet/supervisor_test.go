package fleet

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// supervisor runs a program as the unit's Restart= and RestartSec= have it: there
// is no systemd in a test.
type supervisor struct {
	args    []string
	log     string
	pause   time.Duration // RestartSec
	restart string        // Restart: always

	stop context.CancelFunc
	done chan struct{}

	mu     sync.Mutex // guards the fields below
	pid    int        // 0: not running
	starts int
}

// unit reads what our systemd unit says of restarts.
func unit(t *testing.T) (restart string, pause time.Duration) {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "..", "packaging", "faultline-agent.service"))
	must(t, err)
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		switch key, v, _ := strings.Cut(lines.Text(), "="); key {
		case "Restart":
			restart = v
		case "RestartSec":
			pause, err = time.ParseDuration(v + "s")
			must(t, err)
		}
	}
	if restart != "always" || pause <= 0 {
		t.Fatalf("the unit says Restart=%s, RestartSec=%s: the supervisor knows always, with a pause", restart, pause)
	}
	return restart, pause
}

// supervise starts the program and starts it again whenever it ends, until the
// test does.
func supervise(t *testing.T, log string, args ...string) *supervisor {
	t.Helper()
	s := &supervisor{args: args, log: log, done: make(chan struct{})}
	s.restart, s.pause = unit(t)
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	go s.run(ctx)
	t.Cleanup(func() {
		s.stop()
		<-s.done
		if t.Failed() {
			t.Logf("%s:\n%s", log, tail(log, 6000))
		}
	})
	return s
}

func (s *supervisor) run(ctx context.Context) {
	defer close(s.done)
	for ctx.Err() == nil {
		if err := s.once(ctx); err != nil {
			s.note(err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(s.pause):
		}
	}
}

// once runs the program until it ends; it is asked to when ctx does.
func (s *supervisor) once(ctx context.Context) error {
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, s.args[0], s.args[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	if err := cmd.Start(); err != nil {
		return err
	}
	s.set(cmd.Process.Pid)
	defer s.set(0)
	return cmd.Wait()
}

func (s *supervisor) set(pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pid = pid
	if pid != 0 {
		s.starts++
	}
}

// state is the process that runs, 0 for none, and how often one was started.
func (s *supervisor) state() (pid, starts int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pid, s.starts
}

func (s *supervisor) note(err error) {
	if f, errOpen := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); errOpen == nil {
		fmt.Fprintln(f, "supervisor:", err)
		_ = f.Close()
	}
}
