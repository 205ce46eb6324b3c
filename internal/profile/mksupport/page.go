package main

import (
	"cmp"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"text/template"

	"github.com/faultline/faultline/internal/profile"
)

//go:embed support.md.tmpl
var pageText string

var page = template.Must(template.New("support.md").Funcs(template.FuncMap{"cell": cell}).Parse(pageText))

// pageData is what the page is made of.
type pageData struct {
	Counts   string
	Sections []section
}

// section is the profiles of one class of device.
type section struct {
	Title   string
	Entries []entry
}

// classes in the order of the page, with their titles; what has none comes last.
var classes = []struct{ class, title string }{
	{"network", "Network"}, {"firewall", "Firewalls"}, {"ups", "UPS"}, {"pdu", "Power distribution"}, {"environment", "Environment monitors"}, {"cooling", "Cooling"},
	{"bmc", "Baseboard management"}, {"storage", "Storage"}, {"host", "Hosts"}, {"printer", "Printers"}, {"other", "Other"}, {"", "Any device"},
}

func newPage(entries []entry) pageData {
	var d pageData
	for _, c := range classes {
		s := section{Title: c.title}
		for _, e := range entries {
			if e.Class == c.class {
				s.Entries = append(s.Entries, e)
			}
		}
		slices.SortStableFunc(s.Entries, func(a, b entry) int {
			return cmp.Or(strings.Compare(a.key(), b.key()), strings.Compare(a.Name, b.Name))
		})
		if len(s.Entries) > 0 {
			d.Sections = append(d.Sections, s)
		}
	}
	d.Counts = counts(entries)
	return d
}

// key is what rows are sorted by: the make, or how what it is begins.
func (e *entry) key() string { return strings.ToLower(cmp.Or(e.Make, e.About)) }

// counts says how many profiles are proven by what.
func counts(entries []entry) string {
	by := map[string]int{}
	for _, e := range entries {
		by[e.proof]++
	}
	text := fmt.Sprintf("%d profiles: %d verified by recordings of real devices, %d by real servers, %d written, not tested",
		len(entries), by[profile.VerifiedRecording], by[profile.VerifiedServer], by[profile.VerifiedNone])
	if n := by[""]; n > 0 {
		text += fmt.Sprintf(", %d that say nothing of it", n)
	}
	return text + "."
}

// cell makes a text fit for a cell of a table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(text)
}
