package process

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/sla"
)

var update = flag.Bool("update", false, "write what the scenarios lead to into their files")

// scenario is a story in testdata: facts at times (Asia/Shanghai), and what
// they lead to.
type scenario struct {
	Process  string            `yaml:"process"`
	About    string            `yaml:"about"`
	Vendors  map[string]string `yaml:"vendors,omitempty"` // kind → id, for Env.Vendor
	Opened   opening           `yaml:"opened"`
	Facts    []story           `yaml:"facts"`
	Expected []string          `yaml:"-"`
}

type opening struct {
	At         string `yaml:"at"`
	Class      string `yaml:"class"`
	VendorKind string `yaml:"vendor_kind"`
	Vendor     string `yaml:"vendor"`
}

type story struct {
	At      string `yaml:"at"` // 15:04:05, 2006-01-02 15:04, or "timer": when the next timer is due
	Fact    string `yaml:"fact"`
	Choice  string `yaml:"choice,omitempty"`
	By      string `yaml:"by,omitempty"`
	Comment string `yaml:"comment,omitempty"`
	Class   string `yaml:"class,omitempty"`
	Kind    string `yaml:"vendor_kind,omitempty"`
	Vendor  string `yaml:"vendor,omitempty"`
	Into    string `yaml:"process,omitempty"`
	Refused bool   `yaml:"refused,omitempty"`
}

var shanghai, _ = time.LoadLocation("Asia/Shanghai")

// stage plays a scenario.
type stage struct {
	t    *testing.T
	set  *Set
	cals *sla.Calendars
	s    scenario
	i    incident.Incident
	log  []string
	now  time.Time
}

func (g *stage) env() Env {
	return Env{Now: g.now, Calendars: g.cals, Hold: 20 * time.Second, Vendor: func(kind string, _ incident.Diagnosis) (string, string) {
		return g.s.Vendors[kind], g.s.Vendors[kind]
	}}
}

func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	set, cals := shipped(t)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			g := &stage{t: t, set: set, cals: cals}
			if err := yaml.UnmarshalWithOptions(data, &g.s, yaml.Strict()); err != nil {
				t.Fatal(err)
			}
			g.play()
			got, golden := strings.Join(g.log, "\n")+"\n", strings.TrimSuffix(file, ".yaml")+".out"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Fatalf("the story changed (-want +got); if it should, run with -update:\n%s", d)
			}
		})
	}
}

func (g *stage) play() {
	at, err := time.ParseInLocation("2006-01-02 15:04:05", g.s.Opened.At, shanghai)
	if err != nil {
		g.t.Fatal(err)
	}
	g.now = at
	o := g.s.Opened
	first := incident.Event{IncidentID: "i1", ID: "first", At: at, Kind: incident.Opened, Actor: incident.System, Number: "n-1",
		FaultAt: at.Add(-30 * time.Second), VendorID: o.Vendor, VendorName: o.Vendor, Diagnosis: diagnosisOf(o.Class, o.VendorKind, g.s.Process)}
	alert := incident.Event{IncidentID: "i1", At: at, Kind: incident.AlertJoined, Alert: &incident.AlertRef{Fingerprint: "a", Since: at}}
	g.act("opened "+o.Class+" "+o.Vendor, false, first, alert)
	for n, s := range g.s.Facts {
		g.tell(n, s)
	}
}

func diagnosisOf(class, vendorKind, process string) *incident.Diagnosis {
	return &incident.Diagnosis{Cause: class + "/x", Class: class, Site: "branch-2", Device: "x", Process: process,
		VendorKind: vendorKind, Severity: incident.SeverityMajor, Recovery: "up == 1", Affected: []string{}}
}

// tell brings one fact, after the timers that are due before it.
func (g *stage) tell(n int, s story) {
	at := g.now
	switch {
	case s.At == "timer":
		if len(g.i.Timers) == 0 {
			g.t.Fatalf("fact %d: no timer is set", n)
		}
		at = g.next().Due
	case len(s.At) == 8:
		t, err := time.ParseInLocation("2006-01-02 15:04:05", g.now.In(shanghai).Format("2006-01-02 ")+s.At, shanghai)
		if err != nil {
			g.t.Fatal(err)
		}
		at = t
	case s.At != "":
		t, err := time.ParseInLocation("2006-01-02 15:04:05", s.At, shanghai)
		if err != nil {
			g.t.Fatal(err)
		}
		at = t
	}
	for len(g.i.Timers) > 0 && g.next().Due.Before(at) {
		g.fire()
	}
	if s.At == "timer" {
		g.fire()
		return
	}
	g.now = at
	g.act(strings.TrimSpace(strings.Join([]string{s.Fact, s.Choice, s.By, s.Class, s.Vendor}, " ")), s.Refused, g.facts(s)...)
}

func (g *stage) next() incident.Timer {
	return slices.MinFunc(g.i.Timers, func(a, b incident.Timer) int { return a.Due.Compare(b.Due) })
}

func (g *stage) fire() {
	t := g.next()
	g.now = t.Due
	g.act("timer "+t.Kind+" "+t.Name, false, incident.Event{IncidentID: "i1", At: g.now, Kind: incident.TimerFired, Timer: &t})
}

// facts makes events of a line of the story.
func (g *stage) facts(s story) []incident.Event {
	e := incident.Event{IncidentID: "i1", At: g.now, Kind: incident.Kind(s.Fact), Choice: s.Choice, Comment: s.Comment}
	if s.By != "" {
		e.Actor = incident.Actor{Kind: "person", ID: s.By, Name: s.By}
	}
	alert := &incident.AlertRef{Fingerprint: "a"}
	switch s.Fact {
	case "recovered":
		return []incident.Event{{IncidentID: "i1", At: g.now, Kind: incident.AlertResolved, Alert: alert}, {IncidentID: "i1", At: g.now, Kind: incident.RecoverySeen}}
	case "failed_again":
		return []incident.Event{{IncidentID: "i1", At: g.now, Kind: incident.AlertJoined, Alert: alert}, {IncidentID: "i1", At: g.now, Kind: incident.RecoveryLost}}
	case "diagnosed":
		process := or(s.Into, g.i.Process)
		e.Diagnosis, e.VendorID, e.VendorName = diagnosisOf(s.Class, s.Kind, process), s.Vendor, s.Vendor
		if d, ok := g.set.Latest(process); ok {
			e.Process, e.ProcessVersion = process, d.Ref()
		}
	case "attached":
		e.Attachment = &incident.Attachment{Kind: s.Choice, Name: s.Choice + ".pdf"}
		e.Choice = ""
	case "verify":
		return []incident.Event{g.outcome(incident.EffectVerify, s.Choice, incident.EffectDone)}
	case "ticket":
		kind := incident.EffectDone
		if s.Choice == "failed" {
			kind = incident.EffectFailed
		}
		return []incident.Event{g.outcome(incident.EffectTicket, s.Choice, kind)}
	case "folded":
		e.ParentID = "p1"
	}
	return []incident.Event{e}
}

func (g *stage) outcome(kind, outcome string, as incident.Kind) incident.Event {
	for _, p := range slices.Backward(g.i.Pending) {
		if p.Kind == kind {
			e := &incident.Effect{Key: p.Key, IncidentID: "i1", Kind: kind, Outcome: outcome, Result: map[string]string{"ref": "<1@x>"}}
			if outcome == "failed" && kind == incident.EffectTicket {
				e.Problem = "550 no such user"
			}
			return incident.Event{IncidentID: "i1", At: g.now, Kind: as, Effect: e}
		}
	}
	g.t.Fatalf("no %s is pending", kind)
	return incident.Event{}
}

// act steps and writes down what followed.
func (g *stage) act(what string, refused bool, facts ...incident.Event) {
	g.t.Helper()
	d, ok := g.set.Version(g.i.ProcessVersion)
	for _, f := range facts {
		if f.ProcessVersion != "" {
			d, ok = g.set.Version(f.ProcessVersion)
		}
	}
	if !ok {
		d, _ = g.set.Latest(g.s.Process)
	}
	g.log = append(g.log, fmt.Sprintf("%s  %s", g.now.In(shanghai).Format("Mon 2006-01-02 15:04:05"), what))
	res, err := Step(d, g.i, facts, g.env())
	var no *Refusal
	if errors.As(err, &no) != refused || (err != nil && no == nil) {
		g.t.Fatalf("%s: %v (refused: want %v)", what, err, refused)
	}
	if err != nil {
		g.log = append(g.log, "    "+err.Error())
		return
	}
	after, sealed, err := incident.Append(g.i, res.Events)
	if err != nil {
		g.t.Fatal(err)
	}
	for _, e := range sealed {
		if line := tellEvent(e); line != "" {
			g.log = append(g.log, "    "+line)
		}
	}
	for _, key := range res.Cancel {
		g.log = append(g.log, "    cancel "+key)
	}
	g.i = after
	g.log = append(g.log, "  = "+g.summary())
	mustBeOwned(g.t, d, g.i)
}

func tellEvent(e incident.Event) string {
	switch e.Kind {
	case incident.Entered:
		return "enter " + e.Step + " (" + e.Reason + ")"
	case incident.EffectQueued:
		var params []string
		for _, k := range slices.Sorted(maps.Keys(e.Effect.Params)) {
			if k != "ticket" && k != "vendor_name" && k != "vendor_kind" && k != "step" {
				params = append(params, k+"="+e.Effect.Params[k])
			}
		}
		return e.Effect.Kind + " " + strings.Join(params, " ")
	case incident.ClockStarted, incident.ClockPaused, incident.ClockResumed, incident.ClockStopped, incident.ClockWarned, incident.ClockBreached, incident.ClockComputed:
		s := string(e.Kind) + " " + e.Clock.Name + " used " + e.Clock.Elapsed.String()
		if !e.Clock.DueAt.IsZero() {
			s += " due " + e.Clock.DueAt.In(shanghai).Format("Mon 01-02 15:04:05")
		}
		return strings.TrimSpace(s + " " + e.Clock.Problem)
	case incident.TicketChanged:
		return "ticket " + e.Ticket.Key + " " + e.Ticket.State
	case incident.Verified, incident.Closed, incident.Reopened, incident.Rerouted:
		return strings.TrimSpace(string(e.Kind) + " " + e.Process + " " + e.Reason)
	}
	return ""
}

func (g *stage) summary() string {
	timers := make([]string, 0, len(g.i.Timers))
	for _, t := range g.i.Timers {
		timers = append(timers, fmt.Sprintf("%s/%s@%s", t.Kind, t.Name, t.Due.In(shanghai).Format("01-02 15:04")))
	}
	slices.Sort(timers)
	return fmt.Sprintf("%s, %s, timers %s", g.i.State, g.i.Step, strings.Join(timers, " "))
}

// mustBeOwned fails when an open incident waits for nobody.
func mustBeOwned(t interface {
	Helper()
	Fatalf(string, ...any)
}, d *Definition, i incident.Incident) {
	t.Helper()
	if !i.Open() || i.ParentID != "" {
		return
	}
	timer := slices.ContainsFunc(i.Timers, func(x incident.Timer) bool { return x.Kind == TimerTimeout || x.Kind == TimerRecheck })
	role, ok := d.Role(i.StepRole)
	s, _ := d.Step(i.Step)
	if human := ok && !role.External && s != nil && s.Guard == nil; !timer && !human {
		t.Fatalf("incident in step %s has neither a timer nor an owner", i.Step)
	}
}
