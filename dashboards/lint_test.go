package dashboards

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/faultline/faultline/collector/incident"
)

// Panels that every Grafana from 9.4 on has.
var builtin = []string{"row", "stat", "gauge", "bargauge", "timeseries", "state-timeline", "table"}

func TestBoards(t *testing.T) {
	want := []string{"branch", "device", "estate", "host", "incidents", "line", "power", "sla"}
	var got []string
	titles := map[string]bool{}
	for _, b := range boards(t) {
		got = append(got, b.name)
		if b.UID != "faultline-"+b.name {
			t.Errorf("%s: uid %q is not its file's: addresses would break", b.name, b.UID)
		}
		if b.ID != nil {
			t.Errorf("%s: id %d belongs to one Grafana's database", b.name, *b.ID)
		}
		if b.SchemaVersion < 30 || b.SchemaVersion > 37 {
			t.Errorf("%s: schemaVersion %d does not load in Grafana 9.4", b.name, b.SchemaVersion)
		}
		if !slices.Contains(b.Tags, "faultline") {
			t.Errorf("%s: without the tag faultline the other boards do not link to it", b.name)
		}
		if titles[b.Title] || !bilingual(b.Description) {
			t.Errorf("%s: title %q is taken or the description is not in both languages", b.name, b.Title)
		}
		titles[b.Title] = true
	}
	if !slices.Equal(got, want) {
		t.Errorf("boards %v, want %v", got, want)
	}
}

func TestPanels(t *testing.T) {
	for _, b := range boards(t) {
		t.Run(b.name, func(t *testing.T) {
			ids := map[int]string{}
			for i, p := range b.Panels {
				where := fmt.Sprintf("panel %d %q", p.ID, p.Title)
				if other, taken := ids[p.ID]; taken || p.ID <= 0 {
					t.Errorf("%s: id is taken by %q or not positive", where, other)
				}
				ids[p.ID] = p.Title
				if !slices.Contains(builtin, p.Type) {
					t.Errorf("%s: type %s needs a plugin", where, p.Type)
				}
				if len(p.Panels) > 0 || p.Collapsed {
					t.Errorf("%s: panels hidden in a row are seen by nobody", where)
				}
				g := p.GridPos
				if g.W < 1 || g.H < 1 || g.X < 0 || g.Y < 0 || g.X+g.W > 24 {
					t.Errorf("%s: gridPos %+v is outside the grid", where, g)
				}
				for _, o := range b.Panels[i+1:] {
					q := o.GridPos
					if g.X < q.X+q.W && q.X < g.X+g.W && g.Y < q.Y+q.H && q.Y < g.Y+g.H {
						t.Errorf("%s overlaps panel %d %q", where, o.ID, o.Title)
					}
				}
				if p.Type != "row" {
					checkPanel(t, where, p)
				}
			}
		})
	}
}

func checkPanel(t *testing.T, where string, p panel) {
	t.Helper()
	if p.Title == "" || !bilingual(p.Description) {
		t.Errorf("%s: no title, or the description is not in both languages", where)
	}
	if len(p.Targets) == 0 {
		t.Errorf("%s asks nothing", where)
	}
	refs := map[string]bool{}
	for _, q := range p.Targets {
		if refs[q.RefID] || q.RefID == "" {
			t.Errorf("%s: refId %q is taken or missing", where, q.RefID)
		}
		refs[q.RefID] = true
		if q.Instant == q.Range {
			t.Errorf("%s %s: a query is either instant or a range", where, q.RefID)
		}
		if (q.Format == "table") != (p.Type == "table") {
			t.Errorf("%s %s: format %s in a %s", where, q.RefID, q.Format, p.Type)
		}
		if len(p.Targets) > 1 && p.Type != "table" && (q.LegendFormat == "" || q.LegendFormat == "__auto") {
			t.Errorf("%s %s: one of several queries without a legend", where, q.RefID)
		}
	}
	d := p.FieldConfig.Defaults
	if p.Type == "gauge" && (d["min"] == nil || d["max"] == nil || d["unit"] == nil) {
		t.Errorf("%s: a gauge needs unit, min and max", where)
	}
	if p.Type == "table" {
		for _, o := range p.FieldConfig.Overrides {
			if o.Matcher.ID != "byName" || o.Properties[0].ID != "displayName" {
				t.Errorf("%s: column %q has no heading in plain words", where, o.Matcher.Options)
			}
		}
	}
}

func TestDataSources(t *testing.T) {
	for _, b := range boards(t) {
		walk(b.tree, func(key string, value any) {
			if key != "datasource" {
				return
			}
			m, _ := value.(map[string]any)
			if m["type"] != "prometheus" || m["uid"] != "${datasource}" {
				t.Errorf("%s: data source %v is not the one chosen above the board", b.name, value)
			}
		})
	}
}

func TestVariables(t *testing.T) {
	for _, b := range boards(t) {
		defined := map[string]bool{}
		for _, v := range b.Templating.List {
			if defined[v.Name] || !slices.Contains([]string{"datasource", "query", "textbox"}, v.Type) {
				t.Errorf("%s: variable %s is defined twice or of type %s", b.name, v.Name, v.Type)
			}
			defined[v.Name] = true
			for _, name := range references(string(v.Query)) {
				if !defined[name] {
					t.Errorf("%s: variable %s needs %s, which comes after it", b.name, v.Name, name)
				}
			}
		}
		used := map[string]bool{}
		walk(b.tree, func(_ string, value any) {
			if text, ok := value.(string); ok {
				for _, name := range references(text) {
					used[name] = true
				}
			}
		})
		for name := range used {
			if !defined[name] {
				t.Errorf("%s: variable %s is not defined", b.name, name)
			}
		}
		for name := range defined {
			if !used[name] {
				t.Errorf("%s: variable %s is used nowhere", b.name, name)
			}
		}
	}
}

// classes are the words the console filters by.
var classes = []string{incident.ClassCarrierLine, incident.ClassDevice, incident.ClassPower, incident.ClassConfiguration,
	incident.ClassServer, incident.ClassDatabase, incident.ClassEnvironment, incident.ClassSecurity}

func TestLinks(t *testing.T) {
	all := boards(t)
	reached := map[string]bool{}
	for _, b := range all {
		toConsole := 0
		walk(b.tree, func(key string, value any) {
			text, _ := value.(string)
			switch {
			case key != "url" || text == "":
			case strings.HasPrefix(text, "${console}/incidents?"):
				toConsole++
				checkConsoleLink(t, b.name, text)
			case strings.HasPrefix(text, "/d/"):
				reached[checkBoardLink(t, b, all, text)] = true
			default:
				t.Errorf("%s: link to %s leads nowhere known", b.name, text)
			}
		})
		if toConsole < 2 { // one of them is the board's own
			t.Errorf("%s: no panel leads to incidents", b.name)
		}
		if !slices.ContainsFunc(b.Links, func(l dashboardLink) bool { return l.Type == "dashboards" && slices.Contains(l.Tags, "faultline") }) {
			t.Errorf("%s does not lead to the other boards", b.name)
		}
	}
	for _, name := range []string{"branch", "line", "device", "power", "host"} {
		if !reached["faultline-"+name] {
			t.Errorf("no panel leads to %s", name)
		}
	}
}

func checkConsoleLink(t *testing.T, name, text string) {
	t.Helper()
	u, err := url.Parse(strings.TrimPrefix(reference.ReplaceAllString(text, "x"), "x"))
	if err != nil {
		t.Fatalf("%s: %s: %v", name, text, err)
	}
	for key, values := range u.Query() {
		switch v := values[0]; {
		case key == "site" || key == "class" && v == "x":
		case key == "class" && slices.Contains(classes, v):
		case key == "state" && slices.Contains([]string{"current", "closed", "all"}, v):
		default:
			t.Errorf("%s: %s: the console knows no %s=%s", name, text, key, v)
		}
	}
}

// checkBoardLink returns the uid of the board the link leads to.
func checkBoardLink(t *testing.T, from board, all []board, text string) string {
	t.Helper()
	path, query, _ := strings.Cut(strings.TrimPrefix(text, "/d/"), "?")
	i := slices.IndexFunc(all, func(b board) bool { return b.UID == path })
	if i < 0 {
		t.Errorf("%s: no board %s", from.name, path)
		return ""
	}
	for _, m := range regexp.MustCompile(`var-(\w+)=`).FindAllStringSubmatch(query, -1) {
		if !slices.ContainsFunc(all[i].Templating.List, func(v variable) bool { return v.Name == m[1] }) {
			t.Errorf("%s: %s has no variable %s", from.name, path, m[1])
		}
	}
	if !strings.Contains(query, "${__url_time_range}") {
		t.Errorf("%s: the link to %s forgets the time shown", from.name, path)
	}
	return path
}

func TestQueriesParse(t *testing.T) {
	p := parser.NewParser(parser.Options{})
	for _, b := range boards(t) {
		values := map[string]string{"__rate_interval": "1m", "__range": "6h", "__range_s": "21600", "__interval": "15s"}
		for _, v := range b.Templating.List {
			values[v.Name] = "x"
		}
		check := func(where, expr string) {
			if _, err := p.ParseExpr(fill(expr, values)); err != nil {
				t.Errorf("%s: %s: %v\n\t%s", b.name, where, err, expr)
			}
		}
		for _, a := range b.Annotations.List {
			check(a.Name, a.Expr)
		}
		for _, panel := range b.Panels {
			for _, q := range panel.Targets {
				check(panel.Title, q.Expr)
			}
		}
	}
}

func TestWordsForPeople(t *testing.T) {
	for _, b := range boards(t) {
		for _, v := range b.Templating.List {
			if v.Label == "" {
				t.Errorf("%s: variable %s has no label", b.name, v.Name)
			}
		}
		for _, l := range b.Links {
			if !bilingual(l.Title) {
				t.Errorf("%s: link %q is not in both languages", b.name, l.Title)
			}
		}
	}
}

// bilingual tells whether a text has words in English and in Chinese.
func bilingual(text string) bool {
	han := strings.ContainsFunc(text, func(r rune) bool { return unicode.Is(unicode.Han, r) })
	latin := strings.ContainsFunc(text, func(r rune) bool { return unicode.Is(unicode.Latin, r) })
	return han && latin
}
