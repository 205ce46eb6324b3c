package profile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Load reads every *.yaml file at the root of the file systems; a file of a
// later one replaces the file of the same name of an earlier one. All faults
// are reported, each with its file and line; on any fault the Set is nil.
func Load(systems ...fs.FS) (*Set, error) {
	files := map[string][]byte{}
	for _, fsys := range systems {
		names, err := fs.Glob(fsys, "*.yaml")
		if err != nil {
			return nil, fmt.Errorf("load profiles: %w", err)
		}
		for _, name := range names {
			if files[name], err = fs.ReadFile(fsys, name); err != nil {
				return nil, fmt.Errorf("load profile %s: %w", name, err)
			}
		}
	}
	return parseAll(files)
}

func parseAll(files map[string][]byte) (*Set, error) {
	s := newSet()
	var faults []error
	docs := map[string]*ast.File{}
	for _, name := range sortedKeys(files) {
		p, doc, err := Parse(name, files[name])
		if err != nil {
			faults = append(faults, err)
			continue
		}
		if twin := s.heads[p.Name]; twin != nil {
			faults = append(faults, fmt.Errorf("%s:%d: profile %q is also in %s", name, line(doc, "$.profile"), p.Name, twin.file))
			continue
		}
		s.add(p)
		s.bodies[p.Name], docs[p.Name] = p, doc
	}
	for _, name := range s.names {
		faults = append(faults, s.checkReferences(s.heads[name], &checker{file: s.heads[name].file, doc: docs[name]})...)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return s, nil
}

// dynamic is what stands in a profile for the device's own sysObjectID, and for
// that without its last number.
const dynamic, dynamicParent = "{sys_object_id}", "{sys_object_parent}"

// Parse reads and checks one profile, references to others excepted.
func Parse(file string, text []byte) (*Profile, *ast.File, error) {
	if bytes.Contains(text, []byte(dynamic)) || bytes.Contains(text, []byte(dynamicParent)) {
		p, doc, err := parse(file, filled(text, "1.3.6.1.4.1.0.0"))
		if err == nil {
			p.text = text
		}
		return p, doc, err
	}
	return parse(file, text)
}

// on returns the profile as it is for a device: where OIDs depend on the
// sysObjectID they are filled in.
func (p *Profile) on(id Identification) *Profile {
	if p.text == nil || !oidPattern.MatchString(id.SysObjectID) {
		return p
	}
	q, _, err := parse(p.file, filled(p.text, id.SysObjectID))
	if err != nil {
		return p // it was fine with another number: it is fine with this one
	}
	return q
}

func filled(text []byte, sysObjectID string) []byte {
	parent := sysObjectID[:max(strings.LastIndexByte(sysObjectID, '.'), 3)]
	return []byte(strings.NewReplacer(dynamic, sysObjectID, dynamicParent, parent).Replace(string(text)))
}

func parse(file string, text []byte) (*Profile, *ast.File, error) {
	p, doc, err := decode(file, text)
	if err != nil {
		return nil, nil, err
	}
	p.absolute()
	c := &checker{file: file, doc: doc}
	c.profile(p)
	if len(c.faults) > 0 {
		return nil, nil, errors.Join(c.faults...)
	}
	return p, doc, nil
}

// decode reads the YAML. The library panics on some malformed input (a list
// with a tag that is no tag), which is the file's fault and not ours.
func decode(file string, text []byte) (p *Profile, doc *ast.File, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("%s:1: not readable as YAML: %v", file, fault)
		}
	}()
	if doc, err = parser.ParseBytes(text, 0); err != nil {
		return nil, nil, located(file, nil, err)
	}
	if len(doc.Docs) == 0 || doc.Docs[0].Body == nil {
		return nil, nil, fmt.Errorf("%s:1: file is empty", file)
	}
	if len(doc.Docs) > 1 {
		return nil, nil, fmt.Errorf("%s: more than one document", file)
	}
	p = &Profile{file: file}
	ast.Walk(asWritten{}, doc.Docs[0].Body)
	if err = yaml.NodeToValue(doc.Docs[0].Body, p, yaml.Strict()); err != nil {
		return nil, nil, located(file, doc, err)
	}
	return p, doc, nil
}

// asWritten turns what YAML takes for a fraction into the text it was written
// as: .10 is an OID's end and not one tenth. Factors stay numbers.
type asWritten struct{}

// Visit is called for every node.
func (v asWritten) Visit(n ast.Node) ast.Visitor {
	switch n := n.(type) {
	case *ast.MappingValueNode:
		if f, ok := n.Key.(*ast.FloatNode); ok {
			n.Key = ast.String(f.Token)
		}
		switch n.Key.String() {
		case "scale", "offset":
		case "cells", "labels": // where these words may be names
			if m, ok := n.Value.(*ast.MappingNode); ok {
				for _, cell := range m.Values {
					cell.Value = written(cell.Value)
				}
			}
		default:
			n.Value = written(n.Value)
		}
	case *ast.SequenceNode:
		for i := range n.Values {
			n.Values[i] = written(n.Values[i])
		}
	}
	return v
}

func written(n ast.Node) ast.Node {
	if f, ok := n.(*ast.FloatNode); ok {
		return ast.String(f.Token)
	}
	return n
}

// textError is what is wrong with a text of a file.
type textError struct {
	text string // as it stands there
	err  error
}

// Error says what is wrong.
func (e textError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e textError) Unwrap() error { return e.err }

// located puts the file's name and line before an error of the YAML library, or
// of a text in the document.
func located(file string, doc *ast.File, err error) error {
	var ye yaml.Error
	if errors.As(err, &ye) && ye.GetToken() != nil {
		return fmt.Errorf("%s:%d: %s", file, ye.GetToken().Position.Line, ye.GetMessage())
	}
	var te textError
	if errors.As(err, &te) && doc != nil {
		found := lineOf{text: te.text}
		ast.Walk(&found, doc.Docs[0].Body)
		return fmt.Errorf("%s:%d: %w", file, max(found.line, 1), te)
	}
	return fmt.Errorf("%s: %w", file, err)
}

// lineOf finds the line of the first scalar with a text.
type lineOf struct {
	text string
	line int
}

// Visit is called for every node.
func (v *lineOf) Visit(n ast.Node) ast.Visitor {
	if s, ok := n.(ast.ScalarNode); ok && v.line == 0 && s.GetToken() != nil && s.GetToken().Value == v.text {
		v.line = s.GetToken().Position.Line
	}
	return v
}

// line returns the line of the node at a YAML path, or of its nearest parent.
func line(doc *ast.File, at string) int {
	if doc == nil {
		return 1
	}
	for at != "$" && at != "" {
		if p, err := yaml.PathString(at); err == nil {
			if n, err := p.FilterFile(doc); err == nil && n != nil && n.GetToken() != nil {
				return n.GetToken().Position.Line
			}
		}
		at = at[:max(strings.LastIndexAny(at, ".["), 1)]
	}
	return 1
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int { return strings.Compare(path.Base(a), path.Base(b)) })
	return keys
}
