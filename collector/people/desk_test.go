package people

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/faultline/faultline/internal/lang"
)

func told(ids ...string) []Told {
	var out []Told
	for _, id := range ids {
		out = append(out, Told{Person: id})
	}
	return out
}

func happening(incident, event string, priority int, at time.Time) Happening {
	return Happening{ID: event + at.Format("150405"), Incident: incident, Round: 1, Event: event, Priority: priority, At: at, Text: lang.Same(event)}
}

// sendAll hands out what is due and says that all of it arrived.
func sendAll(t testing.TB, k *Desk, d *Directory, now time.Time) []Message {
	t.Helper()
	out := k.Due(now, d)
	for _, m := range out {
		if err := k.Outcome(m.Key, MessageSent, lang.Text{}); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func kinds(list []Message) string {
	var out []string
	for _, m := range list {
		out = append(out, m.Receiver+":"+m.Kind)
	}
	return strings.Join(out, " ")
}

func TestQuietHoursNeverHidePriorityOne(t *testing.T) {
	d, k := company(t), NewDesk(DefaultPolicy(), nil)
	night := at(t, "2026-11-20 23:00")
	k.Take(happening("i1", "opened", 3, night), told("li", "zhou"))
	if got := kinds(sendAll(t, k, d, night)); got != "zhou:opening" {
		t.Fatalf("priority 3 at night: %s", got)
	}
	if m := k.Messages()[0]; m.State != MessageHeld || m.Reason.ZH != "免打扰时段" || !m.Until.Equal(at(t, "2026-11-21 07:30")) {
		t.Errorf("%+v", m)
	}
	// It becomes priority 1: told at once, and as the opening.
	k.Take(happening("i1", "breached", 1, night.Add(time.Hour)), told("li"))
	if got := kinds(sendAll(t, k, d, night.Add(time.Hour))); got != "li:opening" {
		t.Errorf("priority 1 at night: %s", got)
	}
	k.Take(happening("i1", "closed", 1, night.Add(2*time.Hour)), nil)
	if got := kinds(sendAll(t, k, d, night.Add(2*time.Hour))); got != "li:closing zhou:closing" {
		t.Errorf("closing of what woke somebody: %s", got)
	}
	// On duty quiet hours do not count.
	k.Take(happening("i2", "opened", 3, night), []Told{{Person: "li", OnCall: true}})
	if got := kinds(sendAll(t, k, d, night.Add(2*time.Hour))); got != "li:opening" {
		t.Errorf("on call: %s", got)
	}
	// Over before the morning: neither opening nor closing.
	k.Take(happening("i3", "opened", 3, night.Add(3*time.Hour)), told("li"))
	_ = sendAll(t, k, d, night.Add(3*time.Hour))
	k.Take(happening("i3", "closed", 3, night.Add(4*time.Hour)), nil)
	if got := kinds(sendAll(t, k, d, at(t, "2026-11-21 08:00"))); got != "" {
		t.Errorf("in the morning: %s", got)
	}
}

func TestClosingWhateverMutedIt(t *testing.T) {
	d, k := company(t), NewDesk(DefaultPolicy(), nil)
	t0 := at(t, "2026-11-20 10:00")
	k.Take(happening("i1", "opened", 2, t0), told("zhou"))
	_ = sendAll(t, k, d, t0)
	mute := lang.Text{ZH: "变更窗口", EN: "announced window"}
	update := happening("i1", "entered", 2, t0.Add(time.Minute))
	update.Muted = mute
	k.Take(update, told("zhou", "qian"))
	closing := happening("i1", "closed", 2, t0.Add(2*time.Minute))
	closing.Muted = mute
	k.Take(closing, nil)
	k.Take(closing, nil)
	if got := kinds(sendAll(t, k, d, t0.Add(2*time.Minute))); got != "zhou:closing" {
		t.Errorf("muted meanwhile: %s", got)
	}
	if got := k.Tally(); got[MessageSent] != 2 || got[MessageSuppressed] != 2 {
		t.Errorf("tally %v", got)
	}
	for _, m := range k.Messages() {
		if m.State == MessageSuppressed && m.Reason.IsZero() {
			t.Errorf("suppressed without a reason: %+v", m)
		}
	}
}

// TestMutedOpeningAndLifting: an announced window mutes openings of any
// priority; its end sends nothing by itself, the next thing that happens does.
func TestMutedOpeningAndLifting(t *testing.T) {
	d, k := company(t), NewDesk(DefaultPolicy(), nil)
	t0 := at(t, "2026-11-20 10:00")
	h := happening("i1", "opened", 1, t0)
	h.Muted = lang.Text{ZH: "变更窗口", EN: "announced window"}
	k.Take(h, told("zhou"))
	if got := kinds(sendAll(t, k, d, t0.Add(time.Hour))); got != "" {
		t.Errorf("muted, and after it: %s", got)
	}
	k.Take(happening("i1", "entered", 1, t0.Add(2*time.Hour)), told("zhou"))
	if got := kinds(sendAll(t, k, d, t0.Add(2*time.Hour))); got != "zhou:opening" {
		t.Errorf("the next thing after the window: %s", got)
	}
}

func TestStormBecomesDigest(t *testing.T) {
	d, k := company(t), NewDesk(DefaultPolicy(), nil)
	t0 := at(t, "2026-11-20 10:00")
	for n := range 60 {
		k.Take(happening(fmt.Sprintf("i%02d", n), "opened", 3, t0), told("zhou"))
	}
	k.Take(happening("core", "opened", 1, t0), told("zhou"))
	first := sendAll(t, k, d, t0)
	if got := kinds(first); got != "zhou:opening zhou:digest" || first[0].Priority != 1 || len(first[1].Items) != 60 {
		t.Fatalf("60 openings and one of priority 1: %s", got)
	}
	for n := range 60 {
		k.Take(happening(fmt.Sprintf("i%02d", n), "closed", 3, t0.Add(time.Minute)), nil)
	}
	if got := sendAll(t, k, d, t0.Add(time.Minute)); len(got) != 0 {
		t.Errorf("a second digest within its time: %s", kinds(got))
	}
	last := sendAll(t, k, d, t0.Add(5*time.Minute))
	if len(last) != 1 || len(last[0].Items) != 60 || !strings.Contains(last[0].Text.ZH, "结束 60") {
		t.Errorf("60 closings: %s", kinds(last))
	}
	if got := k.Tally()[MessageSent]; got != 123 {
		t.Errorf("%d sent", got)
	}
	k.Prune(t0.Add(time.Hour))
	if got := k.Messages(); len(got) != 1 || got[0].Incident != "core" {
		t.Errorf("%d kept after pruning", len(got))
	}
}

func TestAccessTakenAwayAndRepeats(t *testing.T) {
	d, k := company(t), NewDesk(DefaultPolicy(), nil)
	t0 := at(t, "2026-11-20 10:00")
	k.Take(happening("i1", "opened", 2, t0), told("zhou", "qian"))
	if got := kinds(k.Due(t0, d.With(map[string]bool{"qian": false}))); got != "zhou:opening" {
		t.Errorf("%s", got)
	}
	// The program dies here: nobody knows whether zhou got it.
	key := "i1/1/" + happening("i1", "opened", 2, t0).ID + "/zhou"
	if err := k.Begin(key); err != nil {
		t.Fatal(err)
	}
	k = NewDesk(DefaultPolicy(), k.Messages())
	if err := k.Again(key); err != nil {
		t.Fatal(err)
	}
	again := k.Due(t0, d)
	if len(again) != 1 || !again[0].Repeat || again[0].Key != key {
		t.Fatalf("%+v", again)
	}
	if err := k.Outcome(key, MessageConfirmed, lang.Text{}); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []func() error{
		func() error { return k.Outcome(key, MessageFailed, lang.Text{}) },
		func() error { return k.Outcome("none", MessageSent, lang.Text{}) },
		func() error { return k.Again(key) },
	} {
		if bad() == nil {
			t.Error("taken")
		}
	}
}

// TestEveryOpeningHasOneClosing plays random incidents, mutes, quiet nights,
// storms, failures, restarts and lost access, and counts at the end: an opening
// that may have arrived has exactly one closing, any other none; nothing is
// left waiting and nothing is lost.
func TestEveryOpeningHasOneClosing(t *testing.T) {
	d := company(t)
	rapid.Check(t, func(t *rapid.T) {
		policy := DefaultPolicy()
		policy.PerMinute, policy.Reserve, policy.Fold = 4, 1, rapid.IntRange(1, 6).Draw(t, "fold")
		k := NewDesk(policy, nil)
		now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
		round := map[string]int{}
		open := map[string]bool{}
		p1held := 0
		settleSending := func(all bool) {
			for _, m := range k.Messages() {
				if m.State != MessageSending || m.Digest != "" || !all && rapid.Bool().Draw(t, "later") {
					continue
				}
				state := rapid.SampledFrom([]string{MessageSent, MessageSent, MessageConfirmed, MessageMaybe, MessageFailed}).Draw(t, "outcome")
				if err := k.Outcome(m.Key, state, lang.Text{}); err != nil {
					t.Fatal(err)
				}
			}
		}
		for n := range rapid.IntRange(1, 60).Draw(t, "events") {
			now = now.Add(time.Duration(rapid.IntRange(0, 90).Draw(t, "minutes")) * time.Minute)
			id := fmt.Sprintf("i%d", rapid.IntRange(0, 5).Draw(t, "incident"))
			h := Happening{ID: fmt.Sprint(n), Incident: id, Event: "entered", Priority: rapid.IntRange(1, 4).Draw(t, "priority"), At: now}
			if rapid.IntRange(0, 4).Draw(t, "mute") == 0 {
				h.Muted = lang.Same("window")
			}
			switch {
			case !open[id]:
				round[id]++
				open[id], h.Event = true, "opened"
			case rapid.IntRange(0, 2).Draw(t, "close") == 0:
				open[id], h.Event = false, "closed"
			}
			h.Round = round[id]
			k.Take(h, told("li", "zhou", "qian"))
			access := d
			if rapid.IntRange(0, 9).Draw(t, "access") == 0 {
				access = d.With(map[string]bool{"qian": false})
			}
			_ = k.Due(now, access)
			for _, m := range k.Messages() {
				if m.Priority == 1 && m.State == MessageHeld && !m.Until.IsZero() {
					p1held++
				}
			}
			settleSending(false)
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				b, err := json.Marshal(k.Messages())
				if err != nil {
					t.Fatal(err)
				}
				var stored []Message
				if err := json.Unmarshal(b, &stored); err != nil {
					t.Fatal(err)
				}
				k = NewDesk(policy, stored)
			}
		}
		for id, is := range open {
			if is {
				k.Take(Happening{ID: "end", Incident: id, Round: round[id], Event: "closed", Priority: 3, At: now}, nil)
			}
		}
		for range 40 {
			now = now.Add(time.Hour)
			_ = k.Due(now, d)
			settleSending(true)
		}
		count(t, k)
		if p1held > 0 {
			t.Fatalf("priority 1 was held %d times", p1held)
		}
	})
}

// count checks the balance of openings and closings.
func count(t *rapid.T, k *Desk) {
	arrived := []string{MessageSent, MessageConfirmed, MessageMaybe}
	opened, closed := map[string]int{}, map[string]int{}
	for _, m := range k.Messages() {
		who := fmt.Sprintf("%s/%d/%s", m.Incident, m.Round, m.Receiver)
		switch {
		case m.State == MessageQueued || m.State == MessageHeld || m.State == MessageSending:
			t.Fatalf("left waiting: %+v", m)
		case m.Kind == MessageOpening && slices.Contains(arrived, m.State):
			opened[who]++
		case m.Kind == MessageClosing && m.Receiver != "" && (m.State != MessageSuppressed || m.Reason.EN == "the receiver has no access any more"):
			closed[who]++
		}
	}
	for who, n := range opened {
		if n != 1 || closed[who] != 1 {
			t.Fatalf("%s: %d openings arrived, %d closings were sent", who, n, closed[who])
		}
	}
	for who := range closed {
		if opened[who] == 0 {
			t.Fatalf("%s: a closing without an opening", who)
		}
	}
}

func TestAudience(t *testing.T) {
	d := company(t)
	now := at(t, "2026-11-25 10:00") // zhao's week
	for _, c := range []struct {
		o             Occasion
		want, missing string
	}{
		{Occasion{Event: "opened", Priority: 2, Site: "branch-1", Responsible: "branch_it", Informed: []string{"hq_it_manager"}, Reporter: "qian"}, "li zhou sun qian", ""},
		{Occasion{Event: "opened", Priority: 2, Site: "branch-2", Responsible: "branch_it"}, "zhou", ""},
		{Occasion{Event: "late", Priority: 2, Site: "branch-1", Responsible: "branch_it", Accountable: "hq_network"}, "zhao sun", ""},
		{Occasion{Event: "entered", Priority: 2, Site: "branch-9", Responsible: "branch_it", Consulted: []string{"hq_network"}}, "zhao", "branch_it"},
		{Occasion{Event: "unheard"}, "", ""},
	} {
		list, missing := d.Audience(c.o, now)
		if names(list) != c.want || strings.Join(missing, " ") != c.missing {
			t.Errorf("%s at %s: %s, missing %v; want %s, missing %s", c.o.Event, c.o.Site, names(list), missing, c.want, c.missing)
		}
	}
	for _, told := range func() []Told { l, _ := d.Audience(Occasion{Event: "warned", Responsible: "branch_it"}, now); return l }() {
		if told.Because.IsZero() {
			t.Errorf("%s is told without a reason", told.Person)
		}
	}
}
