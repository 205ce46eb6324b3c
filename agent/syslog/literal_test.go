package syslog

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLiterals(t *testing.T) {
	for expression, want := range map[string][]string{
		`^LINK-\d-UPDOWN: (?P<x>\S+)`: {"-UPDOWN: "},
		`^(?:PS|PEM) x`:               {"PEM x", "PS x"},
		`[Ff]an .*failed`:             {"failed"},
		`.*[Ff]an .*`:                 {"fan ", "Fan "},
		`a|\w`:                        nil,
		`(?:abc|.*defg)x?`:            {"abc", "defg"},
		`(?:abc)*`:                    nil,
		`(?:abc)+\d{2,}`:              {"abc"},
	} {
		if diff := cmp.Diff(want, literalsOf(expression)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", expression, diff)
		}
	}
}

// TestLiteralsMissNothing holds that no example needs a text that its
// expression's literals do not have.
func TestLiteralsMissNothing(t *testing.T) {
	for _, p := range shipped(t).patterns {
		for _, ln := range p.Lines {
			m := Parse([]byte(ln.Example), now, shanghai)
			subject := m.Subject()
			if !regexp.MustCompile(ln.Regexp).MatchString(subject) {
				t.Errorf("%s: %q does not match", p.Name, subject)
			}
			found := false
			for _, l := range ln.literals {
				found = found || strings.Contains(subject, l)
			}
			if !found {
				t.Errorf("%s: none of %q in %q", p.Name, ln.literals, subject)
			}
		}
	}
}
