package handbook

import (
	"context"
	"fmt"
	"sort"
	"strings"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/process/versions"
)

// Moved is what became of one incident.
type Moved struct {
	ID, Number, From, To string // From, To: steps
	Problem              string // why it stayed
}

// Migrate moves the open incidents that are on a version to the one in force, by
// the map: where each step goes on. A faulty map moves nothing. An incident that
// changed meanwhile stays, and says so.
func (h *Handbook) Migrate(ctx context.Context, who Who, from string, m versions.Map, comment string) ([]Moved, error) {
	set := h.o.Set()
	old, known := set.Version(from)
	if !known {
		return nil, fmt.Errorf("%s: %w", from, ErrUnknown)
	}
	to, _ := set.Latest(old.ID)
	var err error
	switch {
	case !h.MayChange(who.Principal, old.ID):
		err = ErrForbidden
	case comment == "":
		err = ErrReason
	default:
		err = versions.CheckMap(old, to, m)
	}
	if err := h.audit(ctx, who, "process.migrate", from+" → "+to.Ref(), comment+" "+mapText(m), err); err != nil {
		return nil, err
	}
	open, err := h.o.Incidents(ctx)
	if err != nil {
		return nil, err
	}
	var out []Moved
	for _, i := range open {
		if i.ProcessVersion != from {
			continue
		}
		one := Moved{ID: i.ID, Number: i.Number, From: i.Step, To: m[i.Step]}
		err := h.o.Move(ctx, i.ID, func(i incident.Incident, env process.Env) (process.Result, error) {
			one.From, one.To = i.Step, m[i.Step]
			return versions.Migrate(i, old, to, m, who.Actor(""), env)
		})
		if err != nil {
			one.Problem = err.Error()
		}
		if err := h.audit(ctx, who, "incident.migrate", i.Number, one.From+" → "+one.To, err); err != nil && one.Problem == "" {
			return out, err
		}
		out = append(out, one)
	}
	return out, nil
}

func mapText(m versions.Map) string {
	var pairs []string
	for from, to := range m {
		pairs = append(pairs, from+"→"+to)
	}
	sort.Strings(pairs)
	return strings.Join(pairs, " ")
}
