package snmp

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// damage is a way of spoiling an answer.
type damage struct {
	name string
	do   func(r *rand.Rand, q request, a *answer)
}

func damages() []damage {
	drop := func(a *answer, i int) { a.vbs = append(a.vbs[:i:i], a.vbs[i+1:]...) }
	return []damage{
		{"leaves out one", func(r *rand.Rand, q request, a *answer) {
			if len(a.vbs) > 0 && len(q.oids) > 1 {
				drop(a, r.IntN(len(a.vbs)))
			}
		}},
		{"leaves out many", func(r *rand.Rand, q request, a *answer) {
			for n := len(a.vbs) / 3; n > 0 && len(q.oids) > 1; n-- {
				drop(a, r.IntN(len(a.vbs)))
			}
		}},
		{"leaves out a column", func(r *rand.Rand, q request, a *answer) {
			n, out := len(q.oids), r.IntN(len(q.oids))
			var kept []entry
			for i, e := range a.vbs {
				if i%n != out || n == 1 {
					kept = append(kept, e)
				}
			}
			a.vbs = kept
		}},
		{"ends early", func(r *rand.Rand, _ request, a *answer) { a.vbs = a.vbs[:r.IntN(len(a.vbs)+1)] }},
		{"is cut", func(r *rand.Rand, _ request, a *answer) { a.cut = r.IntN(len(bind(a.vbs)) + 1) }},
		{"is too big", func(_ *rand.Rand, q request, a *answer) { *a = answer{id: q.id, status: TooBig} }},
		{"is an error", func(r *rand.Rand, q request, a *answer) {
			*a = answer{id: q.id, status: GenErr, index: r.IntN(len(q.oids) + 2)}
		}},
		{"is silent", func(_ *rand.Rand, _ request, a *answer) { a.silent = true }},
		{"holds garbage", func(r *rand.Rand, _ request, a *answer) {
			a.bound = bind(a.vbs)
			if len(a.bound) > 0 {
				a.bound[r.IntN(len(a.bound))] ^= byte(1 + r.IntN(255))
			}
		}},
		{"repeats what was asked", func(r *rand.Rand, q request, a *answer) {
			if i := r.IntN(len(a.vbs) + 1); i < len(a.vbs) {
				a.vbs[i] = entry{q.oids[i%len(q.oids)], integer(1)}
			}
		}},
		{"turns back", func(r *rand.Rand, q request, a *answer) {
			if i := r.IntN(len(a.vbs) + 1); i < len(a.vbs) {
				c := 0
				fmt.Sscanf(q.oids[i%len(q.oids)].String(), "1.3.9.1.%d", &c)
				a.vbs[i] = entry{cell(c, 1), integer(int64(c*1000 + 1))}
			}
		}},
	}
}

// TestHonest walks agents that spoil answers at random, once in a while or always.
// What is left out of a column that is asked alone, or of all columns alike, cannot
// be told from rows that are not there, so that is left out here. Whatever else they do: a walk ends, visits no cell twice, and calls no column whole
// of which a row is missing. Garbage that happens to be well-formed may of course
// name rows and values that are none.
func TestHonest(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 5
	}
	for _, d := range damages() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			for seed := range rounds {
				honest(t, d, uint64(seed))
			}
		})
	}
}

func honest(t *testing.T, d damage, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	columns, rows := 1+r.IntN(6), r.IntN(40)
	entries := append(grid(columns, rows), entry{MustParseOID("1.3.9.2.1"), integer(1)})
	often := []float64{0.05, 0.3, 1}[r.IntN(3)]
	f := newFake(t, entries).breaks(func(q request, a *answer) {
		if r.Float64() < often {
			d.do(r, q, a)
		}
	})
	s := f.session(func(c *Config) {
		c.Timeout, c.MaxRows = 4*time.Millisecond, 100
		if seed%5 == 0 {
			c.Version = V1
		}
	})
	var l Learned
	for range 2 {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		got := map[string]bool{}
		before := f.asked.Load()
		o, err := s.Walk(ctx, &l, columnsOf(columns), func(c int, index []byte, v Value) {
			key := fmt.Sprintf("%d.%s", c+1, AppendIndex(nil, index))
			if got[key] {
				t.Errorf("seed %d: %s was visited twice", seed, key)
			}
			got[key] = true
			if n, _ := v.Int64(); d.name != "holds garbage" && d.name != "repeats what was asked" && key != fmt.Sprintf("%d.%d", c+1, n-int64(c+1)*1000) {
				t.Errorf("seed %d: %s = %d", seed, key, n)
			}
		})
		if ctx.Err() != nil {
			t.Errorf("seed %d: no end after %d requests", seed, f.asked.Load()-before)
		}
		cancel()
		for i, c := range o.Columns {
			missing := 0
			for row := 1; row <= rows; row++ {
				if !got[fmt.Sprintf("%d.%d", i+1, row)] {
					missing++
				}
			}
			if c.Whole && missing > 0 && d.name != "holds garbage" && d.name != "leaves out many" {
				t.Errorf("seed %d, %v of %d answers spoilt: column %d is whole, but %d of %d rows are missing; %q, %v", seed, often, f.asked.Load(), i+1, missing, rows, o.Notes, err)
			}
			if !c.Whole && c.Fault == nil {
				t.Errorf("seed %d: column %d is not whole and has no fault", seed, i+1)
			}
		}
	}
}
