package remedy

import (
	"errors"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/faultline/faultline/collector/incident"
)

const catalog = `
- name: restart-access
  plugin: ansible
  title: {zh-CN: 重启接入设备, en: Restart the access device}
  approvers: [hq_network]
  parameters:
  - {name: limit, from: device}
  - {name: port, pattern: "Gi[0-9]/[0-9]{1,2}"}
  - {name: note, pattern: ".*", optional: true}
`

func read(t *testing.T, text string) Catalog {
	t.Helper()
	var c Catalog
	if err := yaml.UnmarshalWithOptions([]byte(text), &c, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestProposal(t *testing.T) {
	c := read(t, catalog)
	if err := c.Validate([]string{"ansible"}); err != nil {
		t.Fatal(err)
	}
	e, _ := c.Entry("restart-access")
	i := incident.Incident{Diagnosis: incident.Diagnosis{Device: "rtr-2"}}
	m, err := e.Proposal(i, map[string]string{"port": "Gi0/12"})
	if err != nil || m.Parameters["limit"] != "rtr-2" || m.Parameters["port"] != "Gi0/12" || len(m.Parameters) != 2 || !m.Checked || m.Approvers[0] != "hq_network" {
		t.Errorf("%+v %v", m, err)
	}
	if err := e.Check(i, m); err != nil {
		t.Errorf("as it was proposed: %v", err)
	}
	for name, given := range map[string]map[string]string{
		"missing": {}, "form": {"port": "Gi0/1; reboot"}, "a prefix of the form": {"port": "Gi0/1\nreboot"}, "another device": {"port": "Gi0/1", "limit": "rtr-1"},
		"unknown": {"port": "Gi0/1", "x": "y"}, "template": {"port": "Gi0/1", "note": "{{ lookup('pipe','id') }}"}, "control": {"port": "Gi0/1", "note": "a\x00"},
		"long": {"port": "Gi0/1", "note": strings.Repeat("x", 1001)},
	} {
		var r *Refusal
		if _, err := e.Proposal(i, given); !errors.As(err, &r) || r.Text.ZH == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	i.Diagnosis.Device = "rtr 2 $(id)"
	if _, err := e.Proposal(i, map[string]string{"port": "Gi0/1"}); err == nil {
		t.Error("a device's name of no form went through")
	}
}

func TestValidate(t *testing.T) {
	for change, want := range map[string]string{
		"restart-access|Restart!": "name: lower-case", "plugin: ansible|plugin: other": "no plugin of contract remedy", "from: device|from: shell": "none of device",
		"Gi[0-9]/|(Gi[0-9]/": "pattern", "en: Restart the access device|en: ''": "title", "hq_network|HQ": "is no role", "name: port|name: limit": "there twice",
	} {
		from, to, _ := strings.Cut(change, "|")
		if err := read(t, strings.Replace(catalog, from, to, 1)).Validate([]string{"ansible"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", change, err, want)
		}
	}
}
