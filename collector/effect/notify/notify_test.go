package notify

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/effect"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/outbox"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/plugins/notify"
	"github.com/faultline/faultline/plugins/ticket"
)

var people = []inventory.Person{
	{ID: "wang", Email: "wang@example.com", Roles: []string{"branch_it"}, Sites: []string{"branch-2"}},
	{ID: "zhao", Email: "zhao@example.com", Roles: []string{"branch_it"}, Sites: []string{"branch-9"}},
	{ID: "smith", Email: "smith@example.com", Roles: []string{"hq_network", "hq_dba"}, Language: "en"},
	{ID: "li", Email: "li@example.com", Roles: []string{"hq_network"}},
	{ID: "phone-only", Roles: []string{"branch_it"}},
}

// channel records notices; an error of a receiver is used up by one delivery.
type channel struct {
	sent []notify.Notice
	errs map[string][]error
}

func (c *channel) Name() string { return "email" }

func (c *channel) Deliver(_ context.Context, n notify.Notice) error {
	if errs := c.errs[n.To]; len(errs) > 0 {
		c.errs[n.To] = errs[1:]
		return errs[0]
	}
	c.sent = append(c.sent, n)
	return nil
}

func (c *channel) to() []string {
	var out []string
	for _, n := range c.sent {
		out = append(out, n.To)
	}
	return out
}

func executor(t *testing.T, c *channel) *Executor {
	t.Helper()
	g := inventory.NewGraph(&inventory.Inventory{People: people, Sites: []inventory.Site{{ID: "branch-2", Name: lang.Text{ZH: "上海分公司", EN: "Shanghai branch"}}}})
	x, err := New(Options{Channel: c, Graph: func() *inventory.Graph { return g },
		URL: func(id string) string { return "https://noc.example.com/incidents/" + id },
		StepTitle: func(_ incident.Incident, step string) lang.Text {
			return lang.Text{ZH: "环节" + step, EN: "step " + step}
		}})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func job(params ...string) outbox.Job {
	p := map[string]string{}
	for n := 0; n+1 < len(params); n += 2 {
		p[params[n]] = params[n+1]
	}
	return outbox.Job{Effect: incident.Effect{Key: "ab12/9/notify", Params: p}, Incident: incident.Incident{ID: "ab12", Number: "20261121-0042", VendorName: "甲运营商",
		FaultAt: time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC), Severity: incident.SeverityMajor, Step: "reported",
		Diagnosis: incident.Diagnosis{Site: "branch-2", Title: lang.Text{ZH: "专线中断", EN: "line down"}, Proof: lang.Text{ZH: "证据", EN: "proof"}}}}
}

func TestWhoIsTold(t *testing.T) {
	tests := []struct {
		name   string
		params []string
		want   []string
	}{
		{"branch IT of the site", []string{effect.Role, "branch_it"}, []string{"wang@example.com"}},
		{"another site", []string{effect.Role, "branch_it", effect.Site, "branch-9"}, []string{"zhao@example.com"}},
		{"people of all sites", []string{effect.Role, "hq_network"}, []string{"smith@example.com", "li@example.com"}},
		{"two roles, each person once", []string{effect.Role, "hq_network, hq_dba"}, []string{"smith@example.com", "li@example.com"}},
		{"nobody", []string{effect.Role, "hq_facility"}, nil},
		{"no role", nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &channel{}
			out, err := executor(t, c).Execute(t.Context(), job(tt.params...))
			if err != nil || !slices.Equal(c.to(), tt.want) {
				t.Fatalf("told %q, %v, want %q", c.to(), err, tt.want)
			}
			if (tt.want == nil) != out.Failed() || tt.want == nil && !strings.Contains(out.Word(), "add people to the inventory") {
				t.Fatalf("outcome %+v", out)
			}
		})
	}
}

func TestText(t *testing.T) {
	c := &channel{}
	if _, err := executor(t, c).Execute(t.Context(), job(effect.Role, "hq_network", effect.Reason, effect.ReasonEntered, effect.Step, "triage", effect.Comment, "注意")); err != nil {
		t.Fatal(err)
	}
	en, zh := c.sent[0], c.sent[1]
	if zh.Subject != "[FL#20261121-0042] 待处理：专线中断" || en.Subject != "[FL#20261121-0042] Your turn: line down" {
		t.Errorf("subjects %q, %q", zh.Subject, en.Subject)
	}
	const want = "故障单进入您负责的环节，请处理。\n\n故障单号：20261121-0042\n站点：上海分公司\n故障：专线中断\n判断依据：证据\n" +
		"开始：2026-11-21 16:00:00 +08:00\n当前环节：环节triage\n厂商：甲运营商\n说明：注意\n"
	if zh.Body != want {
		t.Errorf("body\n%s\nwant\n%s", zh.Body, want)
	}
	if zh.URL != "https://noc.example.com/incidents/ab12" || zh.Key != "ab12/9/notify/li" || zh.Severity != "major" || zh.Repeat {
		t.Errorf("notice %+v", zh)
	}
}

// TestEveryReason makes sure that each text exists in both languages and takes
// exactly the detail it names.
func TestEveryReason(t *testing.T) {
	for word, r := range reasons {
		for _, l := range []string{lang.ZH, lang.EN} {
			got := r.text(map[string]string{r.detail: "DETAIL"}, l)
			if got == "" || r.tag.In(l) == "" || strings.Contains(got, "%!") || (r.detail != "") != strings.Contains(got, "DETAIL") {
				t.Errorf("%s in %s: %q", word, l, got)
			}
		}
		if r.tag.ZH == r.tag.EN || r.sentence.ZH == r.sentence.EN {
			t.Errorf("%s is not translated", word)
		}
	}
	if got := reasons[effect.ReasonVendorSays].text(map[string]string{effect.Says: "accepted"}, lang.ZH); got != "厂商反馈：已受理。" {
		t.Errorf("vendor says: %q", got)
	}
	drill := job(effect.Role, "hq_network", effect.Reason, "unheard of")
	drill.Incident.Practice = true
	c := &channel{}
	if _, err := executor(t, c).Execute(t.Context(), drill); err != nil || c.sent[1].Subject != "[FL#20261121-0042] 【演练】更新：专线中断" {
		t.Errorf("%v, %+v", err, c.sent)
	}
}

func TestPartialFailures(t *testing.T) {
	busy := &ticket.Error{Op: "smtp rcpt", Retryable: true, Err: errors.New("451 later")}
	gone := &ticket.Error{Op: "smtp rcpt", Err: errors.New("550 no such user")}
	c := &channel{errs: map[string][]error{"li@example.com": {busy}}}
	x := executor(t, c)
	if _, err := x.Execute(t.Context(), job(effect.Role, "hq_network")); !errors.Is(err, busy) {
		t.Fatalf("got %v", err)
	}
	out, err := x.Execute(t.Context(), job(effect.Role, "hq_network"))
	if err != nil || !slices.Equal(c.to(), []string{"smith@example.com", "li@example.com"}) || out.Result()["to"] != "li, smith" {
		t.Fatalf("told %q, %+v, %v", c.to(), out, err)
	}
	if len(x.told) != 0 {
		t.Errorf("still remembers %v", x.told)
	}

	c = &channel{errs: map[string][]error{"li@example.com": {gone}}}
	out, err = executor(t, c).Execute(t.Context(), job(effect.Role, "hq_network"))
	if err != nil || out.Failed() || !strings.Contains(out.Result()["not_told"], "550") {
		t.Fatalf("%+v, %v", out, err)
	}
	c = &channel{errs: map[string][]error{"li@example.com": {gone}, "smith@example.com": {gone}}}
	out, err = executor(t, c).Execute(t.Context(), job(effect.Role, "hq_network"))
	if err != nil || !out.Failed() || !strings.Contains(out.Word(), "nobody could be told") {
		t.Fatalf("%+v, %v", out, err)
	}
}
