package profile_test

import (
	"slices"
	"testing"

	"github.com/faultline/faultline/internal/profile"
)

// TestOIDsAsWritten: what YAML takes for a fraction is the end of an OID, but a
// factor is a number.
func TestOIDsAsWritten(t *testing.T) {
	p, _, err := profile.Parse("x.yaml", []byte(`profile: x
base: 1.3.6.1
cells: {scale: .20}
identity:
  model: [{sys_object_id: {.30: a, .7.10: b}}, {column: .5, when: {.10: [.50, 1.10]}, map: {1.20: c}}]
tables:
  - name: t
    entry: 1.3.6
    index: [i]
    cells: {scale: .3, a: {oid: .10}, b: 1.30}
    sensors: [{oid: .40, class: count, scale: .5, name: x}]
    memory: [{name: x, total: .10, used: {oid: .20, scale: .5}, less: [.30]}]
`))
	if err != nil {
		t.Fatal(err)
	}
	tab, model := p.Tables[0], p.Identity.Model
	if model[0].SysObjectID["1.3.6.1.30"] != "a" || model[0].SysObjectID["1.3.6.1.7.10"] != "b" || !slices.Equal(model[1].When["1.3.6.1.10"], []string{".50", "1.10"}) || model[1].Map["1.20"] != "c" {
		t.Errorf("keys are %v, %v and %v", model[0].SysObjectID, model[1].When, model[1].Map)
	}
	for what, got := range map[string][2]string{
		"scalar cell named scale": {p.Cells["scale"].OID, "1.3.6.1.20"}, "cell named scale": {tab.Cells["scale"].OID, "1.3.6.3"}, "cell": {tab.Cells["a"].OID, "1.3.6.10"},
		"absolute": {tab.Cells["b"].OID, "1.30"}, "sensor": {tab.Sensors[0].OID, "1.3.6.40"}, "pool": {tab.Memory[0].Total.OID, "1.3.6.10"},
		"pool's long form": {tab.Memory[0].Used.OID, "1.3.6.20"}, "list": {tab.Memory[0].Less[0].OID, "1.3.6.30"},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: got %s, want %s", what, got[0], got[1])
		}
	}
	if tab.Sensors[0].Scale != 0.5 || tab.Memory[0].Used.Scale != 0.5 {
		t.Errorf("scales %v and %v, want 0.5", tab.Sensors[0].Scale, tab.Memory[0].Used.Scale)
	}
}
