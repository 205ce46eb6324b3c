package register

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/inventory"
)

func TestExpiries(t *testing.T) {
	inv := &inventory.Inventory{
		Sites: []inventory.Site{{ID: "b1", Zone: "Asia/Shanghai"}},
		Contracts: []inventory.Contract{
			{ID: "w", Kind: "warranty", Devices: []string{"rtr"}, Until: "2026-12-22"},
			{ID: "old", Kind: "maintenance", Kinds: []string{"router"}, Until: "2026-11-30"},
			{ID: "new", Kind: "maintenance", Kinds: []string{"router", "switch"}, From: "2026-12-01", Until: "2027-11-30"},
			{ID: "gap", Kind: "maintenance", Kinds: []string{"ups"}, Until: "2026-11-30"},
			{ID: "late", Kind: "maintenance", Kinds: []string{"ups"}, From: "2026-12-02", Until: "2027-11-30"},
			{ID: "open", Kind: "maintenance"}},
		Lines:        []inventory.Line{{ID: "ct:1", Site: "b1", Until: "2026-11-22"}},
		Certificates: []inventory.Certificate{{ID: "web", Site: "b1", Until: "2026-11-21"}},
		Devices:      []inventory.Device{{ID: "rtr", Site: "b1"}},
	}
	now := time.Date(2026, 11, 21, 16, 30, 0, 0, time.UTC) // already the 22nd in Shanghai
	var got []string
	for _, e := range Expiries(inventory.NewGraph(inv), []Found{{ID: "https://x", Site: "b1", End: time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)}}, now) {
		key, tell := e.Warn()
		got = append(got, fmt.Sprint(e.ID, " ", e.Days, " ", e.Stage, " ", tell, " ", key))
		if w := e.Words(); w.ZH == "" || w.EN == "" {
			t.Errorf("%s has no words", e.ID)
		}
	}
	want := []string{
		"web -1 -2 true expiry/certificate/web/2026-11-21/-2",
		"ct:1 0 0 true expiry/circuit/ct:1/2026-11-22/0",
		"gap 8 30 true expiry/contract/gap/2026-11-30/30",
		"old 8 30 false ",
		"w 30 30 true expiry/warranty/w/2026-12-22/30",
		"https://x 99 -1 false ",
		"late 373 -1 false ",
		"new 373 -1 false ",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
