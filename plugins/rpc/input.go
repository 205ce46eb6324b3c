package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
	"github.com/faultline/faultline/plugins/rpc/pluginpb"
)

// inputServer serves an input.Input in the plugin's process.
type inputServer struct {
	pluginpb.UnimplementedInputServer
	input input.Input

	mu   sync.Mutex // guards busy
	busy map[string]bool
}

// CheckTarget implements pluginpb.InputServer.
func (s *inputServer) CheckTarget(_ context.Context, r *pluginpb.CheckTargetRequest) (*pluginpb.CheckTargetReply, error) {
	c, ok := s.input.(input.Checker)
	if !ok {
		return &pluginpb.CheckTargetReply{}, nil
	}
	if err := c.CheckTarget(targetFrom(r.GetTarget())); err != nil {
		return &pluginpb.CheckTargetReply{Error: valid(err.Error())}, nil
	}
	return &pluginpb.CheckTargetReply{}, nil
}

// Gather implements pluginpb.InputServer. A target whose last Gather the host
// gave up, and which is still at it, is not measured a second time at once.
func (s *inputServer) Gather(r *pluginpb.GatherRequest, stream grpc.ServerStreamingServer[pluginpb.GatherPart]) error {
	t := targetFrom(r.GetTarget())
	if !s.begin(t.ID) {
		return status.Errorf(codes.Unavailable, "target %s: the reading before this one has not ended", t.ID)
	}
	w := newWriter(stream.Send)
	err := s.read(stream.Context(), t, w)
	o := &pluginpb.Outcome{}
	var partial input.Partial
	switch {
	case errors.As(err, &partial):
		o.Partial, o.Error = true, valid(partial.Err.Error())
	case err != nil:
		o.Error = valid(err.Error())
	}
	return w.finish(o)
}

// read has the input read t, and ends its turn before the outcome goes out: who
// has the outcome may ask again at once.
func (s *inputServer) read(ctx context.Context, t base.Target, w *writer) error {
	defer s.end(t.ID)
	if t.Timeout > 0 { // a little before the host's own, so that the outcome arrives
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t.Timeout)
		defer cancel()
	}
	return s.input.Gather(ctx, t, w)
}

func (s *inputServer) begin(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[id] {
		return false
	}
	s.busy[id] = true
	return true
}

func (s *inputServer) end(id string) {
	s.mu.Lock()
	delete(s.busy, id)
	s.mu.Unlock()
}

// TooMuch is an error that says a plugin sent more than it may.
type TooMuch struct{ Bytes, Limit int }

// Error says how much it was.
func (t TooMuch) Error() string {
	return fmt.Sprintf("sent %d bytes in one reading, %d are allowed", t.Bytes, t.Limit)
}

// CheckTarget asks the plugin what is wrong with a target. ok is false when the
// call itself failed with err; else err is the plugin's verdict.
func (c *Client) CheckTarget(ctx context.Context, t base.Target) (ok bool, err error) {
	r, err := c.input.CheckTarget(ctx, &pluginpb.CheckTargetRequest{Target: targetTo(t)})
	if err != nil {
		return false, err
	}
	if r.GetError() != "" {
		return true, errors.New(r.GetError())
	}
	return true, nil
}

// Gather has the plugin read the target and hands what it sends to sink, at most
// maxBytes. broken says that the plugin, and not the target, is at fault.
func (c *Client) Gather(ctx context.Context, t base.Target, sink input.Sink, maxBytes int) (err error, broken bool) { //nolint:revive // broken qualifies err
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.input.Gather(ctx, &pluginpb.GatherRequest{Target: targetTo(t)})
	if err != nil {
		return err, true
	}
	size := 0
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return errors.New("the plugin ended a reading without an outcome"), true
		}
		if err != nil {
			return err, true
		}
		if size += proto.Size(part); size > maxBytes {
			return TooMuch{size, maxBytes}, true
		}
		if err := read(part, sink); err != nil {
			return err, true
		}
		if part.GetOutcome() != nil {
			return outcome(part.GetOutcome()), false
		}
	}
}

func outcome(o *pluginpb.Outcome) error {
	switch {
	case o.GetPartial():
		return input.Partial{Err: errors.New(o.GetError())}
	case o.GetError() != "":
		return errors.New(o.GetError())
	}
	return nil
}
