package ticket

import (
	"testing"

	"github.com/faultline/faultline/collector/inventory"
)

func TestContactOf(t *testing.T) {
	v := inventory.Vendor{Emails: []string{"noc@carrier.example"}, Contacts: []inventory.Contact{{Level: 1, Email: "noc@carrier.example"}, {Level: 2, Name: "phone only"}, {Level: 2, Name: "wang", Email: "wang@carrier.example"}, {Level: 2, Name: "li", Email: "li@carrier.example"}}}
	for level, want := range map[string]string{"": "", "1": "", "2": "wang@carrier.example", "3": ""} {
		if got := contactOf(v, level, ""); got != want {
			t.Errorf("level %q: %q, want %q", level, got, want)
		}
	}
	for name, want := range map[string]string{"li": "li@carrier.example", "phone only": "", "nobody": ""} {
		if got := contactOf(v, "2", name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
