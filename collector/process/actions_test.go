package process

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/incident"
)

// inStep is an incident of the network process that waits in the step.
func inStep(d *Definition, step string, change func(*incident.Incident)) incident.Incident {
	s, _ := d.Step(step)
	i := incident.Incident{ID: "i1", Version: 9, State: incident.StateOpen, Process: d.ID, ProcessVersion: d.Ref(), Step: step, StepRole: s.Role,
		Diagnosis: *diagnosisOf("carrier_line", "carrier", d.ID), Acked: true, Alerts: []incident.AlertRef{{Fingerprint: "a", Firing: true}}}
	if change != nil {
		change(&i)
	}
	return i
}

func TestActions(t *testing.T) {
	d := definition(t, "network")
	closed := func(i *incident.Incident) { i.State, i.Alerts = incident.StateClosed, nil }
	quiet := func(i *incident.Incident) { i.Alerts = nil }
	for name, c := range map[string]struct {
		step   string
		roles  string
		change func(*incident.Incident)
		want   string
	}{
		"branch reports":         {"reported", "branch_it", func(i *incident.Incident) { i.Acked = false }, "ack vendor_accepted vendor_reported_fixed vendor_returned comment attach"},
		"branch judges":          {"triage", "branch_it", nil, "decide:circuit* decide:device! decide:hardware! decide:config! decide:unknown! vendor_accepted vendor_reported_fixed vendor_returned comment attach"},
		"HQ is accountable":      {"triage", "hq_network", quiet, "decide:circuit* decide:device! decide:hardware! decide:config! decide:unknown! vendor_accepted vendor_reported_fixed vendor_returned comment attach close"},
		"manager looks on":       {"triage", "hq_it_manager", nil, "vendor_accepted vendor_reported_fixed vendor_returned comment attach"},
		"branch may not approve": {"confirm_restart", "branch_it", nil, "vendor_accepted vendor_reported_fixed vendor_returned comment attach"},
		"HQ approves":            {"confirm_restart", "hq_network", nil, "approve reject vendor_accepted vendor_reported_fixed vendor_returned comment attach"},
		"the carrier answers":    {"carrier_repair", "carrier", nil, "vendor_accepted vendor_reported_fixed vendor_returned comment attach"},
		"not their ticket":       {"carrier_repair", "supplier", nil, "comment attach"},
		"work done":              {"hq_config", "hq_network", nil, "done vendor_accepted vendor_reported_fixed vendor_returned comment attach"},
		"documents missing":      {"confirm", "branch_it", func(i *incident.Incident) { i.Visited = []string{"supplier_repair"} }, "decide:ok! decide:bad vendor_accepted vendor_reported_fixed vendor_returned comment attach"},
		"closed":                 {"closed", "branch_it", closed, "comment attach reopen"},
		"no role":                {"triage", "", nil, ""},
		"role of another trade":  {"triage", "hq_dba", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, a := range Actions(d, inStep(d, c.step, c.change), strings.Fields(c.roles)) {
				word := a.Kind
				if a.Choice != "" {
					word += ":" + a.Choice
				}
				if a.Suggested {
					word += "*"
				}
				if a.Kind == ActDecide && a.NeedsComment {
					word += "!"
				}
				if a.Title.ZH == "" || a.Title.EN == "" {
					t.Errorf("%s has no title", word)
				}
				got = append(got, word)
			}
			if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
				t.Fatalf("actions (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCheckActionRefuses(t *testing.T) {
	d := definition(t, "network")
	at := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	li := incident.Actor{Kind: "person", ID: "li"}
	for name, c := range map[string]struct {
		step, role string
		change     func(*incident.Incident)
		fact       incident.Event
		want       string
	}{
		"wrong role":           {"triage", "carrier", nil, incident.Event{Kind: incident.Decided, Choice: "circuit"}, "role"},
		"own request":          {"confirm_restart", "hq_network", func(i *incident.Incident) { i.DecidedBy = li }, incident.Event{Kind: incident.Approved, Actor: li}, "own request"},
		"nothing to approve":   {"triage", "hq_network", nil, incident.Event{Kind: incident.Approved}, "role"},
		"no work":              {"triage", "branch_it", nil, incident.Event{Kind: incident.Done}, "no work"},
		"decision when closed": {"confirm", "branch_it", func(i *incident.Incident) { i.State = incident.StateClosed }, incident.Event{Kind: incident.Decided, Choice: "ok"}, "closed"},
		"empty comment":        {"triage", "branch_it", nil, incident.Event{Kind: incident.Commented}, "says something"},
		"unknown document":     {"triage", "branch_it", nil, incident.Event{Kind: incident.Attached, Attachment: &incident.Attachment{Kind: "virus"}}, "of kind"},
		"too late":             {"closed", "branch_it", func(i *incident.Incident) { i.State, i.ClosedAt = incident.StateClosed, at.Add(-25*time.Hour) }, incident.Event{Kind: incident.Reopened, Comment: "x"}, "has passed"},
		"child":                {"closed", "branch_it", func(i *incident.Incident) { i.State, i.ParentID = incident.StateClosed, "p" }, incident.Event{Kind: incident.Reopened, Comment: "x"}, "part of another"},
		"system's fact":        {"triage", "branch_it", nil, incident.Event{Kind: incident.Verified}, "role"},
	} {
		t.Run(name, func(t *testing.T) {
			c.fact.At = at
			err := CheckAction(d, inStep(d, c.step, c.change), []string{c.role}, c.fact)
			var refused *Refusal
			if !errors.As(err, &refused) || !strings.Contains(refused.Text.EN, c.want) || refused.Text.ZH == "" {
				t.Fatalf("CheckAction = %v, want %q", err, c.want)
			}
		})
	}
}

func TestGraphAndSVG(t *testing.T) {
	set, _ := shipped(t)
	for _, id := range set.IDs() {
		d, _ := set.Latest(id)
		g := d.Graph()
		if len(g.Nodes) != len(d.Steps) || len(g.Lanes) == 0 {
			t.Errorf("%s: %d nodes of %d steps in %d lanes", id, len(g.Nodes), len(d.Steps), len(g.Lanes))
		}
		l, boxes := arrange(g), map[[2]float64]string{}
		for step, p := range l.places {
			if other, taken := boxes[[2]float64{p.x, p.y}]; taken {
				t.Errorf("%s: %s lies on %s", id, step, other)
			}
			boxes[[2]float64{p.x, p.y}] = step
			if p.x < 0 || p.y < 0 || p.x+boxW > l.width || p.y+boxH > l.height {
				t.Errorf("%s: %s lies outside the drawing", id, step)
			}
		}
		for _, language := range []string{"zh-CN", "en"} {
			svg := SVG(d, d.Steps[1].ID, language)
			wellFormed(t, svg)
			if strings.Count(svg, `class="halo"`) != 1 || strings.Contains(SVG(d, "", language), `class="halo"`) {
				t.Errorf("%s: the current step is not marked once", id)
			}
		}
	}
}

func wellFormed(t *testing.T, svg string) {
	t.Helper()
	dec := xml.NewDecoder(strings.NewReader(svg))
	for {
		_, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("not well-formed: %v", err)
		}
	}
}

func TestWrap(t *testing.T) {
	for s, want := range map[string][]string{
		"Carrier repairs the line": {"Carrier", "repairs the", "line"},
		"联系电信运营商修复":                {"联系电信运营", "商修复"},
		"判断，分析":                    {"判断，分析"},
		"":                         {""},
	} {
		if d := cmp.Diff(want, wrap(s, 12)); d != "" {
			t.Errorf("wrap(%q) (-want +got):\n%s", s, d)
		}
	}
}
