package config

import (
	"fmt"
	"slices"
	"strings"
)

const (
	around    = 3       // unchanged lines shown beside changed ones
	diffLimit = 8 << 10 // bytes of a difference that is told
	effort    = 1000    // lines added and removed beyond which all between the first and the last is shown as replaced
)

// difference is what is between two texts.
type difference struct {
	text           string // unified, as diff -u writes it, without file names
	added, removed int
	cut            bool // text ends before the difference does
}

// edit is one line of a difference.
type edit struct {
	op   byte // ' ', '-', '+'
	line string
}

// diff compares two texts line by line.
func diff(old, recent string) difference {
	edits := compareLines(linesOf(old), linesOf(recent))
	var d difference
	for _, e := range edits {
		switch e.op {
		case '+':
			d.added++
		case '-':
			d.removed++
		}
	}
	var b strings.Builder
	oldAt, newAt := 1, 1
	for i := 0; i < len(edits); {
		if edits[i].op == ' ' {
			oldAt, newAt, i = oldAt+1, newAt+1, i+1
			continue
		}
		from, to := hunk(edits, i)
		oldAt, newAt = oldAt-(i-from), newAt-(i-from)
		o, n := sizes(edits[from:to])
		fmt.Fprintf(&b, "@@ -%d,%d +%d,%d @@%s\n", oldAt, o, newAt, n, sectionBefore(edits[:from]))
		for _, e := range edits[from:to] {
			b.WriteByte(e.op)
			b.WriteString(e.line)
			b.WriteByte('\n')
		}
		oldAt, newAt, i = oldAt+o, newAt+n, to
	}
	d.text = b.String()
	if len(d.text) > diffLimit {
		at := strings.LastIndexByte(d.text[:diffLimit], '\n')
		d.text, d.cut = strings.ToValidUTF8(d.text[:max(at+1, 1)], ""), true
	}
	return d
}

func linesOf(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}

// sectionBefore is the last line at the left margin, to which those after it
// belong; it is shown in a hunk's head.
func sectionBefore(edits []edit) string {
	const most = 80
	for _, e := range slices.Backward(edits) {
		if e.op == '-' || e.line == "" || strings.ContainsRune(" \t!#}", rune(e.line[0])) {
			continue
		}
		return " " + strings.ToValidUTF8(e.line[:min(len(e.line), most)], "")
	}
	return ""
}

// hunk is where the lines shown with the change at i begin and end.
func hunk(edits []edit, i int) (from, to int) {
	from = max(0, i-around)
	last := i
	for to = i; to < len(edits) && to <= last+2*around; to++ {
		if edits[to].op != ' ' {
			last = to
		}
	}
	return from, min(len(edits), last+around+1)
}

func sizes(edits []edit) (old, recent int) {
	for _, e := range edits {
		if e.op != '+' {
			old++
		}
		if e.op != '-' {
			recent++
		}
	}
	return old, recent
}

// compareLines finds a shortest edit (E. Myers, An O(ND) Difference Algorithm,
// 1986) between what is not alike at both ends.
func compareLines(a, b []string) []edit {
	var edits []edit
	start := 0
	for start < len(a) && start < len(b) && a[start] == b[start] {
		edits = append(edits, edit{' ', a[start]})
		start++
	}
	endA, endB := len(a), len(b)
	for endA > start && endB > start && a[endA-1] == b[endB-1] {
		endA, endB = endA-1, endB-1
	}
	edits = append(edits, shortestEdit(a[start:endA], b[start:endB])...)
	for _, line := range a[endA:] {
		edits = append(edits, edit{' ', line})
	}
	return edits
}

func shortestEdit(a, b []string) []edit {
	trace, ok := search(a, b)
	if !ok {
		edits := make([]edit, 0, len(a)+len(b))
		for _, line := range a {
			edits = append(edits, edit{'-', line})
		}
		for _, line := range b {
			edits = append(edits, edit{'+', line})
		}
		return edits
	}
	return backtrack(a, b, trace)
}

// search returns, for each number of edits, how far along a each diagonal
// (position in a less that in b) came before them; trace[d] covers the diagonals
// -d to d.
func search(a, b []string) (trace [][]int32, ok bool) {
	n, m := len(a), len(b)
	most := min(n+m, effort)
	v := make([]int32, 2*most+3)
	at := func(k int) int { return k + most + 1 }
	for d := 0; d <= most; d++ {
		trace = append(trace, slices.Clone(v[at(-d):at(d)+1]))
		for k := -d; k <= d; k += 2 {
			x := int(v[at(k-1)]) + 1
			if k == -d || k != d && v[at(k-1)] < v[at(k+1)] {
				x = int(v[at(k+1)])
			}
			for x < n && x-k < m && a[x] == b[x-k] {
				x++
			}
			v[at(k)] = int32(x)
			if x >= n && x-k >= m {
				return trace, true
			}
		}
	}
	return nil, false
}

// backtrack walks from the end to the beginning along what search found.
func backtrack(a, b []string, trace [][]int32) []edit {
	var back []edit
	x, y := len(a), len(b)
	for d := len(trace) - 1; d > 0; d-- {
		v := func(k int) int { return int(trace[d][k+d]) }
		k := x - y
		added := k == -d || k != d && v(k-1) < v(k+1)
		px, py := 0, 0 // before the edit
		sx, sy := 0, 0 // after it, before the lines alike
		if added {
			px, py = v(k+1), v(k+1)-(k+1)
			sx, sy = px, py+1
		} else {
			px, py = v(k-1), v(k-1)-(k-1)
			sx, sy = px+1, py
		}
		for x > sx && y > sy {
			back = append(back, edit{' ', a[x-1]})
			x, y = x-1, y-1
		}
		if added {
			back = append(back, edit{'+', b[py]})
		} else {
			back = append(back, edit{'-', a[px]})
		}
		x, y = px, py
	}
	for ; x > 0; x-- {
		back = append(back, edit{' ', a[x-1]})
	}
	slices.Reverse(back)
	return back
}
