package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/faultline/faultline/"

// pkg is one directory's non-test Go files.
type pkg struct {
	path    string              // relative to the module: collector/engine
	imports map[string][]string // import path → files
	files   []*ast.File
}

// rule forbids imports of some packages, with the reason people read when they
// break it. Patterns are prefixes of whole path elements; "only" inverts.
type rule struct {
	name   string
	in     []string // packages it binds
	except []string // sub-trees it does not bind
	deny   []string // import prefixes
	allow  []string // import prefixes that deny would catch
	reason string
}

var rules = []rule{
	{name: "agent knows no collector", in: []string{"agent"}, deny: []string{module + "collector"},
		reason: "the agent must stay small and deployable alone; what both need lives in internal/ or plugins/"},
	{name: "collector knows no agent", in: []string{"collector"}, deny: []string{module + "agent"},
		reason: "a collector judges what any sender brings; what both need lives in internal/ or plugins/"},
	{name: "plugins know neither", in: []string{"plugins"}, deny: []string{module + "agent", module + "collector"},
		reason: "the core must not be able to tell built-in implementations from external ones"},
	{name: "internal knows neither", in: []string{"internal"}, except: []string{"internal/lab", "internal/archtest"}, deny: []string{module + "agent", module + "collector"},
		reason: "internal/ is below both programs"},
	{name: "plugin contracts are standard library only", in: []string{"plugins/base", "plugins/input", "plugins/ticket", "plugins/notify"},
		deny: []string{"*"}, allow: []string{module + "plugins/base"},
		reason: "a plugin author must not inherit our dependencies"},
	{name: "engine is free of I/O packages", in: []string{"collector/engine"},
		deny:   []string{module + "collector/sqlstore", module + "collector/metricstore", module + "plugins", "database/sql", "net/http"},
		reason: "engine is handed stores and effects as interfaces, so that it can be tested and replaced"},
	{name: "pure packages do no I/O", in: []string{"collector/process", "collector/sla", "collector/diagnose", "collector/route", "collector/incident", "collector/truth", "collector/alert", "collector/people", "collector/rollout"},
		deny:   []string{"os", "net", "net/http", "database/sql", "log", "log/slog", "time/tzdata", "os/exec", module + "collector/sqlstore", module + "collector/metricstore", module + "collector/engine"},
		reason: "values and now in, values out: that is what makes incidents replayable"},
	{name: "Prometheus server packages stay in the embedded engine", in: []string{"collector", "agent", "internal", "plugins", "rules"},
		except: []string{"collector/metricstore/embedded"},
		deny:   []string{"github.com/prometheus/prometheus/"},
		reason: "their API churns and they pull in hundreds of packages"},
	{name: "SQL drivers stay in sqlstore", in: []string{"agent", "collector", "internal", "plugins", "rules"}, except: []string{"collector/sqlstore", "plugins/bundled", "internal/lab/foreignrules"},
		deny:   []string{"modernc.org/sqlite", "github.com/jackc/pgx", "github.com/go-sql-driver", "github.com/sijms", "github.com/microsoft/go-mssqldb"},
		reason: "one package knows the databases; inputs measure them, and a lab breaks them"},
	{name: "the agent stays small", in: []string{"agent"},
		deny:   []string{"database/sql", "html/template", "github.com/pressly", "github.com/expr-lang", "github.com/influxdata", "github.com/alexedwards", "github.com/danielgtaylor", "github.com/alecthomas/kong", "text/template", "github.com/prometheus/client_golang"},
		reason: "17 MB of binary and 20 MiB of memory are promised to branches"},
	{name: "the agent speaks with plugins through the plugin host", in: []string{"agent", "plugins/host/pipe", "plugins/host/spec"},
		deny:   []string{"google.golang.org/grpc", "google.golang.org/protobuf", "github.com/hashicorp", module + "plugins/rpc", module + "plugins/host"},
		allow:  []string{module + "plugins/host/spec", module + "plugins/host/pipe", module + "plugins/host/meter"},
		reason: "gRPC in the agent costs every branch 3 MiB of binary and memory; faultline-plugin-host links it where a plugin is used"},
}

// ruleExceptions are single imports that a rule's words name as allowed.
var ruleExceptions = map[string][]string{
	"collector/ruler": {"github.com/prometheus/prometheus/model/labels", "github.com/prometheus/prometheus/model/rulefmt", "github.com/prometheus/prometheus/promql/parser"},
}

func TestImportDirections(t *testing.T) {
	pkgs := load(t)
	for _, r := range rules {
		for _, p := range pkgs {
			if !under(p.path, r.in) || under(p.path, r.except) {
				continue
			}
			for imp, files := range p.imports {
				if denied(imp, r) && !slices.Contains(ruleExceptions[p.path], imp) {
					t.Errorf("%s: %s imports %s (%s)\n\twhy not: %s", r.name, p.path, imp, files[0], r.reason)
				}
			}
		}
	}
}

func TestRulesBindSomething(t *testing.T) {
	pkgs := load(t)
	for _, r := range rules {
		for _, in := range r.in {
			if !slices.ContainsFunc(pkgs, func(p pkg) bool { return under(p.path, []string{in}) }) && in != "plugins/bundled" {
				t.Errorf("rule %q binds %s, which does not exist", r.name, in)
			}
		}
	}
}

func TestPurePackagesReadNoClock(t *testing.T) {
	pure := []string{"collector/process", "collector/sla", "collector/diagnose", "collector/route", "collector/incident", "collector/people", "collector/rollout"}
	for _, p := range load(t) {
		if !under(p.path, pure) {
			continue
		}
		for _, f := range p.files {
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt:
					t.Errorf("%s starts a goroutine: pure packages do not", p.path)
				case *ast.SelectorExpr:
					if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "Sleep", "After", "NewTimer", "NewTicker"}, n.Sel.Name) {
						t.Errorf("%s calls time.%s: pure packages are handed now", p.path, n.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

func TestHouseRules(t *testing.T) {
	for _, p := range load(t) {
		doc := false
		for _, f := range p.files {
			doc = doc || f.Doc != nil
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					t.Errorf("%s has an init(): app builds explicit maps instead", p.path)
				}
			}
		}
		if !doc {
			t.Errorf("%s has no package comment: say what it is for and what it is not", p.path)
		}
		switch last := filepath.Base(p.path); last {
		case "util", "utils", "common", "helper", "helpers", "misc":
			t.Errorf("%s: a package is named after what it does, not %q", p.path, last)
		}
	}
}

func under(path string, trees []string) bool {
	return slices.ContainsFunc(trees, func(tree string) bool { return path == tree || strings.HasPrefix(path, tree+"/") })
}

func denied(imp string, r rule) bool {
	match := func(prefix string) bool {
		return imp == strings.TrimSuffix(prefix, "/") || strings.HasPrefix(imp, strings.TrimSuffix(prefix, "/")+"/")
	}
	for _, d := range r.deny {
		hit := d == "*" && strings.Contains(strings.Split(imp, "/")[0], ".")
		if d != "*" {
			hit = match(d)
			if !strings.Contains(d, "/") && !strings.Contains(d, ".") { // a standard package: itself only
				hit = imp == d
			}
		}
		if hit && !slices.ContainsFunc(r.allow, match) {
			return true
		}
	}
	return false
}

func load(t *testing.T) []pkg {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	byDir := map[string]*pkg{}
	fset := token.NewFileSet()
	for _, tree := range []string{"agent", "collector", "plugins", "internal", "rules", "dashboards"} {
		err := filepath.WalkDir(filepath.Join(root, tree), func(path string, d fs.DirEntry, err error) error {
			switch {
			case os.IsNotExist(err):
				return nil
			case err != nil:
				return err
			case d.IsDir() && (d.Name() == "testdata" || d.Name() == "node_modules"):
				return filepath.SkipDir
			case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			f, err := parser.ParseFile(fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			rel, _ := filepath.Rel(root, filepath.Dir(path))
			rel = filepath.ToSlash(rel)
			p := byDir[rel]
			if p == nil {
				p = &pkg{path: rel, imports: map[string][]string{}}
				byDir[rel] = p
			}
			p.files = append(p.files, f)
			for _, im := range f.Imports {
				ip, _ := strconv.Unquote(im.Path.Value)
				p.imports[ip] = append(p.imports[ip], filepath.Base(path))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var out []pkg
	for _, p := range byDir {
		out = append(out, *p)
	}
	slices.SortFunc(out, func(a, b pkg) int { return strings.Compare(a.path, b.path) })
	return out
}
