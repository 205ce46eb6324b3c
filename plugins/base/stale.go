package base

import "math"

// stale is the bit pattern of Prometheus' stale marker (model/value.StaleNaN).
const stale = 0x7ff0_0000_0000_0002

// Stale is the value that says a series ended at the sample's time: from then on
// queries find nothing of it, however recent the value before is. It must be
// carried bit by bit: arithmetic makes another NaN of it.
func Stale() float64 { return math.Float64frombits(stale) }

// IsStale tells whether a value is the stale marker. Any other NaN is a value.
func IsStale(v float64) bool { return math.Float64bits(v) == stale }
