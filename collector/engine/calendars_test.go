package engine

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/faultline/faultline/collector/sla"
	"github.com/faultline/faultline/rules"
)

// otherHours are the shipped calendars with a working day that ends later.
func otherHours(t *testing.T) *sla.Calendars {
	t.Helper()
	dir, err := fs.Sub(rules.FS(), "calendars")
	if err != nil {
		t.Fatal(err)
	}
	changed := fstest.MapFS{}
	files, err := fs.Glob(dir, "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		text, err := fs.ReadFile(dir, name)
		if err != nil {
			t.Fatal(err)
		}
		changed[name] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(string(text), "13:00-17:00", "13:00-20:00"))}
	}
	cals, err := sla.Load(changed)
	if err != nil {
		t.Fatal(err)
	}
	return cals
}

// TestRecount: other calendars change each open incident's ledger once, by few
// commits, and what is done already or closed is left alone.
func TestRecount(t *testing.T) {
	b := newBench(t)
	const incidents = 2*recountsOnce + 3
	for n := range incidents {
		cause := lineCause(fmt.Sprint("a", n))
		cause.Cause, cause.Device = fmt.Sprint("line/l", n), fmt.Sprint("l", n)
		b.causes = append(b.causes, cause)
	}
	firing := make([]string, incidents)
	for n := range firing {
		firing[n] = fmt.Sprint("a", n)
	}
	b.must(b.round(firing...))
	if len(b.store.incidents) != incidents {
		t.Fatalf("%d incidents are open, want %d", len(b.store.incidents), incidents)
	}
	same, err := b.engine.Recount(t.Context())
	if err != nil || same != 0 {
		t.Fatalf("the same calendars: %d counted anew, %v", same, err)
	}
	cals, before := otherHours(t), b.store.commits
	b.engine.Publish(b.engine.o.History.Publish(sla.Published{At: b.now, By: "li", Calendars: cals}))
	b.now = b.now.Add(time.Second)
	changed, err := b.engine.Recount(t.Context())
	if err != nil || changed != incidents {
		t.Fatalf("%d of %d were counted anew: %v", changed, incidents, err)
	}
	if commits := b.store.commits - before; commits != 3 {
		t.Errorf("%d commits, want 3 of at most %d incidents", commits, recountsOnce)
	}
	for id, i := range b.store.incidents {
		if last := i.Ledger[len(i.Ledger)-1]; last.Version != cals.Version() {
			t.Errorf("%s is still counted by %s", id, last.Version)
		}
	}
	if again, err := b.engine.Recount(t.Context()); err != nil || again != 0 {
		t.Errorf("a second time: %d, %v", again, err)
	}
}
