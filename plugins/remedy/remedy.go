// Package remedy is the contract of what carries remedies out: playbooks and the
// like, that change something and were approved by a person before. Built-in
// runners and plugins implement it alike. Whether a remedy may run is decided
// elsewhere (collector/process); a runner promises that what was begun under a
// key is never begun again.
package remedy

import (
	"context"
	"io"
	"time"
)

// Order is one remedy to be carried out.
type Order struct {
	Key        string            // unique for all time; an order that is repeated has the same
	Remedy     string            // its name in the runner's own catalogue
	Parameters map[string]string // checked against their patterns already; nothing of them may reach a shell
	DryRun     bool              // say what would change, and change nothing
	Pin        string            // Outcome.Pin of an earlier run: refused when the remedy has changed since; "" is any
	Timeout    time.Duration     // after which everything the run started is ended; 0 is the runner's own
}

// States of an Outcome.
const (
	Done    = "done"    // it went through
	Failed  = "failed"  // it came to its end and says that something went wrong
	Stopped = "stopped" // it was ended in the middle: some of it may have been done
	Begun   = "begun"   // of Find: it was begun, and what became of it is not known
)

// States are all words an Outcome may have.
func States() []string { return []string{Done, Failed, Stopped, Begun} }

// Outcome is how a run ended.
type Outcome struct {
	State     string
	Summary   string // for people, one line
	SummaryZH string // the same in Chinese; "" where there is the summary alone
	Changed   int    // how many things it changed, or in a dry run would
	Pin       string // checksum of everything the remedy is made of, as it was run
}

// Runner carries remedies out. Its methods may be called from several goroutines.
type Runner interface {
	// Name is the word that remedies in the configuration choose the runner by.
	Name() string
	// Run carries the order out and writes what it prints to out, which takes
	// everything and never fails, as it comes. It returns when the run and all it
	// started has ended; when ctx ends, it ends them. A key that was begun before
	// is not begun again: the outcome kept is returned, or an *Error that says
	// Begun. The other errors are *Error as well.
	Run(ctx context.Context, o Order, out io.Writer) (Outcome, error)
	// Find says what became of the order with this key; found is false when the
	// runner is sure that it never began it.
	Find(ctx context.Context, key string) (o Outcome, found bool, err error)
}

// Error is a run without an outcome.
type Error struct {
	Op    string // "start", "parameters", "playbook"
	Begun bool   // something may have been done all the same; else nothing was begun
	Again bool   // the same call may succeed later
	Hint  string // what a person can do
	Err   error
}

// Error returns operation, cause and hint.
func (e *Error) Error() string {
	s := e.Op + ": " + e.Err.Error()
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
