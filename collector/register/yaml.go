package register

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/yamledit"
)

// YAML writes the inventory's sheets as YAML: the lists and keys of the
// inventory itself, contacts in a list of their own.
func YAML(inv *inventory.Inventory, keep func(Row) bool) []byte {
	var b strings.Builder
	for _, s := range Sheets() {
		rows := slices.DeleteFunc(Rows(inv, s), func(r Row) bool { return keep != nil && !keep(r) })
		if len(rows) == 0 {
			b.WriteString(s.Name + ": []\n")
			continue
		}
		b.WriteString(s.Name + ":\n")
		for _, r := range rows {
			var pairs []yamledit.Pair
			done := map[string]bool{}
			for _, c := range s.Columns {
				if v := valueOf(s, c.top(), r.Cells); v != "" && !done[c.top()] {
					done[c.top()] = true
					pairs = append(pairs, yamledit.Pair{Key: c.top(), Value: v})
				}
			}
			b.WriteString("  - " + yamledit.Flow(pairs) + "\n")
		}
	}
	return []byte(b.String())
}

// ReadYAML reads rows from what YAML writes, or from a part of it: keys that are
// absent are not spoken of, `action: delete` removes. A row's number is its line.
func ReadYAML(data []byte) ([]Row, []Problem, error) {
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		var ye yaml.Error
		if errors.As(err, &ye) {
			return nil, []Problem{{Row: ye.GetToken().Position.Line, Text: t(ye.GetMessage(), ye.GetMessage())}}, nil
		}
		return nil, nil, fmt.Errorf("read YAML file: %w", err)
	}
	r := reader{}
	for _, d := range file.Docs {
		if d.Body == nil {
			continue
		}
		for _, kv := range pairsOf(d.Body) {
			r.list(kv)
		}
		if len(pairsOf(d.Body)) == 0 {
			r.problem(Problem{Row: lineOf(d.Body), Text: t("文件应由 vendors:、contracts: 等列表组成", "the file is made of lists such as vendors: and contracts:")})
		}
	}
	return r.rows, r.problems, nil
}

func pairsOf(n ast.Node) []*ast.MappingValueNode {
	switch m := n.(type) {
	case *ast.MappingNode:
		return m.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{m}
	}
	return nil
}

func lineOf(n ast.Node) int {
	if kvs := pairsOf(n); len(kvs) > 0 {
		n = kvs[0].Key
	}
	if tk := n.GetToken(); tk != nil && tk.Position != nil {
		return tk.Position.Line
	}
	return 0
}

func (r *reader) list(kv *ast.MappingValueNode) {
	name := keyText(kv)
	s, ok := SheetNamed(name)
	if !ok {
		r.problem(Problem{Row: lineOf(kv.Key), Text: t("登记中没有列表 "+name, "the register has no list "+strconv.Quote(name))})
		return
	}
	seq, ok := kv.Value.(*ast.SequenceNode)
	if !ok {
		if kv.Value.Type() != ast.NullType {
			r.problem(Problem{Sheet: s.Name, Row: lineOf(kv.Key), Text: t(name+" 应为列表", name+" is no list")})
		}
		return
	}
	for _, el := range seq.Values {
		if len(r.rows) >= maxRows {
			r.problem(Problem{Sheet: s.Name, Row: lineOf(el), Text: t(fmt.Sprintf("超过 %d 行，其余未读", maxRows), fmt.Sprintf("more than %d rows: the rest was not read", maxRows))})
			return
		}
		row := Row{Sheet: s.Name, Number: lineOf(el), Cells: map[string]string{}}
		for _, x := range pairsOf(el) {
			r.value(&row, s, keyText(x), x.Value)
		}
		r.rows = append(r.rows, row)
	}
}

func keyText(kv *ast.MappingValueNode) string { return strings.Trim(kv.Key.String(), `"'`) }

// value reads one key, with the parts it may have.
func (r *reader) value(row *Row, s Sheet, path string, n ast.Node) {
	if parts := pairsOf(n); len(parts) > 0 {
		for _, x := range parts {
			r.value(row, s, path+"."+keyText(x), x.Value)
		}
		return
	}
	if _, ok := s.column(path); !ok && path != actionPath {
		var known []string
		for _, c := range s.Columns {
			known = append(known, c.Path)
		}
		r.problem(Problem{Sheet: s.Name, Row: lineOf(n), Text: t("登记中没有 "+path+"；可用："+strings.Join(known, ", "), "the register has no "+strconv.Quote(path)+"; known: "+strings.Join(known, ", "))})
		return
	}
	var text string
	switch v := n.(type) {
	case *ast.SequenceNode:
		var parts []string
		for _, x := range v.Values {
			parts = append(parts, scalar(x))
		}
		text = strings.Join(parts, "\n")
	default:
		text = scalar(n)
	}
	r.cell(row, s, path, text)
}

func scalar(n ast.Node) string {
	switch v := n.(type) {
	case *ast.NullNode:
		return ""
	case *ast.StringNode:
		return v.Value
	case *ast.LiteralNode:
		return v.Value.Value
	}
	if tk := n.GetToken(); tk != nil {
		return tk.Value
	}
	return n.String()
}
