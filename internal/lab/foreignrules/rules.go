package main

import (
	"fmt"
	"os"
	"testing/fstest"

	"github.com/goccy/go-yaml"

	"github.com/faultline/faultline/collector/ruler"
)

// published is one rule as somebody published it.
type published struct {
	name, expr string
	rules      *ruler.Rules // it alone
	err        error        // why our ruler does not load it
}

// publishedIn loads each rule of a file by itself, so that one that does not load
// hides no other.
func publishedIn(file string) ([]published, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Groups []struct {
			Name  string           `yaml:"name"`
			Rules []map[string]any `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	var all []published
	for _, g := range doc.Groups {
		for _, r := range g.Rules {
			one, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": g.Name, "rules": []any{r}}}})
			if err != nil {
				return nil, err
			}
			p := published{}
			p.name, _ = r["alert"].(string)
			p.expr, _ = r["expr"].(string)
			p.rules, p.err = ruler.Load(fstest.MapFS{"rule.yaml": {Data: one}})
			all = append(all, p)
		}
	}
	return all, nil
}
