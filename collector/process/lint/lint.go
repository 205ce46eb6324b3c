// Package lint finds in a process definition what loads and is still wrong:
// steps without a deadline, clocks that never stop, approvals nobody may give.
// It judges the file only; what a process does is package scenario's.
package lint

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/sla"
)

// Finding is one thing found. Error says that the process must not be published.
type Finding struct {
	process.Fault
	Rule  string // short name of the rule: timeout, clock, approval, ...
	Error bool
}

// String is the finding as a person reads it, with the line and a caret.
func (f Finding) String() string {
	level := "warning"
	if f.Error {
		level = "error"
	}
	g := f.Fault
	g.Text = level + " (" + f.Rule + "): " + g.Text
	return g.Error()
}

// Options are what the file is held against.
type Options struct {
	Calendars *sla.Calendars // nil: calendars are not looked at
	Roles     []string       // role ids of the company; nil: Roles
}

// Roles are the lanes that the handbook names, and those its change and
// resource processes add. False is inside the company.
var Roles = map[string]bool{
	"branch_it": false, "hq_network": false, "hq_facility": false, "hq_dba": false, "hq_dev": false, "hq_it_manager": false,
	"user": false, "business_owner": false, "hq_security": false, "it_committee": false,
	"supplier": true, "carrier": true, "db_vendor": true,
}

// linter holds one definition while it is looked at.
type linter struct {
	d   *process.Definition
	at  *process.Locator
	o   Options
	out []Finding

	leads map[string][]string // step → steps it can lead to
}

// Check reads the file and returns everything found, in the file's order, and
// the definition when it loads.
func Check(name string, data []byte, o Options) ([]Finding, *process.Definition) {
	d, err := process.Parse(name, data)
	if err != nil {
		l := &linter{}
		return l.loading(err), nil
	}
	return Loaded(name, d, o), d
}

// Loaded returns everything found in a definition that loads.
func Loaded(name string, d *process.Definition, o Options) []Finding {
	l := &linter{d: d, at: process.NewLocator(name, []byte(d.Text())), o: o}
	l.leads = map[string][]string{}
	for _, e := range d.Graph().Edges {
		l.leads[e.From] = append(l.leads[e.From], e.To)
	}
	for _, look := range []func(){l.roles, l.calendars, l.steps, l.decisions, l.approvals, l.remedies, l.clocks, l.ends, l.circles} {
		look()
	}
	slices.SortStableFunc(l.out, func(a, b Finding) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column)) })
	return l.out
}

// Clean tells whether nothing found is an error.
func Clean(list []Finding) bool {
	return !slices.ContainsFunc(list, func(f Finding) bool { return f.Error })
}

// loading turns the loader's errors into findings.
func (l *linter) loading(err error) []Finding {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			l.loading(e)
		}
		return l.out
	}
	var f *process.Fault
	if !errors.As(err, &f) {
		f = &process.Fault{File: "", Line: 1, Column: 1, Text: err.Error()}
	}
	l.out = append(l.out, Finding{*f, "load", true})
	return l.out
}

func (l *linter) fault(rule, path, format string, args ...any) {
	l.out = append(l.out, Finding{*l.at.At(path, format, args...), rule, true})
}

func (l *linter) warn(rule, path, format string, args ...any) {
	l.out = append(l.out, Finding{*l.at.At(path, format, args...), rule, false})
}

// roles finds roles that nobody has, that nobody uses, and that are inside here
// and outside elsewhere.
func (l *linter) roles() {
	used := map[string]bool{l.d.Owner: true}
	add := func(ids ...string) {
		for _, id := range ids {
			used[id] = true
		}
	}
	for _, s := range l.d.Steps {
		add(s.Role, s.RACI.A)
		add(s.RACI.C...)
		add(s.RACI.I...)
		add(s.Notify...)
		if s.Ticket != nil {
			for kind := range s.Ticket.Templates {
				add(process.VendorRole(kind))
			}
		}
	}
	for n, r := range l.d.Roles {
		path := fmt.Sprintf("roles[%d].id", n)
		external, known := Roles[r.ID]
		if l.o.Roles != nil {
			external, known = r.External, slices.Contains(l.o.Roles, r.ID)
		}
		switch {
		case !known:
			l.fault("role", path, "nobody in the company is %s", r.ID)
		case external != r.External:
			l.fault("role", path, "%s is external: %v elsewhere", r.ID, external)
		case !used[r.ID]:
			l.fault("role", path, "%s takes no part in any step", r.ID)
		}
	}
	if o, ok := l.d.Role(l.d.Owner); ok && o.External {
		l.fault("role", "owner", "%s is outside the company and cannot answer for the process", o.ID)
	}
	if !slices.ContainsFunc(l.d.Steps, func(s process.StepDef) bool { return s.Role == l.d.Owner && !s.Final }) {
		l.fault("role", "owner", "%s answers for the process and has no step in it", l.d.Owner)
	}
}

// calendars finds calendars that are not loaded, are of the other kind than
// their word says, and limits that have two readings.
func (l *linter) calendars() {
	if l.o.Calendars == nil {
		return
	}
	for word, id := range l.d.Calendars {
		cal, ok := l.o.Calendars.Get(id)
		switch {
		case !ok:
			l.fault("calendar", "calendars."+word, "calendar %q is not loaded", id)
		case cal.Always != (word == "always"):
			l.fault("calendar", "calendars."+word, "%s is working time: %v, the word %q says otherwise", id, !cal.Always, word)
		}
	}
	check := func(path, word, span string) {
		cal, ok := l.o.Calendars.Get(l.d.Calendars[word])
		s, err := sla.ParseSpan(span)
		if !ok || err != nil {
			return
		}
		if err := s.Check(cal); err != nil {
			l.fault("calendar", path, "%v", err)
		}
	}
	for n, c := range l.d.Clocks {
		check(fmt.Sprintf("clocks[%d].target", n), c.Calendar, c.Target)
		check(fmt.Sprintf("clocks[%d].late.after", n), c.Calendar, c.Late.After)
	}
	for n, s := range l.d.Steps {
		for m, r := range s.Timeout {
			check(fmt.Sprintf("steps[%d].timeout[%d].after", n, m), r.Calendar, r.After)
		}
	}
}

// circles finds steps that lead on at once in a circle.
func (l *linter) circles() {
	always := map[string]string{}
	for _, s := range l.d.Steps {
		for _, n := range s.Next {
			if w := strings.TrimSpace(n.When); w == "" || w == "true" {
				always[s.ID] = n.To
			}
		}
	}
	for n, s := range l.d.Steps {
		seen, id := map[string]bool{}, s.ID
		for always[id] != "" && !seen[id] {
			seen[id] = true
			id = always[id]
		}
		if seen[id] && id == s.ID {
			l.fault("circle", fmt.Sprintf("steps[%d].next", n), "%s leads back to itself without waiting for anything", s.ID)
		}
	}
}
