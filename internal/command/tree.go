package command

import (
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"
)

// node is a command, or the program as a whole.
type node struct {
	name     string
	help     string
	parent   *node
	self     reflect.Value // the struct
	commands []*node
	flags    []*value
	args     []*value
}

// value is a flag or an argument.
type value struct {
	name        string
	short       string
	help        string
	placeholder string
	env         string
	kind        string // tag type
	fallback    string // tag default
	hasFallback bool
	required    bool
	xor         string
	split       bool // a list is split at commas
	positional  bool // an argument, no flag
	enum        []string
	field       reflect.Value
	set         bool // on the command line or by the environment
}

// tree reads the description. A description that cannot be is a fault of the
// program: it panics.
func (p Program) tree(grammar any) *node {
	v := reflect.ValueOf(grammar)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("command: the grammar is a %T, not a pointer to a struct", grammar))
	}
	root := &node{self: v.Elem(), help: p.Description}
	root.fill(v.Elem())
	return root
}

// fill adds the fields of a struct to a command.
func (n *node) fill(of reflect.Value) {
	for i := range of.NumField() {
		f, tag := of.Type().Field(i), of.Type().Field(i).Tag
		if _, isCommand := tag.Lookup("cmd"); isCommand {
			c := &node{name: nameOf(f), help: tag.Get("help"), parent: n, self: of.Field(i)}
			c.fill(of.Field(i))
			n.commands = append(n.commands, c)
			continue
		}
		if f.Anonymous && f.Type.Kind() == reflect.Struct {
			n.fill(of.Field(i))
			continue
		}
		if !f.IsExported() {
			continue
		}
		v := newValue(f, of.Field(i))
		if _, isArg := tag.Lookup("arg"); isArg {
			_, optional := tag.Lookup("optional")
			v.required, v.positional = !optional, true
			n.args = append(n.args, v)
			continue
		}
		n.flags = append(n.flags, v)
	}
}

func newValue(f reflect.StructField, field reflect.Value) *value {
	v := &value{name: nameOf(f), short: f.Tag.Get("short"), help: f.Tag.Get("help"), placeholder: f.Tag.Get("placeholder"),
		env: f.Tag.Get("env"), kind: f.Tag.Get("type"), xor: f.Tag.Get("xor"), split: f.Tag.Get("sep") != "none", field: field}
	v.fallback, v.hasFallback = f.Tag.Lookup("default")
	_, v.required = f.Tag.Lookup("required")
	if list := f.Tag.Get("enum"); list != "" {
		v.enum = strings.Split(list, ",")
	}
	if v.typeName() == "" {
		panic(fmt.Sprintf("command: field %s: values of type %s are not read", f.Name, f.Type))
	}
	return v
}

func nameOf(f reflect.StructField) string {
	if n := f.Tag.Get("name"); n != "" {
		return n
	}
	return dashed(f.Name)
}

// dashed is a field's name as people type it: TokenFile is token-file, HTTPPort is
// http-port.
func dashed(name string) string {
	var b strings.Builder
	r := []rune(name)
	for i, c := range r {
		if i > 0 && unicode.IsUpper(c) && (unicode.IsLower(r[i-1]) || i+1 < len(r) && unicode.IsLower(r[i+1])) {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

// path is the way to a command, without the program's name.
func (n *node) path() []string {
	if n.parent == nil {
		return nil
	}
	return append(n.parent.path(), n.name)
}

func (n *node) command(name string) *node {
	for _, c := range n.commands {
		if c.name == name {
			return c
		}
	}
	return nil
}

// all are the flags that count here: its own and those of the commands above.
func (n *node) all() []*value {
	if n.parent == nil {
		return n.flags
	}
	return append(n.parent.all(), n.flags...)
}

var durationType = reflect.TypeFor[time.Duration]()

// typeName says in capitals what a value is; empty if it cannot be read.
func (v *value) typeName() string {
	if v.unmarshaler() != nil {
		return "STRING"
	}
	switch t := v.field.Type(); t.Kind() {
	case reflect.Bool:
		return "BOOL"
	case reflect.String:
		return "STRING"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if t == durationType {
			return "DURATION"
		}
		return "INT"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "UINT"
	case reflect.Float32, reflect.Float64:
		return "FLOAT"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.String {
			return "STRING"
		}
	}
	return ""
}

func (v *value) isBool() bool { return v.field.Kind() == reflect.Bool && v.unmarshaler() == nil }

func (v *value) isList() bool { return v.field.Kind() == reflect.Slice && v.unmarshaler() == nil }
