package database

import (
	"cmp"
	"slices"
)

// waiter is a session that waits for a lock.
type waiter struct {
	id       int64
	blockers []int64 // sessions it waits for; empty: the server does not say
	waited   float64 // seconds
	on       string  // what it wants: a relation and a mode
}

// chain is a session that others wait for while it waits for nobody, and all
// that wait for it directly or behind another.
type chain struct {
	root    int64 // 0: not known, or no session
	behind  []waiter
	cycle   bool    // those behind wait for each other: a deadlock the server has yet to find
	longest float64 // seconds
}

// chains finds who is at the root of all waiting. A session that waits for
// several counts behind each of them. The longest list comes first.
func chains(waiters []waiter) []chain {
	waiting := map[int64]waiter{}
	for _, w := range waiters {
		waiting[w.id] = w
	}
	found := map[int64]*chain{}
	for _, w := range waiters {
		roots, cycle := rootsOf(w, waiting)
		for _, root := range roots {
			c := found[root]
			if c == nil {
				c = &chain{root: root}
				found[root] = c
			}
			c.cycle = c.cycle || cycle
			c.behind = append(c.behind, w)
			c.longest = max(c.longest, w.waited)
		}
	}
	out := make([]chain, 0, len(found))
	for _, c := range found {
		slices.SortFunc(c.behind, func(a, b waiter) int { return cmp.Or(cmp.Compare(b.waited, a.waited), cmp.Compare(a.id, b.id)) })
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b chain) int {
		return cmp.Or(cmp.Compare(len(b.behind), len(a.behind)), cmp.Compare(b.longest, a.longest), cmp.Compare(a.root, b.root))
	})
	return out
}

// rootsOf follows a waiter to those that wait for nobody. Where all that can be
// reached wait for each other, the smallest id stands for them.
func rootsOf(w waiter, waiting map[int64]waiter) (roots []int64, cycle bool) {
	seen := map[int64]bool{w.id: true}
	for next := []int64{w.id}; len(next) > 0; {
		id := next[len(next)-1]
		next = next[:len(next)-1]
		at, waits := waiting[id]
		switch {
		case !waits:
			roots = append(roots, id)
		case len(at.blockers) == 0:
			roots = append(roots, 0)
		}
		for _, b := range at.blockers {
			if !seen[b] {
				seen[b] = true
				next = append(next, b)
			}
		}
	}
	if len(roots) == 0 {
		smallest := w.id
		for id := range seen {
			smallest = min(smallest, id)
		}
		return []int64{smallest}, true
	}
	slices.Sort(roots)
	return slices.Compact(roots), false
}
