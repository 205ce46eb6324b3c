package desk_test

import (
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/effect/ticket/desk/pagerduty"
	"github.com/faultline/faultline/collector/effect/ticket/desk/webhook"
	"github.com/faultline/faultline/internal/lab/desks"
	"github.com/faultline/faultline/plugins/bundled/itop"
	"github.com/faultline/faultline/plugins/bundled/jira"
	"github.com/faultline/faultline/plugins/bundled/servicedeskplus"
	"github.com/faultline/faultline/plugins/desk"
	"github.com/faultline/faultline/plugins/desk/program"
	"github.com/faultline/faultline/plugins/host/spec"
	"github.com/faultline/faultline/plugins/plugintest"
	"github.com/faultline/faultline/plugins/plugintest/external"
	"github.com/faultline/faultline/plugins/ticket"
)

// bundled are the desks we ship as programs: what they are set to, but for the
// address, and the system they speak with.
var bundled = []struct {
	name     string
	from     program.Make
	settings map[string]string
	system   func() desks.System
}{
	{"jira", jira.FromSettings, map[string]string{"token": "Zx9-secret", "project": "OPS", "close_transition": "Done", "priorities": "critical=Highest, major=High"}, func() desks.System { return desks.NewJira(time.Now, 2, 0) }},
	{"itop", itop.FromSettings, map[string]string{"user": "u", "password": "Zx9-secret", "organization": "HQ", "caller": "noc@example.com", "stimulus": "ev_resolve"}, func() desks.System { return desks.NewITop(time.Now) }},
	{"servicedeskplus", servicedeskplus.FromSettings, map[string]string{"key": "Zx9-secret", "requester": "Faultline", "closes": "true"}, func() desks.System { return desks.NewServiceDeskPlus(time.Now) }},
}

// TestBuiltInDesksConform runs the contract's suite on the desks as the
// collector builds them: with a book, in its own process.
func TestBuiltInDesksConform(t *testing.T) {
	type builtIn struct {
		name   string
		system desks.System
		make   func(url string) (desk.Remote, error)
	}
	all := []builtIn{
		{"pagerduty", desks.NewPagerDuty(), func(url string) (desk.Remote, error) {
			return pagerduty.New(pagerduty.Options{URL: url, RoutingKey: "k"})
		}},
		{"webhook", desks.NewWebhook(false), func(url string) (desk.Remote, error) {
			return webhook.New(webhook.Options{URL: url, Search: url, Keys: []string{desks.HookKey}})
		}},
		{"webhook that knows repeats", desks.NewWebhook(true), func(url string) (desk.Remote, error) {
			return webhook.New(webhook.Options{URL: url, Keys: []string{desks.HookKey}})
		}},
	}
	for _, b := range bundled {
		all = append(all, builtIn{b.name, b.system(), func(url string) (desk.Remote, error) {
			set := maps.Clone(b.settings)
			set["url"] = url
			return b.from(desk.NewSettings(set))
		}})
	}
	for _, b := range all {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			srv := desks.Serve(b.system)
			defer srv.Close()
			r, err := b.make(srv.URL)
			if err != nil {
				t.Fatal(err)
			}
			d, err := desk.New(desk.Options{Name: "built-in", Remote: r, Book: desk.NewMemory(), Lag: -1})
			if err != nil {
				t.Fatal(err)
			}
			plugintest.Run(t, plugintest.Ticket(plugintest.TicketCase{Desk: d, Fields: map[string]string{"severity": "critical", "reason": "opened"}, World: srv}))
		})
	}
}

// TestProgramsConform runs the same suite on the same desks as plugins, by a
// real host.
func TestProgramsConform(t *testing.T) {
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", dir+"/", "../bundled/jira/faultline-desk-jira", "../bundled/itop/faultline-desk-itop", "../bundled/servicedeskplus/faultline-desk-servicedeskplus")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, b := range bundled {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			srv := desks.Serve(b.system())
			defer srv.Close()
			set := maps.Clone(b.settings)
			set["url"], set["lag"] = srv.URL, "1ms"
			p, err := external.Trial{Contract: spec.Ticket, Program: filepath.Join(dir, "faultline-desk-"+b.name), Settings: set}.Start(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			plugintest.Run(t, plugintest.Ticket(plugintest.TicketCase{Desk: p.Desk(), Fields: map[string]string{"severity": "critical", "reason": "opened"}, World: srv}))
			if _, err := p.Desk().Send(t.Context(), ticket.Ticket{Key: "k", MessageKey: "k/1", Subject: "[FL#20261121-0043] 专线中断", Body: "b"}); err != nil {
				t.Fatal(err)
			}
			srv.Look(func(s desks.System) { s.Work("光缆已熔接") })
			updates, _, err := p.Desk().(ticket.Follower).Updates(t.Context(), "")
			if err != nil || !slices.ContainsFunc(updates, func(u ticket.Update) bool { return u.Status == ticket.StatusFixed }) {
				t.Errorf("updates %+v, %v: nothing is fixed", updates, err)
			}
		})
	}
}

// TestSettings: what a program is told is checked before it starts.
func TestSettings(t *testing.T) {
	for _, b := range bundled {
		good := maps.Clone(b.settings)
		good["url"] = "https://desk.example"
		if err := tried(b.from, good); err != nil {
			t.Errorf("%s: %v", b.name, err)
		}
		for name, value := range map[string]string{"url": "", "colour": "red", "statuses": "Done=exploded", "lag": "1d"} {
			bad := maps.Clone(good)
			bad[name] = value
			if tried(b.from, bad) == nil {
				t.Errorf("%s: %s=%q was taken", b.name, name, value)
			}
		}
	}
	if tried(servicedeskplus.FromSettings, map[string]string{"url": "https://x", "key": "k", "requester": "r", "closes": "perhaps"}) == nil {
		t.Error("closes=perhaps was taken")
	}
	if tried(jira.FromSettings, map[string]string{"url": "https://x", "token": "k", "project": "r", "version": "two"}) == nil {
		t.Error("version=two was taken")
	}
}

// tried reads settings as a program does.
func tried(from program.Make, values map[string]string) error {
	s := desk.NewSettings(values)
	s.Span("lag")
	if _, err := from(s); err != nil {
		return err
	}
	return s.Err()
}
