package register

import (
	"cmp"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/yamledit"
)

// spot is where an element is written.
type spot struct{ file, index int }

// write turns the plan's edits into new texts of the files and checks them by
// reading them again.
func (p *planner) write() {
	changes := make([][]yamledit.Change, len(p.files)+1)
	for _, group := range p.groups() {
		at, there := p.spotOf(group.sheet, group.key)
		c, ok := p.change(group, at, there)
		if !ok {
			continue
		}
		if !there {
			at.file = p.home(group.sheet.Name)
		}
		changes[at.file] = append(changes[at.file], c)
	}
	after := slices.Clone(p.files)
	after = append(after, inventory.File{Name: p.extra})
	for i, list := range changes {
		if len(list) == 0 {
			continue
		}
		text, err := yamledit.Apply(string(after[i].Data), list)
		if err != nil {
			p.bad(Row{}, "", t(filepath.Base(after[i].Name)+"："+err.Error()+"；请手工修改该文件", filepath.Base(after[i].Name)+": "+err.Error()+"; change this file by hand"))
			continue
		}
		p.plan.Files = append(p.plan.Files, FileEdit{Name: after[i].Name, Before: string(after[i].Data), After: text, New: i == len(p.files)})
		p.plan.Lost = append(p.plan.Lost, lostComments(string(after[i].Data), text)...)
		after[i].Data = []byte(text)
	}
	if len(changes[len(p.files)]) == 0 {
		after = after[:len(p.files)]
	}
	if len(p.plan.Problems) == 0 {
		p.verify(after)
	}
}

// group is all edits of one element: contacts belong to their vendor.
type group struct {
	sheet    Sheet
	key      string
	row      int
	edit     *Edit // nil: only contacts change
	contacts bool
}

func (p *planner) groups() []*group {
	var out []*group
	index := map[string]*group{}
	find := func(s Sheet, key string, row int) *group {
		g := index[s.Name+"\n"+key]
		if g == nil {
			g = &group{sheet: s, key: key, row: row}
			index[s.Name+"\n"+key] = g
			out = append(out, g)
		}
		return g
	}
	for i := range p.plan.Edits {
		e := &p.plan.Edits[i]
		s, _ := SheetNamed(e.Sheet)
		if e.Sheet == contactsSheet {
			v, _ := SheetNamed(vendorsSheet)
			vendor, _, _ := strings.Cut(e.Key, " / ")
			find(v, vendor, e.Row).contacts = true
			continue
		}
		find(s, e.Key, e.Row).edit = e
	}
	return out
}

// spotOf finds the element of that key in the files.
func (p *planner) spotOf(s Sheet, key string) (spot, bool) {
	if p.spots == nil {
		p.spots = map[string]spot{}
		for f := range p.files {
			own := inventory.Own(p.files[f])
			for _, sheet := range Sheets() {
				if sheet.Name == contactsSheet {
					continue
				}
				for i, r := range Rows(&own, sheet) {
					p.spots[sheet.Name+"\n"+sheet.keyOf(r.Cells)] = spot{f, i}
				}
			}
		}
	}
	at, ok := p.spots[s.Name+"\n"+key]
	return at, ok
}

// home is the file that new entries of a list go to: the one with most of them,
// else the extra one.
func (p *planner) home(list string) int {
	best, most := len(p.files), 0
	for i, f := range p.files {
		if n, err := yamledit.Count(string(f.Data), list); err == nil && n > most {
			best, most = i, n
		}
	}
	if best == len(p.files) {
		if i := slices.IndexFunc(p.files, func(f inventory.File) bool { return f.Name == p.extra }); i >= 0 {
			return i
		}
	}
	return best
}

// change is what is done to one element.
func (p *planner) change(g *group, at spot, there bool) (yamledit.Change, bool) {
	c := yamledit.Change{List: g.sheet.Name, Index: at.index}
	if !there {
		c.Index = -1
	}
	if g.edit != nil && g.edit.Do == Remove {
		c.Remove = true
		return c, true
	}
	if g.edit != nil {
		p.set(&c, g)
	}
	if g.contacts {
		if v := p.contactsOf(g.key); v != "" {
			c.Set = append(c.Set, yamledit.Pair{Key: contactsSheet, Value: v})
		} else {
			c.Unset = append(c.Unset, contactsSheet)
		}
	}
	return c, len(c.Set)+len(c.Unset) > 0
}

// set writes the keys that change; a key with parts, such as name, is written
// whole from what stays and what is new.
func (p *planner) set(c *yamledit.Change, g *group) {
	cells := p.current(g.sheet, g.key)
	touched := map[string]bool{}
	for _, x := range g.edit.Cells {
		col, _ := g.sheet.column(x.Path)
		cells[x.Path], touched[col.top()] = x.New, true
	}
	done := map[string]bool{}
	for _, col := range g.sheet.Columns {
		key := col.top()
		if !touched[key] || done[key] {
			continue
		}
		done[key] = true
		if v := valueOf(g.sheet, key, cells); v != "" {
			c.Set = append(c.Set, yamledit.Pair{Key: key, Value: v})
		} else {
			c.Unset = append(c.Unset, key)
		}
	}
}

func valueOf(s Sheet, key string, cells map[string]string) string {
	var parts []yamledit.Pair
	for _, col := range s.Columns {
		v := cells[col.Path]
		if col.top() != key || v == "" {
			continue
		}
		if col.Path == key {
			return col.yaml(v)
		}
		parts = append(parts, yamledit.Pair{Key: strings.TrimPrefix(col.Path, key+"."), Value: col.yaml(v)})
	}
	if len(parts) == 0 {
		return ""
	}
	return yamledit.Flow(parts)
}

func (p *planner) current(s Sheet, key string) map[string]string {
	if p.have == nil {
		p.have = map[string]map[string]string{}
		for _, sheet := range Sheets() {
			for _, r := range Rows(p.inv, sheet) {
				p.have[sheet.Name+"\n"+sheet.keyOf(r.Cells)] = r.Cells
			}
		}
	}
	out := map[string]string{}
	for k, v := range p.have[s.Name+"\n"+key] {
		out[k] = v
	}
	return out
}

// contactsOf is a vendor's list of contacts after the import, by level.
func (p *planner) contactsOf(vendor string) string {
	s, _ := SheetNamed(contactsSheet)
	edits := map[string]*Edit{}
	var rows []map[string]string
	for i := range p.plan.Edits {
		if e := &p.plan.Edits[i]; e.Sheet == contactsSheet {
			edits[e.Key] = e
		}
	}
	put := func(cells map[string]string, e *Edit) {
		for _, x := range e.Cells {
			cells[x.Path] = x.New
		}
		rows = append(rows, cells)
	}
	for _, r := range Rows(p.inv, s) {
		e := edits[s.keyOf(r.Cells)]
		switch {
		case r.Cells["vendor"] != vendor, e != nil && e.Do == Remove:
		case e != nil:
			put(r.Cells, e)
		default:
			rows = append(rows, r.Cells)
		}
	}
	for i := range p.plan.Edits {
		if e := &p.plan.Edits[i]; e.Sheet == contactsSheet && e.Do == Add && strings.HasPrefix(e.Key, vendor+" / ") {
			put(map[string]string{}, e)
		}
	}
	level := func(c map[string]string) int { n, _ := strconv.Atoi(c["level"]); return n }
	slices.SortStableFunc(rows, func(a, b map[string]string) int { return cmp.Compare(level(a), level(b)) })
	var out []string
	for _, cells := range rows {
		var pairs []yamledit.Pair
		for _, col := range s.Columns {
			if v := cells[col.Path]; v != "" && col.Path != "vendor" {
				pairs = append(pairs, yamledit.Pair{Key: col.Path, Value: col.yaml(v)})
			}
		}
		out = append(out, yamledit.Flow(pairs))
	}
	if len(out) == 0 {
		return ""
	}
	return "[" + strings.Join(out, ", ") + "]"
}
