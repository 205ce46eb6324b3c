package lease

import "context"

// holding is what a context says of the lease under which it works.
type holding struct {
	generation int64
	fence      func(context.Context) error
}

type holdingKey struct{}

// With returns a context for what is done in the holder's name, under the
// generation; fence asks whether that is still the current one. OnGain's context
// is one, and so are all made of it: what the store is given with them is refused
// once another collector holds the lease.
func With(ctx context.Context, generation int64, fence func(context.Context) error) context.Context {
	return context.WithValue(ctx, holdingKey{}, holding{generation, fence})
}

// GenerationOf returns the generation that ctx works under; ok is false for what
// every collector may do.
func GenerationOf(ctx context.Context) (generation int64, ok bool) {
	h, ok := ctx.Value(holdingKey{}).(holding)
	return h.generation, ok
}

// Check asks right before something leaves that cannot be taken back: it fails
// with ErrLost when ctx works under a lease that is another collector's by now,
// as it is after having been frozen. Without a lease in ctx it returns nil.
func Check(ctx context.Context) error {
	h, ok := ctx.Value(holdingKey{}).(holding)
	if !ok || h.fence == nil {
		return nil
	}
	return h.fence(ctx)
}
