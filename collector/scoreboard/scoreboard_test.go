package scoreboard

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/lang"
)

var (
	cst   = time.FixedZone("CST", 8*3600)
	start = time.Date(2026, 11, 1, 0, 0, 0, 0, cst)
)

// minute is a moment of November, counted in minutes from its beginning.
func minute(m float64) time.Time { return start.Add(time.Duration(m * float64(time.Minute))) }

func estate(l inventory.Line) *inventory.Graph {
	l.ID, l.Carrier, l.Site = "ct:1", "ct", "b1"
	return inventory.NewGraph(&inventory.Inventory{
		Sites:     []inventory.Site{{ID: "b1"}},
		Vendors:   []inventory.Vendor{{ID: "ct", Kind: "carrier", Name: lang.Text{ZH: "电信", EN: "Telecom"}}, {ID: "acme", Kind: "equipment supplier"}},
		Contracts: []inventory.Contract{{ID: "k", Vendor: "acme", Kind: "warranty", Devices: []string{"rtr"}, Respond: "30m", Repair: "4h", Calendar: "work"}},
		Devices:   []inventory.Device{{ID: "rtr", Site: "b1", Kind: "router"}},
		Lines:     []inventory.Line{l}})
}

// outage is a line fault between two minutes, with relapses: pairs of minutes.
func outage(id string, times ...float64) Case {
	c := Case{Incident: incident.Incident{ID: id, Number: "N-" + id, FaultAt: minute(times[0]), OpenedAt: minute(times[0]), State: incident.StateOpen,
		Diagnosis: incident.Diagnosis{Device: "ct:1", Class: incident.ClassCarrierLine, Site: "b1", Title: lang.Same("line " + id)},
		Alerts:    []incident.AlertRef{{Name: "LineDead", Symptom: "dead"}}}}
	for i, m := range times[1:] {
		kind := incident.RecoverySeen
		if i%2 == 1 {
			kind = incident.RecoveryLost
		}
		c.Events = append(c.Events, incident.Event{Kind: kind, At: minute(m)})
	}
	return c
}

func paused(c Case, owner string, from, to float64) Case {
	c.Clocks = []incident.Clock{{Name: "vendor", Marks: []incident.ClockMark{{At: minute(from), What: incident.MarkPause, Owner: owner, Reason: "access"}, {At: minute(to), What: incident.MarkResume}}}}
	return c
}

func TestCircuitMinutes(t *testing.T) {
	other := outage("power", 100, 160)
	other.Diagnosis.Device, other.Diagnosis.Class, other.Diagnosis.Affected = "ups", incident.ClassPower, []string{"ct:1"}
	lossy := outage("lossy", 100, 160)
	lossy.Alerts[0].Symptom = "lossy"
	practice := outage("p", 100, 160)
	practice.Practice = true
	window := func(from, to float64, subjects ...string) []Window {
		return []Window{{ID: "w", From: minute(from), Until: minute(to), Subjects: subjects, Reason: "割接"}}
	}
	const all = 30 * 24 * 60
	for name, c := range map[string]struct {
		line     inventory.Line
		cases    []Case
		windows  []Window
		now      float64 // minutes; 0: after the month
		down     float64
		excluded float64
		service  float64
		shown    int
	}{
		"nothing":                      {service: all},
		"one outage":                   {cases: []Case{outage("1", 100, 160)}, down: 60, service: all, shown: 1},
		"from the month before":        {cases: []Case{outage("1", -30, 15)}, down: 15, service: all, shown: 1},
		"into the next":                {cases: []Case{outage("1", all-10, all+50)}, down: 10, service: all, shown: 1},
		"a relapse":                    {cases: []Case{outage("1", 100, 160, 170, 180)}, down: 70, service: all, shown: 2},
		"two that overlap count once":  {cases: []Case{outage("1", 100, 160), outage("2", 130, 200)}, down: 100, service: all, shown: 2},
		"lasting":                      {cases: []Case{outage("1", 100)}, now: 250, down: 150, service: 250, shown: 1},
		"within a window":              {cases: []Case{outage("1", 100, 160)}, windows: window(90, 200, "ct:1"), excluded: 60, service: all - 110, shown: 1},
		"a window that begins in it":   {cases: []Case{outage("1", 100, 160)}, windows: window(120, 200, "ct"), down: 20, excluded: 40, service: all - 80, shown: 2},
		"a window of another line":     {cases: []Case{outage("1", 100, 160)}, windows: window(90, 200, "ct:2"), down: 60, service: all, shown: 1},
		"waiting for us":               {cases: []Case{paused(outage("1", 100, 160), "user", 110, 130)}, down: 40, excluded: 20, service: all, shown: 3},
		"waiting for the carrier":      {cases: []Case{paused(outage("1", 100, 160), "carrier", 110, 130)}, down: 60, service: all, shown: 1},
		"a pause after the recovery":   {cases: []Case{paused(outage("1", 100, 160), "user", 170, 190)}, down: 60, service: all, shown: 1},
		"power at the branch":          {cases: []Case{other}, excluded: 60, service: all, shown: 1},
		"power, then the line as well": {cases: []Case{other, outage("1", 140, 200)}, down: 60, excluded: 40, service: all, shown: 2},
		"loss is no outage":            {cases: []Case{lossy}, excluded: 60, service: all, shown: 1},
		"practice":                     {cases: []Case{practice}, service: all},
		"contract from the tenth":      {line: inventory.Line{From: "2026-11-10"}, cases: []Case{outage("1", 100, 160)}, service: 21 * 24 * 60},
		"contract to the second":       {line: inventory.Line{Until: "2026-11-02"}, cases: []Case{outage("1", 100, 160)}, down: 60, service: 2 * 24 * 60, shown: 1},
		"contract over":                {line: inventory.Line{Until: "2026-10-02"}, cases: []Case{outage("1", 100, 160)}},
	} {
		t.Run(name, func(t *testing.T) {
			in := Input{Month: start.AddDate(0, 0, 5), Zone: cst, Cases: c.cases, Windows: c.windows, Graph: estate(c.line), Now: start.AddDate(0, 2, 0)}
			if c.now > 0 {
				in.Now = minute(c.now)
			}
			got := Of(in).Circuits[0]
			if got.DownMinutes() != c.down || got.ExcludedMinutes() != c.excluded || got.ServiceMinutes() != c.service || len(got.Intervals) != c.shown {
				t.Errorf("down %v excluded %v service %v, shown %+v", got.DownMinutes(), got.ExcludedMinutes(), got.ServiceMinutes(), got.Intervals)
			}
			for _, i := range got.Intervals {
				if i.Why.ZH == "" || i.Why.EN == "" || i.Incident == "" {
					t.Errorf("an interval without a reason: %+v", i)
				}
			}
		})
	}
}

func TestPromise(t *testing.T) {
	// 99.9 % of 30 days are 43.2 minutes.
	for down, kept := range map[float64]bool{43: true, 43.2: true, 43.25: false, 44: false} {
		got := Of(Input{Month: start, Zone: cst, Cases: []Case{outage("1", 100, 100+down)}, Graph: estate(inventory.Line{Availability: 99.9}), Now: start.AddDate(0, 2, 0)}).Circuits[0]
		if got.Kept != kept {
			t.Errorf("%v minutes: kept %v at %.4f %%", down, got.Kept, got.Measured)
		}
	}
}

// TestAgainstEveryTenSeconds compares the sweep with a count of every ten seconds
// of the month, made from what the case was drawn from: all times drawn are
// multiples of that.
func TestAgainstEveryTenSeconds(t *testing.T) {
	const tick, month = 10, 30 * 24 * 360 // seconds, and ticks of the month
	type drawn struct {
		from, to, pauseFrom, pauseTo int
		kind                         string
	}
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.IntRange(-720, month+720)
		second := func(s int) time.Time { return start.Add(time.Duration(s) * tick * time.Second) }
		var ds []drawn
		var cases []Case
		for i := range rapid.IntRange(0, 6).Draw(t, "n") {
			d := drawn{from: at.Draw(t, "from"), kind: rapid.SampledFrom([]string{"down", "other", "lossy"}).Draw(t, "kind")}
			d.to = d.from + rapid.IntRange(1, 20_000).Draw(t, "length")
			d.pauseFrom = d.from + rapid.IntRange(0, 10_000).Draw(t, "pause")
			d.pauseTo = d.pauseFrom + rapid.IntRange(1, 5_000).Draw(t, "paused")
			c := outage(fmt.Sprint(i), float64(d.from)/6, float64(d.to)/6)
			c.FaultAt, c.Events[0].At = second(d.from), second(d.to)
			c = paused(c, "user", 0, 0)
			c.Clocks[0].Marks[0].At, c.Clocks[0].Marks[1].At = second(d.pauseFrom), second(d.pauseTo)
			switch d.kind {
			case "other":
				c.Diagnosis.Class, c.Diagnosis.Device, c.Diagnosis.Affected = incident.ClassPower, "ups", []string{"ct:1"}
			case "lossy":
				c.Alerts[0].Symptom = "lossy"
			}
			ds, cases = append(ds, d), append(cases, c)
		}
		var windows []Window
		var ws [][2]int
		for range rapid.IntRange(0, 3).Draw(t, "windows") {
			from := at.Draw(t, "window")
			to := from + rapid.IntRange(1, 10_000).Draw(t, "open")
			ws = append(ws, [2]int{from, to})
			windows = append(windows, Window{From: second(from), Until: second(to), Subjects: []string{"b1"}, Reason: "r"})
		}
		var down, excluded, service int64
		for s := range month {
			window, fault, dead, waited := false, false, false, false
			for _, w := range ws {
				window = window || w[0] <= s && s < w[1]
			}
			for _, d := range ds {
				if d.from <= s && s < d.to {
					fault, dead = true, dead || d.kind == "down"
				}
				if d.kind == "down" && d.pauseFrom <= s && s < d.pauseTo {
					waited = true
				}
			}
			if !window {
				service += tick
			}
			switch {
			case fault && dead && !window && !waited:
				down += tick
			case fault:
				excluded += tick
			}
		}
		got := Of(Input{Month: start, Zone: cst, Cases: cases, Windows: windows, Graph: estate(inventory.Line{}), Now: start.AddDate(0, 2, 0)}).Circuits[0]
		if got.Down != down || got.Excluded != excluded || got.Service != service {
			t.Fatalf("down %d excluded %d service %d, want %d %d %d", got.Down, got.Excluded, got.Service, down, excluded, service)
		}
		var sum int64
		for i, x := range got.Intervals {
			sum += x.Seconds
			if i > 0 && x.From.Before(got.Intervals[i-1].To) || x.To.Sub(x.From) != time.Duration(x.Seconds)*time.Second {
				t.Fatalf("interval %d: %+v", i, x)
			}
		}
		if sum != down+excluded {
			t.Fatalf("the intervals add up to %d, not %d", sum, down+excluded)
		}
		if service > 0 && math.Abs(got.Measured-100*float64(service-down)/float64(service)) > 1e-9 {
			t.Fatalf("measured %v", got.Measured)
		}
	})
}

func TestVendors(t *testing.T) {
	c := outage("1", 0, 60, 70, 100)
	c.Tickets = []incident.Ticket{{Vendor: "ct", VendorName: "电信", VendorKind: "carrier", State: "sent", OpenedAt: minute(1)}}
	say := func(m float64, choice string) incident.Event {
		return incident.Event{Kind: incident.VendorReported, At: minute(m), Choice: choice}
	}
	c.Events = append([]incident.Event{say(11, "accepted"), say(30, "reported_fixed"), say(65, "reported_fixed"), say(80, "returned"), say(110, "reported_fixed")}, c.Events...)
	c.VerifiedAt = minute(115)
	c = paused(c, "user", 20, 40)
	board := func(l inventory.Line, cs ...Case) Board {
		return Of(Input{Month: start, Zone: cst, Cases: cs, Graph: estate(l), Now: start.AddDate(0, 2, 0)})
	}
	b := board(inventory.Line{Respond: "5m", Repair: "2h"}, c)
	got := b.Vendors[0]
	got.Jobs = nil
	want := Vendor{ID: "ct", Name: lang.Text{ZH: "电信", EN: "Telecom"}, Kind: "carrier", Incidents: 1, Response: known{600, 1, 600}, Repair: known{79 * 60, 1, 79 * 60},
		LateAnswer: 1, Claimed: 3, Proven: 1, Early: 1, Returns: 1}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	folded, practice := c, c
	folded.ParentID, practice.Practice = "x", true
	if vs := board(inventory.Line{}, folded, practice).Vendors; len(vs) != 0 {
		t.Errorf("folded and practice incidents count: %+v", vs)
	}
	open := outage("2", 10)
	open.Diagnosis.Device, open.Diagnosis.Class = "rtr", incident.ClassDevice
	open.Tickets = []incident.Ticket{{Vendor: "acme", State: "sent", OpenedAt: minute(10)}}
	late := Of(Input{Month: start, Zone: cst, Cases: []Case{open}, Graph: estate(inventory.Line{}), Now: minute(600),
		Elapsed: func(calendar, _ string, from, to time.Time) (time.Duration, error) {
			if calendar != "work" {
				return 0, fmt.Errorf("asked for %s", calendar)
			}
			return to.Sub(from) / 2, nil
		}}).Vendors[0]
	if late.LateAnswer != 1 || late.LateRepair != 1 || late.Repair.Of != 0 || late.Jobs[0].Unknown != "" {
		t.Errorf("still open after its limits: %+v", late)
	}
}

func TestCode(t *testing.T) {
	in := Input{Month: start, Zone: cst, Cases: []Case{outage("1", 100, 160)}, Graph: estate(inventory.Line{}), Now: start.AddDate(0, 2, 0)}
	one := Of(in)
	in.Now = in.Now.AddDate(0, 1, 0)
	if later := Of(in); one.Code != later.Code || one.For("ct").Code != later.For("ct").Code {
		t.Error("a month that is over changes its code")
	}
	in.Cases[0].Events[0].At = minute(161)
	if Of(in).For("ct").Code == one.For("ct").Code {
		t.Error("another minute, the same code")
	}
	if len(one.For("other").Circuits) != 0 || len(one.At(func(string) bool { return false }, false).Circuits) != 0 {
		t.Error("others see circuits that are not theirs")
	}
}
