package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/internal/yamlfile"
)

// vendor is how devices of one kind are asked, and what of their answer says
// nothing.
type vendor struct {
	Names   []string `yaml:"names"`   // what targets call it
	Mode    string   `yaml:"mode"`    // shell: typed after a prompt; exec: one command without a terminal
	Prepare []string `yaml:"prepare"` // typed first; what the device says to them does not matter
	Command string   `yaml:"command"`
	// Prompt matches the end of what stands before the device waits for a command.
	Prompt  string   `yaml:"prompt"`
	Enable  *enable  `yaml:"enable"`  // where reading needs a privileged mode
	More    string   `yaml:"more"`    // a pager's prompt, answered with a blank
	Answers []answer `yaml:"answers"` // to questions at login
	// Refused matches what the device says to a command that it does not know or
	// allow.
	Refused  string    `yaml:"refused"`
	Begin    string    `yaml:"begin"`    // lines before the first that matches are left out
	End      string    `yaml:"end"`      // one of the last lines matches, else something is missing
	Volatile []string  `yaml:"volatile"` // lines that change by themselves
	Blur     []replace `yaml:"blur"`     // parts that change by themselves
	Author   string    `yaml:"author"`   // groups user, from, time

	prompt, more, refused, begin, end, authorRE *regexp.Regexp
	volatile                                    []*regexp.Regexp
}

type enable struct {
	Command string `yaml:"command"`
	Ask     string `yaml:"ask"`  // matches the question for the password
	Done    string `yaml:"done"` // matches a privileged prompt

	ask, done *regexp.Regexp
}

type answer struct {
	Question string `yaml:"question"`
	Say      string `yaml:"say"`

	question *regexp.Regexp
}

type replace struct {
	Regexp string `yaml:"regexp"`
	With   string `yaml:"with"`

	re *regexp.Regexp
}

// loadVendors reads the *.yaml files at the top of the file systems; a file of a
// later one replaces the file of the same name of an earlier one. All faults are
// reported, each with its file and line.
func loadVendors(systems ...fs.FS) (map[string]*vendor, error) {
	texts := map[string][]byte{}
	for _, fsys := range systems {
		names, err := fs.Glob(fsys, "*.yaml")
		if err != nil {
			return nil, fmt.Errorf("load vendors: %w", err)
		}
		for _, name := range names {
			if texts[name], err = fs.ReadFile(fsys, name); err != nil {
				return nil, fmt.Errorf("load vendors %s: %w", name, err)
			}
		}
	}
	vendors, places := map[string]*vendor{}, map[string]string{}
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		v := &vendor{}
		f, err := yamlfile.Parse(name, texts[name])
		if err == nil {
			err = f.Decode(v)
		}
		if err != nil {
			faults = append(faults, err)
			continue
		}
		faults = append(faults, v.compile(f)...)
		for i, n := range v.Names {
			if places[n] != "" {
				faults = append(faults, f.Faultf(fmt.Sprintf("names[%d]", i), "%q is also in %s", n, places[n]))
			}
			vendors[n], places[n] = v, name
		}
	}
	return vendors, errors.Join(faults...)
}

// compile checks the vendor and makes its expressions.
func (v *vendor) compile(f *yamlfile.File) (faults []error) {
	re := func(path, s string) *regexp.Regexp {
		if s == "" {
			return nil
		}
		re, err := regexp.Compile(s)
		if err != nil {
			faults = append(faults, f.Faultf(path, "%v", err))
		}
		return re
	}
	if len(v.Names) == 0 {
		faults = append(faults, f.Faultf("", "names are missing"))
	}
	if v.Mode != "shell" && v.Mode != "exec" {
		faults = append(faults, f.Faultf("mode", "mode %q: want shell or exec", v.Mode))
	}
	if v.Command == "" {
		faults = append(faults, f.Faultf("", "command is missing"))
	}
	if v.Mode == "shell" && v.Prompt == "" {
		faults = append(faults, f.Faultf("", "prompt is missing"))
	}
	v.prompt, v.more, v.refused = re("prompt", v.Prompt), re("more", v.More), re("refused", v.Refused)
	v.begin, v.end, v.authorRE = re("begin", v.Begin), re("end", v.End), re("author", v.Author)
	for i, s := range v.Volatile {
		v.volatile = append(v.volatile, re(fmt.Sprintf("volatile[%d]", i), s))
	}
	for i := range v.Blur {
		v.Blur[i].re = re(fmt.Sprintf("blur[%d].regexp", i), v.Blur[i].Regexp)
	}
	for i := range v.Answers {
		v.Answers[i].question = re(fmt.Sprintf("answers[%d].question", i), v.Answers[i].Question)
	}
	if e := v.Enable; e != nil {
		if e.Command == "" || e.Ask == "" || e.Done == "" {
			faults = append(faults, f.Faultf("enable", "command, ask and done are needed"))
		}
		e.ask, e.done = re("enable.ask", e.Ask), re("enable.done", e.Done)
	}
	return faults
}

// check finds what shows that the text is not a whole configuration.
func (v *vendor) check(text string) error {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if v.refused != nil {
		for _, line := range lines[:min(len(lines), 5)] {
			if v.refused.MatchString(line) {
				return fmt.Errorf("the device refuses %q: %s", v.Command, strings.TrimSpace(line))
			}
		}
	}
	if strings.TrimSpace(text) == "" {
		return fmt.Errorf("the device says nothing to %q", v.Command)
	}
	if v.end == nil {
		return nil
	}
	for _, line := range lines[max(0, len(lines)-5):] {
		if v.end.MatchString(strings.TrimRight(line, " \t\r")) {
			return nil
		}
	}
	return fmt.Errorf("the configuration is cut off after %d lines: its end is missing", len(lines))
}

// normal leaves out what says nothing of the configuration: what stands before
// it, what changes by itself, blanks at the ends of lines.
func (v *vendor) normal(text string) string {
	var b strings.Builder
	begun := v.begin == nil
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \t\r\n")
		if !begun && !v.begin.MatchString(line) {
			continue
		}
		if !begun {
			begun = true
		}
		if slices.ContainsFunc(v.volatile, func(re *regexp.Regexp) bool { return re.MatchString(line) }) {
			continue
		}
		for _, r := range v.Blur {
			line = r.re.ReplaceAllString(line, r.With)
		}
		b.WriteString(line)
		b.WriteByte('\n')
	}
	return strings.Trim(b.String(), "\n") + "\n"
}

// author finds whom the configuration names as who changed it last.
func (v *vendor) author(text string) (Author, bool) {
	if v.authorRE == nil {
		return Author{}, false
	}
	found := v.authorRE.FindStringSubmatch(text)
	if found == nil {
		return Author{}, false
	}
	var a Author
	for i, name := range v.authorRE.SubexpNames() {
		switch name {
		case "user":
			a.User = found[i]
		case "from":
			a.From = found[i]
		case "time":
			a.At, _ = time.Parse("2006-01-02 15:04:05 MST", found[i])
		}
	}
	return a, a.User != ""
}

// digest is what two equal configurations have in common.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func countLines(text string) int { return strings.Count(text, "\n") }
