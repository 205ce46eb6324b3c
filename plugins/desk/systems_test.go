package desk_test

import (
	"net/http"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/effect/ticket/desk/pagerduty"
	"github.com/faultline/faultline/collector/effect/ticket/desk/webhook"
	"github.com/faultline/faultline/internal/lab/desks"
	"github.com/faultline/faultline/plugins/bundled/itop"
	"github.com/faultline/faultline/plugins/bundled/jira"
	"github.com/faultline/faultline/plugins/bundled/servicedeskplus"
	"github.com/faultline/faultline/plugins/desk"
)

func same(s string) string { return s }

func systems() []system {
	return []system{
		{"jira", func(clk *clock) (desks.System, func(*http.Client) (desk.Remote, error)) {
			return desks.NewJira(clk.now, 2, 10*time.Second), func(c *http.Client) (desk.Remote, error) {
				return jira.New(jira.Options{URL: "https://jira.test", Token: "t", Project: "OPS", CloseTransition: "Done", HTTP: c, Now: clk.now})
			}
		}, desk.Mark},
		{"jira-cloud", func(clk *clock) (desks.System, func(*http.Client) (desk.Remote, error)) {
			return desks.NewJira(clk.now, 3, 20*time.Second), func(c *http.Client) (desk.Remote, error) {
				return jira.New(jira.Options{URL: "https://jira.test", User: "u@x", Token: "t", Project: "OPS", Version: 3, HTTP: c, Now: clk.now})
			}
		}, desk.Mark},
		{"servicedeskplus", func(clk *clock) (desks.System, func(*http.Client) (desk.Remote, error)) {
			return desks.NewServiceDeskPlus(clk.now), func(c *http.Client) (desk.Remote, error) {
				return servicedeskplus.New(servicedeskplus.Options{URL: "https://sdp.test", Key: "k", Requester: "Faultline", Closes: true, HTTP: c, Now: clk.now})
			}
		}, desk.Mark},
		{"itop", func(clk *clock) (desks.System, func(*http.Client) (desk.Remote, error)) {
			return desks.NewITop(clk.now), func(c *http.Client) (desk.Remote, error) {
				return itop.New(itop.Options{URL: "https://itop.test", User: "u", Password: "p", Organization: "HQ", Caller: "noc@example.com", Stimulus: "ev_resolve", HTTP: c, Now: clk.now})
			}
		}, desk.Mark},
		{"pagerduty", func(clk *clock) (desks.System, func(*http.Client) (desk.Remote, error)) {
			return desks.NewPagerDuty(), func(c *http.Client) (desk.Remote, error) {
				return pagerduty.New(pagerduty.Options{RoutingKey: strings.Repeat("k", 32), HTTP: c, Now: clk.now})
			}
		}, same},
		{"webhook with search", func(clk *clock) (desks.System, func(*http.Client) (desk.Remote, error)) {
			return desks.NewWebhook(false), func(c *http.Client) (desk.Remote, error) {
				return webhook.New(webhook.Options{URL: "https://itsm.test/hook", Search: "https://itsm.test/find", Keys: []string{desks.HookKey}, HTTP: c, Now: clk.now})
			}
		}, same},
		{"webhook that knows repeats", func(clk *clock) (desks.System, func(*http.Client) (desk.Remote, error)) {
			return desks.NewWebhook(true), func(c *http.Client) (desk.Remote, error) {
				return webhook.New(webhook.Options{URL: "https://itsm.test/hook", Keys: []string{desks.HookKey}, HTTP: c, Now: clk.now})
			}
		}, same},
	}
}
