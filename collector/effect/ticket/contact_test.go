package ticket

import (
	"testing"

	"github.com/faultline/faultline/collector/inventory"
)

func TestContactOf(t *testing.T) {
	v := inventory.Vendor{Emails: []string{"noc@carrier.example"}, Contacts: []inventory.Contact{{Level: 1, Email: "noc@carrier.example"}, {Level: 2, Name: "phone only"}, {Level: 2, Email: "wang@carrier.example"}}}
	for level, want := range map[string]string{"": "", "1": "", "2": "wang@carrier.example", "3": ""} {
		if got := contactOf(v, level); got != want {
			t.Errorf("level %q: %q, want %q", level, got, want)
		}
	}
}
