package ruler

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/prometheus/common/model"
)

// templates are the expanded fields of a rule by name.
type templates map[string]*template.Template

// valueInLabel finds templates that depend on the value.
var valueInLabel = regexp.MustCompile(`\$value\b|\.Value\b`)

// preamble gives templates the variables that Prometheus' have.
const preamble = `{{$labels := .Labels}}{{$value := .Value}}`

// functions are those of Prometheus' templates that need no query.
var functions = template.FuncMap{
	"humanize":           humanize,
	"humanizePercentage": func(v float64) string { return fmt.Sprintf("%.4g%%", v*100) },
	"humanizeDuration": func(s float64) string {
		return time.Duration(s * float64(time.Second)).Round(time.Millisecond).String()
	},
	"toUpper": strings.ToUpper,
	"toLower": strings.ToLower,
	"title":   strings.ToTitle,
	"match":   regexp.MatchString,
	"reReplaceAll": func(pattern, repl, text string) (string, error) {
		re, err := regexp.Compile(pattern)
		if err != nil {
			return "", err
		}
		return re.ReplaceAllString(text, repl), nil
	},
}

func humanize(v float64) string {
	for _, p := range []struct {
		unit float64
		name string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if v >= p.unit || v <= -p.unit {
			return fmt.Sprintf("%.4g%s", v/p.unit, p.name)
		}
	}
	return fmt.Sprintf("%.4g", v)
}

// compile prepares labels and annotations. A label that changes with the value
// would give the alert a new identity at every evaluation: refused.
func (r *Rule) compile() error {
	r.labels, r.annotations = templates{}, templates{}
	for _, k := range slices.Sorted(maps.Keys(r.Labels)) {
		if valueInLabel.MatchString(r.Labels[k]) {
			return fmt.Errorf("label %s depends on the value: identity must not change; use an annotation", k)
		}
		if err := r.labels.add(k, r.Labels[k]); err != nil {
			return fmt.Errorf("label %s: %w", k, err)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(r.Annotations)) {
		if k == AnnotationPresence || k == AnnotationHorizon {
			continue
		}
		if err := r.annotations.add(k, r.Annotations[k]); err != nil {
			return fmt.Errorf("annotation %s: %w", k, err)
		}
	}
	return nil
}

func (t templates) add(name, text string) error {
	tmpl, err := template.New(name).Funcs(functions).Option("missingkey=zero").Parse(preamble + text)
	if err != nil {
		return err
	}
	t[name] = tmpl
	return nil
}

// expand returns the texts for one result; an expansion that fails says so in
// its place, as Prometheus does.
func (t templates) expand(labels map[string]string, value float64) map[string]string {
	out := make(map[string]string, len(t))
	data := struct {
		Labels map[string]string
		Value  float64
	}{labels, value}
	for name, tmpl := range t {
		var b strings.Builder
		if err := tmpl.Execute(&b, data); err != nil {
			out[name] = fmt.Sprintf("<error expanding template: %v>", err)
			continue
		}
		out[name] = b.String()
	}
	return out
}

// identity returns the labels of the alert that a result of the rule makes.
func (r *Rule) identity(result map[string]string) map[string]string {
	out := make(map[string]string, len(result)+len(r.Labels)+1)
	for k, v := range result {
		if k != model.MetricNameLabel && v != "" {
			out[k] = v
		}
	}
	for k, v := range r.labels.expand(result, 0) {
		if v == "" {
			delete(out, k)
			continue
		}
		out[k] = v
	}
	out[model.AlertNameLabel] = r.Name
	return out
}
