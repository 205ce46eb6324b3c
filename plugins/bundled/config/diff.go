package config

import (
	"fmt"
	"strings"
)

const (
	around    = 3       // unchanged lines shown beside changed ones
	diffLimit = 8 << 10 // bytes of a difference that is told
	effort    = 2000    // lines added and removed beyond which all between the first and the last is shown as replaced
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
	section, oldAt, newAt := "", 1, 1
	for i := 0; i < len(edits); {
		if edits[i].op == ' ' {
			section = sectionOf(edits[i].line, section)
			oldAt, newAt, i = oldAt+1, newAt+1, i+1
			continue
		}
		from, to := hunk(edits, i)
		h := edits[from:to]
		oldAt, newAt = oldAt-(i-from), newAt-(i-from)
		o, n := sizes(h)
		head := sectionBefore(edits[:from])
		fmt.Fprintf(&b, "@@ -%d,%d +%d,%d @@%s\n", oldAt, o, newAt, n, head)
		for _, e := range h {
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

// sectionOf is the line at the left margin that a line belongs to.
func sectionOf(line, section string) string {
	if line != "" && line[0] != ' ' && line[0] != '\t' && line[0] != '!' && line[0] != '#' && line[0] != '}' {
		return line
	}
	return section
}

// sectionBefore is the section that the lines end in, to be shown in a hunk's
// head.
func sectionBefore(edits []edit) string {
	const most = 80
	for i := len(edits) - 1; i >= 0; i-- {
		if s := sectionOf(edits[i].line, ""); s != "" && edits[i].op != '-' {
			if len(s) > most {
				s = strings.ToValidUTF8(s[:most], "")
			}
			return " " + s
		}
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
func search(a, b []string) (trace [][]int, ok bool) {
	n, m := len(a), len(b)
	most := min(n+m, effort)
	v := make([]int, 2*most+3)
	at := func(k int) int { return k + most + 1 }
	for d := 0; d <= most; d++ {
		trace = append(trace, append([]int(nil), v[at(-d):at(d)+1]...))
		for k := -d; k <= d; k += 2 {
			x := v[at(k-1)] + 1
			if k == -d || k != d && v[at(k-1)] < v[at(k+1)] {
				x = v[at(k+1)]
			}
			for x < n && x-k < m && a[x] == b[x-k] {
				x++
			}
			v[at(k)] = x
			if x >= n && x-k >= m {
				return trace, true
			}
		}
	}
	return nil, false
}

// backtrack walks from the end to the beginning along what search found.
func backtrack(a, b []string, trace [][]int) []edit {
	var back []edit
	x, y := len(a), len(b)
	for d := len(trace) - 1; d > 0; d-- {
		v := trace[d]
		at := func(k int) int { // as it was before d edits: diagonals beyond d-1 were not reached
			return v[k+d]
		}
		k := x - y
		before := k - 1
		if k == -d || k != d && at(k-1) < at(k+1) {
			before = k + 1
		}
		px := at(before)
		py := px - before
		for x > px && y > py && x > 0 && y > 0 && a[x-1] == b[y-1] && (x-1 >= px && y-1 >= py) && !(x == px+1 && y == py && before < k) && !(x == px && y == py+1) {
			if x-1 < px || y-1 < py {
				break
			}
			if (before == k-1 && x-1 < px+1) || (before == k+1 && y-1 < py+1) {
				break
			}
			back = append(back, edit{' ', a[x-1]})
			x, y = x-1, y-1
		}
		if before == k+1 {
			back = append(back, edit{'+', b[y-1]})
		} else {
			back = append(back, edit{'-', a[x-1]})
		}
		x, y = px, py
	}
	for x > 0 && y > 0 {
		back = append(back, edit{' ', a[x-1]})
		x, y = x-1, y-1
	}
	edits := make([]edit, 0, len(back))
	for i := len(back) - 1; i >= 0; i-- {
		edits = append(edits, back[i])
	}
	return edits
}
