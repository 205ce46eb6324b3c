// Package budget decides which targets an agent leaves out when its memory is used
// up, and when it takes them back. It is pure: what is used and the time go in, a
// decision comes out.
//
// What is left out first is what can grow without bound or is the furthest from
// telling whether something stands: other programs' figures (plugins, exporters,
// text files), then details of databases and servers' hardware, then devices by
// SNMP, of each the target with the most series first. The machine itself, probes,
// UPSs, services, certificates, files and logs are never left out: they are small,
// and what they tell is whether the branch works.
package budget

import (
	"cmp"
	"slices"
	"time"
)

const (
	over   = 90 // percent of the limit from which targets are left out
	under  = 70 // percent of the limit below which they are taken back
	part   = 10 // percent of the series that may be left out which one look leaves out
	calm   = 5 * time.Minute
	settle = time.Minute // between two that are taken back
)

// Target is one that is measured.
type Target struct {
	ID, Input string
	Series    int  // of the last measurement
	LeftOut   bool // as an earlier Decision said; false again where the target was set anew
}

// Decision is what one look leads to.
type Decision struct {
	Leave []string // ids to leave out from now on
	Back  []string // ids to take back
}

// Budget remembers what is left out. It is used from one goroutine.
type Budget struct {
	limit uint64
	left  []string // in the order they were left out
	calm  time.Time
}

// New makes a Budget of so many bytes; more than none.
func New(limit uint64) *Budget { return &Budget{limit: limit} }

// Left are the ids that are left out now, in the order they were.
func (b *Budget) Left() []string { return slices.Clone(b.left) }

// Over tells whether so much is used that something has to go.
func (b *Budget) Over(used uint64) bool { return used > b.limit/100*over }

// Look takes what is used now, in bytes and after garbage was collected where it was
// over, and all targets. What was left out and is no more, or was set anew, is forgotten.
func (b *Budget) Look(used uint64, targets []Target, now time.Time) Decision {
	b.left = slices.DeleteFunc(b.left, func(id string) bool {
		return !slices.ContainsFunc(targets, func(t Target) bool { return t.ID == id && t.LeftOut })
	})
	switch {
	case b.Over(used):
		b.calm = time.Time{}
		leave := b.next(targets)
		b.left = append(b.left, leave...)
		return Decision{Leave: leave}
	case used >= b.limit/100*under || len(b.left) == 0:
		b.calm = time.Time{}
	case b.calm.IsZero():
		b.calm = now.Add(calm)
	case !now.Before(b.calm):
		b.calm = now.Add(settle)
		last := b.left[len(b.left)-1]
		b.left = b.left[:len(b.left)-1]
		return Decision{Back: []string{last}}
	}
	return Decision{}
}

// ranks are when an input's targets are left out, lowest first; zero is never.
// Inputs that are not named are plugins.
var ranks = map[string]int{
	"host": 0, "probe": 0, "ups": 0, "service": 0, "systemd": 0, "certificate": 0, "file": 0, "backup": 0, "log": 0, "smart": 0,
	"scrape": 1, "textfile": 1, "database": 2, "redfish": 2, "ipmi": 2, "modbus": 2, "config": 2, "snmp": 3,
}

func rank(input string) int {
	if r, ok := ranks[input]; ok {
		return r
	}
	return 1
}

// next are the targets to leave out now: those of the lowest rank, the largest
// first, until a part of all that may be left out is gone, and one at least.
func (b *Budget) next(targets []Target) []string {
	var may []Target
	all := 0
	for _, t := range targets {
		if rank(t.Input) > 0 {
			all += t.Series
			if !slices.Contains(b.left, t.ID) {
				may = append(may, t)
			}
		}
	}
	slices.SortFunc(may, func(x, y Target) int {
		return cmp.Or(cmp.Compare(rank(x.Input), rank(y.Input)), cmp.Compare(y.Series, x.Series), cmp.Compare(x.ID, y.ID))
	})
	var ids []string
	gone := 0
	for _, t := range may {
		if len(ids) > 0 && gone*100 >= all*part {
			break
		}
		ids, gone = append(ids, t.ID), gone+t.Series
	}
	return ids
}
