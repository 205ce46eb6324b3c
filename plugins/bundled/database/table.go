package database

import (
	"strconv"
	"strings"
)

// table is the answer to a query, as text.
type table struct {
	columns map[string]int
	rows    [][]value
}

// value is one cell.
type value struct {
	text  string
	valid bool // not NULL
}

func newTable(names []string) table {
	t := table{columns: make(map[string]int, len(names))}
	for i, n := range names {
		t.columns[strings.ToLower(n)] = i
	}
	return t
}

// value returns a cell; a column that is not there is NULL.
func (t table) value(row int, column string) value {
	i, ok := t.columns[column]
	if !ok || row >= len(t.rows) || i >= len(t.rows[row]) {
		return value{}
	}
	return t.rows[row][i]
}

// text returns a cell, or "" for NULL.
func (t table) text(row int, column string) string { return t.value(row, column).text }

// number returns a cell as a number; booleans are 1 and 0.
func (t table) number(row int, column string) (float64, bool) {
	v := t.value(row, column)
	if !v.valid {
		return 0, false
	}
	switch v.text {
	case "t", "true":
		return 1, true
	case "f", "false":
		return 0, true
	}
	n, err := strconv.ParseFloat(v.text, 64)
	return n, err == nil
}

// orZero is number with 0 for NULL.
func (t table) orZero(row int, column string) float64 {
	n, _ := t.number(row, column)
	return n
}

// id returns a cell as the id of a session.
func (t table) id(row int, column string) int64 {
	n, _ := strconv.ParseInt(t.text(row, column), 10, 64)
	return n
}

// truth returns a cell as a boolean.
func (t table) truth(row int, column string) bool { return t.orZero(row, column) != 0 }

// puts hands over each named column of the row that is not NULL, as the metric
// beside it.
func (t table) puts(r *reading, row int, labels []string, metrics map[string]string) {
	for column, metric := range metrics {
		if v, ok := t.number(row, column); ok {
			r.put(metric, v, labels...)
		}
	}
}
