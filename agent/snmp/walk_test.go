package snmp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// cells is what a walk visited: values by column and index.
type cells map[string]int64

func (c cells) visit(t *testing.T) func(int, []byte, Value) {
	return func(col int, index []byte, v Value) {
		key := fmt.Sprintf("%d.%s", col+1, AppendIndex(nil, index))
		if _, twice := c[key]; twice {
			t.Errorf("%s was visited twice", key)
		}
		n, ok := v.Int64()
		if !ok {
			n = -int64(len(v.Bytes()))
		}
		c[key] = n
	}
}

// complete fails the test unless every cell of the grid but the missing ones was
// visited with its value.
func (c cells) complete(t *testing.T, columns, rows int, missing ...string) {
	t.Helper()
	lost := map[string]bool{}
	for _, m := range missing {
		lost[m] = true
	}
	for col := 1; col <= columns; col++ {
		for r := 1; r <= rows; r++ {
			key := fmt.Sprintf("%d.%d", col, r)
			got, there := c[key]
			if there == lost[key] {
				t.Errorf("cell %s: there is %v", key, there)
			}
			if there && got > 0 && got != int64(col*1000+r) {
				t.Errorf("cell %s: %d", key, got)
			}
		}
	}
	if len(c) != columns*rows-len(missing) {
		t.Errorf("%d cells, want %d", len(c), columns*rows-len(missing))
	}
}

const gridColumns, gridRows = 4, 50

// spoil replaces the value of one entry.
func spoil(entries []entry, at OID, value []byte) []entry {
	for i := range entries {
		if entries[i].oid == at {
			entries[i].value = value
		}
	}
	return entries
}

func isBulk(f func(q request, a *answer)) func(q request, a *answer) {
	return func(q request, a *answer) {
		if q.op == Bulk {
			f(q, a)
		}
	}
}

func holds(a *answer, oid OID) int {
	for i, e := range a.vbs {
		if e.oid == oid {
			return i + 1
		}
	}
	return 0
}

// TestWalk walks a table of agents that break in all the ways known, twice: what
// can be read is read, what cannot is said, and the second time it is known.
func TestWalk(t *testing.T) {
	for _, tt := range walkTests() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.entries == nil {
				tt.entries = grid(gridColumns, gridRows)
			}
			f := newFake(t, tt.entries).breaks(tt.edit)
			f.set(func() { f.limit = tt.limit })
			s := f.session(tt.config)
			var l Learned
			for round, most := range []int{tt.first, tt.again} {
				f.asked.Store(0)
				got := cells{}
				o, err := s.Walk(context.Background(), &l, columnsOf(gridColumns), got.visit(t))
				t.Logf("%d requests, %d varbinds, notes %q", f.asked.Load(), o.Varbinds, o.Notes)
				if err != nil {
					t.Fatalf("walk: %v", err)
				}
				got.complete(t, gridColumns, gridRows, tt.missing...)
				if n := int(f.asked.Load()); n > most || n != o.Requests {
					t.Errorf("round %d: %d requests (counted %d), want at most %d", round, n, o.Requests, most)
				}
				if text := faultsOf(o); !strings.Contains(text, tt.fault) || (tt.fault == "") != o.Whole() {
					t.Errorf("faults %q, want %q", text, tt.fault)
				}
				if notes := strings.Join(o.Notes, "; "); round == 0 && !strings.Contains(notes, tt.note) {
					t.Errorf("notes %q, want %q", notes, tt.note)
				}
				l = throughJSON(t, l)
			}
		})
	}
}

func faultsOf(o Outcome) string {
	var faults []string
	for _, c := range o.Columns {
		if c.Fault != nil {
			faults = append(faults, c.Fault.Error())
		}
	}
	return strings.Join(faults, "; ")
}

// throughJSON is what a restart makes of l.
func throughJSON(t *testing.T, l Learned) (back Learned) {
	b, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > 500 {
		t.Errorf("%d bytes of JSON: %s", len(b), b)
	}
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	return back
}

// TestWalkLosesDevice: a device that dies in the middle costs bounded time, and
// what was read stays.
func TestWalkLosesDevice(t *testing.T) {
	f := newFake(t, grid(gridColumns, gridRows))
	n := 0
	f.breaks(func(_ request, a *answer) {
		n++
		a.silent = n > 2
	})
	s := f.session(nil)
	got := cells{}
	begin := time.Now()
	o, err := s.Walk(context.Background(), &Learned{}, columnsOf(gridColumns), got.visit(t))
	if !Silent(err) || len(got) == 0 || o.Whole() {
		t.Errorf("%d cells, error %v, %+v", len(got), err, o)
	}
	if took, most := time.Since(begin), 3*2*40*time.Millisecond+100*time.Millisecond; took > most {
		t.Errorf("took %v, want at most %v", took, most)
	}
	for i, c := range o.Columns {
		if c.Fault == nil || !errors.Is(c.Fault, errUnfinished) || !Silent(c.Fault) {
			t.Errorf("column %d: fault %v", i, c.Fault)
		}
	}
}

// TestWalkDeadline: the end of ctx ends a walk at once, with what was read.
func TestWalkDeadline(t *testing.T) {
	f := newFake(t, grid(gridColumns, gridRows))
	n := 0
	f.breaks(func(_ request, a *answer) {
		n++
		a.silent = n > 2
	})
	s := f.session(func(c *Config) { c.Timeout = 10 * time.Second })
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	got := cells{}
	o, err := s.Walk(ctx, &Learned{}, columnsOf(gridColumns), got.visit(t))
	if !errors.Is(err, context.DeadlineExceeded) || len(got) == 0 || o.Whole() {
		t.Errorf("%d cells, error %v", len(got), err)
	}
	f.breaks(nil)
	got = cells{}
	if _, err := s.Walk(context.Background(), &Learned{}, columnsOf(gridColumns), got.visit(t)); err != nil {
		t.Fatal(err)
	}
	got.complete(t, gridColumns, gridRows)
}

// TestWalkGoesOn: columns that a walk cut short did not finish come first in the
// next, so that a device too slow for its table shows each of them in turn.
func TestWalkGoesOn(t *testing.T) {
	const columns, rows = 8, 30
	f := newFake(t, grid(columns, rows))
	s := f.session(nil)
	l := &Learned{Varbinds: 10, Refused: 11, RefusedAt: time.Now(), Columns: 2, NarrowAt: time.Now()}
	whole := map[int]bool{}
	for walks := 1; len(whole) < columns; walks++ {
		if walks > 6 {
			t.Fatalf("after %d walks that were cut short only %d of %d columns were ever whole", walks-1, len(whole), columns)
		}
		n := 0
		f.breaks(func(_ request, a *answer) {
			n++
			a.silent = n > 16 // two columns take a dozen requests
		})
		o, err := s.Walk(context.Background(), l, columnsOf(columns), func(int, []byte, Value) {})
		if err == nil {
			t.Fatal("the walk was not cut short")
		}
		for i, c := range o.Columns {
			whole[i] = whole[i] || c.Fault == nil
			if !whole[i] {
				delete(whole, i)
			}
		}
	}
	f.breaks(nil)
	if _, err := s.Walk(context.Background(), l, columnsOf(columns), func(int, []byte, Value) {}); err != nil || len(l.Behind) > 0 {
		t.Errorf("after a whole walk: %v, behind %v", err, l.Behind)
	}
}

// TestBulkIsTriedAgain: GETBULK that did not work is tried again after a while,
// with little, by every table but only once for the device.
func TestBulkIsTriedAgain(t *testing.T) {
	f := newFake(t, grid(gridColumns, gridRows)).breaks(isBulk(func(_ request, a *answer) { a.silent = true }))
	now := time.Unix(1e9, 0)
	tr := NewTransport(Options{Now: func() time.Time { return now }})
	t.Cleanup(func() { tr.Close() })
	s, err := tr.Open(context.Background(), Config{Address: f.conn.LocalAddr().String(), Version: V2c, Community: "public", Timeout: 30 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	var bulks atomic.Int32
	f.breaks(func(q request, a *answer) {
		if q.op == Bulk {
			bulks.Add(1)
			a.silent = true
		}
	})
	walk := func(l *Learned) int {
		bulks.Store(0)
		got := cells{}
		if _, err := s.Walk(context.Background(), l, columnsOf(gridColumns), got.visit(t)); err != nil {
			t.Fatal(err)
		}
		got.complete(t, gridColumns, gridRows)
		return int(bulks.Load())
	}
	var one, two Learned
	if n := walk(&one); n == 0 || n > 2 {
		t.Errorf("%d GETBULK at first", n)
	}
	if n := walk(&one) + walk(&two); n != 0 {
		t.Errorf("%d GETBULK although it is known not to work", n)
	}
	now = now.Add(relearn + time.Second)
	if n := walk(&one); n != 1 {
		t.Errorf("%d GETBULK after a while, want 1", n)
	}
	now = now.Add(relearn + time.Second)
	f.breaks(nil)
	f.asked.Store(0)
	if walk(&one); f.asked.Load() > 10 || one.NextSince != (time.Time{}) {
		t.Errorf("GETBULK works again, but %d requests were sent; %+v", f.asked.Load(), one)
	}
}
