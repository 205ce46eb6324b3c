package register

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/internal/yamledit"
)

// A cell's value is kept as text in one canonical form: several texts with line
// ends between them, dates as 2027-12-31, numbers without an exponent. "" is
// nothing.

var (
	datePattern   = regexp.MustCompile(`^(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?$`)
	serialPattern = regexp.MustCompile(`^\d{4,6}(\.0+)?$`) // a date as Excel counts it
	textsPattern  = regexp.MustCompile(`[\n;；、，,]+`)
)

// normal brings what a person wrote into the canonical form; the problem is ""
// when it could.
func (c Column) normal(raw string) (value string, problem lang.Text) {
	raw = strings.TrimSpace(strings.ReplaceAll(raw, "\r", ""))
	if raw == "" {
		return "", lang.Text{}
	}
	switch c.Kind {
	case Texts:
		var out []string
		for _, s := range textsPattern.Split(raw, -1) {
			if s = strings.TrimSpace(s); s == "" {
				continue
			}
			w, problem := c.word(s)
			if !problem.IsZero() {
				return "", problem
			}
			if !slices.Contains(out, w) {
				out = append(out, w)
			}
		}
		return strings.Join(out, "\n"), lang.Text{}
	case Date:
		return date(raw)
	case Number, Whole:
		return number(raw, c.Kind == Whole)
	case Span:
		if _, err := inventory.ParseSpan(raw); err != nil {
			return "", t("“"+raw+"”不是时限，请写成 30m、4h 或 2d", strconv.Quote(raw)+" is no duration: write 30m, 4h or 2d")
		}
		return raw, lang.Text{}
	case Hours:
		raw = strings.Join(strings.Fields(raw), " ")
		if _, err := inventory.ParseHours(raw); err != nil {
			return "", t("“"+raw+"”不是服务时间，请写成 7x24、工作时间、工作日 8:30-17:30 或 周一至周五 9:00-18:00; 周六 9:00-12:00", strconv.Quote(raw)+" is no hours: write 7x24, office hours, workdays 8:30-17:30 or Mon-Fri 9:00-18:00; Sat 9:00-12:00")
		}
		return raw, lang.Text{}
	}
	if strings.Contains(raw, "\n") {
		raw = strings.Join(strings.Fields(raw), " ")
	}
	return c.word(raw)
}

// word finds the word that people call s by any of its names.
func (c Column) word(s string) (string, lang.Text) {
	if c.Words == nil {
		return s, lang.Text{}
	}
	var zh, en []string
	for _, w := range c.Words {
		if strings.EqualFold(s, w.ID) || s == w.Title.ZH || strings.EqualFold(s, w.Title.EN) {
			return w.ID, lang.Text{}
		}
		zh, en = append(zh, w.Title.ZH), append(en, w.ID)
	}
	return "", t("“"+s+"”不在可选值中："+strings.Join(zh, "、"), strconv.Quote(s)+" is not one of "+strings.Join(en, ", "))
}

func date(raw string) (string, lang.Text) {
	bad := t("“"+raw+"”不是日期，请写成 2027-12-31", strconv.Quote(raw)+" is no date: write 2027-12-31")
	if serialPattern.MatchString(raw) {
		days, err := strconv.ParseFloat(raw, 64)
		if err != nil {
			return "", bad
		}
		// Day 1 of Excel is 1900-01-01, and it believes in 1900-02-29.
		return time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC).AddDate(0, 0, int(days)).Format(time.DateOnly), lang.Text{}
	}
	m := datePattern.FindStringSubmatch(raw)
	if m == nil {
		return "", bad
	}
	pad := func(s string) string { return strings.Repeat("0", 2-len(s)) + s }
	out := m[1] + "-" + pad(m[2]) + "-" + pad(m[3])
	if _, err := time.Parse(time.DateOnly, out); err != nil {
		return "", bad
	}
	return out, lang.Text{}
}

func number(raw string, whole bool) (string, lang.Text) {
	v, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(raw, "%")), 64)
	if err != nil || v != v || v < 0 || v > 1e15 {
		return "", t("“"+raw+"”不是数字", strconv.Quote(raw)+" is no number")
	}
	if whole && v != float64(int64(v)) {
		return "", t("“"+raw+"”不是整数", strconv.Quote(raw)+" is no whole number")
	}
	if v == 0 {
		return "", lang.Text{} // nothing is agreed
	}
	return yamledit.Number(v), lang.Text{}
}

// yaml writes a canonical value as YAML.
func (c Column) yaml(value string) string {
	switch c.Kind {
	case Texts:
		return yamledit.Texts(strings.Split(value, "\n"))
	case Number, Whole:
		return value
	}
	return yamledit.Text(value)
}

// Show writes a canonical value for people.
func (c Column) Show(value, language string) string {
	parts := strings.Split(value, "\n")
	for i, p := range parts {
		for _, w := range c.Words {
			if w.ID == p {
				parts[i] = w.Title.In(language)
			}
		}
	}
	return strings.Join(parts, "\n")
}
