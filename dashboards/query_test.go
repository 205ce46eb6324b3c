package dashboards

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestQueriesAnswer executes every query of every board against a collector
// filled by the real product only. For every choice a board offers, each panel
// draws something or says in words why not; and every query answers for some
// choice.
func TestQueriesAnswer(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the built programs for some minutes")
	}
	p := startProduct(t)
	for _, fault := range []struct{ name, class string }{{"line", "carrier_line"}, {"ups", "power"}} {
		p.practice(t, "break", fault.name)
		waitFor(t, 45*time.Second, "an incident for "+fault.name, func() bool {
			r, err := p.query("query", url.Values{"query": {`last_over_time(faultline_incidents{state="open",class="` + fault.class + `"}[30s])`}})
			return err == nil && len(r) > 0
		})
		p.practice(t, "mend")
	}
	waitFor(t, 90*time.Second, "a recovery proven by measurements", func() bool {
		r, err := p.query("query", url.Values{"query": {`sum(last_over_time(faultline_incident_verified[30s])) > 0`}})
		return err == nil && len(r) > 0
	})
	all := boards(t)
	var faults []string
	asked := 0
	for range 12 { // the last series to appear are a minute behind the first
		faults, asked = nil, 0
		for _, b := range all {
			f, n := p.ask(t, b)
			faults, asked = append(faults, f...), asked+n
		}
		if len(faults) == 0 {
			break
		}
		<-time.After(10 * time.Second)
	}
	for _, f := range faults {
		t.Error(f)
	}
	t.Logf("%d queries executed on %d boards", asked, len(all))
}

// ask executes the board's queries for every choice of its variables and
// returns what is wrong and how many queries it executed.
func (p *product) ask(t *testing.T, b board) (faults []string, asked int) {
	t.Helper()
	choices, err := p.choices(b)
	if err != nil {
		return []string{fmt.Sprintf("%s: %v", b.name, err)}, 0
	}
	answered := map[string]bool{}
	exprs := map[string]string{}
	columns := map[int]map[string]bool{} // of tables by the panel's id, whatever was chosen
	for _, chosen := range choices {
		for _, a := range b.Annotations.List {
			r, err := p.answer(target{Expr: a.Expr, Range: true}, chosen, 10*time.Minute)
			asked++
			exprs[a.Name] = a.Expr
			answered[a.Name] = answered[a.Name] || len(r) > 0
			if err != nil {
				faults = append(faults, fmt.Sprintf("%s: annotation %s: %v", b.name, a.Name, err))
			}
		}
		for _, panel := range b.Panels {
			drawn := panel.Type == "row"
			if columns[panel.ID] == nil {
				columns[panel.ID] = map[string]bool{}
			}
			for _, q := range panel.Targets {
				r, err := p.answer(q, chosen, 2*time.Minute)
				asked++
				if err != nil {
					faults = append(faults, fmt.Sprintf("%s %q %s: %v\n\t%s", b.name, panel.Title, q.RefID, err, q.Expr))
				}
				key := panel.Title + " " + q.RefID
				exprs[key] = q.Expr
				answered[key] = answered[key] || len(r) > 0
				drawn = drawn || len(r) > 0
				addColumns(columns[panel.ID], panel, q, r)
				faults = append(faults, wrongLegend(b.name, panel, q, r)...)
			}
			if !drawn && !panel.mayBeEmpty() {
				faults = append(faults, fmt.Sprintf("%s %q draws nothing for %v", b.name, panel.Title, chosen))
			}
		}
	}
	for _, panel := range b.Panels {
		if panel.Type == "table" {
			faults = append(faults, wrongColumns(b.name, panel, columns[panel.ID])...)
		}
	}
	for key, ok := range answered {
		if !ok {
			faults = append(faults, fmt.Sprintf("%s %q: no answer for any of %d choices\n\t%s", b.name, key, len(choices), exprs[key]))
		}
	}
	slices.Sort(faults)
	return faults, asked
}

var labelValues = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)

// choices returns every combination of the board's variables that a person can
// choose; where several may be chosen at once that is all of them.
func (p *product) choices(b board) ([]map[string]string, error) {
	out := []map[string]string{{"__rate_interval": "30s", "__range": "2m", "__range_s": "120", "__interval": "5s"}}
	for _, v := range b.Templating.List {
		var next []map[string]string
		for _, so := range out {
			values := []string{v.AllValue}
			if m := labelValues.FindStringSubmatch(v.Definition); m != nil {
				found, err := p.values(fill(m[1], so), m[2])
				if err != nil || len(found) == 0 {
					return nil, fmt.Errorf("variable %s offers nothing (%w): %s", v.Name, err, fill(v.Definition, so))
				}
				if !v.IncludeAll {
					values = found
				}
			} else if v.Type == "query" {
				return nil, fmt.Errorf("variable %s: not understood: %s", v.Name, v.Definition)
			}
			for _, value := range values {
				with := maps.Clone(so)
				with[v.Name] = value
				next = append(next, with)
			}
		}
		out = next
	}
	return out, nil
}

// answer executes one query over the time given up to now and returns the rows
// that hold numbers.
func (p *product) answer(q target, chosen map[string]string, over time.Duration) ([]row, error) {
	now := time.Now()
	expr := fill(q.Expr, chosen)
	if left := references(expr); len(left) > 0 {
		return nil, fmt.Errorf("nothing to put in for %v", left)
	}
	form := url.Values{"query": {expr}}
	endpoint := "query"
	if q.Range {
		endpoint = "query_range"
		form.Set("start", fmt.Sprint(now.Add(-over).Unix()))
		form.Set("end", fmt.Sprint(now.Unix()))
		form.Set("step", "5")
	}
	rows, err := p.query(endpoint, form)
	return slices.DeleteFunc(rows, func(r row) bool { return r.numbers() == 0 }), err
}

// wrongLegend reports legends that name labels the answer does not have: Grafana
// would show them in braces.
func wrongLegend(name string, p panel, q target, rows []row) (faults []string) {
	for _, m := range regexp.MustCompile(`\{\{(\w+)\}\}`).FindAllStringSubmatch(q.LegendFormat, -1) {
		for _, r := range rows {
			if _, ok := r.Metric[m[1]]; !ok {
				return append(faults, fmt.Sprintf("%s %q %s: legend names %s, the answer has %v", name, p.Title, q.RefID, m[1], r.Metric))
			}
		}
	}
	return nil
}

// addColumns notes the columns that Grafana makes of the answer.
func addColumns(columns map[string]bool, p panel, q target, rows []row) {
	for _, r := range rows {
		for label := range r.Metric {
			columns[label] = true
		}
	}
	columns["Time"] = true
	if len(p.Targets) > 1 {
		columns["Value #"+q.RefID] = true
	} else {
		columns["Value"] = true
	}
}

// wrongColumns reports headings for columns that do not exist, and columns that
// have neither a heading nor are left out.
func wrongColumns(name string, p panel, columns map[string]bool) (faults []string) {
	headed := map[string]bool{}
	for _, o := range p.FieldConfig.Overrides {
		headed[o.Matcher.Options] = true
		if !columns[o.Matcher.Options] {
			faults = append(faults, fmt.Sprintf("%s %q: no column %s", name, p.Title, o.Matcher.Options))
		}
	}
	for _, tr := range p.Transformations {
		hidden, _ := tr.Options["excludeByName"].(map[string]any)
		for column := range hidden {
			headed[column] = true
		}
	}
	for column := range columns {
		if !headed[column] {
			faults = append(faults, fmt.Sprintf("%s %q: column %s is shown without a heading", name, p.Title, column))
		}
	}
	return faults
}

// A check that accepts everything checks nothing.
func TestLegendAndColumnsAreChecked(t *testing.T) {
	rows := []row{{Metric: map[string]string{"site": "b1"}, Value: []any{0.0, "1"}}}
	if len(wrongLegend("x", panel{}, target{LegendFormat: "{{device}}"}, rows)) != 1 {
		t.Error("a legend of a label that is not there was taken")
	}
	columns := map[string]bool{}
	addColumns(columns, panel{Targets: make([]target, 1)}, target{}, rows)
	if got := strings.Join(wrongColumns("x", panel{}, columns), "\n"); strings.Count(got, "without a heading") != 3 {
		t.Errorf("columns without a heading: %s", got)
	}
	if (row{Values: [][]any{{0.0, "NaN"}}}).numbers() != 0 {
		t.Error("NaN is no number to draw")
	}
}
