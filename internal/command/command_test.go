package command_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/internal/command"
)

// upper implements encoding.TextUnmarshaler.
type upper string

func (u *upper) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		return errors.New("empty")
	}
	*u = upper(strings.ToUpper(string(b)))
	return nil
}

type common struct {
	Community []string `sep:"none" env:"COMMUNITY"`
	Version   string   `name:"snmp-version" default:"2c" enum:"1,2c,3" help:"Which."`
}

type work struct {
	common
	Target  string `arg:"" help:"What."`
	More    []string
	Count   int           `short:"n" default:"3"`
	Port    uint16        `default:"161"`
	Rate    float64       `default:"0.5"`
	Wait    time.Duration `default:"5s" help:"How long."`
	Force   bool          `short:"f"`
	NoFDB   bool          `name:"no-fdb"`
	File    string        `type:"path" default:"-"`
	Dir     string        `type:"existingdir" env:"DIR"`
	Token   string        `xor:"token"`
	TokenID string        `xor:"token"`
	Name    upper
}

func (*work) Run() error { return nil }

type list struct {
	Names []string `arg:""`
	URL   string   `required:""`
}

func (*list) Run() error { return nil }

type grammar struct {
	Deep struct {
		Work work `cmd:"" help:"Works."`
	} `cmd:"" help:"Deep down."`
	List list `cmd:"" help:"Lists."`
}

func parse(env map[string]string, args ...string) (grammar, string, error) {
	var g grammar
	var out strings.Builder
	p := command.Program{Name: "prog", Description: "Does it.", Version: "1.2.3",
		Env: func(n string) (string, bool) { v, ok := env[n]; return v, ok }}
	_, err := p.Parse(&g, args, &out)
	return g, out.String(), err
}

func TestValues(t *testing.T) {
	dir := t.TempDir()
	base := func() work {
		return work{common: common{Version: "2c"}, Target: "it", Count: 3, Port: 161, Rate: 0.5, Wait: 5 * time.Second, File: "-"}
	}
	for name, c := range map[string]struct {
		args string
		env  map[string]string
		want func(*work)
	}{
		"defaults":            {"it", nil, func(*work) {}},
		"long":                {"--count 7 it --wait=1m", nil, func(w *work) { w.Count, w.Wait = 7, time.Minute }},
		"short":               {"-n7 -f it", nil, func(w *work) { w.Count, w.Force = 7, true }},
		"short, next word":    {"-n 7 it", nil, func(w *work) { w.Count = 7 }},
		"short ones together": {"-fn7 it", nil, func(w *work) { w.Count, w.Force = 7, true }},
		"negative":            {"it -n -7", nil, func(w *work) { w.Count = -7 }},
		"switch off":          {"it --force=false --no-fdb", nil, func(w *work) { w.NoFDB = true }},
		"list at commas":      {"it --more=a,b --more c", nil, func(w *work) { w.More = []string{"a", "b", "c"} }},
		"list whole":          {"it --community=a,b --community c", nil, func(w *work) { w.Community = []string{"a,b", "c"} }},
		"environment":         {"it", map[string]string{"COMMUNITY": "x", "DIR": dir}, func(w *work) { w.Community, w.Dir = []string{"x"}, dir }},
		"line before environment": {"it --community=y", map[string]string{"COMMUNITY": "x"},
			func(w *work) { w.Community = []string{"y"} }},
		"dashes end flags":  {"-- --it", nil, func(w *work) { w.Target = "--it" }},
		"path":              {"it --file=/a/../b", nil, func(w *work) { w.File = filepath.FromSlash("/b") }},
		"text unmarshaler":  {"it --name=ada --port=1 --rate=2", nil, func(w *work) { w.Name, w.Port, w.Rate = "ADA", 1, 2 }},
		"value with equals": {"it --token=a=b", nil, func(w *work) { w.Token = "a=b" }},
		"value like a flag": {"it --token --x", nil, func(w *work) { w.Token = "--x" }},
		"enum":              {"it --snmp-version=3", nil, func(w *work) { w.Version = "3" }},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := parse(c.env, append([]string{"deep", "work"}, strings.Fields(c.args)...)...)
			if err != nil {
				t.Fatal(err)
			}
			want := base()
			c.want(&want)
			if d := cmp.Diff(got.Deep.Work, want, cmp.AllowUnexported(work{})); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"":                                       `expected one of "deep", "list"`,
		"deep":                                   `expected one of "work"`,
		"bogus":                                  "unexpected argument bogus",
		"deep work":                              `expected "<target>"`,
		"deep work a b":                          "unexpected argument b",
		"deep work a --nope":                     "unknown flag --nope",
		"deep work a -z":                         "unknown flag -z",
		"deep work a --count":                    "--count: expected int value",
		"deep work a --count x":                  `--count: expected int but got "x"`,
		"deep work a --port 65536":               `--port: expected uint but got "65536"`,
		"deep work a --wait 5":                   `--wait: expected duration but got "5"`,
		"deep work a --force=x":                  `--force: expected bool but got "x"`,
		"deep work a --name=":                    "--name: empty",
		"deep work a --snmp-version=7":           `--snmp-version: must be one of "1,2c,3" but got "7"`,
		"deep work a --token=a --token-id=b":     "--token and --token-id can't be used together",
		"deep work a --dir=" + file:              "exists but is not a directory",
		"deep work a --dir=" + file + "/nowhere": "not",
		"list a b":                               "missing flags: --url=STRING",
	} {
		_, _, err := parse(nil, strings.Fields(args)...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("prog %s: got %v, want %s", args, err, want)
		}
	}
}

func TestHelpAndVersion(t *testing.T) {
	_, out, err := parse(nil, "--version")
	if out != "1.2.3\n" || !errors.Is(err, command.ErrHelp) {
		t.Errorf("--version printed %q, %v", out, err)
	}
	_, out, err = parse(nil, "deep", "work", "--help")
	if !errors.Is(err, command.ErrHelp) {
		t.Fatal(err)
	}
	for _, want := range []string{"Usage: prog deep work <target> [flags]\n\nWorks.\n", "  <target>    What.\n", "\n      --snmp-version=\"2c\"    Which.\n",
		"\n      --community=STRING     ($COMMUNITY).\n", "\n      --wait=5s              How long.\n", "\n  -f, --force"} {
		if !strings.Contains(out, want) {
			t.Errorf("help lacks %q:\n%s", want, out)
		}
	}
	_, out, _ = parse(nil, "-h")
	for _, want := range []string{"Usage: prog <command> [flags]\n\nDoes it.\n", "  deep work <target> [flags]\n    Works.\n", "  list <names> ... --url=STRING\n    Lists.\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("help lacks %q:\n%s", want, out)
		}
	}
	for _, l := range strings.Split(out, "\n") {
		if len(l) > 80 {
			t.Errorf("longer than a screen is wide: %q", l)
		}
	}
}

func TestUnreadableField(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a field that cannot be read was taken")
		}
	}()
	_, _ = command.Program{Name: "x"}.Parse(&struct{ M map[string]string }{}, nil, nil)
}
