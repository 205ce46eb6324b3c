package schedule

import (
	"hash/maphash"
	"slices"

	"github.com/faultline/faultline/plugins/base"
)

// seriesCache keeps, for one target, the labels of each series joined with the
// target's own, so that they are made once and not at every poll. It is used
// by one poll at a time.
type seriesCache struct {
	target base.Labels
	seed   maphash.Seed
	byHash map[uint64]*series
	poll   uint32 // number of the poll under way
	added  int    // series not seen in the polls before
}

type series struct {
	from, joined base.Labels
	seen         uint32  // poll
	next         *series // of the same hash
}

// keepPolls is for how many polls a series that is no longer seen is kept.
const keepPolls = 10

func newSeriesCache(target map[string]string) *seriesCache {
	return &seriesCache{target: base.LabelsFrom("", target), seed: maphash.MakeSeed(), byHash: map[uint64]*series{}, poll: 1}
}

// labels returns from joined with the target's labels; where both have a name
// from's value stands.
func (c *seriesCache) labels(from base.Labels) base.Labels { return c.joined(from, 1) }

// row is labels for a row of a block that stands for n series.
func (c *seriesCache) row(from base.Labels, n int) base.Labels { return c.joined(from, n) }

func (c *seriesCache) joined(from base.Labels, n int) base.Labels {
	h := c.hash(from)
	for s := c.byHash[h]; s != nil; s = s.next {
		if slices.Equal(s.from, from) {
			s.seen = c.poll
			return s.joined
		}
	}
	c.added += n
	s := &series{from: from, joined: join(from, c.target), seen: c.poll, next: c.byHash[h]}
	c.byHash[h] = s
	return s.joined
}

func (c *seriesCache) hash(ls base.Labels) uint64 {
	var h maphash.Hash
	h.SetSeed(c.seed)
	for i := range ls {
		h.WriteString(ls[i].Name)
		h.WriteByte(0)
		h.WriteString(ls[i].Value)
		h.WriteByte(0)
	}
	return h.Sum64()
}

// finish ends the poll and returns how many series were new in it. After a
// failed poll nothing is forgotten.
func (c *seriesCache) finish(up bool) int {
	added := c.added
	c.added = 0
	c.poll++
	if up && c.poll%keepPolls == 0 {
		c.sweep()
	}
	return added
}

func (c *seriesCache) sweep() {
	for h, s := range c.byHash {
		var kept *series
		for ; s != nil; s = s.next {
			if s.seen+keepPolls >= c.poll {
				kept = &series{from: s.from, joined: s.joined, seen: s.seen, next: kept}
			}
		}
		if kept == nil {
			delete(c.byHash, h)
		} else {
			c.byHash[h] = kept
		}
	}
}

// join merges two sets of labels; a's values win. Empty values are left out.
func join(a, b base.Labels) base.Labels {
	joined := make(base.Labels, 0, len(a)+len(b))
	for _, l := range a {
		if l.Value != "" {
			joined = append(joined, l)
		}
	}
	for _, l := range b {
		if !slices.ContainsFunc(a, func(o base.Label) bool { return o.Name == l.Name }) {
			joined = append(joined, l)
		}
	}
	joined.Sort()
	return slices.Clip(joined)
}
