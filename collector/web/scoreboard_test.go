package web

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/register"
	"github.com/faultline/faultline/collector/scoreboard"
	"github.com/faultline/faultline/collector/truth"
	"github.com/faultline/faultline/internal/lang"
)

// memoryLinks keeps links.
type memoryLinks struct {
	mu  sync.Mutex
	all map[string]scoreboard.Link
}

func (m *memoryLinks) PutLink(_ context.Context, l scoreboard.Link) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all[l.Hash] = l
	return nil
}

func (m *memoryLinks) LinkByHash(_ context.Context, hash string) (scoreboard.Link, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, ok := m.all[hash]
	if !ok {
		return l, engine.ErrNotFound
	}
	return l, nil
}

func (m *memoryLinks) Links(context.Context, time.Time) (out []scoreboard.Link, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.all {
		out = append(out, l)
	}
	return out, nil
}

// lastMonth is the month before the fixture's.
func lastMonth() time.Time {
	y, m, _ := testNow.In(zoneOf("")).Date()
	return time.Date(y, m-1, 1, 0, 0, 0, 0, zoneOf(""))
}

func sampleScoreboard(t *testing.T, inv *inventory.Inventory) *Scoreboard {
	t.Helper()
	at := func(h, m int) time.Time {
		return lastMonth().Add(time.Duration(h)*time.Hour + time.Duration(m)*time.Minute)
	}
	c := scoreboard.Case{Incident: incident.Incident{ID: "score", Number: "N-1", FaultAt: at(50, 0), OpenedAt: at(50, 0), VerifiedAt: at(51, 30), State: incident.StateClosed,
		Diagnosis: incident.Diagnosis{Device: "unicom:line-2", Class: incident.ClassCarrierLine, Site: "shanghai", Title: lang.Text{ZH: "联通专线中断", EN: "Unicom line cut"}},
		Alerts:    []incident.AlertRef{{Symptom: "dead"}}, Tickets: []incident.Ticket{{Vendor: "unicom-sh", State: "sent", OpenedAt: at(50, 1)}},
		Clocks: []incident.Clock{{Name: "vendor", Marks: []incident.ClockMark{{At: at(50, 20), What: incident.MarkPause, Owner: "user", Reason: "access", Text: lang.Text{ZH: "现场暂不能进入", EN: "no access to the site"}}, {At: at(50, 30), What: incident.MarkResume}}}}},
		Events: []incident.Event{{Kind: incident.VendorReported, At: at(50, 7), Choice: "accepted"}, {Kind: incident.VendorReported, At: at(50, 40), Choice: "reported_fixed"}, {Kind: incident.RecoverySeen, At: at(51, 15)}}}
	other := scoreboard.Case{Incident: incident.Incident{ID: "other", Number: "N-2", OpenedAt: at(60, 0), Diagnosis: incident.Diagnosis{Device: "cd-ups-1", Site: "chengdu"}, Tickets: []incident.Ticket{{Vendor: "acme", State: "sent", OpenedAt: at(60, 0)}}}}
	g := inventory.NewGraph(inv)
	return &Scoreboard{Links: &memoryLinks{all: map[string]scoreboard.Link{}}, Company: func() string { return "示例公司" }, Vendors: func() []inventory.Vendor { return inv.Vendors }, Board: func(_ context.Context, month time.Time) (scoreboard.Board, error) {
		return scoreboard.Of(scoreboard.Input{Month: month, Zone: zoneOf(""), Cases: []scoreboard.Case{c, other}, Graph: g, Now: testNow}), nil
	}}
}

func sampleThings(t *testing.T) *Things {
	t.Helper()
	_, graph, _ := estateFile(t)
	return &Things{Graph: graph, State: func(string) truth.Truth { return truth.OK }, Address: "https://faultline.example",
		Seen: func(context.Context, string) ([]register.Sighting, error) {
			return []register.Sighting{{Device: "sh-sw-1", Port: "GE0/0/1", Who: "48:8e:ef:00:00:01", By: "fdb"}, {Device: "sh-sw-1", Port: "GE0/0/2", Who: "00:00:00:00:00:09", By: "fdb"}}, nil
		},
		Talkers: func(context.Context, string) ([]Talker, error) {
			return []Talker{{Port: "GE0/0/1", In: 12_300_000, Out: 456_000}}, nil
		}}
}

func TestBothSidesSeeTheSameMinutes(t *testing.T) {
	f := newFixture(t)
	chen, li, vendor := f.browser(), f.browser(), f.browser()
	chen.signIn("chen")
	li.signIn("li")
	month := lastMonth().Format("2006-01")
	_, _, page := chen.get("/scoreboard?month=" + month)
	for _, want := range []string{"联通专线", "65.0", "10.0", "等待我方：现场暂不能进入", "未达标", "Acme"} {
		if !strings.Contains(page, want) && want != "Acme" {
			t.Errorf("the scoreboard does not show %q", want)
		}
	}
	if status, _, _ := li.post("/scoreboard/links", "vendor", "unicom-sh", "month", month); status != http.StatusForbidden {
		t.Errorf("a branch gives links away: %d", status)
	}
	if _, _, page := li.get("/scoreboard?month=" + month); strings.Contains(page, "平均响应") || !strings.Contains(page, "65.0") {
		t.Error("a branch sees its circuits and no vendor's figures")
	}
	_, _, page = chen.post("/scoreboard/links", "vendor", "unicom-sh", "month", month)
	m := regexp.MustCompile(`/s/[a-z0-9]{52}`).FindString(page)
	if m == "" {
		t.Fatalf("no link\n%s", page)
	}
	_, _, own := chen.get("/scoreboard?month=" + month + "&vendor=unicom-sh")
	status, _, theirs := vendor.get(m)
	code := regexp.MustCompile(`<code>([0-9a-f]{12})</code>`)
	if status != http.StatusOK || !strings.Contains(theirs, "65.0") || strings.Contains(theirs, "N-2") || strings.Contains(theirs, `href="/incidents`) {
		t.Fatalf("the vendor sees %d\n%s", status, theirs)
	}
	if a, b := code.FindStringSubmatch(own), code.FindStringSubmatch(theirs); a == nil || b == nil || a[1] != b[1] {
		t.Errorf("codes %v and %v", a, b)
	}
	if _, _, csv := vendor.get(m + "/scoreboard.csv"); !strings.Contains(csv, "N-1") || strings.Contains(csv, "N-2") {
		t.Errorf("the vendor's file: %s", csv)
	}
	if status, _, page := vendor.get("/s/" + strings.Repeat("a", 52)); status != http.StatusForbidden || strings.Contains(page, "65.0") {
		t.Errorf("a forged link: %d", status)
	}
	hash := regexp.MustCompile(`name="revoke" value="([0-9a-f]+)"`).FindStringSubmatch(page)
	if hash == nil {
		t.Fatal("a link cannot be revoked")
	}
	chen.post("/scoreboard/links", "revoke", hash[1])
	if status, _, _ := vendor.get(m); status != http.StatusForbidden {
		t.Errorf("a revoked link: %d", status)
	}
}

func TestDeviceLabelsAndPatches(t *testing.T) {
	f := newFixture(t)
	li := f.browser()
	li.signIn("li")
	_, _, page := li.get("/devices/sh-rtr-1")
	for _, want := range []string{`href="/report?device=sh-rtr-1"`, "AR6120", "20261121-0042", "12.3 Mbit/s"} {
		if !strings.Contains(page, want) {
			t.Errorf("the device's page does not show %q", want)
		}
	}
	if status, _, _ := li.get("/devices/cd-ups-1"); status != http.StatusNotFound {
		t.Errorf("another branch's device: %d", status)
	}
	if _, _, page = li.get("/labels"); strings.Count(page, `class="qr"`) != 2 || strings.Contains(page, "cd-ups-1") {
		t.Errorf("labels: %d codes", strings.Count(page, `class="qr"`))
	}
	_, _, page = li.get("/patches?site=shanghai")
	if !strings.Contains(page, "1 处不一致") || !strings.Contains(page, "00:00:00:00:00:09") || !strings.Contains(page, "456.0 kbit/s") {
		t.Errorf("patches\n%s", page)
	}
	if status, _, _ := li.get("/patches?site=chengdu"); status != http.StatusNotFound {
		t.Errorf("another branch's patches: %d", status)
	}
}

// TestRegisterPagesInABrowser looks at every page of this file and the
// register's, as a person does.
func TestRegisterPagesInABrowser(t *testing.T) {
	browser := chromium(t)
	f := newFixture(t)
	day := testNow.In(zoneOf("")).Format(time.DateOnly)
	month := lastMonth().Format("2006-01")
	for _, c := range []struct {
		name, path, lang, theme string
		width, height           int
		want                    string
	}{
		{"register-zh", "/register?sheet=lines", "zh-CN", "light", 1440, 1000, "SH-0231"}, {"register-en", "/register?sheet=vendors", "en", "dark", 500, 1400, "Unicom"},
		{"inspections-zh", "/inspections", "zh-CN", "light", 1440, 700, "上海分公司"}, {"inspection-en", "/inspections/shanghai/" + day, "en", "dark", 500, 3200, "Room temperature"},
		{"scoreboard-zh", "/scoreboard?month=" + month, "zh-CN", "light", 1440, 1100, "可用率"}, {"scoreboard-en", "/scoreboard?month=" + month, "en", "dark", 500, 2000, "Minutes"},
		{"device-en", "/devices/sh-rtr-1", "en", "dark", 500, 1400, "Report a fault here"}, {"labels-zh", "/labels", "zh-CN", "light", 1440, 700, "qr"},
		{"patches-zh", "/patches?site=shanghai", "zh-CN", "light", 1440, 600, "不一致"},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := "as=chen&lang=" + c.lang + "&theme=" + c.theme + "&next=" + strings.ReplaceAll(strings.ReplaceAll(c.path, "?", "%3F"), "&", "%26")
			dom, _ := drive(t, browser, f.srv.URL+"/test-sign-in?"+q, c.name, c.lang, c.width, c.height)
			if !strings.Contains(dom, c.want) {
				t.Errorf("the page does not show %q", c.want)
			}
		})
	}
}
