package web

import (
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/internal/lang"
)

// catalogue is the console's words in one language, by key.
type catalogue map[string]string

// loadCatalogues reads messages/zh-CN.json and messages/en.json and those of the
// parts of the console beside them: messages/knowledge.en.json. A key has its
// words in one file.
func loadCatalogues() (map[string]catalogue, error) {
	out := map[string]catalogue{}
	for _, l := range []string{lang.ZH, lang.EN} {
		parts, err := fs.Glob(files, "messages/*."+l+".json")
		if err != nil {
			return nil, fmt.Errorf("message catalogue: %w", err)
		}
		out[l] = catalogue{}
		for _, name := range append([]string{"messages/" + l + ".json"}, parts...) {
			if err := out[l].read(name); err != nil {
				return nil, fmt.Errorf("message catalogue %s: %w", name, err)
			}
		}
	}
	return out, nil
}

// read adds a file's words.
func (c catalogue) read(name string) error {
	b, err := files.ReadFile(name)
	if err != nil {
		return err
	}
	part := catalogue{}
	if err := json.Unmarshal(b, &part); err != nil {
		return err
	}
	for key, words := range part {
		if _, twice := c[key]; twice {
			return fmt.Errorf("%s is there twice", key)
		}
		c[key] = words
	}
	return nil
}

// T returns the words of the key, with the arguments put in; a key that does
// not exist returns itself (a test finds those).
func (p *page) T(key string, args ...any) string {
	s, ok := p.words[key]
	if !ok {
		return key
	}
	if len(args) == 0 {
		return s
	}
	return fmt.Sprintf(s, args...)
}

// W returns the word for one of a set of values, e.g. W "class" "device"; a
// value without a word is shown as it is.
func (p *page) W(set, value string) string {
	if s, ok := p.words[set+"."+value]; ok {
		return s
	}
	return value
}

// Text returns the text in the person's language.
func (p *page) Text(t lang.Text) string { return t.In(p.Lang) }

// Time returns the moment in the person's zone, with the year when it is not
// this one; the element's title has it in full.
func (p *page) Time(t time.Time) template.HTML {
	if t.IsZero() {
		return "–"
	}
	t = t.In(p.zone)
	layout := "01-02 15:04:05"
	if t.Year() != p.now.In(p.zone).Year() {
		layout = "2006-01-02 15:04:05"
	}
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`, t.UTC().Format(time.RFC3339),
		template.HTMLEscapeString(t.Format("2006-01-02 15:04:05 ")+t.Format("-07:00")+" "+p.zone.String()), t.Format(layout)))
}

// Age returns how long ago the moment was, in words that go on counting.
func (p *page) Age(t time.Time) template.HTML {
	if t.IsZero() {
		return "–"
	}
	return template.HTML(fmt.Sprintf(`<span data-since="%s">%s</span>`, t.UTC().Format(time.RFC3339), template.HTMLEscapeString(p.ago(t))))
}

func (p *page) ago(t time.Time) string { return p.T("time.ago", p.Duration(p.now.Sub(t))) }

// Due returns how long it is until the moment, or since, in words that go on
// counting.
func (p *page) Due(t time.Time) template.HTML {
	if t.IsZero() {
		return "–"
	}
	left, class, words := t.Sub(p.now), "", ""
	if left >= 0 {
		words = p.T("time.left", p.Duration(left))
	} else {
		class, words = "bad", p.T("time.overdue", p.Duration(-left))
	}
	return template.HTML(fmt.Sprintf(`<span data-due="%s" class="%s">%s</span>`, t.UTC().Format(time.RFC3339), class, template.HTMLEscapeString(words)))
}

// Duration returns the two largest units of the duration, in words.
func (p *page) Duration(d time.Duration) string {
	s := max(int64(d.Round(time.Second)/time.Second), 0)
	units := []struct {
		seconds int64
		key     string
	}{{86400, "unit.day"}, {3600, "unit.hour"}, {60, "unit.minute"}, {1, "unit.second"}}
	var parts []string
	for n, u := range units {
		if s < u.seconds && (u.seconds > 1 || len(parts) > 0) {
			continue
		}
		parts = append(parts, fmt.Sprintf("%d %s", s/u.seconds, p.T(u.key)))
		if s %= u.seconds; n+1 < len(units) && s >= units[n+1].seconds {
			parts = append(parts, fmt.Sprintf("%d %s", s/units[n+1].seconds, p.T(units[n+1].key)))
		}
		break
	}
	return strings.Join(parts, " ")
}

// Number returns a measured value without digits nobody needs.
func (p *page) Number(v *float64, unit string) string {
	if v == nil {
		return ""
	}
	s := fmt.Sprintf("%.4g", *v)
	if unit != "" {
		s += " " + p.W("measure", unit)
	}
	return s
}

// Span says a limit as processes write it in the person's language.
func (p *page) Span(s string) string { return p.Text(process.SpanWords(s)) }

// Asset returns the address of a static file.
func (p *page) Asset(name string) string { return p.assets.url(name) }

// Units are the words the browser counts on with.
func (p *page) Units() string {
	return strings.Join([]string{p.T("unit.day"), p.T("unit.hour"), p.T("unit.minute"), p.T("unit.second"), p.T("time.ago"), p.T("time.left"), p.T("time.overdue")}, "|")
}

// ZoneName is the name of the person's time zone.
func (p *page) ZoneName() string { return p.zone.String() }

// RoleTitles are the person's roles in words.
func (p *page) RoleTitles(roles []string) string {
	var out []string
	for _, r := range roles {
		out = append(out, p.W("role", r))
	}
	return strings.Join(out, p.T("list.separator"))
}

// dict makes a map of the pairs, for templates that call others.
func dict(pairs ...any) map[string]any {
	m := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return m
}

// Themes are the looks a person can choose.
func (*page) Themes() []string { return []string{"auto", "light", "dark"} }
