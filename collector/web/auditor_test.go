package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/internal/lang"
)

// audited is what an auditor found at the time.
func audited(at time.Time, findings ...engine.Finding) func(*Options) {
	return func(o *Options) {
		o.Auditor = func(context.Context) (api.AuditView, error) {
			return api.AuditView{At: at, Findings: findings}, nil
		}
	}
}

func sampleFindings() []engine.Finding {
	f := func(kind, id, number, site, zh, en string, since time.Duration) engine.Finding {
		return engine.Finding{Kind: kind, IncidentID: id, Number: number, Site: site, Text: lang.Text{ZH: zh, EN: en}, Since: testNow.Add(-since), Advice: engine.Advice(kind)}
	}
	return []engine.Finding{
		f(engine.FoundForgotten, "01line", "20261121-0001", "shanghai", "停在步骤 x，既没有未到期的定时器，也没有责任人", "it stands in step x with neither a future timer nor an owner", 90*time.Minute),
		f(engine.FoundStuck, "02ups", "20261121-0002", "chengdu", "<b>有动作已到期</b>", "an effect has been due for <b>31 m</b>", 5*time.Minute),
	}
}

func TestAuditorPage(t *testing.T) {
	f := newFixture(t, audited(testNow.Add(-20*time.Second), sampleFindings()...))
	b := f.as("chen")
	b.header.Set("Accept-Language", "en")
	code, _, page := b.get("/auditor")
	for _, want := range []string{`href="/incidents/01line"`, "20261121-0002", "nobody carries it on", "something waits too long", "telephone meanwhile", "&lt;b&gt;31 m", `href="/auditor" aria-current="page"`} {
		if !strings.Contains(page, want) {
			t.Errorf("%d: the page lacks %q", code, want)
		}
	}
	if strings.Contains(page, "<b>31 m") || strings.Contains(page, `role="alert"`) {
		t.Error("a finding's text is markup, or a fresh pass is called late")
	}
	_, _, page = f.as("li").get("/auditor") // of Shanghai
	if !strings.Contains(page, "20261121-0001") || strings.Contains(page, "20261121-0002") || strings.Contains(page, `href="/auditor"`) {
		t.Error("a branch sees what is another's, or is offered the page")
	}
}

func TestAuditorPageSaysWhenNobodyLooks(t *testing.T) {
	for name, tc := range map[string]struct {
		at   time.Time
		want string
	}{"late": {testNow.Add(-time.Hour), `role="alert"`}, "never": {time.Time{}, "尚未自查"}, "well": {testNow, "✓ 每张未关闭的故障单"}} {
		t.Run(name, func(t *testing.T) {
			b := newFixture(t, audited(tc.at)).as("chen")
			b.header.Set("Accept-Language", "zh-CN")
			if code, _, page := b.get("/auditor"); code != http.StatusOK || !strings.Contains(page, tc.want) || strings.Contains(page, `role="alert"`) != (name == "late") {
				t.Errorf("%d, lacks %q", code, tc.want)
			}
		})
	}
	if code, _, _ := newFixture(t).as("chen").get("/auditor"); code != http.StatusNotFound {
		t.Errorf("without an auditor: %d", code)
	}
}

// TestAuditorInChromium looks at the page; FAULTLINE_SCREENSHOTS keeps it.
func TestAuditorInChromium(t *testing.T) {
	if testing.Short() {
		t.Skip("short: pages are not driven in a browser")
	}
	browser := chromium(t)
	f := newFixture(t, audited(testNow, sampleFindings()...))
	f.wait.Store(int64(1500 * time.Millisecond))
	for _, look := range []struct {
		name, language, theme string
		width, height         int
	}{{"auditor-zh", "zh-CN", "light", 1440, 800}, {"auditor-en-phone", "en", "dark", 500, 1400}} {
		q := url.Values{"as": {"chen"}, "lang": {look.language}, "theme": {look.theme}, "next": {"/auditor"}}
		dom, _ := drive(t, browser, f.srv.URL+"/test-sign-in?"+q.Encode(), look.name, look.language, look.width, look.height)
		if !strings.Contains(dom, "20261121-0001") {
			t.Errorf("%s: the page lacks its finding", look.name)
		}
	}
}
