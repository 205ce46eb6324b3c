// Package spec is what a configuration says about plugins, and what a host says
// about them in return. It starts nothing and imports no gRPC, so that the
// resident agent can hold it.
package spec

import (
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/faultline/faultline/internal/secret"
)

// Contracts that a plugin may be used for.
const (
	Input  = "input"
	Ticket = "ticket"
	Notify = "notify"
	Remedy = "remedy"
)

// Plugin is one plugin of a configuration.
type Plugin struct {
	Name     string                   `json:"name" yaml:"name"`         // what targets, vendors or people choose it by
	Contract string                   `json:"contract" yaml:"contract"` // input, ticket, notify or remedy
	Path     string                   `json:"path" yaml:"path"`         // of the program, absolute
	SHA256   string                   `json:"sha256" yaml:"sha256"`     // of the program, in hex
	Files    []File                   `json:"files,omitempty" yaml:"files"`
	Args     []string                 `json:"args,omitempty" yaml:"args"`
	Settings map[string]secret.String `json:"-" yaml:"settings"`                // handed to the plugin once, never by argument or environment
	Secrets  map[string]string        `json:"secrets,omitempty" yaml:"secrets"` // setting → file that holds its value
	Devices  bool                     `json:"devices,omitempty" yaml:"devices"` // it may speak of devices other than the target's
	Limits   Limits                   `json:"limits" yaml:"limits"`
}

// File is another file the program cannot do without: it is pinned like the
// program and laid beside it.
type File struct {
	Path   string `json:"path" yaml:"path"` // beside or below the program's directory; relative to it or absolute
	SHA256 string `json:"sha256" yaml:"sha256"`
}

// Limits bound what a plugin may cost. Zero fields have the values of Default.
type Limits struct {
	Memory    int64         `json:"memory,omitempty" yaml:"memory"`         // bytes resident, of all its processes together
	Processes int           `json:"processes,omitempty" yaml:"processes"`   // of all its processes and threads; by cgroup only
	Deadline  time.Duration `json:"deadline,omitempty" yaml:"deadline"`     // of one call, whatever the caller allows
	Start     time.Duration `json:"start,omitempty" yaml:"start"`           // from its start to its first answer
	Answer    int           `json:"answer,omitempty" yaml:"answer"`         // bytes of one answer
	Samples   int           `json:"samples,omitempty" yaml:"samples"`       // of one reading
	PerSecond float64       `json:"per_second,omitempty" yaml:"per_second"` // samples, over a minute
	Calls     float64       `json:"calls,omitempty" yaml:"calls"`           // a second
	AtOnce    int           `json:"at_once,omitempty" yaml:"at_once"`       // calls
	LogLines  float64       `json:"log_lines,omitempty" yaml:"log_lines"`   // a second that are kept
}

// Default is the limits of a plugin that names none.
func Default() Limits {
	return Limits{Memory: 128 << 20, Processes: 64, Deadline: time.Minute, Start: 30 * time.Second, Answer: 8 << 20, Samples: 50_000,
		PerSecond: 5_000, Calls: 50, AtOnce: 16, LogLines: 20}
}

// Filled returns the limits with defaults in place of zeros.
func (l Limits) Filled() Limits {
	d := Default()
	fill(&l.Memory, d.Memory)
	fill(&l.Processes, d.Processes)
	fill(&l.Deadline, d.Deadline)
	fill(&l.Start, d.Start)
	fill(&l.Answer, d.Answer)
	fill(&l.Samples, d.Samples)
	fill(&l.PerSecond, d.PerSecond)
	fill(&l.Calls, d.Calls)
	fill(&l.AtOnce, d.AtOnce)
	fill(&l.LogLines, d.LogLines)
	return l
}

func fill[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,39}$`)

// Validate returns every fault of a set of plugins, each with its place.
func Validate(plugins []Plugin) error {
	var faults []error
	seen := map[string]bool{}
	for i := range plugins {
		p := &plugins[i]
		where := fmt.Sprintf("plugins[%d] %s: ", i, p.Name)
		bad := func(format string, args ...any) { faults = append(faults, fmt.Errorf(where+format, args...)) }
		if !nameForm.MatchString(p.Name) {
			bad("name: lower-case letters, digits, hyphens and underscores, at most 40")
		}
		if seen[p.Contract+"/"+p.Name] {
			bad("name: there twice")
		}
		seen[p.Contract+"/"+p.Name] = true
		if p.Contract != Input && p.Contract != Ticket && p.Contract != Notify && p.Contract != Remedy {
			bad("contract: %q is not input, ticket, notify or remedy", p.Contract)
		}
		if !filepath.IsAbs(p.Path) {
			bad("path: %q is not absolute", p.Path)
		}
		if !isSum(p.SHA256) {
			bad("sha256: 64 hexadecimal digits are needed; `faultline-plugin-host sum %s` prints them", p.Path)
		}
		for j, f := range p.Files {
			if _, err := f.Beside(p.Path); err != nil {
				bad("files[%d]: %w", j, err)
			}
			if !isSum(f.SHA256) {
				bad("files[%d] %s: sha256: 64 hexadecimal digits are needed", j, f.Path)
			}
		}
		p.Limits.validate(p.longest(), bad)
	}
	return errors.Join(faults...)
}

// longest is the longest deadline that a plugin of its contract may have.
func (p *Plugin) longest() time.Duration {
	if p.Contract == Remedy {
		return 4 * time.Hour
	}
	return 10 * time.Minute
}

// Bounds returns the plugin's limits with its contract's defaults in place of
// zeros: a remedy starts programs of its own and takes its time.
func (p *Plugin) Bounds() Limits {
	l := p.Limits
	if p.Contract == Remedy {
		fill(&l.Memory, 768<<20)
		fill(&l.Processes, 256)
		fill(&l.Deadline, 35*time.Minute)
		fill(&l.Answer, 1<<20)
		fill(&l.AtOnce, 4)
	}
	return l.Filled()
}

func (l Limits) validate(longest time.Duration, bad func(string, ...any)) {
	switch {
	case l.Memory != 0 && l.Memory < 8<<20:
		bad("limits.memory: %d bytes are below 8 MiB", l.Memory)
	case l.Deadline < 0 || l.Start < 0 || l.Answer < 0 || l.Samples < 0 || l.PerSecond < 0 || l.Calls < 0 || l.AtOnce < 0 || l.LogLines < 0 || l.Processes < 0:
		bad("limits: below zero")
	case l.Deadline > longest:
		bad("limits.deadline: %s is above %.0fm", l.Deadline, longest.Minutes())
	case l.Answer > 256<<20:
		bad("limits.answer: %d bytes are above 256 MiB", l.Answer)
	}
}

func isSum(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 32
}

// Beside returns the file's place relative to the directory of the program.
func (f File) Beside(program string) (string, error) {
	rel := f.Path
	if filepath.IsAbs(rel) {
		var err error
		if rel, err = filepath.Rel(filepath.Dir(program), rel); err != nil {
			return "", fmt.Errorf("path: %w", err)
		}
	}
	if rel = filepath.Clean(rel); !filepath.IsLocal(rel) || rel == "." {
		return "", fmt.Errorf("path: %s is neither beside nor below %s", f.Path, filepath.Dir(program))
	}
	if rel == filepath.Base(program) {
		return "", fmt.Errorf("path: %s is the program itself", f.Path)
	}
	return rel, nil
}

// Values returns the plugin's settings with those that stand in files.
func (p *Plugin) Values() (map[string]string, error) {
	all := make(map[string]string, len(p.Settings)+len(p.Secrets))
	for k, v := range p.Settings {
		all[k] = v.Reveal()
	}
	for k, file := range p.Secrets {
		v, err := secret.String("").OrFile(file)
		if err != nil {
			return nil, fmt.Errorf("plugin %s: setting %s: %w", p.Name, k, err)
		}
		all[k] = v.Reveal()
	}
	return all, nil
}

// SecretKey tells whether a setting or option of this name holds a secret.
func SecretKey(name string) bool {
	low := strings.ToLower(name)
	for _, end := range []string{"password", "passwd", "community", "token", "secret", "key"} {
		if strings.HasSuffix(low, end) {
			return true
		}
	}
	return false
}
