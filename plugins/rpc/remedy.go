package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/faultline/faultline/plugins/remedy"
	"github.com/faultline/faultline/plugins/rpc/pluginpb"
)

// remedyServer serves a remedy.Runner in the plugin's process.
type remedyServer struct {
	pluginpb.UnimplementedRemedyServer
	runner remedy.Runner
}

// refusal is a runner's error as it goes over the wire. One of another type says
// nothing of what was begun, so it may have been.
func refusal(err error) *pluginpb.Failure {
	var e *remedy.Error
	if !errors.As(err, &e) {
		return &pluginpb.Failure{Op: "plugin", Ambiguous: true, Cause: valid(err.Error())}
	}
	f := &pluginpb.Failure{Op: valid(e.Op), Retryable: e.Again, Ambiguous: e.Begun, Hint: valid(e.Hint)}
	if e.Err != nil {
		f.Cause = valid(e.Err.Error())
	}
	return f
}

func refused(f *pluginpb.Failure) error {
	cause := f.GetCause()
	if cause == "" {
		cause = "no reason given"
	}
	return &remedy.Error{Op: f.GetOp(), Begun: f.GetAmbiguous(), Again: f.GetRetryable(), Hint: f.GetHint(), Err: errors.New(cause)}
}

func outcomeTo(o remedy.Outcome) *pluginpb.RunOutcome {
	return &pluginpb.RunOutcome{State: valid(o.State), Summary: valid(o.Summary), SummaryZh: valid(o.SummaryZH), Changed: int64(o.Changed), Pin: valid(o.Pin)}
}

func outcomeFrom(o *pluginpb.RunOutcome) remedy.Outcome {
	return remedy.Outcome{State: o.GetState(), Summary: o.GetSummary(), SummaryZH: o.GetSummaryZh(), Changed: int(o.GetChanged()), Pin: o.GetPin()}
}

// Run implements pluginpb.RemedyServer.
func (s *remedyServer) Run(r *pluginpb.RunRequest, stream grpc.ServerStreamingServer[pluginpb.RunPart]) error {
	o := remedy.Order{Key: r.GetKey(), Remedy: r.GetRemedy(), Parameters: r.GetParameters(), DryRun: r.GetDryRun(), Pin: r.GetPin(),
		Timeout: time.Duration(r.GetTimeoutMs()) * time.Millisecond}
	w := &outputWriter{send: stream.Send}
	out, err := s.runner.Run(stream.Context(), o, w)
	w.flush()
	if err != nil {
		return stream.Send(&pluginpb.RunPart{Failure: refusal(err)})
	}
	return stream.Send(&pluginpb.RunPart{Outcome: outcomeTo(out)})
}

// FindRun implements pluginpb.RemedyServer.
func (s *remedyServer) FindRun(ctx context.Context, r *pluginpb.FindRunRequest) (*pluginpb.FindRunReply, error) {
	o, found, err := s.runner.Find(ctx, r.GetKey())
	switch {
	case err != nil:
		return &pluginpb.FindRunReply{Failure: refusal(err)}, nil
	case !found:
		return &pluginpb.FindRunReply{}, nil
	}
	return &pluginpb.FindRunReply{Found: true, Outcome: outcomeTo(o)}, nil
}

// outputPart bounds one part of the output, in bytes.
const outputPart = 32 << 10

// outputWriter sends what a run prints. A host that is gone is told nothing; the
// run's context has ended then.
type outputWriter struct {
	send func(*pluginpb.RunPart) error
	mu   sync.Mutex // guards rest, and is held while sending
	rest []byte     // of a character that is not whole yet
}

// Write implements io.Writer.
func (w *outputWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := append(w.rest, b...)
	whole := wholeRunes(all)
	for part := all[:whole]; len(part) > 0; {
		n := wholeRunes(part[:min(len(part), outputPart)])
		if n == 0 {
			n = min(len(part), outputPart)
		}
		_ = w.send(&pluginpb.RunPart{Output: valid(string(part[:n]))})
		part = part[n:]
	}
	w.rest = append([]byte(nil), all[whole:]...)
	return len(b), nil
}

func (w *outputWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.rest) > 0 {
		_ = w.send(&pluginpb.RunPart{Output: valid(string(w.rest))})
	}
	w.rest = nil
}

// wholeRunes is how many bytes of b end with a whole character: what follows may
// be the beginning of one.
func wholeRunes(b []byte) int {
	for n := 1; n <= 3 && n <= len(b); n++ {
		switch c := b[len(b)-n]; {
		case c < 0x80:
			return len(b)
		case c >= 0xc0: // begins a character of 2, 3 or 4 bytes
			want := 2
			if c >= 0xf0 {
				want = 4
			} else if c >= 0xe0 {
				want = 3
			}
			if n < want {
				return len(b) - n
			}
			return len(b)
		}
	}
	return len(b)
}

// Run has the plugin carry an order out and hands what it prints to out, at most
// maxBytes of it; what comes after is counted in lost. callErr says that the call
// itself failed: nobody knows what was done.
func (c *Client) Run(ctx context.Context, o remedy.Order, out io.Writer, maxBytes int) (outcome remedy.Outcome, lost int64, err, callErr error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &pluginpb.RunRequest{Key: valid(o.Key), Remedy: valid(o.Remedy), Parameters: validMap(o.Parameters), DryRun: o.DryRun, Pin: valid(o.Pin), TimeoutMs: o.Timeout.Milliseconds()}
	stream, err := c.remedy.Run(ctx, r)
	if err != nil {
		return outcome, 0, nil, err
	}
	for left := maxBytes; ; {
		part, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return outcome, lost, nil, errors.New("the plugin ended a run without an outcome")
		case err != nil:
			return outcome, lost, nil, err
		case part.GetFailure() != nil:
			return outcome, lost, refused(part.GetFailure()), nil
		case part.GetOutcome() != nil:
			return outcomeFrom(part.GetOutcome()), lost, nil, nil
		}
		text := part.GetOutput()
		take := strings.ToValidUTF8(text[:min(len(text), left)], "")
		left -= len(take)
		if len(take) < len(text) {
			left = 0
			lost += int64(len(text) - len(take))
		}
		if _, err := io.WriteString(out, take); err != nil {
			return outcome, lost, nil, fmt.Errorf("keep output: %w", err)
		}
	}
}

// FindRun asks the plugin what became of an order.
func (c *Client) FindRun(ctx context.Context, key string) (o remedy.Outcome, found bool, err, callErr error) {
	reply, err := c.remedy.FindRun(ctx, &pluginpb.FindRunRequest{Key: valid(key)})
	switch {
	case err != nil:
		return o, false, nil, err
	case reply.GetFailure() != nil:
		return o, false, refused(reply.GetFailure()), nil
	case !reply.GetFound():
		return o, false, nil, nil
	}
	return outcomeFrom(reply.GetOutcome()), true, nil, nil
}
