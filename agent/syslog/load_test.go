package syslog

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestFaults(t *testing.T) {
	const file = `patterns:
  - name: Bad Name
    severity: loud
    element: N
    text: {zh-CN: 甲, en: "{nobody}"}
    lines:
      - {vendor: acme, regexp: 'abc(', example: x}
      - {regexp: '\d', example: x}
      - {level: 9}
      - {regexp: 'abc(?P<source>x)', example: abcx}
      - {example: x}
  - name: counts
    severity: info
    text: {zh-CN: 甲, en: b}
    repeats: {of: [counts, none], times: 1, within: 2h}
  - name: both
    severity: info
    text: {zh-CN: 甲, en: b}
`
	_, err := Load(fstest.MapFS{"a.yaml": {Data: []byte(file)}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`a.yaml:2: patterns[0].name: name "Bad Name"`, `a.yaml:3: patterns[0].severity: severity "loud"`, "element and truth come together",
		`a.yaml:7: patterns[0].lines[0].vendor: vendor "acme"`, "missing closing )", "a.yaml:8: patterns[0].lines[1].regexp: no fixed text", "a.yaml:9: patterns[0].lines[2].level: level 9",
		"an example is needed", `group "source"`, "{nobody}", "a regexp or a level is needed", `pattern "counts" is not there or counts others`, `pattern "none"`,
		"a.yaml:15: patterns[1].repeats.times: times 1", "within 2h0m0s", "one of lines and repeats",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in:\n%v", want, err)
		}
	}
	for name, text := range map[string]string{
		"unknown key": "patterns: [{nmae: x}]", "example of another": "patterns:\n- {name: a, severity: info, text: {zh-CN: 甲, en: b}, lines: [{regexp: abcd, example: abcd}]}\n" +
			"- {name: b, severity: info, text: {zh-CN: 甲, en: b}, lines: [{regexp: abcde, example: abcde}]}",
		"example does not match": "patterns: [{name: a, severity: info, text: {zh-CN: 甲, en: b}, lines: [{regexp: abcd, example: xyz}]}]",
	} {
		if _, err := Load(fstest.MapFS{"a.yaml": {Data: []byte(text)}}); err == nil || !strings.HasPrefix(err.Error(), "a.yaml:") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOverlay(t *testing.T) {
	one := func(name string) fstest.MapFS {
		return fstest.MapFS{"a.yaml": {Data: []byte("patterns: [{name: " + name + ", severity: info, text: {zh-CN: 甲, en: b}, lines: [{level: 3, example: <3>x}]}]")}}
	}
	s, err := Load(one("shipped"), one("own"))
	if err != nil || s.Len() != 1 || s.byName["own"] == nil {
		t.Errorf("patterns %v, error %v", s, err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("patterns: [{name: a, severity: info, text: {zh-CN: 甲, en: b}, lines: [{regexp: abcd, example: abcd}]}]")
	f.Add("patterns:\n- repeats: {of: [a], times: 2, within: 1s, by: [x]}\n-")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Load(fstest.MapFS{"a.yaml": {Data: []byte(text)}})
		if (s == nil) == (err == nil) {
			t.Errorf("set %v, error %v", s, err)
		}
	})
}
