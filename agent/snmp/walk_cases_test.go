package snmp

import (
	"fmt"
	"strings"
)

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
