package app

import (
	"context"
	"fmt"
	"math"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"time"

	"github.com/faultline/faultline/agent/budget"
	"github.com/faultline/faultline/internal/selfmetric"
)

// memoryEvery is how often the agent looks how much memory it uses.
const memoryEvery = 5 * time.Second

// memoryMetrics are what it tells of it.
type memoryMetrics struct{ used, limit *selfmetric.Gauge }

func newMemoryMetrics(r selfmetric.Registerer, limit int64) memoryMetrics {
	m := memoryMetrics{
		used:  selfmetric.NewGauge(selfmetric.Opts{Name: "faultline_agent_memory_bytes", Help: "Memory that the agent holds, without its program's file."}),
		limit: selfmetric.NewGauge(selfmetric.Opts{Name: "faultline_agent_memory_limit_bytes", Help: "Memory that the agent may hold."}),
	}
	m.limit.Set(float64(limit))
	r.MustRegister(m.used, m.limit)
	return m
}

// boundMemory keeps the agent within its memory: the garbage collector works harder
// the nearer the bound is, and where that does not suffice targets are left out,
// until ctx ends.
func (a *App) boundMemory(ctx context.Context, every time.Duration) error {
	limit := a.cfg.Memory.MaxBytes
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(limit / 100 * 95))
	m, b := newMemoryMetrics(a.reg, limit), budget.New(uint64(limit)) //nolint:gosec // validated: positive
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case now := <-tick.C:
			used := memoryUsed()
			if b.Over(used) {
				debug.FreeOSMemory()
				used = memoryUsed()
			}
			m.used.Set(float64(used))
			a.stayWithin(b, used, now)
		}
	}
}

// stayWithin leaves targets out, or takes them back.
func (a *App) stayWithin(b *budget.Budget, used uint64, now time.Time) {
	var targets []budget.Target
	for _, t := range a.schedule.Status() {
		targets = append(targets, budget.Target{ID: t.ID, Input: t.Input, Series: t.Samples, LeftOut: t.LeftOut})
	}
	d := b.Look(used, targets, now)
	if len(d.Leave) > 0 {
		a.schedule.LeaveOut(d.Leave, fmt.Sprintf("left out: the agent uses %d MiB of the %d MiB it may (memory.max_bytes)", used>>20, a.cfg.Memory.MaxBytes>>20))
		a.log.Error("memory is used up: targets are left out", "used_mib", used>>20, "may_mib", a.cfg.Memory.MaxBytes>>20, "targets", strings.Join(d.Leave, " "), "left_out", len(b.Left()),
			"hint", "raise memory.max_bytes in the agent's settings, or have another agent measure some of them")
	}
	if len(d.Back) > 0 {
		a.schedule.TakeBack(d.Back)
		a.log.Info("there is memory again: targets are taken back", "used_mib", used>>20, "targets", strings.Join(d.Back, " "), "left_out", len(b.Left()))
	}
}

// memoryUsed is what the Go runtime holds of the system, in bytes.
func memoryUsed() uint64 {
	is := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(is)
	total, released := is[0].Value.Uint64(), is[1].Value.Uint64()
	if released > total {
		return math.MaxInt64
	}
	return total - released
}
