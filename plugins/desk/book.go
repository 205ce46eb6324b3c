package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
)

// Memory is a Book that forgets when the program ends.
type Memory struct {
	mu sync.Mutex
	m  map[string]Reservation
}

// NewMemory returns an empty one.
func NewMemory() *Memory { return &Memory{m: map[string]Reservation{}} }

// Reserve implements Book.
func (b *Memory) Reserve(_ context.Context, name string, r Reservation) (Reservation, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if kept, ok := b.m[name]; ok {
		return kept, false, nil
	}
	b.m[name] = r
	return r, true, nil
}

// Note implements Book.
func (b *Memory) Note(_ context.Context, name string, r Reservation) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.m[name] = r
	return nil
}

// Look implements Book.
func (b *Memory) Look(_ context.Context, name string) (Reservation, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, ok := b.m[name]
	return r, ok, nil
}

// KV keeps small settings; sqlstore.Store does.
type KV interface {
	KVGet(ctx context.Context, name string) (string, error)
	KVPut(ctx context.Context, name, value string) error
	KVInit(ctx context.Context, name, value string) (string, error)
}

// Kept is a Book in a KV.
type Kept struct {
	KV       KV
	NotFound error // what KVGet returns for a name that is not there
}

// Reserve implements Book. KVInit decides between two who come at once, by the
// value: equal reservations are one and the same.
func (b Kept) Reserve(ctx context.Context, name string, r Reservation) (Reservation, bool, error) {
	kept, known, err := b.Look(ctx, name)
	if err != nil || known {
		return kept, false, err
	}
	want, err := json.Marshal(r)
	if err != nil {
		return r, false, err
	}
	got, err := b.KV.KVInit(ctx, name, string(want))
	if err != nil {
		return r, false, err
	}
	if got == string(want) {
		return r, true, nil
	}
	return kept, false, b.decode(name, got, &kept)
}

// Note implements Book.
func (b Kept) Note(ctx context.Context, name string, r Reservation) error {
	v, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return b.KV.KVPut(ctx, name, string(v))
}

// Look implements Book.
func (b Kept) Look(ctx context.Context, name string) (r Reservation, known bool, err error) {
	v, err := b.KV.KVGet(ctx, name)
	if errors.Is(err, b.NotFound) {
		return r, false, nil
	}
	if err != nil {
		return r, false, err
	}
	return r, true, b.decode(name, v, &r)
}

func (Kept) decode(name, v string, r *Reservation) error {
	if err := json.Unmarshal([]byte(v), r); err != nil {
		return fmt.Errorf("reservation %s: %w", name, err)
	}
	return nil
}
