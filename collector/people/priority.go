package people

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Order is the company's rule of whom to serve first: data of a People file.
type Order struct {
	Impacts   []string  `yaml:"impacts"`   // widest first
	Urgencies []string  `yaml:"urgencies"` // most urgent first
	Matrix    [][]int   `yaml:"matrix"`    // priority 1 to 4, by impact and urgency
	Ranks     []string  `yaml:"ranks"`     // of persons, first served first
	Raise     RaiseRule `yaml:"raise"`
}

// RaiseRule raises a single user's fault by one step for ranks up to and
// including the one named; "" never.
type RaiseRule struct {
	UpTo string `yaml:"up_to"`
}

// DefaultOrder is the documents': a whole branch cut off, a core system, one
// device, one user; and persons in the handbook's order.
func DefaultOrder() Order {
	return Order{
		Impacts:   []string{"branch", "core_system", "device", "user"},
		Urgencies: []string{"stopped", "degraded", "at_risk"},
		Matrix:    [][]int{{1, 1, 2}, {1, 2, 3}, {2, 3, 3}, {3, 4, 4}},
		Ranks:     []string{"president_office", "department_head", "deputy_head", "office_director", "staff"},
	}
}

// check returns what is wrong with the order.
func (o Order) check() error {
	if len(o.Matrix) != len(o.Impacts) || len(o.Impacts) == 0 || len(o.Urgencies) == 0 || len(o.Ranks) == 0 {
		return fmt.Errorf("the matrix has %d rows for %d impacts", len(o.Matrix), len(o.Impacts))
	}
	for n, row := range o.Matrix {
		if len(row) != len(o.Urgencies) {
			return fmt.Errorf("row %d (%s) has %d columns for %d urgencies", n+1, o.Impacts[n], len(row), len(o.Urgencies))
		}
		for k, p := range row {
			switch {
			case p < 1 || p > 4:
				return fmt.Errorf("priority %d of %s, %s: want 1 to 4", p, o.Impacts[n], o.Urgencies[k])
			case k > 0 && p < row[k-1], n > 0 && p < o.Matrix[n-1][k]:
				return fmt.Errorf("%s, %s is served before something wider or more urgent", o.Impacts[n], o.Urgencies[k])
			}
		}
	}
	if o.Raise.UpTo != "" && !slices.Contains(o.Ranks, o.Raise.UpTo) {
		return fmt.Errorf("raise: no rank %q", o.Raise.UpTo)
	}
	return nil
}

// Need is what waits to be served.
type Need struct {
	Impact  string
	Urgency string
	Rank    string // of the person it is for; "" is staff
	Since   time.Time
	ID      string // decides between equals
}

// Priority returns 1 to 4; an impact or urgency that is not on the list counts
// as the last one.
func (o Order) Priority(n Need) int {
	i, u := place(o.Impacts, n.Impact), place(o.Urgencies, n.Urgency)
	p := o.Matrix[i][u]
	if o.Raise.UpTo != "" && i == len(o.Impacts)-1 && place(o.Ranks, n.Rank) <= place(o.Ranks, o.Raise.UpTo) {
		p = max(p-1, 1)
	}
	return p
}

func place(list []string, s string) int {
	if n := slices.Index(list, s); n >= 0 {
		return n
	}
	return len(list) - 1
}

// Compare orders what waits: by priority, then the wider impact, then the
// handbook's order of persons, then who waits longest. It is a total order.
func (o Order) Compare(a, b Need) int {
	return cmp.Or(
		cmp.Compare(o.Priority(a), o.Priority(b)),
		cmp.Compare(place(o.Impacts, a.Impact), place(o.Impacts, b.Impact)),
		cmp.Compare(place(o.Ranks, a.Rank), place(o.Ranks, b.Rank)),
		a.Since.Compare(b.Since),
		cmp.Compare(a.ID, b.ID),
	)
}

// ImpactOf says how wide a fault is from what is known of it: the number of
// whole branches cut off, whether a core system or any device is down.
func ImpactOf(branchesCut int, coreSystem, device bool) string {
	switch {
	case branchesCut > 0:
		return "branch"
	case coreSystem:
		return "core_system"
	case device:
		return "device"
	}
	return "user"
}
