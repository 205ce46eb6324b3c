package draft

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of a draft: more than a person goes through are told, not written.
const (
	mostScalars = 150
	mostTables  = 60
	mostColumns = 80
	mostSamples = 4
)

// Device is what a draft says of the device.
type Device struct {
	Profile     string // name of the profile to be
	Class       string // of device; "" is other
	Vendor      string
	SysObjectID string
	SysDescr    string
	Subtrees    []string // that were walked
	Fits        string   // profile that fits the device already, "": none
	Covered     int      // objects that profiles read already: they are left out
	Notes       []string // what could not be read
	At          time.Time
}

// Write makes the profile's file.
func Write(d Device, s *Shape) []byte {
	w := &writer{Device: d, shape: s}
	w.base = w.common()
	w.head()
	w.identity()
	w.scalars()
	w.tables()
	return w.b.Bytes()
}

type writer struct {
	Device
	shape *Shape
	base  string
	b     bytes.Buffer
}

func (w *writer) line(format string, args ...any) {
	fmt.Fprintf(&w.b, format, args...)
	w.b.WriteByte('\n')
}

// common is the enterprise that all was found in, or what they have in common.
func (w *writer) common() string {
	const enterprise = 7
	for _, c := range w.shape.Scalars {
		return Dotted(c.OID[:min(enterprise, len(c.OID))])
	}
	for _, t := range w.shape.Tables {
		return Dotted(t.Entry[:min(enterprise, len(t.Entry))])
	}
	if len(w.Subtrees) > 0 {
		return w.Subtrees[0]
	}
	return "1.3.6.1.4.1"
}

// under writes an OID, short where it lies below the base.
func (w *writer) under(oid []uint32) string {
	text := Dotted(oid)
	if rest, ok := strings.CutPrefix(text, w.base); ok && rest != "" && rest[0] == '.' {
		return rest
	}
	return text
}

func (w *writer) head() {
	w.line("# A draft, made by faultline-agent snmp profile new on %s of: %s", w.At.Format(time.DateOnly), sample(w.SysDescr, 120))
	w.line("# Numbers have no names here: look them up in the maker's MIB, name the metrics, make sensors of what matters, throw the rest away.")
	w.line("# Behind each stands what was seen. See docs/profiles.md.")
	if w.Fits != "" {
		w.line("# The profile %s fits this device already: better add to that one.", w.Fits)
	}
	if w.Covered > 0 {
		w.line("# %d objects that profiles read already are left out.", w.Covered)
	}
	for _, n := range w.Notes {
		w.line("# Not read: %s", sample(n, 200))
	}
	w.line("profile: %s", w.Profile)
	class := w.Class
	if class == "" {
		class = "other"
	}
	w.line("class: %s # network firewall ups pdu environment cooling bmc storage host printer other", class)
	w.line("verified: none")
	w.line("source: [a walk of one device, meanings guessed]")
	w.line("match:")
	switch {
	case w.SysObjectID == "" || generic(w.SysObjectID):
		w.line("  - has: [%s] # its sysObjectID %s is that of many", strings.Join(w.Subtrees, ", "), sample(w.SysObjectID, 60))
	default:
		w.line("  - sys_object_id: [%s] # shorten it where more models are alike", w.SysObjectID)
	}
	w.line("base: %s", w.base)
}

// generic tells whether a sysObjectID says which agent answers, not which device.
func generic(oid string) bool {
	return !strings.HasPrefix(oid, "1.3.6.1.4.1.") || strings.HasPrefix(oid, "1.3.6.1.4.1.8072.") || strings.HasPrefix(oid, "1.3.6.1.4.1.2021.") || strings.HasSuffix(oid, ".0.0")
}

var (
	versionLike = regexp.MustCompile(`^[vV]?\d+\.\d+[\w.()-]*$`)
	serialLike  = regexp.MustCompile(`^[A-Z0-9-]{7,24}$`)
)

// identity guesses which texts name the device.
func (w *writer) identity() {
	vendor := w.Vendor
	if vendor == "" {
		vendor = "Unknown"
	}
	w.line("identity:")
	w.line("  vendor: %s", quote(vendor))
	var model, version, serial []string
	for _, c := range w.shape.Scalars {
		text := strings.TrimSpace(c.Values[0].Text)
		entry := fmt.Sprintf("{oid: %s} # %s", w.under(c.OID), sample(text, 60))
		switch {
		case c.Kind() != Words && c.Kind() != Reading || text == "":
		case versionLike.MatchString(text):
			version = append(version, entry)
		case len(text) >= 4 && strings.Contains(w.SysDescr, text):
			model = append(model, entry)
		case serialLike.MatchString(text) && strings.ContainsAny(text, "0123456789") && digits(text) >= 4:
			serial = append(serial, entry)
		}
	}
	model = append(model, `{sys_descr: '^([^,;]{1,60})'}`)
	for _, f := range []struct {
		name  string
		lines []string
	}{{"model", model}, {"version", version}, {"serial", serial}} {
		if len(f.lines) > 0 {
			w.line("  %s:", f.name)
		}
		for _, l := range f.lines[:min(len(f.lines), 5)] {
			w.line("    - %s", l)
		}
	}
}

func digits(s string) int {
	n := 0
	for _, r := range s {
		if r >= '0' && r <= '9' {
			n++
		}
	}
	return n
}

// scalars writes the numbers outside tables; texts stand in comments.
func (w *writer) scalars() {
	var numbers, texts []*Column
	for _, c := range w.shape.Scalars {
		if c.Kind().Numeric() {
			numbers = append(numbers, c)
		} else {
			texts = append(texts, c)
		}
	}
	for _, c := range texts[:min(len(texts), mostScalars)] {
		w.line("# text %s: %s", w.under(c.OID), sample(c.Values[0].Text, 80))
	}
	if len(numbers) == 0 {
		return
	}
	w.line("scalars:")
	for _, c := range numbers[:min(len(numbers), mostScalars)] {
		w.line("  - {metric: %s, oid: %s, type: %s} # %s", w.metric(c.OID), w.under(c.OID), metricType(c.Kind()), c.told())
	}
	if left := len(numbers) - mostScalars; left > 0 {
		w.line("# and %d more", left)
	}
}

func metricType(k Kind) string {
	if k == Counter {
		return "counter"
	}
	return "gauge"
}

// metric makes a name of where an object stands.
func (w *writer) metric(oid []uint32) string {
	name := strings.ReplaceAll(strings.TrimPrefix(w.under(oid), "."), ".", "_")
	return strings.ReplaceAll(w.Profile, "-", "_") + "_" + name
}

func (w *writer) tables() {
	all := slices.DeleteFunc(slices.Clone(w.shape.Tables), func(t *Table) bool { return !t.measures() })
	for _, t := range w.shape.Tables {
		if !t.measures() {
			w.line("# table %s: %d rows of texts alone: %s", w.under(t.Entry), t.Rows, t.Columns[0].told())
		}
	}
	if len(all) == 0 {
		return
	}
	w.line("tables:")
	for _, t := range all[:min(len(all), mostTables)] {
		w.table(t)
	}
	if left := len(all) - mostTables; left > 0 {
		w.line("# and %d more tables", left)
	}
}

// measures tells whether a table has anything to read as a metric or a sensor.
func (t *Table) measures() bool {
	return slices.ContainsFunc(t.Columns, func(c *Column) bool { return c.Kind().Numeric() && !c.numbersRows() })
}

func (w *writer) table(t *Table) {
	w.line("  - name: %sTable # %d columns, %d rows", w.metric(t.Entry), len(t.Columns), t.Rows)
	w.line("    entry: %s", Dotted(t.Entry))
	index := []string{"row"}
	for n := 2; n <= t.Index && t.Index <= 4; n++ {
		index = append(index, "row"+strconv.Itoa(n))
	}
	w.line("    index: [%s]", strings.Join(index, ", "))
	name := t.name()
	if name != nil {
		w.line("    labels: {name: .%d} # %s", name.Number, name.told())
	}
	w.line("    may_be_empty: true")
	var numbers []*Column
	for _, c := range t.Columns {
		switch {
		case c == name:
		case c.numbersRows():
			w.line("    # .%d numbers the rows", c.Number)
		case c.Kind().Numeric():
			numbers = append(numbers, c)
		default:
			w.line("    # .%d %s: %s", c.Number, c.Kind(), c.told())
		}
	}
	w.line("    columns:")
	for _, c := range numbers[:min(len(numbers), mostColumns)] {
		w.line("      - {metric: %s, oid: .%d, type: %s} # %s", w.metric(c.OID), c.Number, metricType(c.Kind()), c.told())
	}
	w.sensors(t, name)
}

// words are the values that were seen, each to be given a state.
func (c *Column) words() string {
	var all []float64
	for _, v := range c.Values {
		if !slices.Contains(all, v.Number) {
			all = append(all, v.Number)
		}
	}
	slices.Sort(all)
	var texts []string
	for _, f := range all {
		texts = append(texts, fmt.Sprintf("%g: unknown", f))
	}
	return strings.Join(texts, ", ")
}

// told says what was seen of a column.
func (c *Column) told() string {
	var texts []string
	for _, v := range c.Values {
		if t := sample(v.Text, 40); !slices.Contains(texts, t) {
			texts = append(texts, t)
		}
	}
	more := ""
	if len(texts) > mostSamples {
		texts, more = texts[:mostSamples], " …"
	}
	text := string(c.Kind()) + ": " + strings.Join(texts, ", ") + more
	if c.Kind() == Gauge {
		if l := c.looks(); l != "" {
			text += " - " + l
		}
	}
	return text
}

// sample makes one short line of a text, whatever it holds.
func sample(text string, most int) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r < 0x21 || r >= 0x7f && r < 0xa1 }), " ")
	if r := []rune(text); len(r) > most {
		text = string(r[:most]) + "…"
	}
	if text == "" {
		return `""`
	}
	return text
}

// quote writes a text between quotes as JSON has them, which YAML reads too.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // text alone cannot fail
	return strings.TrimSpace(b.String())
}
