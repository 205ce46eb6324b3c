package plugintest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/faultline/faultline/plugins/remedy"
)

// RemedyCase is a runner and what it is tried on.
type RemedyCase struct {
	Runner     remedy.Runner
	Remedy     string            // goes through, changes something, and prints
	Parameters map[string]string // of it
	Slow       string            // runs until it is ended; "": that is not tried
	// Ran tells how often Remedy was carried out, dry runs not counted; nil: only
	// the runner's own word is looked at.
	Ran func() int
}

// Remedy is the suite of runners.
func Remedy(c RemedyCase) []Check {
	checks := []Check{
		named(c.Runner.Name),
		{"a dry run says what would be, and changes nothing", c.dry},
		{"an order is carried out, and prints", c.once},
		{"an order is carried out once, however often it comes", c.repeated},
		{"an order that comes from two sides is carried out once", c.bothSides},
		{"what was never begun is not found", c.unknown},
		{"an unknown remedy is refused, and not begun", c.refused},
		{"a remedy that changed since its dry run is refused, and not begun", c.changed},
		{"parameters of no form are refused, and not begun", c.malformed},
	}
	if c.Slow != "" {
		checks = append(checks, Check{"a run ends when its time is over", c.late}, Check{"a run ends with its caller, and is known to be ended", c.left})
	}
	return append(checks, Check{"it works again afterwards", c.once})
}

const (
	runTime    = 90 * time.Second // of an ordinary run on a slow machine
	endingTime = 30 * time.Second // from being ended to having ended
)

func (c RemedyCase) order() remedy.Order {
	return remedy.Order{Key: fresh("run"), Remedy: c.Remedy, Parameters: c.Parameters, Timeout: runTime}
}

func (c RemedyCase) run(ctx context.Context, o remedy.Order) (out remedy.Outcome, printed string, err error) {
	var b bytes.Buffer
	err = within(runTime+endingTime, "run", func() (err error) {
		out, err = c.Runner.Run(ctx, o, &b)
		return err
	})
	return out, b.String(), err
}

// counted runs f and tells when the remedy was carried out another number of times.
func (c RemedyCase) counted(want int, f func() error) error {
	before := 0
	if c.Ran != nil {
		before = c.Ran()
	}
	if err := f(); err != nil || c.Ran == nil {
		return err
	}
	if got := c.Ran() - before; got != want {
		return fmt.Errorf("it was carried out %d times, want %d", got, want)
	}
	return nil
}

func ended(o remedy.Outcome, state string) error {
	switch {
	case o.State != state:
		return fmt.Errorf("state %q, want %q (%s)", o.State, state, o.Summary)
	case o.Pin == "":
		return errors.New("the outcome has no pin")
	}
	return nil
}

func (c RemedyCase) dry(ctx context.Context) error {
	return c.counted(0, func() error {
		o := c.order()
		o.DryRun = true
		out, printed, err := c.run(ctx, o)
		switch {
		case err != nil:
			return err
		case printed == "":
			return errors.New("nothing was printed")
		case out.Changed < 1:
			return errors.New("it says that it would change nothing")
		}
		return ended(out, remedy.Done)
	})
}

func (c RemedyCase) once(ctx context.Context) error {
	return c.counted(1, func() error {
		out, printed, err := c.run(ctx, c.order())
		if err != nil {
			return err
		}
		if printed == "" {
			return errors.New("nothing was printed")
		}
		return ended(out, remedy.Done)
	})
}

func (c RemedyCase) repeated(ctx context.Context) error {
	return c.counted(1, func() error {
		o := c.order()
		first, _, err := c.run(ctx, o)
		if err != nil {
			return err
		}
		again, _, err := c.run(ctx, o)
		if err != nil || again != first {
			return fmt.Errorf("the second time: %+v, want %+v: %w", again, first, orNone(err))
		}
		found, ok, err := c.Runner.Find(ctx, o.Key)
		if err != nil || !ok || found != first {
			return fmt.Errorf("found %v %+v, want %+v: %w", ok, found, first, orNone(err))
		}
		return nil
	})
}

func (c RemedyCase) bothSides(ctx context.Context) error {
	return c.counted(1, func() error {
		o := c.order()
		var wg sync.WaitGroup
		errs := make([]error, 4)
		for n := range errs {
			wg.Go(func() { _, _, errs[n] = c.run(ctx, o) })
		}
		wg.Wait()
		good := 0
		for _, err := range errs {
			if err == nil {
				good++
				continue
			}
			if err := notRun(err, true); err != nil {
				return err
			}
		}
		if good == 0 {
			return fmt.Errorf("nobody was told of the outcome: %w", errors.Join(errs...))
		}
		return nil
	})
}

// notRun checks what an error says of itself.
func notRun(err error, begun bool) error {
	var e *remedy.Error
	switch {
	case err == nil:
		return errors.New("no error")
	case !errors.As(err, &e):
		return fmt.Errorf("error of type %T, want *remedy.Error: %w", err, err)
	case e.Op == "" || e.Err == nil:
		return fmt.Errorf("the error names no operation or no cause: %w", err)
	case e.Begun != begun:
		return fmt.Errorf("begun: got %v, want %v: %w", e.Begun, begun, err)
	}
	return nil
}

func (c RemedyCase) unknown(ctx context.Context) error {
	if o, found, err := c.Runner.Find(ctx, fresh("never")); err != nil || found {
		return fmt.Errorf("found %v %+v: %w", found, o, orNone(err))
	}
	return nil
}

// notBegun wants the order to be refused and forgotten.
func (c RemedyCase) notBegun(ctx context.Context, o remedy.Order) error {
	return c.counted(0, func() error {
		_, _, err := c.run(ctx, o)
		if err := notRun(err, false); err != nil {
			return err
		}
		if _, found, err := c.Runner.Find(ctx, o.Key); err != nil || found {
			return fmt.Errorf("it is known as begun: %w", orNone(err))
		}
		return nil
	})
}

func (c RemedyCase) refused(ctx context.Context) error {
	o := c.order()
	o.Remedy = "there-is-none-of-this-name"
	if err := c.notBegun(ctx, o); err != nil {
		return err
	}
	o.Remedy = "../" + c.Remedy
	return c.notBegun(ctx, o)
}

func (c RemedyCase) changed(ctx context.Context) error {
	o := c.order()
	o.Pin = "sha256:" + strings.Repeat("0", 64)
	return c.notBegun(ctx, o)
}

func (c RemedyCase) malformed(ctx context.Context) error {
	for _, p := range []map[string]string{{"a b": "x"}, {"--x": "y"}, {"name": "two\nlines"}} {
		o := c.order()
		o.Parameters = p
		if err := c.notBegun(ctx, o); err != nil {
			return fmt.Errorf("%v: %w", p, err)
		}
	}
	return nil
}

func (c RemedyCase) late(ctx context.Context) error {
	o := remedy.Order{Key: fresh("slow"), Remedy: c.Slow, Timeout: 3 * time.Second}
	return within(o.Timeout+endingTime, "run", func() error {
		out, err := c.Runner.Run(ctx, o, &bytes.Buffer{})
		if err != nil {
			return err
		}
		return ended(out, remedy.Stopped)
	})
}

func (c RemedyCase) left(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	o := remedy.Order{Key: fresh("slow"), Remedy: c.Slow, Timeout: runTime}
	began := &signal{seen: make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = c.Runner.Run(ctx, o, began) // what it says now nobody hears
	}()
	select {
	case <-began.seen:
	case <-done:
		return errors.New("the slow remedy ended before it printed")
	case <-time.After(runTime):
		return errors.New("the slow remedy printed nothing")
	}
	cancel()
	if err := within(endingTime, "run", func() error { <-done; return nil }); err != nil {
		return err
	}
	for deadline := time.Now().Add(endingTime); ; { // a plugin may still be ending it
		out, found, err := c.Runner.Find(context.WithoutCancel(ctx), o.Key)
		switch {
		case err == nil && found && out.State == remedy.Stopped:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("found %v %+v, want it stopped: %w", found, out, orNone(err))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// signal tells when something is written.
type signal struct {
	once sync.Once
	seen chan struct{}
}

func (s *signal) Write(b []byte) (int, error) {
	s.once.Do(func() { close(s.seen) })
	return len(b), nil
}
