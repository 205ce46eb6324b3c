package notify

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/effect"
	"github.com/faultline/faultline/collector/effect/notify/chat"
	"github.com/faultline/faultline/collector/effect/notify/robot"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/plugins/ticket"
)

// groups records what robots are to say.
type groups struct {
	robots []robot.Settings
	said   map[string][]chat.Notice
	err    error // of the next delivery
}

func (g *groups) Robots() []robot.Settings { return g.robots }

func (g *groups) Deliver(_ context.Context, name string, n chat.Notice) error {
	if err := g.err; err != nil {
		g.err = nil
		return err
	}
	if g.said == nil {
		g.said = map[string][]chat.Notice{}
	}
	g.said[name] = append(g.said[name], n)
	return nil
}

var at = time.Date(2026, 11, 21, 8, 1, 0, 0, time.UTC)

// withGroups is the executor of the other tests with robots.
func withGroups(t *testing.T, c *planner, g *groups) *Executor {
	t.Helper()
	x := executor(t, c)
	o := x.o
	o.Groups = g
	x, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestGroups(t *testing.T) {
	g := &groups{robots: []robot.Settings{
		{Name: "noc", Roles: []string{"hq_network"}},
		{Name: "noc-en", Roles: []string{"hq_network"}, Language: "en"},
		{Name: "dba", Roles: []string{"hq_dba"}},
		{Name: "branch-9", Roles: []string{"hq_network"}, Sites: []string{"branch-9"}},
		{Name: "loud", Roles: []string{"hq_network"}, Levels: []string{robot.Critical}},
	}}
	c := &planner{}
	j := job(effect.Role, "hq_network", effect.Reason, effect.ReasonEntered, effect.Step, "triage")
	j.Incident.Practice = true
	out, err := withGroups(t, c, g).Execute(t.Context(), j)
	if err != nil || out.Result()["to"] != "robot:noc, robot:noc-en, smith, li" || len(g.said) != 2 {
		t.Fatalf("%+v, %v, said %v", out, err, g.said)
	}
	got := g.said["noc"][0]
	if !strings.HasPrefix(got.Text, "【演练】故障单进入您负责的环节，请处理。\n\n故障单号：20261121-0042\n") {
		t.Errorf("text %q", got.Text)
	}
	got.Text = ""
	want := chat.Notice{Key: "ab12/9/notify", Number: "20261121-0042", Site: "上海分公司", Fault: "专线中断", Tag: "【演练】待处理",
		Title: "[FL#20261121-0042] 【演练】待处理：专线中断", Short: "上海分公司 [FL#20261121-0042] 【演练】待处理：专线中断", URL: "https://noc.example.com/incidents/ab12",
		Level: "major", At: at, Fields: map[string]string{"incident": "ab12", "number": "20261121-0042", "site": "branch-2", "device": "", "class": "",
			"reason": "entered", "state": "", "practice": "true"}}
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("(-got +want):\n%s", d)
	}
	if en := g.said["noc-en"][0]; en.Title != "[FL#20261121-0042] [DRILL 演练] Your turn: line down" || en.Site != "Shanghai branch" {
		t.Errorf("English %+v", en)
	}
}

func TestGroupsAlone(t *testing.T) {
	g := &groups{robots: []robot.Settings{{Name: "fac", Roles: []string{"hq_facility"}}}}
	x := withGroups(t, &planner{}, g)
	if out, err := x.Execute(t.Context(), job(effect.Role, "hq_facility")); err != nil || out.Failed() || len(g.said["fac"]) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	if out, err := x.Execute(t.Context(), job(effect.Role, "hq_dev")); err != nil || !out.Failed() {
		t.Fatalf("nobody: %+v, %v", out, err)
	}
}

// TestGroupFailsAlone repeats only what failed.
func TestGroupFailsAlone(t *testing.T) {
	g := &groups{robots: []robot.Settings{{Name: "noc", Roles: []string{"hq_network"}}}, err: &ticket.Error{Op: "chat", Retryable: true, Err: errors.New("full")}}
	c := &planner{}
	x := withGroups(t, c, g)
	if _, err := x.Execute(t.Context(), job(effect.Role, "hq_network")); err == nil {
		t.Fatal("no error")
	}
	if out, err := x.Execute(t.Context(), job(effect.Role, "hq_network")); err != nil || out.Failed() {
		t.Fatalf("%+v, %v", out, err)
	}
	if !slices.Equal(c.to(), []string{"li", "smith"}) || len(g.said["noc"]) != 1 {
		t.Fatalf("mail %q, group %v", c.to(), g.said)
	}
}

func TestNewNeedsAWay(t *testing.T) {
	if _, err := New(Options{Graph: func() *inventory.Graph { return nil }}); err == nil {
		t.Error("an executor without any way out")
	}
}
