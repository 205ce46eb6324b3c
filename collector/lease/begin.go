package lease

import (
	"context"
	"sync"
)

// mark is how an attempt says durably that it begins what cannot be taken back.
type mark struct {
	write func(context.Context) error

	mu      sync.Mutex // guards written
	written bool
}

type markKey struct{}

// WithMark returns a context for an attempt at something that may be found in the
// middle after a crash: write is called by the first Begin, and what it keeps tells
// an attempt that had begun from one that was only planned. begun tells whether
// Begin has passed so far.
func WithMark(ctx context.Context, write func(context.Context) error) (marked context.Context, begun func() bool) {
	m := &mark{write: write}
	return context.WithValue(ctx, markKey{}, m), func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.written
	}
}

// Begin is called right before the first thing leaves that cannot be taken back:
// it writes the mark of ctx, once however often it is called, and asks Check. When
// it fails nothing may leave. Without a mark in ctx it is Check.
func Begin(ctx context.Context) error {
	if m, ok := ctx.Value(markKey{}).(*mark); ok {
		if err := m.once(ctx); err != nil {
			return err
		}
	}
	return Check(ctx)
}

// once writes the mark unless it is written.
func (m *mark) once(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.written {
		return nil
	}
	if err := m.write(ctx); err != nil {
		return err
	}
	m.written = true
	return nil
}

// SelfMarking is a sender that calls Begin itself, later than its caller could.
type SelfMarking interface{ Begins() }

// BeginBy is called right before a sender is: it is Begin, unless the sender is
// SelfMarking; then it is Check.
func BeginBy(ctx context.Context, sender any) error {
	if _, ok := sender.(SelfMarking); ok {
		return Check(ctx)
	}
	return Begin(ctx)
}
