package snmp

import (
	"fmt"
	"testing"
)

// BenchmarkTake goes through replies of ten columns as a walk does, without a
// network.
func BenchmarkTake(b *testing.B) {
	const columns, rows = 10, 60
	var roots []OID
	for c := range columns {
		roots = append(roots, MustParseOID(fmt.Sprintf("1.3.6.1.2.1.31.1.1.1.%d", c+1)))
	}
	var replies []Reply
	for r := 0; r < rows; r += 6 {
		var vbs []entry
		for k := range 6 {
			for _, root := range roots {
				vbs = append(vbs, entry{root + OID(appendNumber(nil, uint64(436207616+4096*(r+k)))), integer(int64(r) * 1e9)})
			}
		}
		replies = append(replies, Reply{list: bind(vbs)})
	}
	w := &walk{s: &Session{t: NewTransport(Options{}), cfg: Config{Version: V2c, MaxRows: DefaultMaxRows}}}
	l := Learned{Rows: []int{60, 60, 60, 60, 60, 60, 60, 60, 60, 60}}
	sum := 0.0
	visit := func(_ int, _ []byte, v Value) { f, _ := v.Float64(); sum += f }
	b.ReportAllocs()
	for b.Loop() {
		w.begin(&l, roots, visit)
		w.op, w.reps, w.picked = Bulk, 6, append(w.picked[:0], w.order...)
		for i := range replies {
			w.take(&replies[i])
		}
		w.end(nil)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(columns*rows), "ns/value")
}
