// Package doctor examines an agent's installation from outside: what it may do
// on this machine, whether the collector takes it in, and whether each target can
// be measured. It changes nothing but a file that it writes and removes again, and
// may run beside the agent.
package doctor

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/faultline/faultline/internal/lang"
)

// States of a Finding, the worst last.
const (
	OK      = "ok"
	Skipped = "skipped" // could not be tried, with the reason
	Warn    = "warn"    // works today
	Bad     = "bad"     // does not work
)

// Finding is what one check found.
type Finding struct {
	Check string    `json:"check"` // directory, spool, identity, collector, clock, rights, target, agent
	About string    `json:"about,omitempty"`
	State string    `json:"state"`
	Text  lang.Text `json:"text"`
	Hint  lang.Text `json:"hint,omitzero"` // what to do; for warn and bad
}

// Check is one examination; it ends when ctx does, with what it found so far.
type Check func(ctx context.Context) []Finding

// Examine carries the checks out in order and hands each finding to tell at once,
// so that people see progress. It returns how many findings were bad.
func Examine(ctx context.Context, checks []Check, tell func(Finding)) (bad int) {
	for _, check := range checks {
		for _, f := range check(ctx) {
			if f.State == Bad {
				bad++
			}
			tell(f)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return bad
}

var marks = map[string]string{OK: "ok  ", Skipped: "–   ", Warn: "!   ", Bad: "BAD "}

// Print writes a finding as a line, and what to do on a second one.
func Print(w io.Writer, f Finding, language string) {
	about := f.Check
	if f.About != "" {
		about += " " + f.About
	}
	fmt.Fprintf(w, "%s%-24s %s\n", marks[f.State], about, f.Text.In(language))
	if hint := f.Hint.In(language); hint != "" {
		fmt.Fprintf(w, "%s→ %s\n", strings.Repeat(" ", 29), hint)
	}
}

func text(zh, en string, args ...any) lang.Text {
	return lang.Text{ZH: fmt.Sprintf(zh, args...), EN: fmt.Sprintf(en, args...)}
}
