package command

import (
	"fmt"
	"io"
	"strings"
)

const (
	width  = 80 // columns of the usage
	indent = 28 // columns of a flag's name before its help moves to the next line
)

// usage prints how a command is called.
func (p Program) usage(out io.Writer, n *node) {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: %s\n", strings.Join(append([]string{p.Name}, n.call()...), " "))
	if n.help != "" {
		b.WriteString("\n" + wrap(n.help, "", width))
	}
	if len(n.args) > 0 {
		b.WriteString("\nArguments:\n")
		var rows []row
		for _, v := range n.args {
			rows = append(rows, row{v.synopsis(), v.told()})
		}
		table(&b, rows)
	}
	b.WriteString("\nFlags:\n")
	rows := []row{{"-h, --help", "Show context-sensitive help."}}
	if p.Version != "" {
		rows = append(rows, row{"    --version", "Print the version."})
	}
	if len(n.all()) > 0 {
		rows = append(rows, row{})
	}
	for _, v := range n.all() {
		name := "    "
		if v.short != "" {
			name = "-" + v.short + ", "
		}
		rows = append(rows, row{name + v.shown(), v.told()})
	}
	table(&b, rows)
	if len(n.commands) > 0 {
		b.WriteString("\nCommands:\n")
		first := true
		n.leaves(func(c *node) {
			if !first {
				b.WriteByte('\n')
			}
			first = false
			fmt.Fprintf(&b, "  %s\n%s", strings.Join(c.call(), " "), wrap(c.help, "    ", width))
		})
	}
	if n.parent == nil && len(n.commands) > 0 {
		fmt.Fprintf(&b, "\nRun \"%s <command> --help\" for more information on a command.\n", p.Name)
	}
	_, _ = io.WriteString(out, b.String())
}

// leaves calls f with every command below that has none itself.
func (n *node) leaves(f func(*node)) {
	for _, c := range n.commands {
		if len(c.commands) == 0 {
			f(c)
			continue
		}
		c.leaves(f)
	}
}

// call is a command with what must follow it.
func (n *node) call() []string {
	words := n.path()
	if len(n.commands) > 0 {
		return append(words, "<command>", "[flags]")
	}
	for _, v := range n.args {
		words = append(words, v.synopsis())
	}
	optional := false
	for _, v := range n.all() {
		if v.required {
			words = append(words, v.synopsis())
		} else {
			optional = true
		}
	}
	if optional {
		words = append(words, "[flags]")
	}
	return words
}

// synopsis is a value as it stands in a call.
func (v *value) synopsis() string {
	if v.positional {
		s := "<" + v.name + ">"
		if v.isList() {
			s += " ..."
		}
		if !v.required {
			s = "[" + s + "]"
		}
		return s
	}
	return v.shown()
}

// shown is a flag with what it takes: its default, or what kind of value.
func (v *value) shown() string {
	takes := v.placeholder
	switch {
	case v.isBool():
		return "--" + v.name
	case takes == "" && v.hasFallback && v.typeName() == "STRING":
		takes = `"` + v.fallback + `"`
	case takes == "" && v.hasFallback:
		takes = v.fallback
	case takes == "":
		takes = v.typeName()
	}
	if v.isList() && v.split {
		takes += ",..."
	}
	return "--" + v.name + "=" + takes
}

// told is the help of a value, with the environment's name of it.
func (v *value) told() string {
	if v.env == "" {
		return v.help
	}
	return strings.TrimSuffix(v.help, ".") + " ($" + v.env + ")."
}

// row is a line of a table; an empty one separates.
type row struct{ left, right string }

// table prints rows in two columns; a long left column has a line of its own.
func table(b *strings.Builder, rows []row) {
	left := 0
	for _, r := range rows {
		if len(r.left) <= indent {
			left = max(left, len(r.left))
		}
	}
	pad := strings.Repeat(" ", left+6)
	for _, r := range rows {
		if r == (row{}) {
			b.WriteByte('\n')
			continue
		}
		text := strings.TrimPrefix(wrap(r.right, pad, width), pad)
		if len(r.left) > left {
			fmt.Fprintf(b, "  %s\n%s%s", r.left, pad, text)
			continue
		}
		fmt.Fprintf(b, "  %-*s    %s", left, r.left, text)
	}
}

// wrap breaks text at spaces and begins each line with pad.
func wrap(text, pad string, columns int) string {
	var b strings.Builder
	at := 0
	for _, w := range strings.Fields(text) {
		if at > 0 && at+1+len(w) > columns {
			b.WriteByte('\n')
			at = 0
		}
		if at == 0 {
			b.WriteString(pad + w)
			at = len(pad) + len(w)
			continue
		}
		b.WriteString(" " + w)
		at += 1 + len(w)
	}
	b.WriteByte('\n')
	return b.String()
}
