package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"
)

// report is everything that was measured in one run.
type report struct {
	Machine machine `json:"machine"`
	Tables  []table `json:"tables"`
}

// machine is where and when it was measured.
type machine struct {
	Date  time.Time `json:"date"`
	CPU   string    `json:"cpu"`
	Cores int       `json:"cores"`
	Load  string    `json:"load"` // 1, 5 and 15 min at the start
	Go    string    `json:"go"`
}

func thisMachine() machine {
	m := machine{Date: time.Now().UTC().Truncate(time.Second), CPU: "unknown CPU", Cores: runtime.NumCPU(), Load: "unknown", Go: runtime.Version()}
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				m.CPU = strings.TrimSpace(v)
				break
			}
		}
	}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		if f := strings.Fields(string(b)); len(f) > 2 {
			m.Load = strings.Join(f[:3], " ")
		}
	}
	return m
}

// String is one line.
func (m machine) String() string {
	return fmt.Sprintf("%s, %s, %d cores, load %s, %s", m.Date.Format(time.RFC3339), m.CPU, m.Cores, m.Load, m.Go)
}

func (r report) write(path string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

// table is one section's figures.
type table struct {
	Name  string   `json:"name"`
	Rows  []row    `json:"rows"`
	Notes []string `json:"notes,omitempty"`
}

// row is one figure: what was asked, what was measured, and a mark to compare
// it with, each as people read it. Empty is none.
type row struct {
	What     string  `json:"what"`
	Asked    string  `json:"asked,omitempty"`
	Measured string  `json:"measured"`
	Mark     string  `json:"mark,omitempty"`
	Value    float64 `json:"value"` // Measured as a number, in the unit named there
}

func (t *table) add(what, asked string, value float64, unit, mark string) {
	t.Rows = append(t.Rows, row{What: what, Asked: asked, Measured: figure(value) + " " + unit, Mark: mark, Value: value})
}

func (t *table) note(format string, args ...any) {
	t.Notes = append(t.Notes, fmt.Sprintf(format, args...))
}

// String is the table as Markdown with aligned columns.
func (t table) String() string {
	lines := [][]string{{"what", "asked", "measured", "mark"}}
	for _, r := range t.Rows {
		lines = append(lines, []string{r.What, r.Asked, r.Measured, r.Mark})
	}
	width := make([]int, 4)
	for _, l := range lines {
		for i, c := range l {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n", t.Name)
	for n, l := range lines {
		for i, c := range l {
			fmt.Fprintf(&b, "| %s%s ", c, strings.Repeat(" ", width[i]-utf8.RuneCountInString(c)))
		}
		b.WriteString("|\n")
		if n == 0 {
			for _, w := range width {
				b.WriteString("| " + strings.Repeat("-", w) + " ")
			}
			b.WriteString("|\n")
		}
	}
	for _, n := range t.Notes {
		b.WriteString("\n" + n + "\n")
	}
	return b.String()
}

// figure writes a number with three significant digits, thousands apart.
func figure(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1000:
		s := fmt.Sprintf("%.0f", v)
		for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
			s = s[:i] + "," + s[i:]
		}
		return s
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 1:
		return fmt.Sprintf("%.2f", v)
	default:
		return fmt.Sprintf("%.3g", v)
	}
}
