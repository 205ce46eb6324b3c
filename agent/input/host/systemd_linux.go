package host

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/agent/input/systemd"
)

// mostUnits bounds the units told, mostAsked the services that systemd is asked about
// one by one.
const (
	mostUnits = 1000
	mostAsked = 200
)

// unitStates are the active states of a unit, in node_exporter's order.
var unitStates = [...]string{"active", "activating", "deactivating", "inactive", "failed"}

// skipUnits are the kinds that node_exporter leaves out by default.
var skipUnits = [...]string{".automount", ".device", ".mount", ".scope", ".slice"}

func newUnits(root string) *units {
	return &units{list: func(ctx context.Context, each func(name, load, active []byte)) (string, error) {
		return systemd.List(ctx, root, each)
	}, restarts: func(ctx context.Context, services []string, each func(name string, n uint32)) error {
		return systemd.Restarts(ctx, root, services, each)
	}}
}

// units tells the state of systemd's units as node_exporter does, without the
// label type, which takes a question for each service. systemd is asked in every
// poll; a unit that is as it was is told once a minute, and so is how often systemd
// has started a service again, of those that run, try to or failed.
type units struct {
	list     func(ctx context.Context, each func(name, load, active []byte)) (state string, err error)
	restarts func(ctx context.Context, services []string, each func(name string, n uint32)) error
	last     map[string]int // state by name, as told last
	told     time.Time      // when all were told
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
	if !all {
		return nil
	}
	return u.restarts(ctx, u.services(), func(name string, n uint32) {
		e.put("node_systemd_service_restart_total", float64(n), "name", name)
	})
}

// services are those of the units told last that somebody or something started, in
// the order of their names.
func (u *units) services() []string {
	var names []string
	for name, state := range u.last {
		if unitStates[state] != "inactive" && strings.HasSuffix(name, ".service") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names[:min(len(names), mostAsked)]
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
