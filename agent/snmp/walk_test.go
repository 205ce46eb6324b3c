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

// walkTest is a fake agent's fault and what a walk has to make of it.
type walkTest struct {
	name    string
	entries []entry
	limit   int
	edit    func(q request, a *answer)
	config  func(*Config)
	missing []string // cells
	fault   string   // of one column or more; "": all are whole
	note    string
	first   int // requests of the first walk at most
	again   int // and of the second
}

func walkTests() []walkTest {
	plain := grid(gridColumns, gridRows)
	return []walkTest{
		{name: "well", first: 6, again: 5},
		{name: "version 1", config: func(c *Config) { c.Version = V1 }, first: gridRows + 4, again: gridRows + 4},
		{name: "tooBig above 12 values", edit: func(q request, a *answer) {
			if len(a.vbs) > 12 {
				*a = answer{id: q.id, status: TooBig}
			}
		}, first: 40, again: 24, note: "too big"},
		{name: "tooBig above one value", edit: func(q request, a *answer) {
			if len(a.vbs) > 1 {
				*a = answer{id: q.id, status: TooBig}
			}
		}, first: 4*51 + 20, again: 4*51 + 20},
		{name: "one value too big", entries: spoil(grid(gridColumns, gridRows), cell(2, 20), octets(strings.Repeat("x", 600))), limit: 484,
			missing: []string{"2.20"}, fault: "tooBig at 20", first: 30, again: 25},
		{name: "eight values too big", entries: func() []entry {
			e := grid(gridColumns, gridRows)
			for r := 3; r < 19; r += 2 {
				spoil(e, cell(3, r), octets(strings.Repeat("x", 600)))
			}
			return e
		}(), limit: 484, missing: []string{"3.3", "3.5", "3.7", "3.9", "3.11", "3.13", "3.15", "3.17"}, fault: "tooBig at 3, 5, 7", first: 60, again: 60},
		{name: "one value is an error", edit: func(q request, a *answer) {
			if i := holds(a, cell(3, 10)); i > 0 {
				*a = answer{id: q.id, status: GenErr}
				if q.op != Bulk {
					a.index = i
				}
			}
		}, missing: []string{"3.10"}, fault: "genErr at 10", first: 80, again: 80},
		{name: "one value is an error without an index", edit: func(q request, a *answer) {
			if holds(a, cell(3, 10)) > 0 {
				*a = answer{id: q.id, status: GenErr}
			}
		}, missing: []string{"3.10"}, fault: "genErr at 10", first: 90, again: 90},
		{name: "everything is an error", edit: func(q request, a *answer) { *a = answer{id: q.id, status: GenErr} },
			missing: allCells(), fault: "genErr after 0 rows", first: 15, again: 15},
		{name: "GETBULK is silent", edit: isBulk(func(_ request, a *answer) { a.silent = true }), note: "GETBULK is not answered", first: gridRows + 10, again: gridRows + 5},
		{name: "GETBULK is an error", edit: isBulk(func(q request, a *answer) { *a = answer{id: q.id, status: GenErr, index: 1} }),
			note: "answered with genErr", first: gridRows + 5, again: gridRows + 5},
		{name: "GETBULK is empty", edit: isBulk(func(q request, a *answer) { *a = answer{id: q.id} }), note: "nothing new", first: gridRows + 10, again: gridRows + 5},
		{name: "GETBULK returns what was asked", edit: isBulk(func(q request, a *answer) {
			a.vbs = nil
			for _, o := range q.oids {
				a.vbs = append(a.vbs, entry{o, integer(1)})
			}
		}), note: "nothing new", first: gridRows + 10, again: gridRows + 5},
		{name: "rows out of order", entries: shuffled(), note: "out of order", first: 12, again: 12},
		{name: "OID loop", edit: loop(30), missing: cellsBeyond(30), fault: "OID not increasing: 5 again after 30 rows", first: 12, again: 12},
		{name: "one repetition at most", edit: isBulk(func(q request, a *answer) { a.vbs = a.vbs[:len(q.oids)] }), first: gridRows + 10, again: gridRows + 10},
		{name: "answers two columns at most", edit: func(q request, a *answer) {
			if n := len(q.oids); n > 2 {
				var kept []entry
				for i, e := range a.vbs {
					if i%n < 2 {
						kept = append(kept, e)
					}
				}
				a.vbs = kept
			}
		}, note: "leave out", first: 20, again: 15},
		{name: "leaves out the first column", edit: func(q request, a *answer) {
			if n := len(q.oids); n > 1 {
				var kept []entry
				for i, e := range a.vbs {
					if i%n > 0 {
						kept = append(kept, e)
					}
				}
				a.vbs = kept
			}
		}, note: "leave out", first: 20, again: 15},
		{name: "leaves out every fifth value", edit: func(q request, a *answer) {
			var kept []entry
			for i, e := range a.vbs {
				if i%5 != 2 || len(q.oids) == 1 {
					kept = append(kept, e)
				}
			}
			a.vbs = kept
		}, note: "leave out", first: 40, again: 20},
		{name: "the last values are cut off", edit: func(_ request, a *answer) {
			if len(a.vbs) > 8 {
				a.cut = 50
			}
		}, note: "before their end", first: 60, again: 60},
		{name: "a name of no length", edit: func(_ request, a *answer) {
			if i := holds(a, cell(2, 7)); i > 0 {
				a.vbs[i-1].oid = ""
			}
		}, missing: []string{"2.7"}, fault: "undecodable value at the row before 8", note: "cannot be decoded", first: 8, again: 8},
		{name: "a value longer than its place", edit: func(_ request, a *answer) {
			if i := holds(a, cell(2, 7)); i > 0 {
				a.vbs[i-1].value = []byte{OctetString, 50, 1}
			}
		}, missing: []string{"2.7"}, fault: "undecodable value at 7", note: "cannot be decoded", first: 8, again: 8},
		{name: "numbers without digits", entries: spoil(grid(gridColumns, gridRows), cell(4, 9), []byte{Counter32, 0}), missing: []string{"4.9"},
			note: "without digits", first: 6, again: 5},
		{name: "the end leads to the beginning", entries: append(plain[:len(plain):len(plain)], entry{MustParseOID("1.3.1.1"), integer(1)}),
			note: "back to the beginning", first: 6, again: 5},
		{name: "noSuchName ends it in version 2c", edit: func(q request, a *answer) {
			for i, e := range a.vbs {
				if e.value[0] == EndOfMIBView && q.op == Next {
					*a = answer{id: q.id, status: NoSuchName, index: i + 1}
					return
				}
			}
		}, first: 6, again: 5},
		{name: "stays at the last row", edit: func(_ request, a *answer) {
			for i, e := range a.vbs {
				if e.value[0] == EndOfMIBView {
					a.vbs[i] = entry{cell(gridColumns, gridRows), integer(gridColumns*1000 + gridRows)}
				}
			}
		}, fault: "does not move on", first: 15, again: 15},
		{name: "too many rows", config: func(c *Config) { c.MaxRows = 40 }, missing: cellsBeyond(40), fault: "more than 40 rows", first: 6, again: 6},
	}
}

func allCells() []string { return cellsBeyond(0) }

// cellsBeyond names the cells of the grid whose row is beyond one.
func cellsBeyond(row int) []string {
	var names []string
	for c := 1; c <= gridColumns; c++ {
		for r := row + 1; r <= gridRows; r++ {
			names = append(names, fmt.Sprintf("%d.%d", c, r))
		}
	}
	return names
}

// shuffled is the grid with rows in an order of their own.
func shuffled() []entry {
	var e []entry
	for c := 1; c <= gridColumns; c++ {
		for r := range gridRows {
			row := r*7%gridRows + 1
			e = append(e, entry{cell(c, row), integer(int64(c*1000 + row))})
		}
	}
	return e
}

// loop makes the successor of a row the fifth row.
func loop(row int) func(q request, a *answer) {
	return func(q request, a *answer) {
		n := len(q.oids)
		at := append([]OID(nil), q.oids...)
		for i := range a.vbs {
			c := i % n
			var col, r int
			if k, _ := fmt.Sscanf(at[c].String(), "1.3.9.1.%d.%d", &col, &r); k == 2 && r == row {
				a.vbs[i] = entry{cell(col, 5), integer(int64(col*1000 + 5))}
			} else if k == 2 {
				a.vbs[i] = entry{cell(col, r+1), integer(int64(col*1000 + r + 1))}
			} else {
				a.vbs[i] = entry{cell(col, 1), integer(int64(col*1000 + 1))}
			}
			at[c] = a.vbs[i].oid
		}
	}
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
