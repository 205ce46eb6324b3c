package endurance

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/faultline/faultline/internal/lab/build"
)

// binaries is the directory of the built programs, made once for all tests.
var binaries = sync.OnceValues(func() (string, error) {
	if dir := os.Getenv("ENDURANCE_BIN"); dir != "" {
		return dir, nil
	}
	dir, err := os.MkdirTemp("", "faultline-endurance-")
	if err != nil {
		return "", err
	}
	return dir, build.Programs(builds, dir)
})

// program is one of the built programs, which may be started again and again.
// Its methods may be called from several goroutines.
type program struct {
	path, log string
	args      []string

	turn sync.Mutex // held from a kill to the start that follows
	mu   sync.Mutex // guards the fields below
	cmd  *exec.Cmd  // nil: not running
	done chan struct{}
	down []outage
}

// outage is a time without the program.
type outage struct{ from, to time.Time }

func (p *program) name() string { return filepath.Base(p.path) }

func (p *program) start() error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(p.path, p.args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cmd, p.done = cmd, done
	return nil
}

// restart kills the program as a power cut would end it, and starts it again.
func (p *program) restart() error {
	p.turn.Lock()
	defer p.turn.Unlock()
	from := time.Now()
	if err := p.kill(); err != nil {
		return err
	}
	if err := p.start(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = append(p.down, outage{from, time.Now()})
	return nil
}

// kill sends SIGKILL and waits. That the program ended by itself before is an
// error.
func (p *program) kill() error {
	if err := p.ended(); err != nil {
		return err
	}
	cmd, done := p.running()
	if err := cmd.Process.Kill(); err != nil {
		return err
	}
	<-done
	p.gone()
	return nil
}

// ended is an error when the program does not run.
func (p *program) ended() error {
	cmd, done := p.running()
	if cmd == nil {
		return fmt.Errorf("%s is not started", p.name())
	}
	select {
	case <-done:
		return fmt.Errorf("%s ended by itself: %s", p.name(), cmd.ProcessState)
	default:
		return nil
	}
}

// stop asks the program to end and waits; it is killed when it does not obey.
func (p *program) stop(t *testing.T) {
	t.Helper()
	cmd, done := p.running()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-done:
		if !cmd.ProcessState.Success() {
			t.Errorf("%s: %s", p.name(), cmd.ProcessState)
		}
	case <-time.After(20 * time.Second):
		_ = cmd.Process.Kill()
		<-done
		t.Errorf("%s did not stop within 20 s", p.name())
	}
	p.gone()
}

func (p *program) running() (*exec.Cmd, chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd, p.done
}

func (p *program) gone() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cmd = nil
}

// outages are the restarts so far.
func (p *program) outages() []outage {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.down)
}

// output is what the program has written, its last n bytes at most.
func (p *program) output(n int) string {
	b, _ := os.ReadFile(p.log)
	if len(b) > n {
		b = b[len(b)-n:]
	}
	return string(b)
}

// signal sends a signal to the running program.
func (p *program) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	must(t, p.ended())
	cmd, _ := p.running()
	must(t, cmd.Process.Signal(sig))
}
