package command

import (
	"encoding"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// line is a command line being read.
type line struct {
	program       Program
	at            *node // the command so far
	words         int   // positional arguments taken
	help, version bool
}

func (l *line) read(args []string) error {
	for len(args) > 0 {
		a := args[0]
		args = args[1:]
		var err error
		switch {
		case a == "--":
			for _, w := range args {
				if err := l.word(w); err != nil {
					return err
				}
			}
			return nil
		case strings.HasPrefix(a, "--"):
			args, err = l.long(a[2:], args)
		case len(a) > 1 && a[0] == '-' && !numeric(a):
			args, err = l.short(a[1:], args)
		default:
			err = l.word(a)
		}
		if err != nil || l.help || l.version {
			return err
		}
	}
	return nil
}

// numeric tells a negative number from a flag.
func numeric(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

// word takes a command's name or an argument.
func (l *line) word(w string) error {
	if c := l.at.command(w); c != nil && l.words == 0 {
		l.at = c
		return nil
	}
	if l.words >= len(l.at.args) {
		return fmt.Errorf("unexpected argument %s", w)
	}
	v := l.at.args[l.words]
	if !v.isList() {
		l.words++
	}
	return v.take("<"+v.name+">", w, false)
}

func (l *line) long(text string, rest []string) ([]string, error) {
	name, given, has := strings.Cut(text, "=")
	if name == "help" && !has {
		l.help = true
		return rest, nil
	}
	if name == "version" && !has && l.program.Version != "" {
		l.version = true
		return rest, nil
	}
	for _, v := range l.at.all() {
		if v.name == name {
			return l.flag(v, "--"+name, given, has, rest)
		}
	}
	return nil, fmt.Errorf("unknown flag --%s", name)
}

// short takes -n 5, -n5 and, for switches, -vx.
func (l *line) short(text string, rest []string) ([]string, error) {
	letter, given := text[:1], text[1:]
	if letter == "h" {
		l.help = true
		return rest, nil
	}
	for _, v := range l.at.all() {
		if v.short != letter {
			continue
		}
		if v.isBool() && given != "" {
			if err := v.take("-"+letter, "true", false); err != nil {
				return nil, err
			}
			return l.short(given, rest)
		}
		return l.flag(v, "-"+letter, strings.TrimPrefix(given, "="), given != "", rest)
	}
	return nil, fmt.Errorf("unknown flag -%s", letter)
}

// flag takes a flag's value: what was given with it, the next word, or true.
func (l *line) flag(v *value, as, given string, has bool, rest []string) ([]string, error) {
	switch {
	case has:
	case v.isBool():
		given = "true"
	case len(rest) == 0:
		return nil, fmt.Errorf("%s: expected %s value", as, strings.ToLower(v.typeName()))
	default:
		given, rest = rest[0], rest[1:]
	}
	return rest, v.take(as, given, v.split)
}

// complete fills what the line left out and checks what it must hold.
func (l *line) complete() error {
	if len(l.at.commands) > 0 {
		return fmt.Errorf("expected one of %s", l.at.choices())
	}
	var missing []string
	chosen := map[string]string{}
	for _, v := range l.at.all() {
		if err := v.settle(l.program.Env); err != nil {
			return err
		}
		if v.required && !v.set {
			missing = append(missing, v.synopsis())
		}
		if v.xor != "" && v.set {
			if other, ok := chosen[v.xor]; ok {
				return fmt.Errorf("--%s and --%s can't be used together", other, v.name)
			}
			chosen[v.xor] = v.name
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("missing flags: %s", strings.Join(missing, ", "))
	}
	for _, v := range l.at.args {
		if v.required && !v.set {
			return fmt.Errorf("expected %q", v.synopsis())
		}
		if err := v.settle(l.program.Env); err != nil {
			return err
		}
	}
	return nil
}

// settle takes the environment's value or the default for one that was not given.
func (v *value) settle(env func(string) (string, bool)) error {
	if v.set {
		return nil
	}
	if v.env != "" {
		if s, ok := env(v.env); ok {
			return v.take("$"+v.env, s, v.split)
		}
	}
	if !v.hasFallback {
		return nil
	}
	err := v.take("--"+v.name, v.fallback, v.split)
	v.set = false
	return err
}

// take sets a value from text; as names it in errors.
func (v *value) take(as, text string, split bool) error {
	if v.isList() {
		parts := []string{text}
		if split {
			parts = strings.Split(text, ",")
		}
		for _, p := range parts {
			p, err := v.checked(p)
			if err != nil {
				return fmt.Errorf("%s: %w", as, err)
			}
			e := reflect.New(v.field.Type().Elem()).Elem()
			e.SetString(p)
			v.field.Set(reflect.Append(v.field, e))
		}
		v.set = true
		return nil
	}
	text, err := v.checked(text)
	if err == nil {
		err = v.scan(text)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", as, err)
	}
	v.set = true
	return nil
}

// checked holds text against enum and type.
func (v *value) checked(text string) (string, error) {
	if v.enum != nil && !slices.Contains(v.enum, text) {
		return "", fmt.Errorf("must be one of %q but got %q", strings.Join(v.enum, ","), text)
	}
	if v.kind == "" || text == "" || text == "-" && v.kind == "path" {
		return text, nil
	}
	path, err := expand(text)
	if err != nil || v.kind == "path" {
		return path, err
	}
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%q exists but is not a directory", text)
	}
	return path, err
}

// expand makes a path absolute, ~ the user's home.
func expand(path string) (string, error) {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest), nil
		}
	}
	return filepath.Abs(path)
}

func (v *value) unmarshaler() encoding.TextUnmarshaler {
	u, _ := v.field.Addr().Interface().(encoding.TextUnmarshaler)
	return u
}

func (v *value) scan(text string) error {
	if u := v.unmarshaler(); u != nil {
		return u.UnmarshalText([]byte(text))
	}
	bits := 64
	if k := v.field.Kind(); k != reflect.Bool && k != reflect.String {
		bits = v.field.Type().Bits()
	}
	var err error
	switch v.typeName() {
	case "BOOL":
		var b bool
		b, err = strconv.ParseBool(text)
		v.field.SetBool(b)
	case "STRING":
		v.field.SetString(text)
	case "DURATION":
		var d time.Duration
		d, err = time.ParseDuration(text)
		v.field.SetInt(int64(d))
	case "INT":
		var i int64
		i, err = strconv.ParseInt(text, 10, bits)
		v.field.SetInt(i)
	case "UINT":
		var u uint64
		u, err = strconv.ParseUint(text, 10, bits)
		v.field.SetUint(u)
	case "FLOAT":
		var f float64
		f, err = strconv.ParseFloat(text, bits)
		v.field.SetFloat(f)
	}
	if err != nil {
		return fmt.Errorf("expected %s but got %q", strings.ToLower(v.typeName()), text)
	}
	return nil
}
