package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/register"
	chrome "github.com/faultline/faultline/internal/lab/browser"
)

// TestNav: whatever there is stands in the bar or in the menu, once, and the menu
// names the page it holds that is shown.
func TestNav(t *testing.T) {
	all := &page{Path: "/topology", HasPractice: true, HasDrills: true, HasRequests: true, HasProcesses: true, HasTopology: true, HasRegister: true, HasQuiets: true, HasFleet: true,
		HasReporting: true, HasKnowledge: true, HasAuditor: true, sortsMail: true, peopleNav: peopleNav{HasDuty: true, HasTold: true, HasDaily: true, IsAdmin: true}}
	bar := all.Nav()
	var paths []string
	for _, e := range slices.Concat(bar.Main, bar.More) {
		if e.Here != (e.Path == "/topology") {
			t.Errorf("%s is shown: %v", e.Path, e.Here)
		}
		paths = append(paths, e.Path)
	}
	if len(bar.Main) > 7 || len(paths) != 18 || len(slices.Compact(slices.Sorted(slices.Values(paths)))) != 18 || bar.InMore != "nav.topology" {
		t.Errorf("%d in the bar, in all %q, in the menu %q", len(bar.Main), paths, bar.InMore)
	}
	if bar := (&page{Path: "/"}).Nav(); len(bar.Main) != 2 || len(bar.More) != 0 || !bar.Main[0].Here {
		t.Errorf("with nothing else there is %+v", bar)
	}
}

// TestMenuWithoutScripts opens the menu and follows it, on a phone and without
// scripts.
func TestMenuWithoutScripts(t *testing.T) {
	if testing.Short() {
		t.Skip("short: pages are not driven in a browser")
	}
	f := newFixture(t)
	p := chrome.Open(t, chrome.Size{Width: 390, Height: 844, Phone: true, NoScript: true})
	q := url.Values{"as": {"chen"}, "lang": {"en"}, "theme": {"dark"}, "next": {"/incidents"}}
	p.Go(f.srv.URL + "/test-sign-in?" + q.Encode())
	p.Click(".top .more > summary")
	p.Picture("nav-en-phone")
	if wide := p.Wide(); wide > 390 {
		t.Errorf("the page is %d pixels wide", wide)
	}
	p.Press(`.top .more a[href="/practice"]`)
	p.Shows("Practice", `More<span class="at"> · Practice</span>`)
}

// TestContactsOnAnIncident: a ticket shows whom to telephone now, and that nobody
// is on duty where nobody is.
func TestContactsOnAnIncident(t *testing.T) {
	back := testNow.Add(9 * time.Hour)
	away := register.Standing{Contact: inventory.Contact{Level: 2, Name: "王<经理>", Phone: "138 0000", Hours: "工作日 8:30-17:30"}, From: back}
	people := []register.Standing{away}
	f := newFixture(t, func(o *Options) {
		o.Contacts = func(vendor, site string, now time.Time) []register.Standing {
			if vendor == "" || site == "" || !now.Equal(testNow) {
				t.Errorf("asked for %q at %q, %s", vendor, site, now)
			}
			return people
		}
	})
	b := f.as("chen")
	b.header.Set("Accept-Language", "zh-CN")
	look := func() string {
		t.Helper()
		status, _, body := b.get("/incidents/01line")
		if status != http.StatusOK {
			t.Fatal(status)
		}
		return body
	}
	if body := look(); !strings.Contains(body, "王&lt;经理&gt;") || !strings.Contains(body, `href="tel:138 0000"`) && !strings.Contains(body, `href="tel:138%200000"`) ||
		!strings.Contains(body, "厂商联系人目前都不在服务时间") || !strings.Contains(body, "2级联系人") || !strings.Contains(body, "工作日 8:30-17:30") {
		t.Error("the page does not say that nobody is on duty")
	}
	people = append(people, register.Standing{Contact: inventory.Contact{Level: 3, Name: "赵总", Hours: "白班"}, On: true, Unsure: "x"})
	if body := look(); strings.Contains(body, "厂商联系人目前都不在服务时间") || !strings.Contains(body, "服务时间无法判断") {
		t.Error("with somebody reached the page is wrong")
	}
}
