package wire

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// reader reads numbers from b and remembers the first fault, after which every
// read yields zero.
type reader struct {
	b   []byte
	at  int
	bad string // what could not be read; empty while all is well
}

func (r *reader) fail(what string) {
	if r.bad == "" {
		r.bad = what
	}
}

func (r *reader) uvarint(what string) uint64 {
	if r.bad != "" {
		return 0
	}
	v, n := binary.Uvarint(r.b[r.at:])
	if n <= 0 {
		r.fail(what)
		return 0
	}
	r.at += n
	return v
}

func (r *reader) varint(what string) int64 {
	u := r.uvarint(what)
	return int64(u>>1) ^ -int64(u&1)
}

// count reads how many things of at least size bytes follow; more than the rest
// can hold is a fault, so that counts may be trusted for allocation.
func (r *reader) count(what string, size int) int {
	v := r.uvarint(what)
	if v > uint64((len(r.b)-r.at)/size) {
		r.fail(what)
		return 0
	}
	return int(v)
}

// index reads a number below n.
func (r *reader) index(what string, n int) int {
	v := r.uvarint(what)
	if v >= uint64(n) {
		r.fail(what)
		return 0
	}
	return int(v)
}

func (r *reader) skip(n int) {
	if r.bad == "" {
		r.at += n
	}
}

func (r *reader) value() float64 {
	return math.Float64frombits(bits.ReverseBytes64(r.uvarint("value")))
}
