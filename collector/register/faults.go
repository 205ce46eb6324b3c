package register

import (
	"errors"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/yamledit"
)

// faults tells what the inventory's own check says of the new texts, each at
// the row that brought it where that can be told.
func (p *planner) faults(err error, after []inventory.File) {
	var all inventory.Faults
	if !errors.As(err, &all) {
		p.bad(Row{}, "", t(err.Error(), err.Error()))
		return
	}
	rows := map[string]Edit{}
	for _, e := range p.plan.Edits {
		rows[e.Sheet+"\n"+e.Key] = e
	}
	for _, f := range all {
		x := Problem{Text: t(filepath.Base(f.File)+" 第 "+strconv.Itoa(f.Line)+" 行："+f.Message, filepath.Base(f.File)+":"+strconv.Itoa(f.Line)+": "+f.Message)}
		at := filepath.Base(f.File) + ":" + strconv.Itoa(f.Line)
		if e, ok := p.removes(f.Message); ok {
			x = Problem{Sheet: e.Sheet, Row: e.Row, Text: t(e.Key+" 仍被引用："+at+"（"+f.Message+"）", e.Key+" is still used: "+at+" ("+f.Message+")")}
		} else if e, ok := rows[entryAt(after, f)]; ok {
			x = Problem{Sheet: e.Sheet, Row: e.Row, Text: t("清单校验："+f.Message, "the inventory's check: "+f.Message)}
		}
		p.plan.Problems = append(p.plan.Problems, x)
	}
}

// removes finds the removal that a fault is about: something still names what
// would be gone.
func (p *planner) removes(message string) (Edit, bool) {
	for _, e := range p.plan.Edits {
		if e.Do == Remove && strings.Contains(message, strconv.Quote(e.Key)) {
			return e, true
		}
	}
	return Edit{}, false
}

// entryAt names the sheet and key of the entry that a fault stands in.
func entryAt(files []inventory.File, f inventory.Fault) string {
	for _, file := range files {
		if file.Name != f.File {
			continue
		}
		own := inventory.Own(file)
		for _, s := range Sheets() {
			if s.Name == contactsSheet {
				continue
			}
			spans, err := yamledit.Lines(string(file.Data), s.Name)
			if err != nil {
				continue
			}
			for i, r := range Rows(&own, s) {
				if i < len(spans) && spans[i][0] <= f.Line && f.Line <= spans[i][1] {
					return s.Name + "\n" + s.keyOf(r.Cells)
				}
			}
		}
	}
	return ""
}
