package yamlfile

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// unknown returns a fault for every key that t has no field for. Types that read
// themselves are left to do so.
func (f *File) unknown(n ast.Node, t reflect.Type) error {
	for t.Kind() == reflect.Pointer {
		if t.Implements(reflect.TypeFor[yaml.NodeUnmarshaler]()) {
			return nil
		}
		t = t.Elem()
	}
	if a, ok := n.(*ast.AnchorNode); ok {
		n = a.Value
	}
	var faults []error
	switch t.Kind() {
	case reflect.Struct:
		if reflect.PointerTo(t).Implements(reflect.TypeFor[yaml.NodeUnmarshaler]()) {
			return nil
		}
		for _, kv := range entries(n) {
			faults = append(faults, f.unknownKey(kv, t))
		}
	case reflect.Map:
		for _, kv := range entries(n) {
			faults = append(faults, f.unknown(kv.Value, t.Elem()))
		}
	case reflect.Slice:
		if list, ok := n.(*ast.SequenceNode); ok {
			for _, el := range list.Values {
				faults = append(faults, f.unknown(el, t.Elem()))
			}
		}
	}
	return errors.Join(faults...)
}

func (f *File) unknownKey(kv *ast.MappingValueNode, t reflect.Type) error {
	key := kv.Key.String()
	if key == "<<" {
		return nil
	}
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ","); name == key {
			return f.unknown(kv.Value, t.Field(i).Type)
		}
	}
	return fmt.Errorf("%s:%d: unknown key %q; known here: %s", f.Name, kv.Key.GetToken().Position.Line, key, strings.Join(keysOf(t), ", "))
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

func entries(n ast.Node) []*ast.MappingValueNode {
	switch m := n.(type) {
	case *ast.MappingNode:
		return m.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{m}
	default:
		return nil
	}
}
