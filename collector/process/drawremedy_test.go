package process

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestRemediesAreDrawn: the steps with remedies say so, and only they.
func TestRemediesAreDrawn(t *testing.T) {
	set, _ := shipped(t)
	for id, steps := range map[string]int{"network": 2, "infrastructure": 2, "database": 0, "service": 0} {
		d, _ := set.Latest(id)
		for language, words := range map[string][2]string{"zh-CN": {"+ 处置", "；批准："}, "en": {"+ remedy", "; approved by "}} {
			svg := SVG(d, "", language)
			wellFormed(t, svg)
			if n, tips := strings.Count(svg, words[0]+"<"), strings.Count(svg, words[1]); n != steps || tips != steps {
				t.Errorf("%s %s: %d words and %d tips, want %d", id, language, n, tips, steps)
			}
		}
	}
}

// TestShippedRemediesAreOfRulesThereAre: what a shipped process proposes by
// itself waits for a diagnosis that exists.
func TestShippedRemediesAreOfRulesThereAre(t *testing.T) {
	var causes strings.Builder
	for _, name := range []string{"causes.yaml", "causes-hosts.yaml"} {
		b, err := os.ReadFile("../../rules/diagnosis/" + name)
		if err != nil {
			t.Fatal(err)
		}
		causes.Write(b)
	}
	set, _ := shipped(t)
	named := 0
	for _, id := range set.IDs() {
		d, _ := set.Latest(id)
		for _, s := range d.Steps {
			if s.Remedy == nil {
				continue
			}
			for _, x := range s.Remedy.Suggest {
				for _, m := range regexp.MustCompile(`diagnosis\.rule == "([^"]*)"`).FindAllStringSubmatch(x.When, -1) {
					named++
					if !strings.Contains(causes.String(), "- id: "+m[1]+"\n") {
						t.Errorf("%s %s: no rule %s", id, s.ID, m[1])
					}
				}
			}
		}
	}
	if named < 3 {
		t.Errorf("only %d rules are named", named)
	}
}
