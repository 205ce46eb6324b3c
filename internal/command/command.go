// Package command reads a program's command line into a struct that describes it
// by tags. It stands in for a large library in programs that must stay small: it
// knows what the agent needs and no more, and it never looks a method up by its
// name, because a program that does keeps every method of every type it links.
//
// A struct field tagged `cmd:""` is a command, with commands or flags of its own; a
// command that has no commands has a method Run() error. Other fields are flags, or
// positional arguments where tagged `arg:""`; fields of an embedded struct belong to
// the one around it. Tags: help, name (else the field's, in lower case with
// dashes), short, default, env, enum (comma-separated), required, optional (of arg),
// xor (of flags with the same word at most one), sep:"none" (a list is not split at
// commas), placeholder, type ("path": made absolute, - stays; "existingdir").
//
// Values are text, whole numbers, decimals, durations, switches, lists of text
// and what implements encoding.TextUnmarshaler.
package command

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Program describes a program to its users.
type Program struct {
	Name        string
	Description string
	Version     string                      // printed by --version
	Env         func(string) (string, bool) // nil: os.LookupEnv
}

// Runner is a command that was chosen and filled.
type Runner interface{ Run() error }

// ErrHelp is returned by Parse when help or the version was asked for and printed.
var ErrHelp = errors.New("help was printed")

// usageStatus is the exit status of a command line that cannot be understood.
const usageStatus = 80

// Parse fills grammar, a pointer to a struct, from args (without the program's
// name) and returns the command to run. Help and version go to out.
func (p Program) Parse(grammar any, args []string, out io.Writer) (Runner, error) {
	run, _, err := p.parse(grammar, args, out)
	return run, err
}

func (p Program) parse(grammar any, args []string, out io.Writer) (Runner, *node, error) {
	if p.Env == nil {
		p.Env = os.LookupEnv
	}
	root := p.tree(grammar)
	l := line{program: p, at: root}
	if err := l.read(args); err != nil {
		return nil, l.at, err
	}
	switch {
	case l.help:
		p.usage(out, l.at)
		return nil, l.at, ErrHelp
	case l.version:
		_, _ = fmt.Fprintln(out, p.Version)
		return nil, l.at, ErrHelp
	}
	if err := l.complete(); err != nil {
		return nil, l.at, err
	}
	run, ok := l.at.self.Addr().Interface().(Runner)
	if !ok {
		return nil, l.at, fmt.Errorf("expected one of %s", l.at.choices())
	}
	return run, l.at, nil
}

// Choose is Parse for main: it takes the program's own command line, and on help or
// a fault prints what belongs there and ends the program.
func (p Program) Choose(grammar any) Runner {
	run, at, err := p.parse(grammar, os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, ErrHelp):
		os.Exit(0)
	case err != nil:
		p.usage(os.Stdout, at)
		fmt.Println()
		fmt.Fprintf(os.Stderr, "%s: error: %v\n", p.Name, err)
		os.Exit(usageStatus)
	}
	return run
}

// choices lists the commands below, quoted.
func (n *node) choices() string {
	var names []string
	for _, c := range n.commands {
		names = append(names, `"`+c.name+`"`)
	}
	return strings.Join(names, ", ")
}
