// Package pipe lets the agent use input plugins without linking gRPC: a child,
// the program faultline-plugin-host, runs them and speaks with the agent over its
// standard input and output, in frames. The Client is the agent's end, Serve the
// child's. Neither judges what plugins say: plugins/host does, in the child.
package pipe

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/host/spec"
)

// kind is what a frame carries.
type kind byte

const (
	kindConfig kind = iota + 1 // to the child, first and once: Config
	kindGather                 // to the child: request
	kindCheck                  // to the child: request
	kindCancel                 // to the child: nothing
	kindBatch                  // to the agent: samples (internal/wire)
	kindEvents                 // to the agent: events (internal/wire)
	kindDone                   // to the agent: outcome
	kindStatus                 // to the agent: []spec.Status
)

// maxFrame bounds a frame, in bytes: what a plugin may answer, and some.
const maxFrame = 32 << 20

// headLen is a frame's head: length of the payload, kind, id of the call.
const headLen = 4 + 1 + 8

// Config is what the child is told first.
type Config struct {
	Plugins []spec.Plugin                `json:"plugins"`
	Values  map[string]map[string]string `json:"values"` // settings by plugin, secrets included: the pipe is ours alone
	Dir     string                       `json:"dir"`
	Debug   bool                         `json:"debug"`
}

type request struct {
	Input  string      `json:"input"`
	Target base.Target `json:"target"`
	Millis int64       `json:"millis"` // until the deadline
}

type outcome struct {
	Error   string `json:"error,omitempty"`
	Partial bool   `json:"partial,omitempty"`
	Not     bool   `json:"not,omitempty"` // measured: the error tells nothing of the target
}

// unmeasured is an error that tells nothing of the target: the plugin, or what
// runs it, is at fault.
type unmeasured struct{ error }

// NotMeasured is asked by whoever would take the target to be down.
func (unmeasured) NotMeasured() bool { return true }

// Unwrap returns the cause.
func (u unmeasured) Unwrap() error { return u.error }

// writer writes frames; it may be used from several goroutines.
type writer struct {
	mu sync.Mutex
	w  io.Writer
	b  []byte
}

func (w *writer) frame(k kind, id uint64, payload []byte) error {
	if len(payload) > maxFrame {
		return fmt.Errorf("frame of %d bytes: %d are allowed", len(payload), maxFrame)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.b = binary.BigEndian.AppendUint32(w.b[:0], uint32(len(payload))) //nolint:gosec // bounded above
	w.b = append(w.b, byte(k))
	w.b = binary.BigEndian.AppendUint64(w.b, id)
	w.b = append(w.b, payload...)
	_, err := w.w.Write(w.b)
	if cap(w.b) > 1<<20 {
		w.b = nil
	}
	return err
}

func (w *writer) json(k kind, id uint64, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode frame: %w", err)
	}
	return w.frame(k, id, b)
}

// reader reads frames from one goroutine. A payload is valid until the next.
type reader struct {
	r *bufio.Reader
	b []byte
}

func (r *reader) frame() (k kind, id uint64, payload []byte, err error) {
	var head [headLen]byte
	if _, err = io.ReadFull(r.r, head[:]); err != nil {
		return 0, 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[:4])
	if n > maxFrame {
		return 0, 0, nil, fmt.Errorf("frame of %d bytes: %d are allowed", n, maxFrame)
	}
	if cap(r.b) < int(n) || cap(r.b) > 1<<20 && n < 1<<16 {
		r.b = make([]byte, n)
	}
	r.b = r.b[:n]
	_, err = io.ReadFull(r.r, r.b)
	return kind(head[4]), binary.BigEndian.Uint64(head[5:]), r.b, err
}
