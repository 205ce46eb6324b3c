package register

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/lang"
)

// What an edit does.
const (
	Add    = "add"
	Alter  = "change"
	Remove = "remove"
)

// Edit is what happens to one row.
type Edit struct {
	Sheet string     `json:"sheet"`
	Key   string     `json:"key"`
	Do    string     `json:"do"` // add, change or remove
	Row   int        `json:"row,omitempty"`
	Cells []CellEdit `json:"cells,omitempty"`
}

// CellEdit is what happens to one value.
type CellEdit struct {
	Path string `json:"path"`
	Old  string `json:"old,omitempty"`
	New  string `json:"new,omitempty"`
}

// Problem is one thing that is wrong with an import.
type Problem struct {
	Sheet  string    `json:"sheet,omitempty"`
	Row    int       `json:"row,omitempty"`    // 0: not of one row
	Column string    `json:"column,omitempty"` // path; "": not of one column
	Text   lang.Text `json:"text"`
}

// FileEdit is one inventory file before and after.
type FileEdit struct {
	Name   string `json:"name"`
	Before string `json:"before"` // "" and New: there was none
	After  string `json:"after"`
	New    bool   `json:"new,omitempty"`
}

// Plan is what an import would do. Only a plan without problems can be applied.
type Plan struct {
	Edits    []Edit     `json:"edits"`
	Same     int        `json:"same"` // rows that say what is so already
	Problems []Problem  `json:"problems"`
	Files    []FileEdit `json:"files"`
	// Lost are comments that stand within values which are replaced or removed.
	Lost []string `json:"lost,omitempty"`
}

// maxProblems bounds what is told at once.
const maxProblems = 500

// MakePlan compares rows with the inventory in files and says what applying them
// would do. extra is the file that new entries go to when no file has a list
// for them. It reads and writes nothing.
func MakePlan(files []inventory.File, extra string, rows []Row) (Plan, error) {
	inv, err := inventory.ParseFiles(files)
	if err != nil {
		return Plan{}, err
	}
	p := planner{files: files, extra: extra, inv: inv, known: knownIn(inv, rows)}
	for _, s := range Sheets() {
		p.sheet(s, slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return r.Sheet != s.Name }))
	}
	if len(p.plan.Problems) == 0 && len(p.plan.Edits) > 0 {
		p.write()
	}
	slices.SortStableFunc(p.plan.Problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Sheet, b.Sheet), cmp.Compare(a.Row, b.Row))
	})
	if n := len(p.plan.Problems); n > maxProblems {
		p.plan.Problems = append(p.plan.Problems[:maxProblems], Problem{Text: t("另有 "+strconv.Itoa(n-maxProblems)+" 个问题未列出", strconv.Itoa(n-maxProblems)+" more problems are not listed")})
	}
	return p.plan, nil
}

type planner struct {
	files []inventory.File
	extra string
	inv   *inventory.Inventory
	known map[string]map[string]bool // list → ids that exist once the import is applied
	plan  Plan

	spots map[string]spot              // sheet and key → where it is written; made when first asked for
	have  map[string]map[string]string // sheet and key → cells; made when first asked for
}

// knownIn is what references may name: what is there and what is added, without
// what is removed.
func knownIn(inv *inventory.Inventory, rows []Row) map[string]map[string]bool {
	known := map[string]map[string]bool{"sites": {}, "things": {}}
	for _, s := range inv.Sites {
		known["sites"][s.ID] = true
	}
	for _, list := range []string{vendorsSheet, "devices", "lines"} {
		known[list] = map[string]bool{}
		s, _ := SheetNamed(list)
		for _, r := range slices.Concat(Rows(inv, s), rows) {
			if r.Sheet == list {
				known[list][r.Cells["id"]] = !r.Remove
			}
		}
	}
	for _, list := range []string{"devices", "lines"} {
		for id, is := range known[list] {
			known["things"][id] = is
		}
	}
	return known
}

func (p *planner) bad(r Row, column string, text lang.Text) {
	p.plan.Problems = append(p.plan.Problems, Problem{Sheet: r.Sheet, Row: r.Number, Column: column, Text: text})
}

// sheet compares one sheet's rows with what is there.
func (p *planner) sheet(s Sheet, rows []Row) {
	have := map[string]Row{}
	for _, r := range Rows(p.inv, s) {
		have[s.keyOf(r.Cells)] = r
	}
	seen := map[string]int{}
	for _, r := range rows {
		key := s.keyOf(r.Cells)
		if !p.named(s, r) {
			continue
		}
		if first, twice := seen[key]; twice {
			p.bad(r, s.Key[0], t("与第 "+strconv.Itoa(first)+" 行重复："+key, "the same as row "+strconv.Itoa(first)+": "+key))
			continue
		}
		seen[key] = r.Number
		old, there := have[key]
		switch {
		case r.Remove && !there:
			p.bad(r, s.Key[0], t("要删除的条目不存在："+key, "there is no "+key+" to remove"))
		case r.Remove:
			p.plan.Edits = append(p.plan.Edits, Edit{Sheet: s.Name, Key: key, Do: Remove, Row: r.Number, Cells: removed(s, old)})
		default:
			p.row(s, key, r, old, there)
		}
	}
}

func (p *planner) named(s Sheet, r Row) bool {
	ok := true
	for _, k := range s.Key {
		if r.Cells[k] == "" {
			c, _ := s.column(k)
			p.bad(r, k, t("缺少“"+c.Title.ZH+"”", c.Title.EN+" is missing"))
			ok = false
		}
	}
	return ok
}

func removed(s Sheet, old Row) (out []CellEdit) {
	for _, c := range s.Columns {
		if v := old.Cells[c.Path]; v != "" {
			out = append(out, CellEdit{Path: c.Path, Old: v})
		}
	}
	return out
}

func (p *planner) row(s Sheet, key string, r, old Row, there bool) {
	e := Edit{Sheet: s.Name, Key: key, Do: Alter, Row: r.Number}
	if !there {
		e.Do = Add
	}
	for _, c := range s.Columns {
		v, spoken := r.Cells[c.Path]
		if c.Required && v == "" && (spoken || !there) {
			p.bad(r, c.Path, t("缺少“"+c.Title.ZH+"”", c.Title.EN+" is missing"))
			continue
		}
		if !spoken || v == old.Cells[c.Path] {
			continue
		}
		p.refer(c, r, v)
		e.Cells = append(e.Cells, CellEdit{Path: c.Path, Old: old.Cells[c.Path], New: v})
	}
	if len(e.Cells) == 0 {
		p.plan.Same++
		return
	}
	p.plan.Edits = append(p.plan.Edits, e)
}

// refer checks that what a cell names exists.
func (p *planner) refer(c Column, r Row, value string) {
	if c.Refers == "" || value == "" {
		return
	}
	what := map[string]lang.Text{"sites": t("机构", "site"), "devices": t("设备", "device"), vendorsSheet: t("厂商", "vendor"), "things": t("设备或专线", "device or line")}[c.Refers]
	for v := range strings.SplitSeq(value, "\n") {
		if !p.known[c.Refers][v] {
			p.bad(r, c.Path, t("没有这个"+what.ZH+"："+v, "there is no "+what.EN+" "+strconv.Quote(v)))
		}
	}
}
