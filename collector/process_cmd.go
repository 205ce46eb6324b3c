package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/process/bpmn"
	"github.com/faultline/faultline/collector/process/diff"
	"github.com/faultline/faultline/collector/process/lint"
	"github.com/faultline/faultline/collector/process/replay"
	"github.com/faultline/faultline/collector/process/scenario"
	"github.com/faultline/faultline/collector/sla"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/rules"
)

// processCmd works on process files; it needs no running collector.
type processCmd struct {
	Lint     processLintCmd     `cmd:"" help:"Find what is wrong in process files: file, line, column."`
	Diff     processDiffCmd     `cmd:"" help:"Say what changed between two versions of a process."`
	Render   processRenderCmd   `cmd:"" help:"Draw a process with its lanes, limits and clocks."`
	Simulate processSimulateCmd `cmd:"" help:"Play stories, or past incidents against a draft, and say what follows."`
	Export   processExportCmd   `cmd:"" help:"Write a process in the notation of other tools."`
	Past     processPastCmd     `cmd:"" help:"Export past incidents' events, for simulate --incidents."`
	Publish  processPublishCmd  `cmd:"" help:"Publish a version of a process; somebody else approves it."`
	Approve  processApproveCmd  `cmd:"" help:"Approve a version that somebody else published."`
}

// ruleFlags say by which rules a process file is judged.
type ruleFlags struct {
	Rules string `help:"Directory whose processes/ and calendars/ replace the built-in files of the same name." type:"path"`
	Lang  string `help:"zh-CN or en." default:"zh-CN" enum:"zh-CN,en"`
}

// files returns the rules of one kind: the built-in ones, those of the
// directory over them.
func (f ruleFlags) files(kind string) (fs.FS, error) {
	built, err := fs.Sub(rules.FS(), kind)
	if err != nil || f.Rules == "" {
		return built, err
	}
	own := filepath.Join(f.Rules, kind)
	if _, err := os.Stat(own); errors.Is(err, fs.ErrNotExist) {
		return built, nil
	}
	return layered{os.DirFS(own), built}, nil
}

// layered is a file system over another; files of the same name replace.
type layered struct{ over, under fs.FS }

// Open opens the upper file, or the lower one.
func (l layered) Open(name string) (fs.File, error) {
	f, err := l.over.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return l.under.Open(name)
	}
	return f, err
}

// ReadDir lists both.
func (l layered) ReadDir(name string) ([]fs.DirEntry, error) {
	upper, err := fs.ReadDir(l.over, name)
	if err != nil {
		return nil, err
	}
	lower, err := fs.ReadDir(l.under, name)
	seen := map[string]bool{}
	for _, e := range upper {
		seen[e.Name()] = true
	}
	for _, e := range lower {
		if !seen[e.Name()] {
			upper = append(upper, e)
		}
	}
	return upper, err
}

func (f ruleFlags) calendars() (*sla.Calendars, error) {
	files, err := f.files("calendars")
	if err != nil {
		return nil, err
	}
	return sla.Load(files)
}

func (f ruleFlags) set() (*process.Set, error) {
	files, err := f.files("processes")
	if err != nil {
		return nil, err
	}
	return process.Load(files)
}

// definition reads a file, or the process of that id.
func (f ruleFlags) definition(name string) (*process.Definition, error) {
	if data, err := os.ReadFile(name); err == nil {
		return process.Parse(filepath.Base(name), data)
	} else if strings.ContainsAny(name, "./") { // no id looks so
		return nil, err
	}
	set, err := f.set()
	if err != nil {
		return nil, err
	}
	d, ok := set.Latest(name)
	if !ok {
		return nil, fmt.Errorf("neither a file nor a process: %s; there are %s", name, strings.Join(set.IDs(), ", "))
	}
	return d, nil
}

type processLintCmd struct {
	ruleFlags
	Files []string `arg:"" optional:"" help:"Process files; without any, those in force." type:"existingfile"`
}

// Run prints everything found; it fails when any of it is an error.
func (c *processLintCmd) Run() error {
	cals, err := c.calendars()
	if err != nil {
		return err
	}
	read, names := os.ReadFile, c.Files
	if len(names) == 0 {
		files, err := c.files("processes")
		if err != nil {
			return err
		}
		if names, err = fs.Glob(files, "*.yaml"); err != nil {
			return err
		}
		read = func(name string) ([]byte, error) { return fs.ReadFile(files, name) }
	}
	faults := 0
	for _, name := range names {
		data, err := read(name)
		if err != nil {
			return err
		}
		list, _ := lint.Check(name, data, lint.Options{Calendars: cals})
		for _, f := range list {
			fmt.Println(f)
			if f.Error {
				faults++
			}
		}
	}
	if faults > 0 {
		return fmt.Errorf("%d errors in %d files", faults, len(names))
	}
	fmt.Printf("%d files, no errors\n", len(names))
	return nil
}

type processDiffCmd struct {
	ruleFlags
	Old string `arg:"" help:"File or id of the version in force."`
	New string `arg:"" help:"File of the draft."`
}

// Run prints one line for each change.
func (c *processDiffCmd) Run() error {
	old, err := c.definition(c.Old)
	if err != nil {
		return err
	}
	draft, err := c.definition(c.New)
	if err != nil {
		return err
	}
	list := diff.Compare(old, draft)
	for _, change := range list {
		fmt.Println("- " + change.Text.In(c.Lang))
	}
	if len(list) == 0 {
		fmt.Println(lang.Text{ZH: "没有实质变化", EN: "nothing changed but words in the file"}.In(c.Lang))
	}
	return nil
}

type processRenderCmd struct {
	ruleFlags
	SVG  bool   `help:"As SVG; the only form there is." default:"true" negatable:""`
	Out  string `short:"o" help:"File to write; without it, standard output." type:"path"`
	File string `arg:"" help:"Process file or id."`
}

// Run draws the process.
func (c *processRenderCmd) Run() error {
	d, err := c.definition(c.File)
	if err != nil {
		return err
	}
	return write(c.Out, []byte(process.Sheet(d, c.Lang)))
}

type processExportCmd struct {
	ruleFlags
	BPMN bool   `help:"As BPMN 2.0 with its diagram; the only form there is." default:"true" negatable:""`
	Out  string `short:"o" help:"File to write; without it, standard output." type:"path"`
	File string `arg:"" help:"Process file or id."`
}

// Run writes the process as BPMN.
func (c *processExportCmd) Run() error {
	d, err := c.definition(c.File)
	if err != nil {
		return err
	}
	out, err := bpmn.Export(d, c.Lang)
	if err != nil {
		return err
	}
	return write(c.Out, out)
}

type processSimulateCmd struct {
	ruleFlags
	Incidents string   `help:"Export of incidents' events as JSON: replay them against DRAFT." type:"existingfile"`
	Draft     string   `help:"Process file to play stories on, in place of the one in force." type:"existingfile"`
	Files     []string `arg:"" help:"Files of stories; with --incidents, the draft." type:"existingfile"`
}

// Run plays the stories, or replays the incidents.
func (c *processSimulateCmd) Run() error {
	cals, err := c.calendars()
	if err != nil {
		return err
	}
	set, err := c.set()
	if err != nil {
		return err
	}
	if c.Incidents != "" {
		if len(c.Files) != 1 {
			return errors.New("simulate --incidents takes one draft")
		}
		return c.replay(os.Stdout, set, cals)
	}
	if c.Draft != "" {
		d, err := c.definition(c.Draft)
		if err != nil {
			return err
		}
		set = set.Replacing(d)
	}
	return c.stories(os.Stdout, scenario.World{Set: set, Calendars: cals})
}

func (c *processSimulateCmd) stories(w io.Writer, world scenario.World) error {
	var faults []error
	for _, name := range c.Files {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		list, err := scenario.Parse(filepath.Base(name), data)
		if err != nil {
			return err
		}
		for _, s := range list {
			run, err := scenario.Play(world, s)
			faults = append(faults, err)
			out := replay.Summarise(run.Events)
			fmt.Fprintf(w, "# %s %s\n%s\n%s\n", s.Name, s.About, strings.Join(run.Log, "\n"), out.Text().In(c.Lang))
			if len(s.Leads) > 0 && !strings.HasSuffix(strings.Join(run.Log, "\n"), strings.Join(s.Leads, "\n")) {
				faults = append(faults, fmt.Errorf("%s leads elsewhere than stored:\n%s", s.Name, strings.Join(s.Leads, "\n")))
			}
		}
	}
	return errors.Join(faults...)
}

func (c *processSimulateCmd) replay(w io.Writer, set *process.Set, cals *sla.Calendars) error {
	d, err := c.definition(c.Files[0])
	if err != nil {
		return err
	}
	f, err := os.Open(c.Incidents)
	if err != nil {
		return err
	}
	defer f.Close()
	pasts, err := replay.Read(f)
	if err != nil {
		return err
	}
	world := replay.World{Set: set.Replacing(d), Calendars: cals}
	var total replay.Total
	for _, past := range pasts {
		change, err := replay.Compare(world, d.ID, past)
		if err != nil {
			return err
		}
		total.Add(change)
		for n, line := range change.Lines {
			if n == 0 {
				fmt.Fprintln(w, change.Number)
			}
			fmt.Fprintln(w, "  - "+line.In(c.Lang))
		}
	}
	fmt.Fprintln(w, total.Text().In(c.Lang))
	return nil
}

func write(path string, data []byte) error {
	if path == "" {
		_, err := os.Stdout.Write(data)
		return err
	}
	return os.WriteFile(path, data, 0o644)
}
