package versions

import (
	"errors"
	"fmt"
	"slices"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/process"
)

// Map says where an incident that stands in a step of one version goes on in
// another: old step → new step. Nothing is guessed, not even equal names.
type Map map[string]string

// CheckMap returns every fault of a map from one version to another: all steps
// in which an incident can stand must be in it, and lead to such steps.
func CheckMap(from, to *process.Definition, m Map) error {
	var faults []error
	if from.ID != to.ID || from.Ref() == to.Ref() {
		return fmt.Errorf("from %s to %s: want two versions of one process", from.Ref(), to.Ref())
	}
	for _, s := range from.Steps {
		if _, ok := m[s.ID]; !ok && !s.Final {
			faults = append(faults, fmt.Errorf("step %s of %s is not in the map", s.ID, from.Ref()))
		}
	}
	var olds []string
	for old := range m {
		olds = append(olds, old)
	}
	slices.Sort(olds)
	for _, old := range olds {
		o, known := from.Step(old)
		n, ok := to.Step(m[old])
		switch {
		case !known:
			faults = append(faults, fmt.Errorf("%s has no step %s", from.Ref(), old))
		case o.Final:
			faults = append(faults, fmt.Errorf("incidents in %s are closed and stay where they are", old))
		case !ok:
			faults = append(faults, fmt.Errorf("%s leads to %s, which %s has not", old, m[old], to.Ref()))
		case n.Final:
			faults = append(faults, fmt.Errorf("%s leads to %s, which is an end: nothing closes because its process changed", old, m[old]))
		case (o.Guard != nil) != (n.Guard != nil):
			faults = append(faults, fmt.Errorf("%s leads to %s: only one of them proves recovery", old, m[old]))
		}
	}
	return errors.Join(faults...)
}

// Migrate moves an open incident to an approved version by the map. The result
// is committed like every other; a person signs for it.
func Migrate(i incident.Incident, from, to *process.Definition, m Map, by incident.Actor, env process.Env) (process.Result, error) {
	switch {
	case !signed(by):
		return process.Result{}, ErrUnsigned
	case !i.Open():
		return process.Result{}, fmt.Errorf("incident %s is closed", i.Number)
	case i.ProcessVersion != from.Ref():
		return process.Result{}, fmt.Errorf("incident %s is on %s, not on %s", i.Number, i.ProcessVersion, from.Ref())
	}
	if err := CheckMap(from, to, m); err != nil {
		return process.Result{}, err
	}
	return process.Migrate(to, i, m[i.Step], by, env)
}
