package register

import (
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"

	"github.com/faultline/faultline/collector/inventory"
)

// verify reads the new texts as the collector would, and compares every value
// of the register and everything else of the inventory with what was meant.
func (p *planner) verify(after []inventory.File) {
	if p.keepsRest(); len(p.plan.Problems) > 0 {
		return
	}
	inv, err := inventory.ParseFiles(after)
	if err != nil {
		p.faults(err, after)
		return
	}
	for _, s := range Sheets() {
		want := map[string]map[string]string{}
		for _, r := range Rows(p.inv, s) {
			want[s.keyOf(r.Cells)] = r.Cells
		}
		for _, e := range p.plan.Edits {
			if e.Sheet == s.Name {
				apply(want, e)
			}
		}
		got := Rows(inv, s)
		same := len(got) == len(want)
		for _, r := range got {
			same = same && sameCells(want[s.keyOf(r.Cells)], r.Cells)
		}
		if !same {
			p.bad(Row{Sheet: s.Name}, "", t("写回后的内容与预期不一致，未作修改；请手工修改文件", "what would be written does not read back as meant, so nothing is changed: change the file by hand"))
		}
	}
	if !sameRest(p.inv, inv) {
		p.bad(Row{}, "", t("写回会改动登记之外的内容，未作修改；请手工修改文件", "writing would change more than the register, so nothing is changed: change the file by hand"))
	}
}

// keepsRest refuses to remove entries that hold more than the register shows,
// such as a device with targets.
func (p *planner) keepsRest() {
	more := rest(p.inv)
	for _, e := range p.plan.Edits {
		if _, holds := more[e.Sheet+"\n"+e.Key]; holds && e.Do == Remove {
			p.bad(Row{Sheet: e.Sheet, Number: e.Row}, "", t(e.Key+" 还有监测目标、端口等内容，请在清单文件中删除", e.Key+" has more than the register shows (targets, ports, ...): remove it in the inventory's file"))
		}
	}
}

func apply(rows map[string]map[string]string, e Edit) {
	if e.Do == Remove {
		delete(rows, e.Key)
		return
	}
	if rows[e.Key] == nil {
		rows[e.Key] = map[string]string{}
	}
	for _, c := range e.Cells {
		rows[e.Key][c.Path] = c.New
	}
}

func sameCells(a, b map[string]string) bool {
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	for k, v := range b {
		if a[k] != v {
			return false
		}
	}
	return a != nil
}

// sameRest compares what the register does not speak of.
func sameRest(before, after *inventory.Inventory) bool {
	return reflect.DeepEqual(rest(before), rest(after))
}

// rest is an inventory without the register's values: by list and key, each
// element with the register's keys cleared. Elements that are all clear then
// count as absent, as new ones are.
func rest(inv *inventory.Inventory) map[string]any {
	v := reflect.ValueOf(inv).Elem()
	out := map[string]any{}
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("yaml")
		s, ours := SheetNamed(name)
		if !ours {
			out[name] = v.Field(i).Interface()
			continue
		}
		for j := range v.Field(i).Len() {
			el := reflect.New(v.Field(i).Index(j).Type()).Elem()
			el.Set(v.Field(i).Index(j))
			key := s.keyOf(cellsOf(el, s))
			clearKeys(el, s)
			if !el.IsZero() {
				out[name+"\n"+key] = el.Interface()
			}
		}
	}
	return out
}

func clearKeys(el reflect.Value, s Sheet) {
	keys := []string{}
	for _, c := range s.Columns {
		keys = append(keys, c.top())
	}
	if s.Name == vendorsSheet {
		keys = append(keys, contactsSheet)
	}
	for _, k := range keys {
		if f, ok := fieldNamed(el, k); ok {
			f.SetZero()
		}
	}
}

// lostComments are comments of the old text that the new one does not have.
func lostComments(before, after string) []string {
	count := map[string]int{}
	for _, c := range comments(after) {
		count[c]++
	}
	var lost []string
	for _, c := range comments(before) {
		if count[c]--; count[c] < 0 {
			lost = append(lost, c)
		}
	}
	return lost
}

func comments(text string) []string {
	var out []string
	for _, tk := range lexer.Tokenize(text) {
		if tk.Type == token.CommentType {
			out = append(out, strings.TrimSpace(tk.Value))
		}
	}
	return out
}
