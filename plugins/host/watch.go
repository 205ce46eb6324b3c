package host

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// watch looks after a running plugin until it ends, has to be ended, or ctx
// ends.
func (r *run) watch(ctx context.Context) (reason string, err error) {
	u := r.unit
	health := time.NewTicker(u.pace.Health)
	defer health.Stop()
	memory := time.NewTicker(u.pace.Watch)
	defer memory.Stop()
	sick := r.nurse(ctx, health.C)
	for {
		select {
		case <-ctx.Done():
			return endStopped, ctx.Err()
		case <-r.proc.done:
			return r.gone()
		case text := <-u.struck:
			r.proc.killGroup()
			return endHung, fmt.Errorf("plugin %s: %s", u.spec.Name, text)
		case err := <-sick:
			r.proc.killGroup()
			return endUnhealthy, err
		case <-memory.C:
			used := r.used()
			if used > u.limits.Memory {
				r.proc.killGroup()
				return endMemory, fmt.Errorf("plugin %s: used %d MiB of memory, %d are allowed (limits.memory)", u.spec.Name, used>>20, u.limits.Memory>>20)
			}
			memory.Reset(u.nextLook(used))
		}
	}
}

// nextLook is how long a plugin's memory need not be looked at: a look costs, and one
// far from its bound is in no hurry.
func (u *unit) nextLook(used int64) time.Duration {
	if used < u.limits.Memory/2 {
		return calmLooks * u.pace.Watch
	}
	return u.pace.Watch
}

// calmLooks is how many looks one stands for while a plugin is far from its bound.
const calmLooks = 4

// used looks at the plugin's memory. It is called by watch alone.
func (r *run) used() int64 {
	n := r.look.resident(r.proc.pid)
	r.unit.mu.Lock()
	r.unit.memory = n
	r.unit.mu.Unlock()
	if r.fence.by() == "cgroup" {
		return 0 // the kernel holds it
	}
	return n
}

// gone is why a process ended by itself.
func (r *run) gone() (string, error) {
	if r.fence.overrun() > 0 {
		return endMemory, fmt.Errorf("plugin %s: ended by the kernel at %d MiB of memory (limits.memory)", r.unit.spec.Name, r.unit.limits.Memory>>20)
	}
	return endExited, fmt.Errorf("plugin %s: %s", r.unit.spec.Name, r.exit())
}

// nurse asks the plugin how it is, beside the watch, which must not wait. Three
// questions in a row without a good answer, and the error comes.
func (r *run) nurse(ctx context.Context, tick <-chan time.Time) <-chan error {
	sick := make(chan error, 1)
	go func() {
		for bad := 0; ; {
			select {
			case <-ctx.Done():
				return
			case <-tick:
			}
			pctx, cancel := context.WithTimeout(ctx, r.unit.pace.Answer)
			err := r.rpc.Ping(pctx)
			cancel()
			if err == nil || errors.Is(ctx.Err(), context.Canceled) {
				bad = 0
				continue
			}
			if bad++; bad >= 3 {
				sick <- fmt.Errorf("plugin %s does not say it is well: %w", r.unit.spec.Name, err)
				return
			}
		}
	}()
	return sick
}
