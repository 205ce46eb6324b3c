// Package yamlfile reads YAML that people write: strictly, and with the line of
// every value, so that a loader can say file:line for faults it finds itself.
// It knows nothing of what the files mean.
package yamlfile

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxSize bounds a file; rule files have a few kilobytes.
const maxSize = 1 << 20

// File is one parsed YAML document.
type File struct {
	Name string
	Data []byte
	doc  *ast.File
}

// Parse reads the document's syntax. name is used in errors.
func Parse(name string, data []byte) (f *File, err error) {
	defer survive(name, &err)
	if len(data) > maxSize {
		return nil, fmt.Errorf("%s: larger than %d bytes", name, maxSize)
	}
	doc, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, locate(name, err)
	}
	if len(doc.Docs) != 1 || doc.Docs[0].Body == nil {
		return nil, fmt.Errorf("%s:1: want one YAML document, found %d", name, len(doc.Docs))
	}
	return &File{Name: name, Data: data, doc: doc}, nil
}

// ParseAll parses the *.yaml files at the top of fsys in order of their names.
// Files that cannot be parsed are left out and reported in the error.
func ParseAll(fsys fs.FS) ([]*File, error) {
	names, err := fs.Glob(fsys, "*.yaml")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var files []*File
	var faults []error
	for _, name := range names {
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			faults = append(faults, fmt.Errorf("read %s: %w", name, err))
			continue
		}
		f, err := Parse(name, data)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		files = append(files, f)
	}
	return files, errors.Join(faults...)
}

// Decode fills v, a pointer; an unknown or repeated key is an error. Of unknown
// keys every one is reported.
func (f *File) Decode(v any) (err error) {
	defer survive(f.Name, &err)
	err = yaml.UnmarshalWithOptions(f.Data, v, yaml.Strict())
	if err == nil {
		return nil
	}
	var key *yaml.UnknownFieldError
	if errors.As(err, &key) {
		if all := f.unknown(f.doc.Docs[0].Body, reflect.TypeOf(v)); all != nil {
			return all
		}
	}
	return locate(f.Name, err)
}

// survive turns a panic of the YAML library into an error: it panics on some
// malformed input (a list with a tag that is none), which is the file's fault.
func survive(name string, err *error) {
	if fault := recover(); fault != nil {
		*err = fmt.Errorf("%s:1: not readable as YAML: %v", name, fault)
	}
}

// Text returns the scalar at the path, or "" when there is none.
func (f *File) Text(path string) string {
	yp, err := yaml.PathString("$." + path)
	if err != nil {
		return ""
	}
	node, err := yp.FilterFile(f.doc)
	if err != nil || node == nil || node.GetToken() == nil {
		return ""
	}
	if _, ok := node.(ast.ScalarNode); !ok {
		return ""
	}
	return node.GetToken().Value
}

// Len returns how many elements the list at the path has, 0 when there is none.
func (f *File) Len(path string) int {
	yp, err := yaml.PathString("$." + path)
	if err != nil {
		return 0
	}
	node, err := yp.FilterFile(f.doc)
	if err != nil {
		return 0
	}
	if list, ok := node.(*ast.SequenceNode); ok {
		return len(list.Values)
	}
	return 0
}

// Faultf is an error at the value that the path leads to, or at the nearest
// value above it that is in the file. Paths are like "steps.triage.next[0].when".
func (f *File) Faultf(path, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s: %s", f.Name, f.Line(path), path, fmt.Sprintf(format, args...))
}

// Line is the line of the value that the path leads to, or of the nearest one
// above it.
func (f *File) Line(path string) int {
	for p := path; p != ""; p = parent(p) {
		yp, err := yaml.PathString("$." + p)
		if err != nil {
			continue
		}
		node, err := yp.FilterFile(f.doc)
		if err == nil && node != nil && node.GetToken() != nil {
			return node.GetToken().Position.Line
		}
	}
	return 1
}

func parent(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

// locate gives an error of the YAML package the form file:line: message.
func locate(name string, err error) error {
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil {
		return fmt.Errorf("%s:%d: %s", name, at.GetToken().Position.Line, at.GetMessage())
	}
	return fmt.Errorf("%s: %w", name, err)
}
