package pipe

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/host/spec"
	"github.com/faultline/faultline/plugins/input"
)

// Runner runs plugins; *host.Host is one.
type Runner interface {
	Run(ctx context.Context) error
	Input(name string) (input.Input, bool)
	Status() []spec.Status
}

const (
	statusPace = 2 * time.Second // between reports of the plugins' state
	batchSize  = 5000            // samples in one frame
	maxCalls   = 1024            // at once, whatever the agent asks
)

// server is the child's end.
type server struct {
	out    *writer
	runner Runner
	calls  sync.WaitGroup
	mu     sync.Mutex // guards cancel
	cancel map[uint64]context.CancelFunc
}

// Serve does what the agent asks on in until in ends or ctx does, then has
// runner end all plugins. build makes the runner from the configuration.
func Serve(ctx context.Context, in io.Reader, out io.Writer, build func(Config) (Runner, error)) error {
	r := &reader{r: bufio.NewReaderSize(in, 64<<10)}
	k, _, payload, err := r.frame()
	if err != nil || k != kindConfig {
		return fmt.Errorf("read configuration from the agent: frame kind %d: %w", k, errors.Join(err, errNotFirst(k)))
	}
	var c Config
	if err := json.Unmarshal(payload, &c); err != nil {
		return fmt.Errorf("read configuration from the agent: %w", err)
	}
	runner, err := build(c)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	s := &server{out: &writer{w: out}, runner: runner, cancel: map[uint64]context.CancelFunc{}}
	var parts sync.WaitGroup
	parts.Go(func() { _ = runner.Run(ctx) })
	parts.Go(func() { s.report(ctx) })
	err = s.read(ctx, r)
	stop()
	s.calls.Wait()
	parts.Wait()
	if errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func errNotFirst(k kind) error {
	if k != kindConfig {
		return errors.New("the first frame is no configuration: is this program started by an agent?")
	}
	return nil
}

// read does what frames ask until there are no more.
func (s *server) read(ctx context.Context, r *reader) error {
	frames := make(chan error, 1)
	go func() { // ends with the pipe, or with the program
		for {
			k, id, payload, err := r.frame()
			if err == nil {
				err = s.take(ctx, k, id, payload)
			}
			if err != nil {
				frames <- err
				return
			}
		}
	}()
	select {
	case err := <-frames:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *server) take(ctx context.Context, k kind, id uint64, payload []byte) error {
	switch k {
	case kindGather, kindCheck:
		var q request
		if err := json.Unmarshal(payload, &q); err != nil {
			return fmt.Errorf("read call: %w", err)
		}
		cctx, ok := s.open(ctx, id, time.Duration(q.Millis)*time.Millisecond)
		if !ok {
			return s.out.json(kindDone, id, outcome{Error: "too many calls at once", Not: true})
		}
		s.calls.Go(func() { s.call(cctx, k, id, q) })
	case kindCancel:
		s.mu.Lock()
		cancel := s.cancel[id]
		s.mu.Unlock()
		if cancel != nil {
			cancel()
		}
	default:
		return fmt.Errorf("frame of unknown kind %d", k)
	}
	return nil
}

// open is the context of a new call; false: there are too many.
func (s *server) open(ctx context.Context, id uint64, limit time.Duration) (context.Context, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.cancel) >= maxCalls {
		return nil, false
	}
	ctx, s.cancel[id] = context.WithTimeout(ctx, limit)
	return ctx, true
}

func (s *server) close(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancel[id]()
	delete(s.cancel, id)
}

// call does one call and tells its outcome.
func (s *server) call(ctx context.Context, k kind, id uint64, q request) {
	defer s.close(id)
	in, ok := s.runner.Input(q.Input)
	err := fmt.Errorf("plugin %s: not configured", q.Input)
	switch {
	case !ok:
	case k == kindCheck:
		err = nil
		if c, can := in.(input.Checker); can {
			err = c.CheckTarget(q.Target)
		}
	default:
		sink := &sender{out: s.out, id: id}
		err = in.Gather(ctx, q.Target, sink)
		sink.flush()
	}
	var o outcome
	var partial input.Partial
	switch {
	case errors.As(err, &partial):
		o = outcome{Error: partial.Err.Error(), Partial: true}
	case err != nil:
		var not interface{ NotMeasured() bool }
		o = outcome{Error: err.Error(), Not: errors.As(err, &not) && not.NotMeasured()}
	}
	_ = s.out.json(kindDone, id, o) // a pipe that broke ends read
}

// report tells the agent how the plugins are, at once and then regularly.
func (s *server) report(ctx context.Context) {
	tick := time.NewTicker(statusPace)
	defer tick.Stop()
	for {
		if s.out.json(kindStatus, 0, s.runner.Status()) != nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// sender is the sink of one reading.
type sender struct {
	out    *writer
	id     uint64
	batch  base.Batch
	events []base.Event
	enc    wire.SampleEncoder
	n      int
}

// Sample implements input.Sink.
func (s *sender) Sample(sm base.Sample) {
	s.batch.Samples = append(s.batch.Samples, sm)
	s.full(1)
}

// Block implements input.Sink.
func (s *sender) Block(b base.Block) {
	s.batch.Blocks = append(s.batch.Blocks, b)
	s.full(b.Len())
}

// Event implements input.Sink.
func (s *sender) Event(e base.Event) { s.events = append(s.events, e) }

func (s *sender) full(n int) {
	if s.n += n; s.n >= batchSize {
		s.flush()
	}
}

func (s *sender) flush() {
	if s.n > 0 {
		if b, err := s.enc.Encode(s.batch); err == nil {
			_ = s.out.frame(kindBatch, s.id, b)
		}
		s.batch, s.n = base.Batch{}, 0
	}
	if len(s.events) > 0 {
		if b, err := wire.EncodeEvents(s.events); err == nil {
			_ = s.out.frame(kindEvents, s.id, b)
		}
		s.events = nil
	}
}
