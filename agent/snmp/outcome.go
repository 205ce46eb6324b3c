package snmp

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Outcome says what a Walk came to.
type Outcome struct {
	Columns     []ColumnOutcome // in the order asked
	Requests    int             // messages, retries included
	Varbinds    int             // received
	Repetitions int             // of GETBULK, the most asked for at once; 0: read by GETNEXT
	ByNext      bool            // GETBULK does not work here, at least not now
	Notes       []string        // what the agent does wrong and was coped with
}

// ColumnOutcome says what became of one column.
type ColumnOutcome struct {
	Rows  int
	Whole bool  // the agent said that the column ends, and nothing before was left out
	Fault error // what is missing and why; nil where Whole
}

// Rows returns the most rows that a column has.
func (o Outcome) Rows() int {
	n := 0
	for _, c := range o.Columns {
		n = max(n, c.Rows)
	}
	return n
}

// Whole tells whether every column is whole.
func (o Outcome) Whole() bool {
	return !slices.ContainsFunc(o.Columns, func(c ColumnOutcome) bool { return !c.Whole })
}

var (
	errUnfinished = errors.New("not read to its end")
	errStuck      = errors.New("the answer does not move on")
	errLeftOut    = errors.New("left out of the answer")
	errNoProgress = errors.New("requests lead nowhere")
)

// LoopError is the fault of a column whose OIDs come again.
type LoopError struct {
	Index string // that came again, or the OID of another column
	Rows  int    // read before
}

// Error says what came again.
func (e LoopError) Error() string {
	return fmt.Sprintf("OID not increasing: %s again after %d rows", e.Index, e.Rows)
}

// TooManyError is the fault of a column with more rows than are read.
type TooManyError struct {
	Rows int // read
}

// Error tells the bound.
func (e TooManyError) Error() string { return fmt.Sprintf("more than %d rows", e.Rows) }

// SkippedError is the fault of a column of which the agent could not deliver some
// instances.
type SkippedError struct {
	Indexes []string
	Status  Status // why the last one was not delivered
}

// Error tells which instances are missing.
func (e SkippedError) Error() string {
	why := e.Status.String()
	if e.Status == undecodable {
		why = "undecodable value"
	}
	return fmt.Sprintf("%s at %s", why, strings.Join(e.Indexes, ", "))
}

// Unwrap returns the status.
func (e SkippedError) Unwrap() error { return e.Status }
