package profile_test

import (
	"strings"
	"testing"

	"github.com/faultline/faultline/internal/profile"
)

// cells is a row's texts by name.
type cells map[string]string

func (c cells) get(name string) string { return c[name] }

func TestTemplate(t *testing.T) {
	row := cells{"name": "Fan 1", "blank": "", "index": "1.3", "1": "1", "long": "  much   room ", "brace": "a{b}"}
	tests := []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"literal alone", "supply air", "supply air"},
		{"one name", "{name}", "Fan 1"},
		{"between literals", "<{name}>", "<Fan 1>"},
		{"side by side", "{name}{1}", "Fan 11"},
		{"first of the alternatives", "{name|index}", "Fan 1"},
		{"second of the alternatives", "{blank|index}", "1.3"},
		{"last of three, two missing", "{blank|nobody|1}", "1"},
		{"blanks around names", "{ blank | name }", "Fan 1"},
		{"none of the alternatives", "{blank|nobody}", ""},
		{"quoted literal as last resort", "{blank|'probe'} {1}", "probe 1"},
		{"quoted literal with blanks", "{blank|'air in'}", "air in"},
		{"quoted literal not needed", "{name|'probe'}", "Fan 1"},
		{"quoted literal with a bar", "{blank|'in|out'}", "in|out"},
		{"quoted literal with a brace", "{blank|'{x}'}", "{x}"},
		{"names in a quoted literal stand for themselves", "{blank|'name'}", "name"},
		{"an empty quoted literal is nothing", "{''|name}", "Fan 1"},
		{"a missing name leaves no double blank", "CPU {blank} load", "CPU load"},
		{"a missing name leaves no blank at the ends", "{blank} load {nobody}", "load"},
		{"blanks of a value become one", "{long}", "much room"},
		{"a value's braces are not read again", "{brace}", "a{b}"},
		{"quotes outside braces are text", "'{1}'", "'1'"},
		{"Chinese", "{blank|'温度'} {1}", "温度 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tpl, err := profile.ParseTemplate(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if got := tpl.Expand(row.get); got != tt.want {
				t.Errorf("%q is %q, want %q", tt.text, got, tt.want)
			}
			if tpl.String() != tt.text {
				t.Errorf("written as %q, reads as %q", tt.text, tpl.String())
			}
		})
	}
	var none *profile.Template
	if got := none.Expand(row.get); got != "" || none.String() != "" {
		t.Errorf("no template gives %q", got)
	}
}

func TestTemplateFaults(t *testing.T) {
	for text, want := range map[string]string{
		"{name":        "{ without }",
		"{":            "{ without }",
		"name}":        "} without {",
		"{}":           "empty name",
		"{a|}":         "empty name",
		"{|a}":         "empty name",
		"{a||b}":       "empty name",
		"{a|'x}":       "' without '",
		"{'}":          "' without '",
		"{'a'b}":       "'a'b",
		"{a{b}}":       "{ inside",
		"{a|'x'} {b}}": "} without {",
	} {
		_, err := profile.ParseTemplate(text)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "template") {
			t.Errorf("template %q: error %v, want %q", text, err, want)
		}
	}
}

func TestIndexNumbers(t *testing.T) {
	tests := []struct {
		index, name, want string
		is                bool
	}{
		{"4.7.1.2", "index", "4.7.1.2", true},
		{"4.7.1.2", "1", "4", true},
		{"4.7.1.2", "4", "2", true},
		{"4.7.1.2", "5", "", true},
		{"4.7.1.2", "1-2", "4.7", true},
		{"4.7.1.2", "2-4", "7.1.2", true},
		{"4.7.1.2", "3-99", "1.2", true},
		{"4.7.1.2", "3-3", "1", true},
		{"4.7.1.2", "3-2", "", true},
		{"4.7.1.2", "99", "", true},
		{"4.7.1.2", "0", "", false},
		{"4.7.1.2", "100", "", false},
		{"4.7.1.2", "0-1", "", false},
		{"4.7.1.2", "1-", "", false},
		{"4.7.1.2", "-1", "", false},
		{"4.7.1.2", "name", "", false},
		{"4.7.1.2", "", "", false},
		{"", "index", "", true},
	}
	for _, tt := range tests {
		if got, is := profile.IndexPart(tt.index, tt.name); got != tt.want || is != tt.is {
			t.Errorf("part %q of %q is %q, %v; want %q, %v", tt.name, tt.index, got, is, tt.want, tt.is)
		}
	}
}

func TestIndexComponents(t *testing.T) {
	tests := []struct {
		name, index string
		names       []string
		want        []string
	}{
		{"one", "7", []string{"a"}, []string{"7"}},
		{"two", "7.8", []string{"a", "b"}, []string{"7", "8"}},
		{"the last takes the rest", "7.8.9.10", []string{"a", "b"}, []string{"7", "8.9.10"}},
		{"too short", "7", []string{"a", "b"}, []string{"7", ""}},
		{"empty", "", []string{"a", "b"}, []string{"", ""}},
		{"text with its length", "3.97.98.99.7", []string{"a:text", "b"}, []string{"abc", "7"}},
		{"text in the middle", "5.2.49.50.9.9", []string{"a", "b:text", "c"}, []string{"5", "12", "9.9"}},
		{"two texts", "1.97.2.98.99", []string{"a:text", "b:text"}, []string{"a", "bc"}},
		{"last text with its length", "5.3.97.98.99", []string{"a", "b:text"}, []string{"5", "abc"}},
		{"last text of implied length", "5.97.98.99", []string{"a", "b:text"}, []string{"5", "abc"}},
		{"only text of implied length", "115.100.97", []string{"a:text"}, []string{"sda"}},
		{"empty text", "0", []string{"a:text"}, []string{""}},
		{"empty text before another", "0.7", []string{"a:text", "b"}, []string{"", "7"}},
		{"no text after all", "5.3.1.2.3", []string{"a", "b:text"}, []string{"5", "1.2.3"}},
		{"numbers above a byte", "2.300.301", []string{"a:text"}, []string{"300.301"}},
		{"Chinese", "6.230.156.186.230.136.191", []string{"a:text"}, []string{"机房"}},
		{"no UTF-8", "2.200.97", []string{"a:text"}, []string{"?a"}},
		{"text that says to be longer than it is", "9.97.98", []string{"a:text", "b"}, []string{"9.97.98", ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tab := profile.Table{Index: tt.names}
			for i, want := range tt.want {
				if got := tab.IndexPart(tt.index, i); got != want {
					t.Errorf("component %d of %s is %q, want %q", i, tt.index, got, want)
				}
			}
			if got := tab.IndexPart(tt.index, len(tt.names)); got != "" {
				t.Errorf("a component beyond the last is %q", got)
			}
			if got := strings.Join(tab.IndexNames(), " "); strings.Contains(got, ":") {
				t.Errorf("names are %q", got)
			}
		})
	}
}
