package spool

import "slices"

// span is the positions from (inclusive) to to (exclusive).
type span struct{ from, to uint64 }

// spans is a set of positions: sorted, without overlap, touching ones merged.
type spans []span

func (s *spans) add(from, to uint64) {
	if from >= to {
		return
	}
	i, j := s.touching(from, to)
	if i < j {
		from, to = min(from, (*s)[i].from), max(to, (*s)[j-1].to)
	}
	*s = slices.Replace(*s, i, j, span{from, to})
}

func (s *spans) remove(from, to uint64) {
	if from >= to {
		return
	}
	i, j := s.touching(from, to)
	var rest []span
	for _, old := range (*s)[i:j] {
		if old.from < from {
			rest = append(rest, span{old.from, min(old.to, from)})
		}
		if old.to > to {
			rest = append(rest, span{max(old.from, to), old.to})
		}
	}
	*s = slices.Replace(*s, i, j, rest...)
}

// touching returns the indexes of the spans that overlap or touch [from, to).
func (s *spans) touching(from, to uint64) (int, int) {
	i := slices.IndexFunc(*s, func(x span) bool { return x.to >= from })
	if i < 0 {
		return len(*s), len(*s)
	}
	j := i
	for j < len(*s) && (*s)[j].from <= to {
		j++
	}
	return i, j
}

// past returns pos, or the end of the span that holds it.
func (s spans) past(pos uint64) uint64 {
	for _, x := range s {
		if x.from <= pos && pos < x.to {
			return x.to
		}
	}
	return pos
}

// next returns where the first span after pos begins, at most limit.
func (s spans) next(pos, limit uint64) uint64 {
	for _, x := range s {
		if x.from >= pos {
			return min(x.from, limit)
		}
	}
	return limit
}

// within returns how many positions of [from, to) are in the set.
func (s spans) within(from, to uint64) uint64 {
	n := uint64(0)
	for _, x := range s {
		if a, b := max(x.from, from), min(x.to, to); a < b {
			n += b - a
		}
	}
	return n
}
