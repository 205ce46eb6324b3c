package web

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/internal/lang"
)

// TestRequestsByTheForm sends a service request and a change by the page, and what
// is refused comes back as it was typed.
func TestRequestsByTheForm(t *testing.T) {
	var asked []api.Request
	f := newFixture(t, func(o *Options) {
		o.Requests = &Requests{Kinds: func() []RequestKind {
			return []RequestKind{{"service", lang.Text{ZH: "服务请求", EN: "Service request"}}, {"change", lang.Text{ZH: "变更", EN: "Change"}}}
		}, Gate: &api.RequestGate{Accounts: o.Accounts, KnownSite: func(site string) bool { return site == "shanghai" }, Now: func() time.Time { return testNow },
			Requests: func(_ context.Context, r api.Request) (api.Reported, error) {
				if r.Process == "change" {
					if err := r.Change.Check(); err != nil {
						return api.Reported{}, err
					}
				}
				asked = append(asked, r)
				return api.Reported{IncidentID: "i-new"}, nil
			}}}
	})
	b := f.as("chen")
	b.header.Set("Accept-Language", "zh-CN")
	code, _, page := b.get("/request?device=")
	for _, want := range []string{"服务申请与变更", `value="change"`, "变更窗口", `type="datetime-local"`, "标准变更", "风险等级"} {
		if code != http.StatusOK || !strings.Contains(page, want) {
			t.Errorf("%d: the form lacks %q", code, want)
		}
	}
	if code, _, _ := b.post("/request", "process", "service", "site", "shanghai", "text", "a new account\nfor Li", "contact", "8001"); code >= 400 && code != http.StatusNotFound { // the fixture has no such incident
		t.Fatalf("a service request: %d", code)
	}
	if len(asked) != 1 || asked[0].Change != nil || asked[0].Actor.Name != "chen" || asked[0].Actor.Kind != account.KindPerson || asked[0].ID == "" || asked[0].Text != "a new account\nfor Li" {
		t.Fatalf("asked %+v", asked)
	}
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	from := testNow.In(zone).Truncate(time.Minute).Add(time.Hour)
	change := []string{"process", "change", "site", "shanghai", "text", "new route", "type", "normal", "risk", "high", "scope", "static routes", "subjects", "rtr-1, sw-1 rtr-1",
		"from", from.Format(formTime), "until", from.Add(2 * time.Hour).Format(formTime)}
	b.post("/request", change...)
	if len(asked) != 2 || asked[1].Change == nil || !asked[1].Change.From.Equal(from) || asked[1].Change.Risk != "high" || !slices.Equal(asked[1].Change.Subjects, []string{"rtr-1", "sw-1"}) {
		t.Fatalf("the change: %+v", asked[len(asked)-1].Change)
	}
	change[len(change)-1] = from.Add(-time.Hour).Format(formTime)
	if code, _, page := b.post("/request", change...); code != http.StatusUnprocessableEntity || !strings.Contains(page, "static routes") || !strings.Contains(page, "new route") || len(asked) != 2 {
		t.Errorf("a window that ends before it begins: %d, or what was typed is lost", code)
	}
	if code, _, _ := f.as("guest").get("/request"); code != http.StatusForbidden {
		t.Errorf("a viewer sees the form: %d", code)
	}
	if code, _, _ := f.as("guest").post("/request", change...); code != http.StatusForbidden || len(asked) != 2 {
		t.Errorf("a viewer asks: %d", code)
	}
	if f.as("li"); !f.audited("request.open") {
		t.Error("nothing in the audit trail")
	}
}
