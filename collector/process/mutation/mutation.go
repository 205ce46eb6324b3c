// Package mutation breaks process files in one place at a time, to find out
// whether lint or a stored story notices: a wrong target, role or calendar, an
// edge that is gone. It knows the shape of the shipped files, not of all YAML.
package mutation

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Mutant is the file with one thing changed.
type Mutant struct {
	Name string // line and what was done to it
	Step string // the step it is in; "" outside of steps
	Text string
}

var (
	single   = regexp.MustCompile(`\b(to|role|owner|by|A|calendar|failed|vendor_kind): ("?[\w ]+"?)`)
	list     = regexp.MustCompile(`\b(notify|C|I|delegates|propose|names|in|starts|stops): \[([^\]]*)\]`)
	remedy   = regexp.MustCompile(`\bname: ([a-z][a-z0-9-]*)\}`)
	calWords = regexp.MustCompile(`\b(work|always): ("?[\w-]+"?)`)
	stepID   = regexp.MustCompile(`^  - id: (\w+)`)
	roleID   = regexp.MustCompile(`^  - \{id: (\w+),`)
)

// file is a process file by its lines.
type file struct {
	lines        []string
	steps, roles []string
	remedies     []string // names that steps know
	in           []string // the step of each line
	section      []string // the top-level key of each line
}

func read(text string) *file {
	f := &file{lines: strings.Split(text, "\n")}
	section, step := "", ""
	for _, line := range f.lines {
		if m := regexp.MustCompile(`^([a-z]\w*):`).FindStringSubmatch(line); m != nil {
			section, step = m[1], ""
		}
		if m := stepID.FindStringSubmatch(line); m != nil && section == "steps" {
			step = m[1]
			f.steps = append(f.steps, step)
		}
		if m := roleID.FindStringSubmatch(line); m != nil && section == "roles" {
			f.roles = append(f.roles, m[1])
		}
		f.remedies = append(f.remedies, namesIn(line, section)...)
		f.in, f.section = append(f.in, step), append(f.section, section)
	}
	return f
}

// namesIn are the names of remedies that a line of a step lists.
func namesIn(line, section string) []string {
	text, ok := strings.CutPrefix(line, "      names: [")
	if !ok || section != "steps" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "]"), ", ")
}

// All returns every mutant of the file.
func All(text string) []Mutant {
	f := read(text)
	var out []Mutant
	for n, line := range f.lines {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for _, m := range single.FindAllStringSubmatchIndex(line, -1) {
			out = append(out, f.replaced(n, line[m[2]:m[3]], m[4], m[5])...)
		}
		if m := remedy.FindStringSubmatchIndex(line); m != nil && f.section[n] == "steps" {
			out = append(out, f.replaced(n, "name", m[2], m[3])...)
		}
		for _, m := range list.FindAllStringSubmatchIndex(line, -1) {
			at := m[4]
			for _, item := range strings.Split(line[m[4]:m[5]], ",") {
				from := at + len(item) - len(strings.TrimLeft(item, " "))
				out = append(out, f.replaced(n, line[m[2]:m[3]], from, at+len(item))...)
				at += len(item) + 1
			}
		}
		if strings.HasPrefix(line, "calendars:") {
			for _, m := range calWords.FindAllStringSubmatchIndex(line, -1) {
				for _, other := range []string{"cn-workday", `"24x7"`, "nowhere"} {
					out = append(out, f.with(n, m[4], m[5], other)...)
				}
			}
		}
		out = append(out, f.deleted(n)...)
	}
	return out
}

// replaced puts other words of the key's kind into its place: one that does not
// exist, and two neighbours that do.
func (f *file) replaced(n int, key string, from, to int) []Mutant {
	word := f.lines[n][from:to]
	var all []string
	switch key {
	case "to", "failed", "in", "starts", "stops":
		all = f.steps
	case "role", "owner", "by", "A", "notify", "C", "I", "delegates", "propose":
		all = f.roles
	case "name", "names":
		all = f.remedies
	case "calendar":
		all = []string{"work", "always"}
	case "vendor_kind":
		all = []string{"carrier", "equipment supplier", "db vendor"}
	}
	if word == "" {
		return nil
	}
	at := slices.Index(all, word)
	words := []string{"nowhere"}
	for _, k := range []int{1, len(all) - 1} {
		if other := all[(max(at, 0)+k)%len(all)]; other != word && !slices.Contains(words, other) {
			words = append(words, other)
		}
	}
	var out []Mutant
	for _, other := range words {
		out = append(out, f.with(n, from, to, other)...)
	}
	return out
}

func (f *file) with(n, from, to int, word string) []Mutant {
	line := f.lines[n]
	if line[from:to] == word {
		return nil
	}
	changed := slices.Clone(f.lines)
	changed[n] = line[:from] + word + line[to:]
	return []Mutant{{fmt.Sprintf("line %d: %s becomes %s in %s", n+1, line[from:to], word, strings.TrimSpace(line)), f.in[n], strings.Join(changed, "\n")}}
}

// deleted takes away the edge that begins in the line: an item of next, timeout
// or choices, a breach's step, or the way a final step is opened again; and a
// step's remedies, or one that the process proposes by itself.
func (f *file) deleted(n int) []Mutant {
	line := f.lines[n]
	name := fmt.Sprintf("line %d: deleted %s", n+1, strings.TrimSpace(line))
	if m := regexp.MustCompile(`^    breach: \{.*(, to: \w+)\}`).FindStringSubmatchIndex(line); m != nil {
		changed := slices.Clone(f.lines)
		changed[n] = line[:m[2]] + line[m[3]:]
		return []Mutant{{name, f.in[n], strings.Join(changed, "\n")}}
	}
	indent := len(line) - len(strings.TrimLeft(line, " "))
	edge := f.section[n] == "steps" && (strings.HasPrefix(strings.TrimSpace(line), "reopen:") || strings.HasPrefix(line, "    remedy:") ||
		remedy.MatchString(line) && f.parent(n, indent) == "suggest" ||
		strings.HasPrefix(strings.TrimSpace(line), "- ") && slices.Contains([]string{"next", "timeout", "choices"}, f.parent(n, indent)))
	if !edge {
		return nil
	}
	end := n + 1
	for end < len(f.lines) && strings.TrimSpace(f.lines[end]) != "" && len(f.lines[end])-len(strings.TrimLeft(f.lines[end], " ")) > indent {
		end++
	}
	changed := slices.Delete(slices.Clone(f.lines), n, end)
	if n > 0 && strings.HasSuffix(strings.TrimSpace(changed[n-1]), ":") && (n >= len(changed) || !strings.HasPrefix(strings.TrimSpace(changed[n]), "- ") || !strings.HasPrefix(changed[n], strings.Repeat(" ", indent))) {
		changed = slices.Delete(changed, n-1, n) // the list is empty now
	}
	return []Mutant{{name, f.in[n], strings.Join(changed, "\n")}}
}

// parent is the key of the list that the line's item belongs to.
func (f *file) parent(n, indent int) string {
	for k := n - 1; k >= 0; k-- {
		line := f.lines[k]
		if len(line)-len(strings.TrimLeft(line, " ")) < indent && strings.TrimSpace(line) != "" {
			return strings.TrimSuffix(strings.TrimSpace(line), ":")
		}
	}
	return ""
}
