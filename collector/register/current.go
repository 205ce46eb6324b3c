package register

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/yamledit"
)

// Row is one row of a sheet: canonical values by the path of their column. A
// column that is absent is not spoken of; "" clears.
type Row struct {
	Sheet  string            `json:"sheet"`
	Number int               `json:"row,omitempty"` // in the file it came from, 1 is the first; 0: from no file
	Remove bool              `json:"remove,omitempty"`
	Cells  map[string]string `json:"cells"`
}

// Rows returns a sheet's rows as the inventory has them, in its order.
func Rows(inv *inventory.Inventory, s Sheet) []Row {
	var out []Row
	if s.Name == contactsSheet {
		for _, v := range inv.Vendors {
			for _, c := range v.Contacts {
				cells := cellsOf(reflect.ValueOf(c), s)
				cells["vendor"] = v.ID
				out = append(out, Row{Sheet: s.Name, Cells: cells})
			}
		}
		return out
	}
	list := listOf(reflect.ValueOf(inv).Elem(), s.Name)
	for i := range list.Len() {
		out = append(out, Row{Sheet: s.Name, Cells: cellsOf(list.Index(i), s)})
	}
	return out
}

func listOf(inv reflect.Value, name string) reflect.Value {
	v, ok := fieldNamed(inv, name)
	if !ok {
		panic("register: the inventory has no list " + name) // a sheet of ours; a test reads all of them
	}
	return v
}

func fieldNamed(v reflect.Value, name string) (reflect.Value, bool) {
	if v.Kind() != reflect.Struct {
		return reflect.Value{}, false
	}
	for i := range v.NumField() {
		if tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ","); tag == name {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func cellsOf(v reflect.Value, s Sheet) map[string]string {
	cells := make(map[string]string, len(s.Columns))
	for _, c := range s.Columns {
		at, ok := v, true
		for _, key := range strings.Split(c.Path, ".") {
			if at, ok = fieldNamed(at, key); !ok {
				break
			}
		}
		if ok {
			cells[c.Path] = canonical(at)
		}
	}
	return cells
}

func canonical(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case string:
		return strings.TrimSpace(x) // as a cell is read: the blanks of a file are no change
	case []string:
		return strings.Join(x, "\n")
	case float64:
		if x == 0 {
			return ""
		}
		return yamledit.Number(x)
	case int:
		if x == 0 {
			return ""
		}
		return fmt.Sprint(x)
	default:
		panic(fmt.Sprintf("register: a cell of type %T", x)) // a column of ours; a test reads all of them
	}
}
