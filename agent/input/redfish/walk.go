package redfish

import (
	"context"
	"fmt"

	"github.com/faultline/faultline/agent/input/failure"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// Bounds of what one service may have.
const (
	maxMembers = 64  // of a collection
	maxDrives  = 200 // of a storage subsystem
	maxFaults  = 5   // told of one reading
)

// walk is one reading of a service.
type walk struct {
	*client
	sink   input.Sink
	at     int64
	seen   map[string]bool // series told already
	read   int             // resources
	faults []error

	logServices []link
}

// fetch reads a resource; false when there is none or it cannot be read, which is
// then among the faults.
func (w *walk) fetch(ctx context.Context, l link, v any) bool {
	if l.ID == "" {
		return false
	}
	err := w.get(ctx, l.ID, v)
	switch {
	case err == nil:
		w.read++
		return true
	case failure.Reason(err) == failure.Missing:
		return false // links to what this model does not have are common
	case len(w.faults) < maxFaults:
		w.faults = append(w.faults, err)
	}
	return false
}

// members reads a collection's links.
func (w *walk) members(ctx context.Context, l link) []link {
	var c collection
	if !w.fetch(ctx, l, &c) {
		return nil
	}
	if len(c.Members) > maxMembers {
		w.faults = append(w.faults, failure.As(failure.TooLarge, fmt.Errorf("%s: %d members, of which %d are read", l.ID, len(c.Members), maxMembers)))
		c.Members = c.Members[:maxMembers]
	}
	return c.Members
}

// all reads the whole service.
func (w *walk) all(ctx context.Context) error {
	var s service
	if err := w.get(ctx, root, &s); err != nil {
		return err
	}
	if s.Systems.ID == "" && s.Chassis.ID == "" {
		return failure.As(failure.Malformed, fmt.Errorf("%s names neither systems nor chassis: is this a Redfish service?", root))
	}
	for _, l := range w.members(ctx, s.Systems) {
		w.system(ctx, l)
	}
	for _, l := range w.members(ctx, s.Chassis) {
		w.chassis(ctx, l)
	}
	for _, l := range w.members(ctx, s.Managers) {
		w.manager(ctx, l)
	}
	return nil
}

// put hands over one sample, unless the series was told already. A BMC whose
// parts share an id gets the first told.
func (w *walk) put(metric string, v float64, labels ...string) {
	m := make(map[string]string, len(labels)/2)
	for i := 0; i+1 < len(labels); i += 2 {
		m[labels[i]] = labels[i+1]
	}
	ls := base.LabelsFrom(metric, m)
	key := fmt.Sprint(ls)
	if w.seen[key] {
		return
	}
	w.seen[key] = true
	w.sink.Sample(base.Sample{Labels: ls, Time: w.at, Value: v})
}

// value hands over a number that is there.
func (w *walk) value(metric string, n number, labels ...string) {
	if n.ok {
		w.put(metric, n.v, labels...)
	}
}

// healths are Redfish's words for idrac_exporter's numbers.
var healths = map[text]float64{"OK": 0, "GoodInUse": 0, "Warning": 1, "Critical": 2}

// present tells whether a part is there at all.
func (c condition) present() bool { return c.State != "Absent" && c.State != "Disabled" }

// health tells a part's health: under the exporter's name with the word, and under
// ours without it, so that a part that gets better is the same series. Worse is a
// state known otherwise, such as a passed limit.
func (w *walk) health(metric, kind, id, name string, c condition, worse float64, labels ...string) {
	word := c.Health
	if word == "" {
		word = c.Rollup
	}
	v, ok := healths[word]
	if ok && metric != "" {
		w.put(metric, v, append(labels, "status", string(word))...)
	}
	if ok || worse > 0 {
		w.put("faultline_hardware_state", max(v, worse), "part", kind, "id", id, "name", name)
	}
}

func (w *walk) manager(ctx context.Context, l link) {
	var m manager
	if !w.fetch(ctx, l, &m) {
		return
	}
	w.put("idrac_manager_info", 1, "id", string(m.ID), "type", string(m.ManagerType), "model", string(m.Model), "firmware", string(m.FirmwareVersion))
	w.health("idrac_manager_health", "controller", string(m.ID), "BMC", m.Status, 0, "id", string(m.ID))
	w.logServices = append(w.logServices, m.LogServices)
}
