package snmp

import (
	"bytes"
	"fmt"
	"hash/maphash"
)

// mostSkips is how many instances of a column may be stepped over.
const mostSkips = 8

// mostMisses is how often what is stepped over may turn out not to be what the
// agent cannot deliver.
const mostMisses = 3

// mostUnsorted is how many rows a column may have whose OIDs are out of order.
const mostUnsorted = 50_000

// column is one column being walked.
type column struct {
	root   OID
	cursor []byte // the OID to continue after
	rows   int
	done   bool
	fault  error

	indexes []byte              // of the rows, each after its length in two bytes
	seen    map[uint64]struct{} // hashes of indexes, once they came out of order
	skipped []string            // indexes of instances that the agent could not deliver
	status  Status              // why
	last    []byte              // index before the instance stepped over last
	before  int                 // rows then
	misses  int                 // how often that instance was none
	probe   bool                // cursor is at an instance stepped over: GET it
	next    bool                // read by GETNEXT for now
	trial   int                 // rows to read so until GETBULK is taken to be broken
	alone   bool                // asked alone next time
	lonely  bool                // asked alone always: it makes trouble

	// These are about the reply being read.
	ended   bool
	wrapped bool // ended by an OID from before the column
	moved   bool
	stuck   bool
	gap     bool   // something that cannot be decoded at all came before the next row
	got     int    // varbinds of this column
	strange []byte // an OID that cannot follow, "" if none came
	expects []byte // what the next row has to be, as another column's end told
}

// begin readies c for a walk; buffers are kept.
func (c *column) begin(root OID) {
	*c = column{root: root, cursor: append(c.cursor[:0], root...), indexes: c.indexes[:0], last: c.last[:0], strange: c.strange[:0]}
}

// fresh forgets what was about the last reply.
func (c *column) fresh() {
	c.ended, c.wrapped, c.moved, c.stuck, c.gap = false, false, false, false, false
	c.got, c.expects, c.strange = 0, nil, c.strange[:0]
}

// index is the last row's index, nil before the first.
func (c *column) index() []byte { return c.cursor[len(c.root):] }

// accept takes a row.
func (c *column) accept(oid []byte) {
	index := oid[len(c.root):]
	if c.gap {
		c.skipped, c.status, c.gap = append(c.skipped, "the row before "+string(AppendIndex(nil, index))), undecodable, false
	}
	c.cursor = append(c.cursor[:0], oid...)
	c.indexes = append(append(c.indexes, byte(len(index)>>8), byte(len(index))), index...)
	c.rows++
	c.moved, c.expects = true, nil
	if c.seen != nil {
		c.seen[maphash.Bytes(hashSeed, index)] = struct{}{}
	}
}

// known tells whether the index came before; it is asked only of columns that
// are out of order.
func (c *column) known(index []byte) bool {
	if c.seen == nil {
		c.seen = make(map[uint64]struct{}, 2*c.rows)
		for b := c.indexes; len(b) > 0; {
			n := int(b[0])<<8 | int(b[1])
			c.seen[maphash.Bytes(hashSeed, b[2:2+n])] = struct{}{}
			b = b[2+n:]
		}
	}
	_, ok := c.seen[maphash.Bytes(hashSeed, index)]
	return ok
}

// hashSeed makes the hashes of indexes differ from process to process.
var hashSeed = maphash.MakeSeed()

// fail ends the column with what is wrong.
func (c *column) fail(err error) { c.done, c.fault = true, err }

// after returns the first index of the column's rows that is beyond one, or nil.
func (c *column) after(index []byte) []byte {
	var first []byte
	for b := c.indexes; len(b) > 0; {
		n := int(b[0])<<8 | int(b[1])
		if i := b[2 : 2+n]; compare(i, index) > 0 && (first == nil || compare(i, first) < 0) {
			first = i
		}
		b = b[2+n:]
	}
	return first
}

// outcome says what became of the column; why is the reason if it was not read
// to its end.
func (c *column) outcome(why error) ColumnOutcome {
	o := ColumnOutcome{Rows: c.rows, Fault: c.fault}
	if !c.done {
		o.Fault = fmt.Errorf("%w (%d rows): %w", errUnfinished, c.rows, why)
	}
	if o.Fault == nil && len(c.skipped) > 0 {
		o.Fault = SkippedError{c.skipped, c.status}
	}
	o.Whole = o.Fault == nil
	return o
}

// successor returns the index after which the next index up would follow: the
// last number plus one, so that asking after it steps over that row.
func successor(index []byte) []byte {
	if len(index) == 0 {
		return nil
	}
	start := len(index) - 1
	for start > 0 && index[start-1] >= 0x80 {
		start--
	}
	v, _ := number(index, start)
	return appendNumber(bytes.Clone(index[:start]), v+1)
}
