package runner

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"github.com/faultline/faultline/plugins/remedy"
)

// Late is a runner that knows its work once its settings came, as those of a
// plugin do.
type Late struct {
	name   string
	make   func(settings map[string]string) (*Runner, error)
	runner atomic.Pointer[Runner]
}

// NewLate returns a Late of this name, whose runner from makes.
func NewLate(name string, from func(settings map[string]string) (*Runner, error)) *Late {
	return &Late{name: name, make: from}
}

var errEarly = &remedy.Error{Op: "start", Again: true, Err: errors.New("the settings have not come yet")}

// Name implements remedy.Runner.
func (l *Late) Name() string { return l.name }

// Run implements remedy.Runner.
func (l *Late) Run(ctx context.Context, o remedy.Order, out io.Writer) (remedy.Outcome, error) {
	if r := l.runner.Load(); r != nil {
		return r.Run(ctx, o, out)
	}
	return remedy.Outcome{}, errEarly
}

// Find implements remedy.Runner.
func (l *Late) Find(ctx context.Context, key string) (remedy.Outcome, bool, error) {
	if r := l.runner.Load(); r != nil {
		return r.Find(ctx, key)
	}
	return remedy.Outcome{}, false, errEarly
}

// Configure takes the settings, as rpc.Plugin.Configure does.
func (l *Late) Configure(_ context.Context, settings map[string]string) error {
	r, err := l.make(settings)
	if err != nil {
		return err
	}
	l.runner.Store(r)
	return nil
}
