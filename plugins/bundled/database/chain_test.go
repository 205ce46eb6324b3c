package database

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func w(id int64, waited float64, blockers ...int64) waiter {
	return waiter{id: id, waited: waited, blockers: blockers}
}

func TestChains(t *testing.T) {
	for _, c := range []struct {
		name    string
		waiters []waiter
		want    string // root:longest:ids in order of waiting
	}{
		{"nobody", nil, ""},
		{"one", []waiter{w(2, 5, 1)}, "1:5:[2]"},
		{"a chain has one root", []waiter{w(2, 9, 1), w(3, 8, 2), w(4, 7, 3, 2)}, "1:9:[2 3 4]"},
		{"two roots, the larger first", []waiter{w(2, 9, 1), w(4, 2, 3), w(5, 1, 3)}, "3:2:[4 5] 1:9:[2]"},
		{"behind two", []waiter{w(3, 4, 1, 2)}, "1:4:[3] 2:4:[3]"},
		{"a prepared transaction is no session", []waiter{w(3, 4, 0)}, "0:4:[3]"},
		{"not known by whom", []waiter{w(3, 4), w(5, 6)}, "0:6:[5 3]"},
		{"deadlock", []waiter{w(7, 1, 8), w(8, 2, 7)}, "7:2:[8 7]cycle"},
		{"behind a deadlock", []waiter{w(7, 1, 8), w(8, 2, 7), w(9, 3, 8)}, "7:3:[9 8 7]cycle"},
		{"a queue behind one that waits itself", []waiter{w(2, 3, 1), w(3, 2, 1, 2), w(4, 1, 2, 3)}, "1:3:[2 3 4]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, ch := range chains(c.waiters) {
				ids := []int64{}
				for _, b := range ch.behind {
					ids = append(ids, b.id)
				}
				s := fmt.Sprintf("%d:%g:%v", ch.root, ch.longest, ids)
				if ch.cycle {
					s += "cycle"
				}
				got = append(got, s)
			}
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("got %s, want %s", s, c.want)
			}
		})
	}
}

// Whatever waits for whatever: nobody is lost, and a root waits for nobody
// unless all do for each other.
func TestChainsLoseNobody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.Int64Range(1, 12)
		waiting := map[int64]bool{}
		var ws []waiter
		for range rapid.IntRange(0, 12).Draw(t, "waiters") {
			n := id.Draw(t, "id")
			if waiting[n] {
				continue
			}
			waiting[n] = true
			ws = append(ws, waiter{id: n, waited: float64(n), blockers: rapid.SliceOfN(id, 0, 3).Draw(t, "blockers")})
		}
		seen := map[int64]bool{}
		for _, c := range chains(ws) {
			if waiting[c.root] && !c.cycle {
				t.Errorf("root %d waits itself: %v", c.root, ws)
			}
			for _, b := range c.behind {
				seen[b.id] = true
			}
		}
		if len(seen) != len(ws) {
			t.Errorf("%d of %d waiters are behind somebody: %v", len(seen), len(ws), ws)
		}
	})
}
