package api_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/people"
)

// TestWhoSeesWhat is people.See at the API: a branch its own whole and a notice
// of what affects it, a branch role without a site nothing, head office all.
func TestWhoSeesWhat(t *testing.T) {
	f := newFixture(t)
	for name, tok := range map[string]account.Token{
		"nowhere": {Roles: []string{account.RoleBranchIT}}, "gz": {Roles: []string{account.RoleBranchIT}, Sites: []string{"gz"}}, "bound": {Roles: []string{account.RoleHQNetwork}, Sites: []string{"bj"}},
	} {
		tok.Name = name
		var err error
		if f.tokens[name], err = f.accounts.IssueToken(t.Context(), "test", tok); err != nil {
			t.Fatal(err)
		}
	}
	siteOf := func(thing string) string { return map[string]string{"rtr-2": "gz"}[thing] } // what i-sh and i-bj affect
	var err error
	f.h, err = api.Handler(api.Options{Accounts: f.accounts, Incidents: f, Engine: f, Work: f, Offers: offers, Documents: f.papers, Now: nil, SiteOf: siteOf,
		KnownSite: func(s string) bool { return s != "" }, Logger: slog.New(slog.DiscardHandler),
		Noticed: func(_ context.Context, p account.Principal) (out []incident.Incident) {
			for _, i := range f.incidents {
				if p.View(api.SubjectOf(i, siteOf)) == people.Notice && i.Open() {
					out = append(out, i)
				}
			}
			return out
		}})
	if err != nil {
		t.Fatal(err)
	}
	who := []string{"admin", "viewer", "network", "bound", "sh", "bj", "gz", "nowhere", "agent"}
	ack := `{"action":"ack"}`
	for _, tt := range []struct {
		method, path, body string
		want               []int
	}{
		{"GET", "/api/v1/incidents", "", []int{200, 200, 200, 200, 200, 200, 200, 403, 403}},
		{"GET", "/api/v1/incidents/i-sh", "", []int{200, 200, 200, 404, 200, 404, 200, 403, 403}},
		{"GET", "/api/v1/incidents/i-bj", "", []int{200, 200, 200, 200, 404, 200, 200, 403, 403}},
		{"GET", "/api/v1/incidents/i-sh/timeline", "", []int{200, 200, 200, 404, 200, 404, 404, 403, 403}},
		{"GET", "/api/v1/incidents/i-sh/tickets", "", []int{200, 200, 200, 404, 200, 404, 404, 403, 403}},
		{"GET", "/api/v1/incidents/i-sh/evidence", "", []int{200, 200, 200, 404, 200, 404, 404, 403, 403}},
		{"GET", "/api/v1/incidents/i-sh/documents", "", []int{200, 200, 200, 404, 200, 404, 404, 403, 403}},
		{"POST", "/api/v1/incidents/i-sh/actions", ack, []int{200, 403, 403, 404, 200, 404, 404, 403, 403}},
		{"POST", "/api/v1/incidents", `{"site":"sh","symptoms":"x"}`, []int{201, 403, 201, 422, 201, 422, 422, 403, 403}},
	} {
		for n, name := range who {
			if w := f.do(name, tt.method, tt.path, tt.body); w.Code != tt.want[n] {
				t.Errorf("%s %s as %s: %d, want %d: %s", tt.method, tt.path, name, w.Code, tt.want[n], w.Body)
			}
		}
	}
	checkNotice(t, f)
}

// checkNotice looks at what an affected site is told, and at lists.
func checkNotice(t *testing.T, f *fixture) {
	t.Helper()
	w := f.do("gz", "GET", "/api/v1/incidents/i-sh", "")
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got["view"] != "notice" || got["title"] != "line down" {
		t.Fatalf("%v: %s", err, w.Body)
	}
	for _, hidden := range []string{"proof", "device", "tickets", "alerts", "affected", "clocks", "vendor_name", "circuit"} {
		if _, ok := got[hidden]; ok {
			t.Errorf("an affected site is told %s", hidden)
		}
	}
	for name, want := range map[string][2]int{"admin": {3, 0}, "sh": {1, 0}, "bj": {2, 0}, "gz": {0, 2}, "bound": {2, 0}} {
		var list struct {
			Incidents []struct{ Site string }
			Notices   []struct{ View string }
		}
		w := f.do(name, "GET", "/api/v1/incidents", "")
		if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || w.Code != http.StatusOK || len(list.Incidents) != want[0] || len(list.Notices) != want[1] {
			t.Errorf("list as %s: %d incidents, %d notices, want %v: %v", name, len(list.Incidents), len(list.Notices), want, err)
		}
	}
	if w := f.do("sh", "GET", "/api/v1/incidents?site=bj", ""); strings.Contains(w.Body.String(), "i-bj") {
		t.Error("a branch lists another by asking for it")
	}
}
