package diagnose

import (
	"strings"
	"testing"
	"testing/fstest"
)

const elementsForTest = `elements:
  - {element: P, metric: probe_success, bad: {in: [0]}}
words:
  P: {ok: {zh-CN: a, en: a}, bad: {zh-CN: b, en: b}}
`

func TestLoadReportsEveryFault(t *testing.T) {
	_, err := Load(fstest.MapFS{"elements.yaml": {Data: []byte(elementsForTest)}, "causes.yaml": {Data: []byte(`causes:
  - id: typo
    scope: line
    when: line.gone_dead
    explains: {self: [dead]}
    class: carrier_line
    process: network
    vendor_kind: carrier
    title: {zh-CN: a, en: a}
    proof: {zh-CN: a, en: '{{.Nickname}}'}
  - id: words
    scope: device
    when: device.state == bad && device.kind
    explains: {slef: [dead], self: [broken]}
    class: cable
    process: network
    vendor_kind: carrier
    provisional: true
    runner_up: nobody
    cite: [Y]
    title: {zh-CN: a, en: a}
    proof: {zh-CN: a}
  - id: typo
    scope: galaxy
    when: "true"
    explains: {alert: ["*"]}
    class: device
    process: network
    vendor_kind: none
    title: {zh-CN: a, en: a}
    proof: {zh-CN: a, en: a}
`)}})
	if err == nil {
		t.Fatal("loaded")
	}
	for _, want := range []string{"causes.yaml:2: cause typo: when:", "gone_dead", "Nickname", "causes.yaml:11: cause words: when:", `class "cable"`,
		`explains "slef"`, `"broken"`, "says what decides it", `runner_up "nobody"`, `element "Y"`, "causes.yaml:23: cause typo: scope \"galaxy\"",
		"is already defined at causes.yaml:2", "title and proof are required"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not reported in:\n%v", want, err)
		}
	}
	if _, err := Load(fstest.MapFS{"elements.yaml": {Data: []byte(elementsForTest)}, "causes.yaml": {Data: []byte("causes:\n  - {id: a, unknown: x}\n")}}); err == nil {
		t.Error("an unknown field was taken")
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte("causes: [{id: a, scope: line, when: line.dead}]"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = Load(fstest.MapFS{"elements.yaml": {Data: []byte(elementsForTest)}, "causes.yaml": {Data: b}})
	})
}
