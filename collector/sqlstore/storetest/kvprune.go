package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/incident"
)

// testSettled tells incidents that were closed long ago, or never were, from
// those that are open or were closed lately, also when there are many.
func testSettled(t *testing.T, e *env) {
	e.mustOpen(t, "0001")
	h := e.mustOpen(t, "0002")
	closed := event(incident.Closed, "")
	closed.Reason = "done"
	at := t0.Add(time.Minute)
	h.i.State, h.i.ClosedAt = incident.StateClosed, at
	if err := e.commit(t.Context(), h.change(t, closed)); err != nil {
		t.Fatal(err)
	}
	ask := func(before time.Time, ids ...string) []string {
		t.Helper()
		got, err := e.store.Settled(t.Context(), ids, before)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := ask(at, "0001", "0002", "nobody"); !slices.Equal(got, []string{"nobody"}) {
		t.Errorf("settled before its end: %v", got)
	}
	if got := ask(at.Add(time.Second), "0001", "0002", "nobody"); !slices.Equal(got, []string{"0002", "nobody"}) {
		t.Errorf("settled after its end: %v", got)
	}
	many := []string{"0001"}
	for n := range 450 {
		many = append(many, fmt.Sprint("x", n))
	}
	if got := ask(at, many...); !slices.Equal(got, many[1:]) {
		t.Errorf("of 450 unknown ones %d are settled", len(got))
	}
	if got := ask(at); len(got) != 0 {
		t.Errorf("of none %v are settled", got)
	}
}
