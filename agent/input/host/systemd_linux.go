package host

import (
	"bytes"
	"context"
	"strings"
	"time"

	"github.com/faultline/faultline/agent/input/systemd"
)

// mostUnits bounds the units told.
const mostUnits = 1000

// unitStates are the active states of a unit, in node_exporter's order.
var unitStates = [...]string{"active", "activating", "deactivating", "inactive", "failed"}

// skipUnits are the kinds that node_exporter leaves out by default.
var skipUnits = [...]string{".automount", ".device", ".mount", ".scope", ".slice"}

func newUnits(root string) *units {
	return &units{list: func(ctx context.Context, each func(name, load, active []byte)) (string, error) {
		return systemd.List(ctx, root, each)
	}}
}

// units tells the state of systemd's units as node_exporter does, without the
// label type, which takes a question for each service. systemd is asked in every
// poll; a unit that is as it was is told once a minute.
type units struct {
	list func(ctx context.Context, each func(name, load, active []byte)) (state string, err error)
	last map[string]int // state by name, as told last
	told time.Time      // when all were told
}

func (u *units) read(ctx context.Context, e *emitter) error {
	now := e.now()
	all := u.last == nil || now.Sub(u.told) >= unitsPace || now.Before(u.told)
	if all {
		u.told = now
	}
	was := u.last
	u.last = make(map[string]int, len(was))
	var counts [len(unitStates)]int
	whole, err := u.list(ctx, func(name, load, active []byte) {
		state := stateOf(active)
		if string(load) != "loaded" || state < 0 || skipped(name) {
			return
		}
		counts[state]++
		if len(u.last) == mostUnits {
			return
		}
		n := e.word(name)
		u.last[n] = state
		if before, known := was[n]; all || !known || before != state {
			for i, s := range unitStates {
				e.put("node_systemd_unit_state", truth(i == state), "name", n, "state", s)
			}
		}
	})
	if err != nil {
		u.last = nil
		return err
	}
	for i, s := range unitStates {
		e.put("node_systemd_units", float64(counts[i]), "state", s)
	}
	e.put("node_systemd_system_running", truth(whole == "running"))
	return nil
}

func stateOf(active []byte) int {
	for i, s := range unitStates {
		if string(active) == s {
			return i
		}
	}
	return -1
}

func skipped(name []byte) bool {
	i := bytes.LastIndexByte(name, '.')
	for _, s := range skipUnits {
		if i >= 0 && strings.EqualFold(string(name[i:]), s) {
			return true
		}
	}
	return false
}
