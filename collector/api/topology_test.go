package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/topology"
)

// TestTopologyIsScoped reads what was found as people of all sites, of one, and of
// none, and narrowed to a device.
func TestTopologyIsScoped(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	found := topology.Found{At: at,
		Sightings: []topology.Sighting{{Device: "sw-a", Port: "p1", Neighbor: "x", By: topology.ByLLDP, At: at}, {Device: "sw-b", Port: "p1", Neighbor: "y", By: topology.ByCDP, At: at}},
		Drift:     []topology.Drift{{Kind: topology.Moved, Device: "sw-b", Port: "p1", Declared: "z", Seen: "y", Misleads: []string{"y", "z"}}},
		Proposals: []topology.Proposal{{Device: "sw-b", Port: "p1", To: "y", Replaces: "z", Confidence: topology.Medium, By: []string{topology.ByCDP}}}}
	sites := map[string]string{"sw-a": "a", "sw-b": "b"}
	s := &server{Options: Options{Topology: func() topology.Found { return found }, SiteOf: func(d string) string { return sites[d] }}}
	for _, c := range []struct {
		name, query            string
		who                    account.Principal
		seen, drift, proposals int
	}{
		{"head office sees all", "", account.Principal{Kind: account.KindPerson, Name: "hq", Roles: []string{account.RoleHQNetwork}}, 2, 1, 1},
		{"a branch sees its own", "", account.Principal{Kind: account.KindPerson, Name: "br", Roles: []string{account.RoleBranchIT}, Sites: []string{"a"}}, 1, 0, 0},
		{"one device", "?device=sw-b", account.Principal{Kind: account.KindPerson, Name: "hq", Roles: []string{account.RoleHQNetwork}}, 1, 1, 1},
		{"another's site", "?site=b", account.Principal{Kind: account.KindPerson, Name: "br", Roles: []string{account.RoleBranchIT}, Sites: []string{"a"}}, 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/api/v1/topology"+c.query, nil)
			w := httptest.NewRecorder()
			if err := s.getTopology(w, r.WithContext(account.With(r.Context(), c.who))); err != nil {
				t.Fatal(err)
			}
			var got topologyView
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff([3]int{c.seen, c.drift, c.proposals}, [3]int{len(got.Sightings), len(got.Drift), len(got.Proposals)}); d != "" {
				t.Errorf("-want +got\n%s\n%s", d, w.Body)
			}
			if len(got.Proposals) > 0 && got.Proposals[0].YAML != "# sw-b\n    ports:\n      - {name: p1, to: \"y\"}\n" {
				t.Errorf("to be pasted: %q", got.Proposals[0].YAML)
			}
		})
	}
}
