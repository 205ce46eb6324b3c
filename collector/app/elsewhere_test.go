package app

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/faultline/faultline/collector/account"
)

// TestFiguresForPrograms asks a running collector for what programs read besides
// incidents, as head office and as a branch.
func TestFiguresForPrograms(t *testing.T) {
	a, base := runCollector(t)
	token := func(name string, sites ...string) string {
		text, err := a.accounts.IssueToken(t.Context(), "test", account.Token{Name: name, Roles: []string{account.RoleViewer}, Sites: sites})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	office, branch := token("office"), token("branch", "sh")
	for _, tt := range []struct {
		name, path, token, has string
		status                 int
	}{
		{"rows", "report?from=2026-03-01", office, `"rows":[]`, 200},
		{"rows of no day", "report?to=March", office, "to: \"March\" is not a date", 422},
		{"register", "register", office, "sh-sw-1", 200},
		{"register of a branch", "register", branch, "sh-sw-1", 200},
		{"scoreboard", "scoreboard?month=2026-10", office, `"month":"2026-10"`, 200},
		{"scoreboard of no month", "scoreboard?month=10", office, "month=2026-11", 422},
		{"inspections", "inspections?site=sh&from=2026-11-01&to=2026-11-02", branch, `"days":[`, 200},
		{"inspections of another branch", "inspections?site=hq&from=2026-11-01&to=2026-11-02", branch, "no such site", 422},
		{"trail", "trail", office, `"seal"`, 200},
		{"trail at no time", "trail?from=now", office, "from=2026-11-22T00:00:00Z", 422},
		{"trail for a branch", "trail", branch, "", 403},
		{"without a token", "report", "", "", 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), "GET", base+"/api/v1/"+tt.path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			if tt.token != "" {
				req.Header.Set("Authorization", "Bearer "+tt.token)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			b, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != tt.status {
				t.Fatalf("%d, want %d, %v: %s", res.StatusCode, tt.status, err, b)
			}
			text := string(b)
			if tt.status != 200 {
				var p struct{ Error, Hint string }
				if err := json.Unmarshal(b, &p); err != nil || p.Error == "" {
					t.Errorf("not a problem: %s, %v", b, err)
				}
				text = p.Error + " " + p.Hint
			}
			if !strings.Contains(text, tt.has) {
				t.Errorf("no %s in %s", tt.has, text)
			}
		})
	}
	entries, err := a.store.AuditEntries(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	exports := 0
	for _, e := range entries {
		if e.Action == "trail_export" {
			exports++
		}
	}
	if exports != 1 {
		t.Errorf("%d exports are in the audit, want the one that was made", exports)
	}
}
