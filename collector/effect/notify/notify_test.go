package notify

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/faultline/faultline/collector/effect"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/outbox"
	"github.com/faultline/faultline/collector/people"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/plugins/ticket"
)

var staff = []inventory.Person{
	{ID: "wang", Email: "wang@example.com", Roles: []string{"branch_it"}, Sites: []string{"branch-2"}},
	{ID: "zhao", Email: "zhao@example.com", Roles: []string{"branch_it"}, Sites: []string{"branch-9"}},
	{ID: "smith", Email: "smith@example.com", Roles: []string{"hq_network", "hq_dba"}, Language: "en"},
	{ID: "li", Email: "li@example.com", Roles: []string{"hq_network"}},
	{ID: "phone-only", Roles: []string{"branch_it"}},
}

// planner records who is told what; an error is used up by one call.
type planner struct {
	told map[string]people.Happening
	errs []error
}

func (p *planner) Take(_ context.Context, _ incident.Incident, h people.Happening, to []people.Told) error {
	if len(p.errs) > 0 {
		err := p.errs[0]
		p.errs = p.errs[1:]
		return err
	}
	for _, t := range to {
		if p.told == nil {
			p.told = map[string]people.Happening{}
		}
		p.told[t.Person] = h
	}
	return nil
}

func (p *planner) to() []string { return slices.Sorted(maps.Keys(p.told)) }

func executor(t *testing.T, c *planner) *Executor {
	t.Helper()
	g := inventory.NewGraph(&inventory.Inventory{People: staff, Sites: []inventory.Site{{ID: "branch-2", Name: lang.Text{ZH: "上海分公司", EN: "Shanghai branch"}}}})
	d, err := people.Load(fstest.MapFS{}, people.Options{Base: people.FromInventory(staff)})
	if err != nil {
		t.Fatal(err)
	}
	x, err := New(Options{People: c, Directory: func() *people.Directory { return d }, Now: func() time.Time { return at }, Graph: func() *inventory.Graph { return g },
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
		{"branch IT of the site", []string{effect.Role, "branch_it"}, []string{"wang"}},
		{"another site", []string{effect.Role, "branch_it", effect.Site, "branch-9"}, []string{"zhao"}},
		{"people of all sites", []string{effect.Role, "hq_network"}, []string{"li", "smith"}},
		{"two roles, each person once", []string{effect.Role, "hq_network, hq_dba"}, []string{"li", "smith"}},
		{"nobody", []string{effect.Role, "hq_facility"}, nil},
		{"no role", nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &planner{}
			out, err := executor(t, c).Execute(t.Context(), job(tt.params...))
			if err != nil || !slices.Equal(c.to(), tt.want) {
				t.Fatalf("told %q, %v, want %q", c.to(), err, tt.want)
			}
			if (tt.want == nil) != out.Failed() || tt.want == nil && !strings.Contains(out.Word(), "add people to the") {
				t.Fatalf("outcome %+v", out)
			}
		})
	}
}

func TestText(t *testing.T) {
	c := &planner{}
	if _, err := executor(t, c).Execute(t.Context(), job(effect.Role, "hq_network", effect.Reason, effect.ReasonEntered, effect.Step, "triage", effect.Comment, "注意")); err != nil {
		t.Fatal(err)
	}
	h := c.told["li"]
	if h.Title.ZH != "[FL#20261121-0042] 待处理：专线中断" || h.Title.EN != "[FL#20261121-0042] Your turn: line down" {
		t.Errorf("subjects %+v", h.Title)
	}
	const want = "故障单进入您负责的环节，请处理。\n\n故障单号：20261121-0042\n站点：上海分公司\n故障：专线中断\n判断依据：证据\n" +
		"开始：2026-11-21 16:00:00 +08:00\n当前环节：环节triage\n厂商：甲运营商\n说明：注意\n"
	if h.Text.ZH != want {
		t.Errorf("body\n%s\nwant\n%s", h.Text.ZH, want)
	}
	if h.ID != "ab12/9/notify" || h.Event != "entered" || h.Priority != 2 {
		t.Errorf("happening %+v", h)
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
	c := &planner{}
	if _, err := executor(t, c).Execute(t.Context(), drill); err != nil || c.told["li"].Title.ZH != "[FL#20261121-0042] 【演练】更新：专线中断" {
		t.Errorf("%v, %+v", err, c.told)
	}
}

// TestOwnerIsToldWhenNobodyIs keeps a role without people from being silence.
func TestOwnerIsToldWhenNobodyIs(t *testing.T) {
	c := &planner{}
	x := executor(t, c)
	x.o.Roles = func(incident.Incident, string) (string, string) { return "", "hq_dba" }
	out, err := x.Execute(t.Context(), job(effect.Role, "hq_facility"))
	if err != nil || !slices.Equal(c.to(), []string{"smith"}) || out.Word() != effect.OutcomePlanned {
		t.Fatalf("told %q, %+v, %v", c.to(), out, err)
	}
}

func TestPlanningFails(t *testing.T) {
	busy := errors.New("database is away")
	c := &planner{errs: []error{busy}}
	x := executor(t, c)
	if _, err := x.Execute(t.Context(), job(effect.Role, "hq_network")); !errors.Is(err, busy) {
		t.Fatalf("got %v", err)
	}
	out, err := x.Execute(t.Context(), job(effect.Role, "hq_network"))
	if err != nil || !slices.Equal(c.to(), []string{"li", "smith"}) || !strings.Contains(out.Result()["to"], "smith, li") {
		t.Fatalf("told %q, %+v, %v", c.to(), out, err)
	}
	if len(x.told) != 0 {
		t.Errorf("still remembers %v", x.told)
	}
	c = &planner{errs: []error{&ticket.Error{Op: "post", Err: errors.New("never")}}}
	if out, err := executor(t, c).Execute(t.Context(), job(effect.Role, "hq_network")); err != nil || !out.Failed() || !strings.Contains(out.Word(), "nobody could be told") {
		t.Fatalf("%+v, %v", out, err)
	}
}
