package register

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/xuri/excelize/v2"

	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/lang"
)

// Bounds of what is imported.
const (
	MaxFile  = 8 << 20  // bytes
	maxRows  = 20_000   // in one file
	unzipped = 64 << 20 // bytes of a workbook's parts
)

// action is the column that removes a row.
var action = lang.Text{ZH: "操作", EN: "action"}

var removeWords = []string{"delete", "remove", "删除"}

// Excel writes the inventory's sheets as a workbook in the language. Rows that
// keep does not want are left out; nil keeps all.
func Excel(inv *inventory.Inventory, language string, keep func(Row) bool) ([]byte, error) {
	f := excelize.NewFile()
	defer func() { _ = f.Close() }()
	head, err := f.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true}, Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"E8EEF4"}}})
	if err != nil {
		return nil, fmt.Errorf("register as Excel: %w", err)
	}
	text, err := f.NewStyle(&excelize.Style{NumFmt: 49, Alignment: &excelize.Alignment{WrapText: true, Vertical: "top"}}) // 49: text, so that Excel changes no number
	if err != nil {
		return nil, fmt.Errorf("register as Excel: %w", err)
	}
	for i, s := range Sheets() {
		name := s.Title.In(language)
		if i == 0 {
			err = f.SetSheetName("Sheet1", name)
		} else {
			_, err = f.NewSheet(name)
		}
		if err == nil {
			err = writeSheet(f, name, s, Rows(inv, s), language, keep, [2]int{head, text})
		}
		if err != nil {
			return nil, fmt.Errorf("register as Excel: sheet %s: %w", s.Name, err)
		}
	}
	b, err := f.WriteToBuffer()
	if err != nil {
		return nil, fmt.Errorf("register as Excel: %w", err)
	}
	return b.Bytes(), nil
}

func writeSheet(f *excelize.File, name string, s Sheet, rows []Row, language string, keep func(Row) bool, styles [2]int) error {
	w, err := f.NewStreamWriter(name)
	if err != nil {
		return err
	}
	last := len(s.Columns) + 1
	if err := w.SetColWidth(1, last, 18); err != nil {
		return err
	}
	if err := w.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
		return err
	}
	title := make([]any, 0, last)
	for _, c := range s.Columns {
		title = append(title, excelize.Cell{StyleID: styles[0], Value: c.Title.In(language)})
	}
	title = append(title, excelize.Cell{StyleID: styles[0], Value: action.In(language)})
	if err := w.SetRow("A1", title); err != nil {
		return err
	}
	n := 1
	for _, r := range rows {
		if keep != nil && !keep(r) {
			continue
		}
		n++
		cells := make([]any, 0, last)
		for _, c := range s.Columns {
			cells = append(cells, excelize.Cell{StyleID: styles[1], Value: c.Show(r.Cells[c.Path], language)})
		}
		at, err := excelize.CoordinatesToCellName(1, n)
		if err != nil {
			return err
		}
		if err := w.SetRow(at, append(cells, excelize.Cell{StyleID: styles[1]})); err != nil {
			return err
		}
	}
	return w.Flush()
}

// ReadExcel reads a workbook's rows. What it cannot read is told by sheet, row
// and column; the error is for files that are no workbook.
func ReadExcel(data []byte) ([]Row, []Problem, error) {
	f, err := excelize.OpenReader(bytes.NewReader(data), excelize.Options{RawCellValue: true, UnzipSizeLimit: unzipped, UnzipXMLSizeLimit: unzipped})
	if err != nil {
		return nil, nil, fmt.Errorf("read Excel file: %w (is it a .xlsx of at most %d MiB?)", err, MaxFile>>20)
	}
	defer func() { _ = f.Close() }()
	r := reader{}
	for _, name := range f.GetSheetList() {
		s, ok := sheetCalled(name)
		if !ok {
			r.problem(Problem{Sheet: name, Text: t("不认识的工作表“"+name+"”；可用："+sheetNames(lang.ZH), fmt.Sprintf("unknown sheet %q; known: %s", name, sheetNames(lang.EN)))})
			continue
		}
		lines, err := f.Rows(name)
		if err != nil {
			return nil, nil, fmt.Errorf("read Excel file: sheet %s: %w", name, err)
		}
		err = r.sheet(s, lines)
		if closed := lines.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return nil, nil, fmt.Errorf("read Excel file: sheet %s: %w", name, err)
		}
	}
	return r.rows, r.problems, nil
}

// sheetCalled finds the sheet by any of its names.
func sheetCalled(name string) (Sheet, bool) {
	for _, s := range Sheets() {
		if name == s.Name || name == s.Title.ZH || strings.EqualFold(name, s.Title.EN) {
			return s, true
		}
	}
	return Sheet{}, false
}

func sheetNames(language string) string {
	var out []string
	for _, s := range Sheets() {
		out = append(out, s.Title.In(language))
	}
	return strings.Join(out, ", ")
}

// reader gathers rows and problems of a file.
type reader struct {
	rows     []Row
	problems []Problem
}

func (r *reader) problem(p Problem) { r.problems = append(r.problems, p) }

func (r *reader) sheet(s Sheet, lines *excelize.Rows) error {
	var head []string // path by column; "action"; "" is ignored
	for n := 1; lines.Next(); n++ {
		cells, err := lines.Columns()
		if err != nil {
			return err
		}
		switch {
		case !slices.ContainsFunc(cells, func(c string) bool { return strings.TrimSpace(c) != "" }):
		case head == nil:
			if head = r.head(s, n, cells); head == nil {
				return nil
			}
		case len(r.rows) >= maxRows:
			r.problem(Problem{Sheet: s.Name, Row: n, Text: t(fmt.Sprintf("超过 %d 行，其余未读", maxRows), fmt.Sprintf("more than %d rows: the rest was not read", maxRows))})
			return nil
		default:
			r.row(s, n, head, cells)
		}
	}
	return lines.Error()
}

// head finds which column each heading names.
func (r *reader) head(s Sheet, n int, cells []string) []string {
	head, known := make([]string, len(cells)), 0
	for i, c := range cells {
		c = strings.TrimSpace(c)
		switch path := headed(s, c); {
		case c == "":
		case path == "":
			r.problem(Problem{Sheet: s.Name, Row: n, Text: t("不认识的列“"+c+"”；若不需要请删除该列", fmt.Sprintf("unknown column %q; delete it if it is not needed", c))})
		case slices.Contains(head, path):
			r.problem(Problem{Sheet: s.Name, Row: n, Column: path, Text: t("列“"+c+"”出现两次", fmt.Sprintf("column %q occurs twice", c))})
		default:
			head[i] = path
			known++
		}
	}
	for _, k := range s.Key {
		if !slices.Contains(head, k) {
			c, _ := s.column(k)
			r.problem(Problem{Sheet: s.Name, Row: n, Column: k, Text: t("缺少列“"+c.Title.ZH+"”", fmt.Sprintf("column %q is missing", c.Title.EN))})
			return nil
		}
	}
	return head
}

const actionPath = "action"

func headed(s Sheet, title string) string {
	if title == action.ZH || strings.EqualFold(title, action.EN) {
		return actionPath
	}
	for _, c := range s.Columns {
		if title == c.Path || title == c.Title.ZH || strings.EqualFold(title, c.Title.EN) {
			return c.Path
		}
	}
	return ""
}

func (r *reader) row(s Sheet, n int, head, cells []string) {
	row := Row{Sheet: s.Name, Number: n, Cells: map[string]string{}}
	for i, path := range head {
		raw := ""
		if i < len(cells) {
			raw = cells[i]
		}
		if path != "" {
			r.cell(&row, s, path, raw)
		}
	}
	for i := len(head); i < len(cells); i++ {
		if strings.TrimSpace(cells[i]) != "" {
			r.problem(Problem{Sheet: s.Name, Row: n, Text: t("“"+cells[i]+"”所在的列没有标题", fmt.Sprintf("%q stands in a column without a heading", cells[i]))})
		}
	}
	r.rows = append(r.rows, row)
}

// cell reads one value into the row.
func (r *reader) cell(row *Row, s Sheet, path, raw string) {
	if path == actionPath {
		switch raw = strings.TrimSpace(raw); {
		case slices.Contains(removeWords, strings.ToLower(raw)):
			row.Remove = true
		case raw != "":
			r.problem(Problem{Sheet: s.Name, Row: row.Number, Column: path, Text: t("操作只能是“删除”或留空，而不是“"+raw+"”", fmt.Sprintf("action is delete or nothing, not %q", raw))})
		}
		return
	}
	c, _ := s.column(path)
	v, problem := c.normal(raw)
	if !problem.IsZero() {
		r.problem(Problem{Sheet: s.Name, Row: row.Number, Column: path, Text: problem})
	}
	row.Cells[path] = v
}
