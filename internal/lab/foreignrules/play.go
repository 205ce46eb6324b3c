package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/collector/metricstore/embedded"
	"github.com/faultline/faultline/collector/ruler"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// act is something that is done to what is measured, and for how long it is played
// on. The time is played and not waited for: every reading is taken as one step
// later than the last, and what is done to a server between two readings is done
// as fast as it goes.
type act struct {
	name  string
	begin func(context.Context) error // once, may be nil
	each  func(context.Context) error // before each reading, may be nil
	steps int                         // readings
	step  time.Duration               // 0: 15 s
}

// measured is a target of an input of the agent, with the labels that the
// collector gives it.
type measured struct {
	in     input.Input
	target base.Target
	labels map[string]string
}

// theatre is where acts are played: a store, the rules and the played clock.
type theatre struct {
	store   *embedded.Store
	ruler   *ruler.Ruler
	rules   []string // names, as the file has them
	unloads map[string]string
	now     time.Time
	targets []measured
	fired   map[string]string // rule → the act in which it fired first, and when
	done    func()
}

// newTheatre loads each rule of the file as it is; one that does not load is
// remembered with the reason.
func newTheatre(file string) (*theatre, error) {
	h := &theatre{unloads: map[string]string{}, fired: map[string]string{}, now: time.Now().Truncate(time.Second)}
	rules, err := publishedIn(file)
	if err != nil {
		return nil, err
	}
	all := &ruler.Rules{}
	for _, r := range rules {
		h.rules = append(h.rules, r.name)
		if r.err != nil {
			h.unloads[r.name] = strings.Join(strings.Fields(r.err.Error()), " ")
			continue
		}
		all.List = append(all.List, r.rules.List...)
	}
	dir, err := os.MkdirTemp("", "foreignrules-store-")
	if err != nil {
		return nil, err
	}
	if h.store, err = embedded.Open(embedded.Options{Dir: filepath.Join(dir, "store"), MinFree: 1, Now: h.clock}); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	h.done = func() { _ = h.store.Close(); _ = os.RemoveAll(dir) }
	if h.ruler, err = ruler.New(ruler.Options{Querier: h.store, Rules: all}); err != nil {
		h.done()
		return nil, err
	}
	return h, nil
}

// clock is the played time, for inputs.
func (h *theatre) clock() time.Time { return h.now }

// play plays one act after the other.
func (h *theatre) play(ctx context.Context, acts []act) error {
	for _, a := range acts {
		if a.begin != nil {
			if err := a.begin(ctx); err != nil {
				return fmt.Errorf("%s: %w", a.name, err)
			}
		}
		begin := h.now
		for range a.steps {
			if a.each != nil {
				if err := a.each(ctx); err != nil {
					return fmt.Errorf("%s: %w", a.name, err)
				}
			}
			firing, err := h.round(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", a.name, err)
			}
			for _, name := range firing {
				if _, ok := h.fired[name]; !ok {
					h.fired[name] = fmt.Sprintf("fires after %s of %q", h.now.Sub(begin), a.name)
				}
			}
			step := a.step
			if step == 0 {
				step = 15 * time.Second
			}
			h.now = h.now.Add(step)
		}
	}
	return nil
}

// round measures every target as the agent's schedule does, and evaluates.
func (h *theatre) round(ctx context.Context) ([]string, error) {
	var series []metricstore.Series
	for _, m := range h.targets {
		k := &keeper{labels: m.labels, at: h.now}
		limited, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := m.in.Gather(limited, m.target, k)
		cancel()
		up := 1.0
		if err != nil && !errors.As(err, new(input.Partial)) {
			up = 0
		}
		k.Sample(base.Sample{Labels: base.LabelsFrom("up", nil), Value: up})
		series = append(series, k.series...)
	}
	if _, err := h.store.Append(ctx, series); err != nil {
		return nil, err
	}
	round, err := h.ruler.Eval(ctx, h.now)
	if err != nil && round.Now.IsZero() {
		return nil, err
	}
	if aerr := h.ruler.Accept(round); aerr != nil {
		return nil, errors.Join(err, aerr)
	}
	firing := map[string]bool{}
	for _, a := range round.Firing {
		firing[a.Name] = true
	}
	return slices.Sorted(maps.Keys(firing)), nil
}

// report says of each rule what became of it.
func (h *theatre) report(out io.Writer, file string) {
	n := 0
	for _, r := range h.rules {
		switch at, ok := h.fired[r]; {
		case h.unloads[r] != "":
			fmt.Fprintf(out, "%-22s %-44s does not load: %s\n", file, r, h.unloads[r])
		case !ok:
			fmt.Fprintf(out, "%-22s %-44s does not fire\n", file, r)
		default:
			n++
			fmt.Fprintf(out, "%-22s %-44s %s\n", file, r, at)
		}
	}
	fmt.Fprintf(out, "\n%s: %d of %d rules load, %d fire\n", file, len(h.rules)-len(h.unloads), len(h.rules), n)
}
