package chat

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/faultline/faultline/collector/effect/notify/budget"
)

// kv is a Store in memory; it fails while broken is set.
type kv struct {
	mu     sync.Mutex
	m      map[string]string
	broken bool
}

var errDisk = errors.New("disk is full")

func (k *kv) KVList(_ context.Context, prefix string) (map[string]string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := maps.Clone(k.m)
	maps.DeleteFunc(out, func(n, _ string) bool { return !strings.HasPrefix(n, prefix) })
	if out == nil {
		out = map[string]string{}
	}
	return out, nil
}

func (k *kv) KVPut(_ context.Context, name, value string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.broken {
		return errDisk
	}
	if k.m == nil {
		k.m = map[string]string{}
	}
	k.m[name] = value
	return nil
}

func (k *kv) KVDelete(_ context.Context, names ...string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.broken {
		return errDisk
	}
	for _, n := range names {
		delete(k.m, n)
	}
	return nil
}

// count is how many names begin with the prefix.
func (k *kv) count(part string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := 0
	for name := range k.m {
		if strings.Contains(name, part) {
			n++
		}
	}
	return n
}

func (k *kv) setBroken(b bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.broken = b
}

var decisionSingle = budget.Decision{What: budget.Single}

func contextWithCancel(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}
