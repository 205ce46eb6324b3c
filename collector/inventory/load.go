package inventory

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Fault is one thing wrong in an inventory file.
type Fault struct {
	File    string
	Line    int // 1 is the first; 0 when the fault is not in one line
	Message string
}

// String returns file:line: message.
func (f Fault) String() string {
	if f.Line == 0 {
		return f.File + ": " + f.Message
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Message)
}

// Faults is the error of Load and Parse: everything that is wrong, in the order
// of files and lines.
type Faults []Fault

// Error returns one fault a line.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// Load reads an inventory from a YAML file, or from all files *.yaml and *.yml
// of a directory, which together make one inventory. The error is of type
// Faults when the files could be read.
func Load(path string) (*Inventory, error) {
	names, err := filesOf(path)
	if err != nil {
		return nil, fmt.Errorf("load inventory %s: %w", path, err)
	}
	files, err := readFiles(names)
	if err != nil {
		return nil, fmt.Errorf("load inventory: %w", err)
	}
	return ParseFiles(files)
}

// Parse reads an inventory from one file's text; name is what faults call it.
// The error is of type Faults.
func Parse(name string, data []byte) (*Inventory, error) {
	return assemble([]*source{parse(name, data)})
}

func filesOf(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var names []string
	err = filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ext := filepath.Ext(name); !d.IsDir() && (ext == ".yaml" || ext == ".yml") {
			names = append(names, name)
		}
		return nil
	})
	if err == nil && len(names) == 0 {
		err = errors.New("the directory holds no *.yaml file")
	}
	slices.Sort(names)
	return names, err
}

// source is one parsed file: what it says, and in which line it says it.
type source struct {
	name   string
	inv    Inventory
	lines  map[string]int // path such as devices[3].site → line
	faults Faults
}

func (s *source) bad(line int, format string, args ...any) {
	s.faults = append(s.faults, Fault{s.name, line, fmt.Sprintf(format, args...)})
}

// parse reads one file. Syntax errors, unknown keys and values of the wrong
// type are in the source's faults, every one of them.
func parse(name string, data []byte) *source {
	s := &source{name: name, lines: map[string]int{}}
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		s.badYAML(0, err)
		return s
	}
	var roots []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil {
			roots = append(roots, doc.Body)
		}
	}
	if len(roots) == 0 {
		return s
	}
	if len(roots) > 1 {
		s.bad(lineOf(roots[1]), "a second YAML document; put it into a file of its own")
		return s
	}
	s.walk(roots[0], "", reflect.TypeFor[Inventory]())
	if err := yaml.Unmarshal(data, &s.inv); err != nil && !s.badElements(roots[0]) {
		s.badYAML(0, err)
	}
	return s
}

// badYAML records an error of the YAML package at its place, or at line where
// the error knows none.
func (s *source) badYAML(line int, err error) {
	var ye yaml.Error
	if !errors.As(err, &ye) {
		s.bad(line, "%s", strings.TrimSpace(err.Error()))
		return
	}
	if t := ye.GetToken(); t != nil && t.Position != nil {
		line = t.Position.Line
	}
	s.bad(line, "%s", ye.GetMessage())
}

// badElements decodes the elements of all lists one by one, so that each value
// of a wrong type is told and not only the first. It tells whether it found any.
func (s *source) badElements(root ast.Node) bool {
	found := false
	top := reflect.TypeFor[Inventory]()
	for _, kv := range entries(root) {
		field, ok := fieldOf(top, kv.Key.String())
		seq, isSeq := plain(kv.Value).(*ast.SequenceNode)
		if !ok || !isSeq || field.Kind() != reflect.Slice {
			continue
		}
		for _, el := range seq.Values {
			if err := yaml.NodeToValue(el, reflect.New(field.Elem()).Interface()); err != nil {
				s.badYAML(lineOf(el), err)
				found = true
			}
		}
	}
	return found
}

// walk notes the line of every node and finds the keys that t does not have.
func (s *source) walk(n ast.Node, path string, t reflect.Type) {
	if n == nil {
		return
	}
	s.lines[path] = lineOf(n)
	n = plain(n)
	switch t.Kind() {
	case reflect.Struct:
		for _, kv := range entries(n) {
			s.walkKey(kv, path, t)
		}
	case reflect.Map:
		for _, kv := range entries(n) {
			s.lines[join(path, kv.Key.String())] = lineOf(kv.Key)
		}
	case reflect.Slice:
		if seq, ok := n.(*ast.SequenceNode); ok {
			for i, el := range seq.Values {
				s.walk(el, fmt.Sprintf("%s[%d]", path, i), t.Elem())
			}
		}
	}
}

func (s *source) walkKey(kv *ast.MappingValueNode, path string, t reflect.Type) {
	key := kv.Key.String()
	field, ok := fieldOf(t, key)
	switch {
	case key == "<<":
	case !ok:
		s.bad(lineOf(kv.Key), "unknown key %q; known here: %s", key, strings.Join(keysOf(t), ", "))
	default:
		s.walk(kv.Value, join(path, key), field)
		s.lines[join(path, key)] = lineOf(kv.Key)
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// plain is the node without its anchor.
func plain(n ast.Node) ast.Node {
	if a, ok := n.(*ast.AnchorNode); ok {
		return a.Value
	}
	return n
}

func entries(n ast.Node) []*ast.MappingValueNode {
	switch m := plain(n).(type) {
	case *ast.MappingNode:
		return m.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{m}
	default:
		return nil
	}
}

// lineOf returns the line a node begins in. A mapping's own token is the colon
// of its first entry, so its first key is asked instead.
func lineOf(n ast.Node) int {
	if kvs := entries(n); len(kvs) > 0 {
		n = kvs[0].Key
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 0
}

func fieldOf(t reflect.Type, key string) (reflect.Type, bool) {
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ","); name == key {
			return t.Field(i).Type, true
		}
	}
	return nil, false
}

func keysOf(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ","); name != "" {
			keys = append(keys, name)
		}
	}
	return keys
}
