package pipe

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/host/spec"
	"github.com/faultline/faultline/plugins/input"
)

// Options configure a Client.
type Options struct {
	Program string // faultline-plugin-host, found in PATH when it has no directory
	Args    []string
	Plugins []spec.Plugin // of contract input
	Dir     string        // of the child's own, for copies of the plugins' programs
	Stderr  io.Writer     // takes the child's log; nil: our own standard error
	Logger  *slog.Logger
	Debug   bool
	Least   time.Duration // between an end of the child and its next start: 1 s, doubling to a minute
}

// childMemory is the soft bound of the child's heap, in bytes: most of what it
// holds passes through it. It gets one processor: it hands on what others read, and
// a second one costs memory and wake-ups of its own.
const childMemory = 24 << 20

// Client is the agent's end. Its methods may be called from several goroutines.
type Client struct {
	o      Options
	config Config

	mu     sync.Mutex // guards the fields below
	out    *writer    // nil: the child does not run
	calls  map[uint64]*call
	last   uint64
	status []spec.Status
	why    string        // the child does not run
	begun  chan struct{} // closed when the first child was started, or could not be
}

// call is one call that the child has not ended.
type call struct {
	mu   sync.Mutex // guards sink
	sink input.Sink // nil: the caller has gone, or wants nothing
	done chan outcome
}

// New makes a Client; the child is started by Run.
func New(o Options) (*Client, error) {
	if err := spec.Validate(o.Plugins); err != nil {
		return nil, fmt.Errorf("plugins: %w", err)
	}
	c := &Client{o: o, config: Config{Plugins: o.Plugins, Values: map[string]map[string]string{}, Dir: o.Dir, Debug: o.Debug}, calls: map[uint64]*call{}, why: "not started yet", begun: make(chan struct{})}
	for i := range o.Plugins {
		p := &o.Plugins[i]
		if p.Contract != spec.Input {
			return nil, fmt.Errorf("plugins: %s: contract %s: an agent uses inputs only", p.Name, p.Contract)
		}
		v, err := p.Values()
		if err != nil {
			return nil, err
		}
		c.config.Values[p.Name] = v
		c.status = append(c.status, spec.Status{Name: p.Name, Contract: p.Contract, State: spec.Waiting})
	}
	if c.o.Least == 0 {
		c.o.Least = time.Second
	}
	if c.o.Stderr == nil {
		c.o.Stderr = os.Stderr
	}
	if c.o.Logger == nil {
		c.o.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// Inputs are the inputs that the plugins make, whether or not they run.
func (c *Client) Inputs() []input.Input {
	var all []input.Input
	for _, p := range c.o.Plugins {
		all = append(all, &remote{c, p.Name})
	}
	return all
}

// Status tells how the plugins are, as the child said last.
func (c *Client) Status() []spec.Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]spec.Status(nil), c.status...)
}

// Run keeps the child running until ctx ends; then it and all plugins have
// ended. Without plugins there is no child.
func (c *Client) Run(ctx context.Context) error {
	if len(c.o.Plugins) == 0 {
		<-ctx.Done()
		return ctx.Err()
	}
	for wait := c.o.Least; ; wait = min(2*wait, time.Minute) {
		began := time.Now()
		err := c.once(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Since(began) > 5*time.Minute {
			wait = c.o.Least
		}
		c.down(err)
		c.o.Logger.Error("plugin host ended", "err", err, "next_start", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// stopTime is how long the child may take to end its plugins.
const stopTime = 10 * time.Second

// once runs one child from start to end.
func (c *Client) once(ctx context.Context) error {
	cmd := exec.CommandContext(context.Background(), c.o.Program, c.o.Args...) // ended below, in its own time
	cmd.Env = append(os.Environ(), fmt.Sprintf("GOMEMLIMIT=%d", childMemory), "GOGC=50", "GOMAXPROCS=1")
	cmd.Stderr = c.o.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("plugin host: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("plugin host: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("plugin host: %w (install %s beside the agent, or set plugin_host)", err, c.o.Program)
	}
	out := &writer{w: stdin}
	read := make(chan error, 1)
	go func() {
		err := out.json(kindConfig, 0, c.config)
		if err == nil {
			c.up(out)
			err = c.read(&reader{r: bufio.NewReaderSize(stdout, 64<<10)})
		}
		read <- err
	}()
	select {
	case err = <-read:
	case <-ctx.Done():
	}
	c.down(errors.New("ending"))
	_ = stdin.Close() // the child ends with it
	t := time.AfterFunc(stopTime, func() { _ = cmd.Process.Kill() })
	defer t.Stop()
	if ctx.Err() != nil {
		err = <-read
	}
	if werr := cmd.Wait(); werr != nil {
		err = fmt.Errorf("plugin host: %w", werr)
	}
	return err
}

// up makes the child's calls possible.
func (c *Client) up(out *writer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out, c.why = out, ""
	c.firstLocked()
}

// firstLocked ends the waiting of calls that came before the first child.
func (c *Client) firstLocked() {
	select {
	case <-c.begun:
	default:
		close(c.begun)
	}
}

// down ends all calls: there is nobody who would answer them.
func (c *Client) down(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = nil
	c.firstLocked()
	if err != nil {
		c.why = err.Error()
	}
	for id, k := range c.calls {
		delete(c.calls, id)
		k.done <- outcome{Error: "plugin host ended during the call", Not: true}
	}
	for i := range c.status {
		c.status[i].State, c.status[i].Problem, c.status[i].PID, c.status[i].Resident = spec.Waiting, "plugin host: "+c.why, 0, 0
	}
}

// read takes what the child says until it ends.
func (c *Client) read(r *reader) error {
	for {
		k, id, payload, err := r.frame()
		if err != nil {
			return fmt.Errorf("plugin host: read: %w", err)
		}
		if err := c.take(k, id, payload); err != nil {
			return fmt.Errorf("plugin host: read: %w", err)
		}
	}
}

func (c *Client) take(k kind, id uint64, payload []byte) error {
	c.mu.Lock()
	waiting := c.calls[id]
	if k == kindDone {
		delete(c.calls, id)
	}
	c.mu.Unlock()
	switch k {
	case kindStatus:
		var all []spec.Status
		if err := json.Unmarshal(payload, &all); err != nil {
			return err
		}
		c.mu.Lock()
		c.status = all
		c.mu.Unlock()
	case kindDone:
		var o outcome
		if err := json.Unmarshal(payload, &o); err != nil {
			return err
		}
		if waiting != nil {
			waiting.done <- o
		}
	case kindBatch:
		batch, err := wire.DecodeSamples(payload)
		if err != nil {
			return err
		}
		waiting.deliver(batch, nil)
	case kindEvents:
		events, err := wire.DecodeEvents(payload)
		if err != nil {
			return err
		}
		waiting.deliver(base.Batch{}, events)
	default:
		return fmt.Errorf("frame of unknown kind %d", k)
	}
	return nil
}

// deliver hands over what a reading found, unless its caller has gone.
func (k *call) deliver(batch base.Batch, events []base.Event) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.sink == nil {
		return
	}
	for _, s := range batch.Samples {
		k.sink.Sample(s)
	}
	for _, b := range batch.Blocks {
		k.sink.Block(b)
	}
	for _, e := range events {
		k.sink.Event(e)
	}
}

func (k *call) letGo() {
	k.mu.Lock()
	k.sink = nil
	k.mu.Unlock()
}

// begin sends a call.
func (c *Client) begin(what kind, q request, sink input.Sink) (*call, uint64, *writer, error) {
	c.mu.Lock()
	out, why := c.out, c.why
	c.last++
	id := c.last
	k := &call{sink: sink, done: make(chan outcome, 1)}
	if out != nil {
		c.calls[id] = k
	}
	c.mu.Unlock()
	if out == nil {
		return nil, 0, nil, unmeasured{fmt.Errorf("plugin %s: %w: %s", q.Input, errDown, why)}
	}
	if err := out.json(what, id, q); err != nil {
		c.forget(id)
		return nil, 0, nil, unmeasured{fmt.Errorf("plugin %s: %w: %w", q.Input, errDown, err)}
	}
	return k, id, out, nil
}

func (c *Client) forget(id uint64) {
	c.mu.Lock()
	delete(c.calls, id)
	c.mu.Unlock()
}

var errDown = errors.New("plugin host does not run")

// wait is the outcome of a call, or of waiting for it.
func (c *Client) wait(ctx context.Context, k *call, id uint64, out *writer) error {
	defer k.letGo()
	select {
	case o := <-k.done:
		switch {
		case o.Partial:
			return input.Partial{Err: errors.New(o.Error)}
		case o.Not:
			return unmeasured{errors.New(o.Error)}
		case o.Error != "":
			return errors.New(o.Error)
		}
		return nil
	case <-ctx.Done():
		c.forget(id)
		go func() { _ = out.frame(kindCancel, id, nil) }() // must not wait for a child that reads slowly
		return unmeasured{fmt.Errorf("plugin host: no answer: %w", ctx.Err())}
	}
}

// remote is one input that a plugin of the child does.
type remote struct {
	c    *Client
	name string
}

var _ input.Checker = (*remote)(nil)

// Name returns the plugin's name in the configuration.
func (r *remote) Name() string { return r.name }

// CheckTarget asks the plugin; what cannot be asked now is not refused.
func (r *remote) CheckTarget(t base.Target) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	k, id, out, err := r.c.begin(kindCheck, request{Input: r.name, Target: t, Millis: 2000}, nil)
	if err != nil {
		return nil //nolint:nilerr // the poll will say it
	}
	if err = r.c.wait(ctx, k, id, out); ctx.Err() != nil || !r.c.runs() {
		return nil //nolint:nilerr // no verdict
	}
	return err
}

func (c *Client) runs() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out != nil
}

// Gather implements input.Input. The child is told a deadline a little before
// ours, so that its word on what went wrong arrives.
func (r *remote) Gather(ctx context.Context, t base.Target, sink input.Sink) error {
	select {
	case <-r.c.begun: // the agent's own start is no evidence
	case <-ctx.Done():
	}
	left := time.Minute
	if d, ok := ctx.Deadline(); ok {
		left = time.Until(d)
	}
	left -= min(left/20, 100*time.Millisecond)
	k, id, out, err := r.c.begin(kindGather, request{Input: r.name, Target: t, Millis: max(left.Milliseconds(), 1)}, sink)
	if err != nil {
		return err
	}
	return r.c.wait(ctx, k, id, out)
}
