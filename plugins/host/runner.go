package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/go-plugin/runner"
)

// drain is how long a dead plugin's pipes may still be read: for its last words.
const drain = 500 * time.Millisecond

// process is a plugin's process with all that it starts. It is a go-plugin
// runner.Runner: go-plugin's own would hand on our standard input and know only
// one process.
type process struct {
	cmd    *exec.Cmd
	fence  *fence // holds its memory; nil: nothing does
	stdout *os.File
	stderr *os.File
	pid    int
	began  chan struct{} // closed when pid is known or the start failed
	done   chan struct{} // closed when the process has ended
	err    error         // of its end; read after done
	read   chan struct{} // closed when all it wrote has been read
	reader sync.Once     // closes read
	closed sync.Once
}

var _ runner.Runner = (*process)(nil)

func newProcess(cmd *exec.Cmd, f *fence) *process {
	return &process{cmd: cmd, fence: f, began: make(chan struct{}), done: make(chan struct{}), read: make(chan struct{})}
}

// over tells whether the process has ended.
func (p *process) over() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Start starts the process in a group of its own. The thread that starts it
// lives as long as it does: on Linux the process dies with that thread.
func (p *process) Start(context.Context) error {
	outR, outW, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start plugin: %w", err)
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		return errors.Join(fmt.Errorf("start plugin: %w", err), outR.Close(), outW.Close())
	}
	p.cmd.Stdout, p.cmd.Stderr, p.stdout, p.stderr = outW, errW, outR, errR
	started := make(chan error, 1)
	go p.live(started, outW, errW)
	if err := <-started; err != nil {
		p.closePipes()
		return fmt.Errorf("start plugin: %w", err)
	}
	return nil
}

// live starts the process and waits for its end.
func (p *process) live(started chan<- error, ours ...*os.File) {
	runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
	isolate(p.cmd, p.fence)
	err := p.cmd.Start()
	for _, f := range ours {
		_ = f.Close()
	}
	if err != nil {
		p.err = err
		close(p.began)
		close(p.done)
		started <- err
		return
	}
	p.pid = p.cmd.Process.Pid
	restrain(p.pid, p.fence)
	close(p.began)
	started <- nil
	p.err = p.cmd.Wait()
	p.killGroup() // what it left behind
	close(p.done)
	time.AfterFunc(drain, p.closePipes)
}

func (p *process) closePipes() {
	p.closed.Do(func() { _, _ = p.stdout.Close(), p.stderr.Close() })
}

// killGroup ends the process and everything in its group and fence at once.
func (p *process) killGroup() {
	select {
	case <-p.began:
	default:
		return
	}
	if p.pid > 0 {
		killGroup(p.pid)
	}
	p.fence.kill()
}

// Kill implements runner.Runner.
func (p *process) Kill(context.Context) error {
	p.killGroup()
	return nil
}

// Wait implements runner.Runner. go-plugin calls it when it has read both pipes
// to their ends.
func (p *process) Wait(context.Context) error {
	p.reader.Do(func() { close(p.read) })
	<-p.done
	return p.err
}

// Stdout implements runner.Runner.
func (p *process) Stdout() io.ReadCloser { return p.stdout }

// Stderr implements runner.Runner.
func (p *process) Stderr() io.ReadCloser { return p.stderr }

// Name implements runner.Runner.
func (p *process) Name() string { return p.cmd.Path }

// ID implements runner.Runner.
func (p *process) ID() string { return strconv.Itoa(p.pid) }

// Diagnose implements runner.Runner.
func (p *process) Diagnose(context.Context) string { return "" }

// PluginToHost implements runner.Runner.
func (p *process) PluginToHost(network, addr string) (string, string, error) {
	return network, addr, nil
}

// HostToPlugin implements runner.Runner.
func (p *process) HostToPlugin(network, addr string) (string, string, error) {
	return network, addr, nil
}
