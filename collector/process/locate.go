package process

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/file"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Fault is something wrong in a file, with its place: Line and Column count
// from 1, Column in characters. Source is the line itself, "" when not known.
type Fault struct {
	File         string
	Line, Column int
	Path         string // like steps[0].next[0].when; "" for what has none
	Text         string
	Source       string
}

// Error is file:line:column: path: text, with the line and a caret below it.
func (f *Fault) Error() string {
	out := fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.Text)
	if f.Path != "" {
		out = fmt.Sprintf("%s:%d:%d: %s: %s", f.File, f.Line, f.Column, f.Path, f.Text)
	}
	if f.Source == "" {
		return out
	}
	runes := []rune(f.Source)
	before := string(runes[:min(len(runes), max(0, f.Column-1))])
	pad := regexp.MustCompile(`\S`).ReplaceAllStringFunc(before, func(c string) string { return strings.Repeat(" ", columnsOf(c)) })
	return out + "\n    " + f.Source + "\n    " + pad + "^"
}

// Locator finds the places of values in a file. It is not for several
// goroutines: it reads the syntax when it is first asked.
type Locator struct {
	name  string
	data  []byte
	lines []string
	doc   *ast.File
	tried bool
}

// NewLocator makes a locator; a file without syntax places all on line 1.
func NewLocator(name string, data []byte) *Locator {
	return &Locator{name: name, data: data, lines: strings.Split(string(data), "\n")}
}

func (l *Locator) read() {
	l.tried = true
	defer func() {
		if recover() != nil { // the library panics on some malformed files
			l.doc = nil
		}
	}()
	if doc, err := parser.ParseBytes(l.data, 0); err == nil {
		l.doc = doc
	}
}

// At makes a fault at the path's value or the nearest one above it.
func (l *Locator) At(path, format string, args ...any) *Fault {
	return l.within(path, 0, fmt.Sprintf(format, args...))
}

// within places the fault offset characters inside the value's text.
func (l *Locator) within(path string, offset int, text string) *Fault {
	f := &Fault{File: l.name, Line: 1, Column: 1, Path: path, Text: text}
	if t, exact := l.token(path); t != nil {
		f.Line, f.Column = t.Position.Line, t.Position.Column
		if exact && offset > 0 {
			f.Column += offset
			if t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType {
				f.Column++
			}
		}
	}
	if f.Line >= 1 && f.Line <= len(l.lines) {
		f.Source = strings.TrimRight(l.lines[f.Line-1], "\r")
		f.Column = min(f.Column, len([]rune(f.Source))+1)
	}
	return f
}

func (l *Locator) token(path string) (t *token.Token, exact bool) {
	if !l.tried {
		l.read()
	}
	if l.doc == nil {
		return nil, false
	}
	for p := path; p != ""; p = p[:max(0, strings.LastIndexAny(p, ".["))] {
		yp, err := yaml.PathString("$." + p)
		if err != nil {
			continue
		}
		node, err := yp.FilterFile(l.doc)
		if err == nil && node != nil && node.GetToken() != nil {
			return first(node), p == path
		}
	}
	return nil, false
}

// first is the token the value begins with: a mapping's own token is the colon
// after its first key.
func first(node ast.Node) *token.Token {
	switch n := node.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return n.Values[0].Key.GetToken()
		}
	case *ast.MappingValueNode:
		return n.Key.GetToken()
	}
	return node.GetToken()
}

// guardFault places an error of a condition at its very character.
func (l *Locator) guardFault(path string, err error) *Fault {
	offset, text := 0, err.Error()
	var at *file.Error
	var name *nameError
	switch {
	case errors.As(err, &at):
		offset, text = at.Column, at.Message
	case errors.As(err, &name):
		offset, text = name.offset, name.text
	}
	return l.within(path, offset, text)
}

var lineOf = regexp.MustCompile(`^(.*?):(\d+): (.*)$`)

// faults gives the reader's own errors, which know only the line, a column.
func (l *Locator) faults(err error) error {
	var out []error
	for _, text := range strings.Split(err.Error(), "\n") {
		m := lineOf.FindStringSubmatch(text)
		if m == nil {
			out = append(out, errors.New(text))
			continue
		}
		f := &Fault{File: m[1], Column: 1, Text: m[3]}
		f.Line, _ = strconv.Atoi(m[2])
		if f.Line >= 1 && f.Line <= len(l.lines) {
			f.Source = l.lines[f.Line-1]
			word := f.Source[:len(f.Source)-len(strings.TrimLeft(f.Source, " -"))]
			if q := strings.Split(m[3], `"`); len(q) > 1 && strings.Contains(f.Source, q[1]) {
				word = f.Source[:strings.Index(f.Source, q[1])]
			}
			f.Column = len([]rune(word)) + 1
		}
		out = append(out, f)
	}
	return errors.Join(out...)
}
