// Package scenario plays stories against process definitions: facts at instants
// of working time go in, and the path, clocks, breaches, tickets and calls come
// out as text that people read and tests compare. It also replays what really
// happened to an incident against a draft. It is pure, as process is.
package scenario

import (
	"fmt"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/yamlfile"
)

// Story is facts at times, and what they lead to.
type Story struct {
	Name     string            `yaml:"name,omitempty"`
	Process  string            `yaml:"process,omitempty"`
	About    string            `yaml:"about,omitempty"`
	Covers   []string          `yaml:"covers,omitempty"`   // what the story is there for: edges, rungs and clocks, by their names in Items
	Vendors  map[string]string `yaml:"vendors,omitempty"`  // kind → id: who is called when a person overrules the diagnosis
	Remedies []string          `yaml:"remedies,omitempty"` // that the company's configuration has; none: no runner is configured
	Opened   Opening           `yaml:"opened,omitempty"`
	Facts    []Fact            `yaml:"facts,omitempty"`
	Whole    bool              `yaml:"whole,omitempty"` // leads is all that is logged, from the opening on
	Leads    []string          `yaml:"leads,omitempty"` // what the last facts lead to, as Play logs it; "" is not compared
}

// Opening is how the incident begins.
type Opening struct {
	At         string `yaml:"at"` // 2006-01-02 15:04:05 in the story's zone
	Class      string `yaml:"class"`
	VendorKind string `yaml:"vendor_kind"`
	Vendor     string `yaml:"vendor,omitempty"`
	Rule       string `yaml:"rule,omitempty"` // of the diagnosis
}

// Fact is one line of a story. At is 15:04:05, 2006-01-02 15:04:05, +1m (after
// the fact before) or "timer": when the next timer is due.
type Fact struct {
	At      string `yaml:"at,omitempty"`
	Fact    string `yaml:"fact,omitempty"`
	Choice  string `yaml:"choice,omitempty"`
	By      string `yaml:"by,omitempty"`
	Comment string `yaml:"comment,omitempty"`
	Class   string `yaml:"class,omitempty"`
	Kind    string `yaml:"vendor_kind,omitempty"`
	Vendor  string `yaml:"vendor,omitempty"`
	Into    string `yaml:"process,omitempty"`
	Refused bool   `yaml:"refused,omitempty"`
}

// file is what a file holds: one story, or several with what they share.
type file struct {
	Process  string            `yaml:"process"`
	About    string            `yaml:"about"`
	Vendors  map[string]string `yaml:"vendors"`
	Remedies []string          `yaml:"remedies"`
	Opened   Opening           `yaml:"opened"`
	Facts    []Fact            `yaml:"facts"`
	Stories  []Story           `yaml:"stories"`
}

// maxFacts bounds a story.
const maxFacts = 2000

// Parse reads a file of stories; name is used in errors.
func Parse(name string, data []byte) ([]Story, error) {
	y, err := yamlfile.Parse(name, data)
	if err != nil {
		return nil, err
	}
	var f file
	if err := y.Decode(&f); err != nil {
		return nil, err
	}
	if len(f.Stories) == 0 {
		f.Stories = []Story{{Name: strings.TrimSuffix(name, ".yaml"), About: f.About, Facts: f.Facts, Remedies: f.Remedies}}
	}
	for n := range f.Stories {
		s := &f.Stories[n]
		s.Process = or(s.Process, f.Process)
		if s.Vendors == nil {
			s.Vendors = f.Vendors
		}
		if s.Opened.At == "" {
			s.Opened = f.Opened
		}
		if s.Process == "" || s.Opened.At == "" {
			return nil, y.Faultf(fmt.Sprintf("stories[%d]", n), "a story needs process and opened")
		}
		if len(s.Facts) > maxFacts {
			return nil, y.Faultf(fmt.Sprintf("stories[%d]", n), "more than %d facts", maxFacts)
		}
	}
	return f.Stories, nil
}

// zone is where stories' times are; China has had no other since 1991.
var zone = time.FixedZone("CST", 8*3600)

// instant reads a fact's time; now is that of the fact before.
func instant(at string, now time.Time) (time.Time, error) {
	switch {
	case at == "":
		return now, nil
	case strings.HasPrefix(at, "+"):
		d, err := time.ParseDuration(at[1:])
		return now.Add(d), err
	case len(at) == 8:
		return time.ParseInLocation("2006-01-02 15:04:05", now.In(zone).Format("2006-01-02 ")+at, zone)
	}
	return time.ParseInLocation("2006-01-02 15:04:05", at, zone)
}

func diagnosisOf(class, vendorKind, process string) *incident.Diagnosis {
	return &incident.Diagnosis{Cause: class + "/x", Class: class, Site: "branch-2", Device: "x", Process: process,
		VendorKind: vendorKind, Severity: incident.SeverityMajor, Recovery: "up == 1", Affected: []string{}}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
