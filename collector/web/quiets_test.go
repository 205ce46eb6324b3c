package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/inventory"
)

type shelf map[string]string

func (k shelf) KVGet(_ context.Context, name string) (string, error) {
	if v, ok := k[name]; ok {
		return v, nil
	}
	return "", engine.ErrNotFound
}

func (k shelf) KVPut(_ context.Context, name, value string) error {
	k[name] = value
	return nil
}

// quietGate keeps quiet times in memory.
func (f *fixture) quietGate(inv *inventory.Inventory) *api.QuietGate {
	f.t.Helper()
	var err error
	if f.quiets, err = engine.OpenQuiets(f.t.Context(), shelf{}); err != nil {
		f.t.Fatal(err)
	}
	graph := inventory.NewGraph(inv)
	return &api.QuietGate{Accounts: f.accounts, Quiets: f.quiets, Now: func() time.Time { return testNow }, SiteOf: func(name string) (string, bool) {
		if _, known := graph.Vendor(name); known {
			return "", true
		}
		return graph.SiteOf(name), graph.SiteOf(name) != ""
	}}
}

func TestQuietTimesOnThePage(t *testing.T) {
	f := newFixture(t)
	kept, b := f.quiets, f.as("chen")
	inv := sampleInventory()
	line := inv.Lines[0].ID
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	b.header.Set("Accept-Language", "zh-CN")
	form := []string{"kind", "works", "subjects", line + ", " + inv.Sites[0].ID, "from", testNow.In(zone).Format(formTime),
		"until", testNow.In(zone).Add(2 * time.Hour).Format(formTime), "reason", "<b>割接</b>"}
	if code, _, _ := b.post("/quiets", form...); code != http.StatusOK && code != http.StatusSeeOther {
		t.Fatalf("announce: %d", code)
	}
	list := kept.List()
	if len(list) != 1 || list[0].By != "chen" || len(list[0].Subjects) != 2 || list[0].Until.Sub(testNow) < 118*time.Minute || list[0].Until.Sub(testNow) > 120*time.Minute {
		t.Fatalf("kept %+v", list)
	}
	code, _, page := b.get("/quiets")
	for _, want := range []string{line, "&lt;b&gt;割接&lt;/b&gt;", "chen", list[0].ID, "运营商割接"} {
		if !strings.Contains(page, want) {
			t.Errorf("%d: the page lacks %q", code, want)
		}
	}
	if code, _, page := f.as("guest").get("/quiets"); code != http.StatusOK || strings.Contains(page, `name="lift"`) || strings.Contains(page, `name="subjects"`) {
		t.Errorf("a viewer may announce or lift: %d", code)
	}
	if code, _, _ := f.as("guest").post("/quiets", form...); code != http.StatusForbidden {
		t.Errorf("a viewer announced: %d", code)
	}
	form[3] = "nowhere"
	if code, _, page := b.post("/quiets", form...); code != http.StatusUnprocessableEntity || !strings.Contains(page, `value="nowhere"`) {
		t.Errorf("an unknown thing: %d, or the form is lost", code)
	}
	if code, _, _ := b.post("/quiets", "lift", list[0].ID); code != http.StatusOK && code != http.StatusSeeOther {
		t.Fatalf("lift: %d", code)
	}
	if q := kept.List()[0]; !q.Until.Equal(testNow) {
		t.Errorf("lifted: %+v", q)
	}
	audit, err := f.store.AuditEntries(t.Context(), 20)
	if said := fmt.Sprint(audit); err != nil || !strings.Contains(said, "quiet.announce") || !strings.Contains(said, "quiet.lift") {
		t.Errorf("the audit trail: %v %v", said, err)
	}
}

// TestQuietTimesInChromium looks at the page; FAULTLINE_SCREENSHOTS keeps it.
func TestQuietTimesInChromium(t *testing.T) {
	if testing.Short() {
		t.Skip("short: pages are not driven in a browser")
	}
	browser := chromium(t)
	f := newFixture(t)
	f.wait.Store(int64(1500 * time.Millisecond))
	kept := f.quiets
	inv := sampleInventory()
	for n, q := range []engine.Quiet{
		{Kind: engine.QuietWorks, From: testNow.Add(-time.Hour), Until: testNow.Add(time.Hour), Subjects: []string{inv.Lines[0].ID, inv.Devices[0].ID + ":p1"}, Reason: "运营商光缆割接，公告 2026-1107", By: "chen"},
		{Kind: engine.QuietMaintenance, From: testNow.Add(time.Hour), Until: testNow.Add(3 * time.Hour), Subjects: []string{inv.Sites[0].ID}, Reason: "UPS battery change", By: "li"},
		{Kind: engine.QuietSilence, From: testNow.Add(-48 * time.Hour), Until: testNow.Add(-40 * time.Hour), Labels: map[string]string{"alertname": "DiskFilling"}, Reason: "known, disk ordered", By: "chen"},
	} {
		q.ID = fmt.Sprint("q", n)
		if _, err := kept.Announce(t.Context(), q, testNow); err != nil {
			t.Fatal(err)
		}
	}
	for _, look := range []struct {
		name, language, theme string
		width, height         int
	}{{"quiets-zh", "zh-CN", "light", 1440, 1100}, {"quiets-en-phone", "en", "dark", 500, 1800}} {
		q := url.Values{"as": {"chen"}, "lang": {look.language}, "theme": {look.theme}, "next": {"/quiets"}}
		dom, _ := drive(t, browser, f.srv.URL+"/test-sign-in?"+q.Encode(), look.name, look.language, look.width, look.height)
		if !strings.Contains(dom, "UPS battery change") {
			t.Errorf("%s: the page is not there", look.name)
		}
	}
}
