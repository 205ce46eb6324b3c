package web

import (
	"net/url"
	"strings"
	"testing"
)

// TestPeoplePagesInChromium looks at the pages about people as a browser shows them.
func TestPeoplePagesInChromium(t *testing.T) {
	browser := chromium(t)
	f, _ := staffed(t)
	f.root()
	for _, c := range []struct {
		name, path, lang, theme string
		width, height           int
		want                    []string
	}{
		{"oncall-zh", "/oncall", "zh-CN", "light", 1440, 900, []string{"当前值班", "总公司网络值班"}},
		{"oncall-en-phone", "/oncall", "en", "dark", 500, 1800, []string{"On call now", "HQ network"}},
		{"users-zh", "/users", "zh-CN", "light", 1440, 1000, []string{"用户与令牌", "立即停用"}},
		{"told-en-phone", "/told", "en", "dark", 500, 1200, []string{"550 no such user", "quiet hours"}},
		{"daily-zh", "/daily", "zh-CN", "light", 1440, 900, []string{"专线可用率", "99.123 %"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := url.Values{"as": {"new"}, "lang": {c.lang}, "theme": {c.theme}, "next": {c.path}}
			dom, _ := drive(t, browser, f.srv.URL+"/test-sign-in?"+q.Encode(), c.name, c.lang, c.width, c.height)
			for _, w := range c.want {
				if !strings.Contains(dom, w) {
					t.Errorf("the page does not show %q", w)
				}
			}
		})
	}
}
