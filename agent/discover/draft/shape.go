package draft

import (
	"slices"
	"strconv"
	"strings"
)

// Instance is one object that a walk brought.
type Instance struct {
	OID    []uint32
	Type   byte   // BER tag
	Text   string // as shown: numbers in decimal, octets as clean text
	Octets []byte // of strings
	Number float64
	IsNum  bool
}

// Table is a table that was found in a walk.
type Table struct {
	Entry   []uint32
	Columns []*Column
	Rows    int // of the column with most
	Index   int // numbers in an index, 0: it varies
}

// Column is one column of it, or one scalar.
type Column struct {
	Number uint32
	OID    []uint32
	Values []*Instance // in the order of the device
	index  []string
}

// Shape is what a walk has: tables, and what stands outside of them.
type Shape struct {
	Tables  []*Table
	Scalars []*Column
}

// node is a place in the tree of OIDs.
type node struct {
	sub      uint32
	children []*node
	leaf     *Instance
}

// Find finds the tables and scalars among instances, which need not be sorted.
//
// A conceptual row is the number 1 below its table (RFC 2578, section 7.1.12), its
// children are columns, what follows is the index. So a table is the highest place
// that ends in 1, each child of which holds values of one type, at indexes that it
// shares with the other children.
func Find(all []Instance) *Shape {
	sorted := make([]*Instance, len(all))
	for i := range all {
		sorted[i] = &all[i]
	}
	slices.SortFunc(sorted, func(x, y *Instance) int { return slices.Compare(x.OID, y.OID) })
	root := &node{}
	for _, i := range sorted {
		root.add(i)
	}
	s := &Shape{}
	s.visit(root, nil)
	return s
}

func (n *node) add(i *Instance) {
	for _, sub := range i.OID {
		if k := len(n.children); k > 0 && n.children[k-1].sub == sub {
			n = n.children[k-1]
			continue
		}
		c := &node{sub: sub}
		n.children = append(n.children, c)
		n = c
	}
	n.leaf = i
}

// visit looks for tables from the top down.
func (s *Shape) visit(n *node, path []uint32) {
	if n.leaf != nil {
		s.Scalars = append(s.Scalars, &Column{OID: slices.Clone(path), Values: []*Instance{n.leaf}})
	}
	if t := n.table(path); t != nil {
		s.Tables = append(s.Tables, t)
		return
	}
	for _, c := range n.children {
		s.visit(c, append(path, c.sub))
	}
}

// shallowest is how many numbers precede a table in the tree of enterprises:
// 1.3.6.1.4.1, an enterprise and the table.
const shallowest = 8

// table makes a table of a node, or returns nil where it is none.
func (n *node) table(path []uint32) *Table {
	if len(path) < shallowest || n.sub != 1 || n.leaf != nil || len(n.children) == 0 {
		return nil
	}
	t := &Table{Entry: slices.Clone(path)}
	for _, c := range n.children {
		if c.leaf != nil {
			return nil
		}
		col := &Column{Number: c.sub, OID: append(slices.Clone(path), c.sub)}
		c.gather(col, nil)
		if !col.alike() {
			return nil
		}
		t.Columns = append(t.Columns, col)
		t.Rows = max(t.Rows, len(col.Values))
	}
	if !t.rows() || n.above(path, t.values()) {
		return nil
	}
	t.Index = t.indexLength()
	return t
}

// above tells whether a node that looks like an entry rather stands above entries:
// as good as all that is below it lies in tables of their own. An index that always
// begins with 1 looks the same, but then the seeming tables have the same rows for
// columns, where real ones differ.
func (n *node) above(path []uint32, values int) bool {
	var s Shape
	for _, c := range n.children {
		s.visit(c, append(path, c.sub))
	}
	covered, wide, differ := 0, false, false
	for _, t := range s.Tables {
		covered += t.values()
		wide = wide || len(t.Columns) > 1
		differ = differ || !t.sameColumns(s.Tables[0])
	}
	return 20*covered >= 19*values && wide && (differ || len(n.children) == 1)
}

func (t *Table) values() int {
	n := 0
	for _, c := range t.Columns {
		n += len(c.Values)
	}
	return n
}

func (t *Table) sameColumns(o *Table) bool {
	return slices.EqualFunc(t.Columns, o.Columns, func(x, y *Column) bool { return x.Number == y.Number })
}

func (n *node) gather(c *Column, index []byte) {
	if n.leaf != nil {
		c.Values = append(c.Values, n.leaf)
		c.index = append(c.index, string(index))
	}
	for _, k := range n.children {
		part := strconv.AppendUint(slices.Clone(index), uint64(k.sub), 10)
		k.gather(c, append(part, '.'))
	}
}

// alike tells whether nearly all values are of one type.
func (c *Column) alike() bool {
	count := map[byte]int{}
	most := 0
	for _, v := range c.Values {
		count[v.Type]++
		most = max(most, count[v.Type])
	}
	return 10*most >= 9*len(c.Values)
}

// rows tells whether the columns share their indexes: most of them must have at
// least half of theirs in common with the one that has most. A group of scalars
// (every index is 0) is no table.
func (t *Table) rows() bool {
	longest, scalars := t.Columns[0], true
	for _, c := range t.Columns {
		if len(c.index) > len(longest.index) {
			longest = c
		}
		for _, i := range c.index {
			scalars = scalars && (i == "0." || strings.HasSuffix(i, ".0.") && strings.Count(i, ".") < 3)
		}
	}
	if scalars && !t.square() {
		return false
	}
	if len(t.Columns) == 1 {
		return t.Rows > 1 || !strings.Contains(strings.TrimSuffix(longest.index[0], "."), ".")
	}
	seen := map[string]bool{}
	for _, i := range longest.index {
		seen[i] = true
	}
	good := 0
	for _, c := range t.Columns {
		shared := 0
		for _, i := range c.index {
			if seen[i] {
				shared++
			}
		}
		if c != longest && 2*shared >= len(c.index) {
			good++
		}
	}
	return 5*good >= 4*(len(t.Columns)-1)
}

// square tells whether all columns have the same rows, more than one.
func (t *Table) square() bool {
	return t.Rows > 1 && len(t.Columns) > 1 && !slices.ContainsFunc(t.Columns, func(c *Column) bool { return !slices.Equal(c.index, t.Columns[0].index) })
}

func (t *Table) indexLength() int {
	length := -1
	for _, c := range t.Columns {
		for _, i := range c.index {
			n := strings.Count(i, ".")
			if length >= 0 && n != length {
				return 0
			}
			length = n
		}
	}
	return max(length, 0)
}

// Dotted returns an OID in digits and dots.
func Dotted(oid []uint32) string {
	b := make([]byte, 0, 4*len(oid))
	for i, n := range oid {
		if i > 0 {
			b = append(b, '.')
		}
		b = strconv.AppendUint(b, uint64(n), 10)
	}
	return string(b)
}
