package inventory

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// place is where one element of a merged list came from.
type place struct {
	src   *source
	index int // in the file's own list
}

// assembly is the merged inventory while it is checked.
type assembly struct {
	inv    *Inventory
	places map[string][]place // list's name → one place an element
	faults Faults
}

// assemble merges the files and checks the whole.
func assemble(sources []*source) (*Inventory, error) {
	a := &assembly{inv: &Inventory{}, places: map[string][]place{}}
	for _, s := range sources {
		a.faults = append(a.faults, s.faults...)
		a.add(s)
	}
	// Values that could not be read would only cause faults that are none.
	if len(a.faults) == 0 {
		a.check()
	}
	if len(a.faults) > 0 {
		slices.SortStableFunc(a.faults, func(x, y Fault) int {
			return cmp.Or(cmp.Compare(x.File, y.File), cmp.Compare(x.Line, y.Line))
		})
		return nil, a.faults
	}
	return a.inv, nil
}

// add appends one file's lists to the merged ones.
func (a *assembly) add(s *source) {
	from, to := reflect.ValueOf(&s.inv).Elem(), reflect.ValueOf(a.inv).Elem()
	for i := range from.NumField() {
		name := from.Type().Field(i).Tag.Get("yaml")
		f, t := from.Field(i), to.Field(i)
		if f.Kind() == reflect.Slice {
			for j := range f.Len() {
				a.places[name] = append(a.places[name], place{s, j})
			}
			t.Set(reflect.AppendSlice(t, f))
			continue
		}
		if f.IsZero() {
			continue
		}
		if !t.IsZero() && !reflect.DeepEqual(f.Interface(), t.Interface()) {
			s.bad(s.lines[name], "%s is already set, to %v", name, t.Interface())
			a.faults = append(a.faults, s.faults[len(s.faults)-1])
		}
		t.Set(f)
	}
}

// at names a place in a merged list: element i of list, and below it sub, such
// as depends_on[0].any_of[1]; "" is the element itself.
type at struct {
	list string
	i    int
	sub  string
}

func (w at) field(format string, args ...any) at {
	w.sub = join(w.sub, fmt.Sprintf(format, args...))
	return w
}

// line finds the nearest line that is written: a key that is missing is told at
// the element it is missing from.
func (a *assembly) line(w at) (file string, line int) {
	p := a.places[w.list][w.i]
	path := fmt.Sprintf("%s[%d]", w.list, p.index)
	for sub := w.sub; sub != ""; {
		if n, ok := p.src.lines[join(path, sub)]; ok {
			return p.src.name, n
		}
		sub = sub[:max(0, strings.LastIndexAny(sub, ".["))]
	}
	return p.src.name, p.src.lines[path]
}

func (a *assembly) bad(w at, format string, args ...any) {
	file, line := a.line(w)
	a.faults = append(a.faults, Fault{file, line, fmt.Sprintf(format, args...)})
}
