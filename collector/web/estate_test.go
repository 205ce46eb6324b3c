package web

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/evidence"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/truth"
)

// readings is evidence as a test writes it down.
type readings map[evidence.Key]evidence.Reading

func (readings) Now() time.Time { return testNow }

func (r readings) Get(k evidence.Key) evidence.Reading { return r[k] }

func (r readings) Find(pattern evidence.Key) (keys []evidence.Key) {
	for k := range r {
		if k.Element == pattern.Element && k.Subject == pattern.Subject {
			keys = append(keys, k)
		}
	}
	return keys
}

func TestEstateOf(t *testing.T) {
	inv := &inventory.Inventory{
		Sites:   []inventory.Site{{ID: "sh", Kind: "branch"}, {ID: "bj", Kind: "branch", Practice: true}},
		Devices: []inventory.Device{{ID: "sw", Site: "sh"}, {ID: "rtr", Site: "sh"}, {ID: "host", Site: "sh"}, {ID: "quiet", Site: "sh"}, {ID: "host-bj", Site: "bj"}, {ID: "lost", Site: "nowhere"}},
		Agents:  []inventory.Agent{{ID: "a-sh", Site: "sh", Device: "host"}, {ID: "a-bj", Site: "bj", Device: "host-bj"}},
	}
	before := testNow.Add(-time.Minute)
	view := readings{
		{Element: evidence.Device, Subject: "sw", Vantage: "a-sh"}:       {Truth: truth.OK},
		{Element: evidence.SNMP, Subject: "sw", Vantage: "a-sh"}:         {Truth: truth.Unknown},
		{Element: evidence.Device, Subject: "rtr", Vantage: "a-sh"}:      {Truth: truth.OK},
		{Element: evidence.WANRouter, Subject: "rtr", Vantage: "a-hq"}:   {Truth: truth.Bad},
		{Element: evidence.Agent, Subject: "a-sh", Vantage: "faultline"}: {Truth: truth.OK, At: testNow},
		{Element: evidence.Agent, Subject: "a-bj", Vantage: "faultline"}: {Truth: truth.Bad, At: testNow, Before: truth.OK, BeforeAt: before},
	}
	want := []SiteState{
		{ID: "sh", Kind: "branch", OK: 2, Bad: 1, Unknown: 1, Agents: []AgentState{{ID: "a-sh", Truth: truth.OK, Heard: testNow}}},
		{ID: "bj", Kind: "branch", Practice: true, Unknown: 1, Agents: []AgentState{{ID: "a-bj", Truth: truth.Bad, Heard: before}}},
	}
	if diff := cmp.Diff(want, EstateOf(inv, view)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for id, want := range map[string]truth.Truth{"host": truth.OK, "host-bj": truth.Unknown, "quiet": truth.Unknown, "sw": truth.OK, "rtr": truth.Bad} {
		if got := StateOf(inv, id, view); got != want {
			t.Errorf("%s is %s, want %s", id, got, want)
		}
	}
}
