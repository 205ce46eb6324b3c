package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing/fstest"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/collector/metricstore/embedded"
	"github.com/faultline/faultline/collector/ruler"
	"github.com/faultline/faultline/plugins/base"
)

// The time that is played, without waiting for it: a quiet week in long steps, by
// the end of which holds of a week are over, then half an hour of faults.
const (
	week     = 7*24*time.Hour + time.Hour
	weekStep = 5 * time.Minute
	faulty   = 30 * time.Minute
	step     = 15 * time.Second
)

// source measures a thing in a moment of the played time, with an input of the
// agent; ill tells whether its faults have begun.
type source interface {
	measure(ctx context.Context, at time.Time, ill bool, sink *keeper) error
}

// keeper takes samples and gives them the labels of a target.
type keeper struct {
	labels map[string]string
	at     time.Time
	series []metricstore.Series
}

// Sample keeps one sample.
func (k *keeper) Sample(s base.Sample) {
	ls := map[string]string{}
	for _, l := range s.Labels {
		ls[l.Name] = l.Value
	}
	name := ls[base.MetricName]
	delete(ls, base.MetricName)
	for n, v := range k.labels {
		if ls[n] == "" {
			ls[n] = v
		}
	}
	k.series = append(k.series, metricstore.Series{Labels: base.LabelsFrom(name, ls), Points: []metricstore.Point{{T: k.at.UnixMilli(), V: s.Value}}})
}

// Block keeps the block's samples one by one.
func (k *keeper) Block(b base.Block) {
	for s := range b.Samples() {
		k.Sample(s)
	}
}

// Event is of no use here.
func (k *keeper) Event(base.Event) {}

// provoke plays a host's faults and says which rules fire in our ruler on what
// our input made of them.
func provoke(ctx context.Context, out io.Writer, dir string) error {
	work, err := os.MkdirTemp("", "foreignrules-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	store, err := embedded.Open(embedded.Options{Dir: filepath.Join(work, "store"), MinFree: 1})
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	h, err := newHost(filepath.Join(work, "host"))
	if err != nil {
		return err
	}
	defer h.close()
	long, short, err := rulers(filepath.Join(dir, "node-exporter.yml"), store)
	if err != nil {
		return err
	}
	fired := map[string]time.Time{}
	now := time.Now().Truncate(step).Add(-week - faulty)
	begin := now
	for end := now.Add(week); now.Before(end); now = now.Add(weekStep) {
		if err := moment(ctx, h, store, now, false, long, fired); err != nil {
			return err
		}
	}
	if err := moment(ctx, h, store, now, false, short, fired); err != nil { // what a quiet week is enough for
		return err
	}
	now = now.Add(step)
	for end := now.Add(faulty); now.Before(end); now = now.Add(step) {
		if err := moment(ctx, h, store, now, true, short, fired); err != nil {
			return err
		}
	}
	n := 0
	for _, r := range slices.Concat(long.list, short.list) {
		at, ok := fired[r]
		if !ok {
			fmt.Fprintf(out, "%-48s does not fire\n", r)
			continue
		}
		n++
		fmt.Fprintf(out, "%-48s fires after %s\n", r, at.Sub(begin))
	}
	fmt.Fprintf(out, "\n%d of %d rules fire\n", n, len(long.list)+len(short.list))
	for _, m := range h.missing {
		fmt.Fprintln(out, "not played:", m)
	}
	return nil
}

// judged are rules with their ruler.
type judged struct {
	*ruler.Ruler
	list []string
}

// rulers parts the rules whose hold is longer than the faults last from the rest,
// as the file has them.
func rulers(file string, store ruler.Querier) (long, short judged, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return long, short, err
	}
	var doc struct {
		Groups []struct {
			Name  string           `yaml:"name"`
			Rules []map[string]any `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return long, short, fmt.Errorf("%s: %w", file, err)
	}
	var parts [2][]any
	for _, g := range doc.Groups {
		for _, r := range g.Rules {
			hold, _ := r["for"].(string)
			which, j := 1, &short
			if slices.Contains([]string{"1w", "6h", "4h", "1h"}, hold) {
				which, j = 0, &long
			}
			parts[which] = append(parts[which], r)
			name, _ := r["alert"].(string)
			j.list = append(j.list, name)
		}
	}
	for i, j := range []*judged{&long, &short} {
		one, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "foreign", "rules": parts[i]}}})
		if err != nil {
			return long, short, err
		}
		rules, err := ruler.Load(fstest.MapFS{"rules.yaml": {Data: one}})
		if err != nil {
			return long, short, err
		}
		if j.Ruler, err = ruler.New(ruler.Options{Querier: store, Rules: rules}); err != nil {
			return long, short, err
		}
	}
	return long, short, nil
}

// moment measures and evaluates once.
func moment(ctx context.Context, s source, store *embedded.Store, now time.Time, ill bool, r judged, fired map[string]time.Time) error {
	k := &keeper{labels: map[string]string{"job": "node", "instance": "srv", "device": "srv", "site": "s"}, at: now}
	if err := s.measure(ctx, now, ill, k); err != nil {
		return err
	}
	if _, err := store.Append(ctx, k.series); err != nil {
		return err
	}
	round, err := r.Eval(ctx, now)
	if err != nil && round.Now.IsZero() {
		return err
	}
	if aerr := r.Accept(round); aerr != nil {
		return errors.Join(err, aerr)
	}
	for _, a := range round.Firing {
		if _, ok := fired[a.Name]; !ok {
			fired[a.Name] = now
		}
	}
	return nil
}
