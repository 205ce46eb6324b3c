package process

import (
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/sla"
)

// beijing is a wall time at the practice branch.
func beijing(t testing.TB, s string) time.Time {
	t.Helper()
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.ParseInLocation("2006-01-02 15:04", s, zone)
	if err != nil {
		t.Fatal(err)
	}
	return at.UTC()
}

// friday is a network incident taken up at Fri 2026-02-13 16:30.
func friday(t testing.TB, env func(string) Env) (*Definition, incident.Incident) {
	t.Helper()
	set, _ := shipped(t)
	d, _ := set.Latest("network")
	at := beijing(t, "2026-02-13 16:30")
	first := incident.Event{IncidentID: "i1", Kind: incident.Opened, At: at, FaultAt: at.Add(-5 * time.Minute), VendorID: "carrier-a", Diagnosis: diagnosisOf("carrier_line", incident.VendorCarrier, "network")}
	i := mustStep(t, d, incident.Incident{}, first, env("2026-02-13 16:30"))
	li := incident.Actor{Kind: "person", ID: "li", Name: "Li", Role: "branch_it"}
	return d, mustStep(t, d, i, incident.Event{IncidentID: "i1", Kind: incident.Acked, At: at, Actor: li}, env("2026-02-13 16:30"))
}

func reading(t testing.TB, d *Definition, i incident.Incident, name string, env Env) Reading {
	t.Helper()
	for _, r := range ReadClocks(d, i, env) {
		if r.Clock.Name == name {
			return r
		}
	}
	t.Fatalf("no clock %s", name)
	return Reading{}
}

// TestFourHoursEndByTheSwappedSaturday: 4 working hours from Friday 16:30 end on
// the Saturday that is worked in exchange, and the sentence says why.
func TestFourHoursEndByTheSwappedSaturday(t *testing.T) {
	_, cals := shipped(t)
	env := func(at string) Env { return Env{Now: beijing(t, at), Calendars: cals} }
	d, i := friday(t, env)
	handle, _ := i.ClockNamed("handle")
	if want := beijing(t, "2026-02-14 13:30"); !handle.DueAt.Equal(want) {
		t.Fatalf("due %s, want %s", handle.DueAt, want)
	}
	r := reading(t, d, i, "handle", env("2026-02-14 09:00"))
	if r.Clock.Elapsed != 30*time.Minute || !strings.Contains(r.Why.ZH, "调休上班") || !strings.Contains(r.Why.EN, "due Sat 2026-02-14 13:30") {
		t.Errorf("read %s: %s", r.Clock.Elapsed, r.Why)
	}
	outage := reading(t, d, i, "outage", env("2026-02-13 17:25"))
	if outage.Clock.Elapsed != time.Hour {
		t.Errorf("the outage counts from its measured beginning: %s", outage.Clock.Elapsed)
	}
}

// TestOnePauseHoldsManyClocks: the wait for the carrier is one line of the
// ledger, and each clock goes on by itself.
func TestOnePauseHoldsManyClocks(t *testing.T) {
	_, cals := shipped(t)
	env := func(at string) Env { return Env{Now: beijing(t, at), Calendars: cals} }
	d, i := friday(t, env)
	step := func(at string, f incident.Event) {
		f.IncidentID, f.At = "i1", beijing(t, at)
		f.Actor = incident.Actor{Kind: "person", ID: "li", Name: "Li", Role: "branch_it"}
		i = mustStep(t, d, i, f, env(at))
	}
	step("2026-02-14 09:00", incident.Event{Kind: incident.Decided, Choice: "unknown", Comment: "?"})
	step("2026-02-14 10:00", incident.Event{Kind: incident.Decided, Choice: "circuit", Comment: "cut"})
	if i.Step != "carrier_repair" {
		t.Fatalf("step %s", i.Step)
	}
	l, err := sla.Replay(i.Ledger)
	if err != nil {
		t.Fatal(err)
	}
	waits := 0
	for _, w := range l.Waits() {
		if w.Owner == "carrier" && len(w.Clocks) == 2 && w.To.IsZero() {
			waits++
		}
	}
	if waits != 1 {
		t.Fatalf("waits %+v", l.Waits())
	}
	for _, r := range ReadClocks(d, i, env("2026-02-14 15:00")) {
		if paused := r.Clock.State == incident.ClockPausing; paused != (r.Clock.Name == "handle" || r.Clock.Name == "handle_hq") {
			t.Errorf("%s is %s", r.Clock.Name, r.Clock.State)
		}
		if r.Clock.Name == "handle" && !strings.Contains(r.Why.EN, "is paused") {
			t.Error(r.Why.EN)
		}
	}
	handle := reading(t, d, i, "handle", env("2026-02-14 15:00"))
	if handle.Clock.Elapsed != 30*time.Minute { // HQ had it from 09:00 on
		t.Errorf("handle used %s", handle.Clock.Elapsed)
	}
}

// TestCorrectedCalendar: that Saturday turns out not to be worked. What was
// counted stays, what follows counts anew, and both are said.
func TestCorrectedCalendar(t *testing.T) {
	_, cals := shipped(t)
	files := cals.Files()
	for name, text := range files {
		files[name] = strings.Replace(text, `"2026-02-14", `, "", 1)
	}
	corrected, err := sla.Restore(files)
	if err != nil {
		t.Fatal(err)
	}
	d, i := friday(t, func(at string) Env { return Env{Now: beijing(t, at), Calendars: cals} })
	history := sla.NewHistory(sla.Published{At: beijing(t, "2026-01-01 00:00"), By: "start", Calendars: cals},
		sla.Published{At: beijing(t, "2026-02-14 10:00"), By: "Zhao", Calendars: corrected})
	env := Env{Now: beijing(t, "2026-02-14 10:00"), Calendars: corrected, History: history}
	res, err := Step(d, i, nil, env)
	if err != nil {
		t.Fatal(err)
	}
	if i, _, err = incident.Append(i, res.Events); err != nil {
		t.Fatal(err)
	}
	// 30 min on Friday and 1 h on Saturday are used; the rest from Tuesday 24 on.
	handle, _ := i.ClockNamed("handle")
	if want := beijing(t, "2026-02-24 11:30"); !handle.DueAt.Equal(want) || handle.Elapsed != 90*time.Minute {
		t.Fatalf("due %s after %s, want %s", handle.DueAt, handle.Elapsed, want)
	}
	r := reading(t, d, i, "handle", env)
	if r.State.Restated == nil || !strings.Contains(r.Why.EN, "corrected by Zhao") {
		t.Errorf("the correction is not told: %s", r.Why.EN)
	}
	for _, timer := range i.Timers {
		if timer.Kind == TimerBreach && timer.Name == "handle" && !timer.Due.Equal(handle.DueAt) {
			t.Errorf("the breach is still at %s", timer.Due)
		}
	}
	if res, err = Step(d, i, nil, env); err != nil || len(res.Events) > 0 {
		t.Errorf("told twice: %d events, %v", len(res.Events), err)
	}
}

// TestVendorsOwnLimit takes the contract's time and calendar.
func TestVendorsOwnLimit(t *testing.T) {
	_, cals := shipped(t)
	promise := Promise{Repair: "8h", Calendar: "always"}
	env := func(at string) Env {
		return Env{Now: beijing(t, at), Calendars: cals, Promise: func(kind string, _ incident.Diagnosis) Promise {
			if kind != incident.VendorCarrier {
				return Promise{}
			}
			return promise
		}}
	}
	for _, tt := range []struct {
		name, due string
		promise   Promise
	}{
		{"around the clock", "2026-02-14 00:30", Promise{Repair: "8h", Calendar: "always"}},
		{"working time by contract", "2026-02-14 11:30", Promise{Repair: "3h", Calendar: "work"}},
		{"no contract", "2026-02-24 09:30", Promise{}},
		{"a calendar nobody has", "2026-02-24 09:30", Promise{Repair: "8h", Calendar: "mars"}},
	} {
		promise = tt.promise
		_, i := friday(t, env)
		vendor, _ := i.ClockNamed("vendor")
		if want := beijing(t, tt.due); !vendor.DueAt.Equal(want) {
			t.Errorf("%s: due %s, want %s", tt.name, vendor.DueAt, want)
		}
	}
}

// TestOlderIncidentHasALedger: one stored before ledgers were kept is read from
// its clocks' marks, and reads the same.
func TestOlderIncidentHasALedger(t *testing.T) {
	_, cals := shipped(t)
	env := func(at string) Env { return Env{Now: beijing(t, at), Calendars: cals} }
	d, i := friday(t, env)
	want := reading(t, d, i, "handle", env("2026-02-14 09:30"))
	i.Ledger = nil
	if got := reading(t, d, i, "handle", env("2026-02-14 09:30")); got.Clock.Elapsed != want.Clock.Elapsed || !got.Clock.DueAt.Equal(want.Clock.DueAt) {
		t.Errorf("read %+v, want %+v", got.Clock, want.Clock)
	}
}
