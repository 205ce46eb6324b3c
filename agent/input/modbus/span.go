package modbus

import (
	"cmp"
	"fmt"
	"slices"
)

// span are registers that lie one behind the other and are read at once.
type span struct {
	function  byte
	first     uint16
	count     int
	registers []register
}

// String names the span as the options do.
func (s span) String() string {
	table := "holding"
	if s.function == tables["input"] {
		table = "input"
	}
	return fmt.Sprintf("%s:%d (%d)", table, s.first, s.count)
}

// spans puts registers together without gaps: devices refuse a request that
// touches an address they do not have.
func spans(registers []register) []span {
	sorted := slices.Clone(registers)
	slices.SortStableFunc(sorted, func(a, b register) int {
		return cmp.Or(cmp.Compare(a.function, b.function), cmp.Compare(a.address, b.address))
	})
	var out []span
	for _, r := range sorted {
		end := int(r.address) + sizes[r.kind]
		if n := len(out) - 1; n >= 0 && out[n].function == r.function && int(r.address) <= int(out[n].first)+out[n].count && end-int(out[n].first) <= maxWords {
			out[n].count = max(out[n].count, end-int(out[n].first))
			out[n].registers = append(out[n].registers, r)
			continue
		}
		out = append(out, span{r.function, r.address, sizes[r.kind], []register{r}})
	}
	return out
}
