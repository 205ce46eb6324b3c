package people

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestPriority(t *testing.T) {
	o := DefaultOrder()
	if err := o.check(); err != nil {
		t.Fatal(err)
	}
	o.Raise.UpTo = "department_head"
	for _, c := range []struct {
		impact, urgency, rank string
		want                  int
	}{
		{"branch", "stopped", "", 1}, {"branch", "at_risk", "", 2}, {"core_system", "degraded", "", 2}, {"device", "stopped", "", 2}, {"device", "degraded", "president_office", 3},
		{"user", "stopped", "", 3}, {"user", "degraded", "staff", 4}, {"user", "degraded", "deputy_head", 4}, {"user", "degraded", "department_head", 3}, {"user", "stopped", "president_office", 2},
		{"unheard", "unheard", "unheard", 4},
	} {
		if got := o.Priority(Need{Impact: c.impact, Urgency: c.urgency, Rank: c.rank}); got != c.want {
			t.Errorf("%s, %s, %s: %d, want %d", c.impact, c.urgency, c.rank, got, c.want)
		}
	}
}

// TestOrderOfPersons serves those who wait in the handbook's order, machines by
// how much hangs on them.
func TestOrderOfPersons(t *testing.T) {
	o, t0 := DefaultOrder(), time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	need := func(id, impact, rank string, minute int) Need {
		return Need{ID: id, Impact: impact, Urgency: "stopped", Rank: rank, Since: t0.Add(time.Duration(minute) * time.Minute)}
	}
	list := []Need{need("staff-1", "user", "staff", 0), need("staff-2", "user", "", 1), need("office", "user", "office_director", 2), need("deputy", "user", "deputy_head", 3),
		need("head", "user", "department_head", 4), need("president", "user", "president_office", 5), need("device", "device", "", 6), need("core", "core_system", "", 7), need("branch", "branch", "", 8)}
	slices.SortFunc(list, o.Compare)
	want := []string{"branch", "core", "device", "president", "head", "deputy", "office", "staff-1", "staff-2"}
	for n, w := range want {
		if list[n].ID != w {
			t.Fatalf("%d is %s, want %s: %+v", n, list[n].ID, w, list)
		}
	}
	rapid.Check(t, func(t *rapid.T) { // a total order
		draw := func(name string) Need {
			return Need{ID: rapid.StringN(1, 2, 2).Draw(t, name), Impact: rapid.SampledFrom(o.Impacts).Draw(t, name+"i"), Urgency: rapid.SampledFrom(o.Urgencies).Draw(t, name+"u"),
				Rank: rapid.SampledFrom(o.Ranks).Draw(t, name+"r"), Since: t0.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, name+"s")))}
		}
		a, b, c := draw("a"), draw("b"), draw("c")
		if o.Compare(a, b) != -o.Compare(b, a) || o.Compare(a, b) <= 0 && o.Compare(b, c) <= 0 && o.Compare(a, c) > 0 || (o.Compare(a, b) == 0) != (a == b) {
			t.Fatalf("no order: %+v %+v %+v", a, b, c)
		}
	})
}

func TestSee(t *testing.T) {
	s := Subject{Site: "branch-1", Affected: []string{"branch-2"}, Tickets: []TicketRef{{"t1", "carrier-a"}, {"t2", "supplier"}}}
	for name, c := range map[string]struct {
		v    Viewer
		want View
	}{
		"own branch":             {Viewer{Kind: "person", Roles: []string{"branch_it"}, Sites: []string{"branch-1"}}, Whole},
		"affected branch":        {Viewer{Kind: "person", Roles: []string{"branch_it"}, Sites: []string{"branch-2"}}, Notice},
		"other branch":           {Viewer{Kind: "person", Roles: []string{"branch_it"}, Sites: []string{"branch-3"}}, Hidden},
		"branch without a site":  {Viewer{Kind: "person", Roles: []string{"branch_it"}}, Hidden},
		"head office":            {Viewer{Kind: "person", Roles: []string{"hq_network"}}, Whole},
		"head office for a site": {Viewer{Kind: "person", Roles: []string{"hq_network"}, Sites: []string{"branch-3"}}, Hidden},
		"head office, disabled":  {Viewer{Kind: "person", Roles: []string{"hq_network"}, Disabled: true}, Hidden},
		"program":                {Viewer{Kind: "program", Roles: []string{"admin"}}, Whole},
		"no role":                {Viewer{Kind: "person"}, Hidden},
		"agent":                  {Viewer{Kind: "agent", Roles: []string{"admin"}}, Hidden},
		"unknown kind":           {Viewer{Roles: []string{"admin"}}, Hidden},
		"vendor, own ticket":     {Viewer{Kind: "vendor", Vendor: "carrier-a", Ticket: "t1"}, Ticket},
		"vendor, other's ticket": {Viewer{Kind: "vendor", Vendor: "carrier-a", Ticket: "t2"}, Hidden},
		"vendor without ticket":  {Viewer{Kind: "vendor", Vendor: "carrier-a"}, Hidden},
		"vendor with roles":      {Viewer{Kind: "vendor", Roles: []string{"admin"}}, Hidden},
	} {
		if got := See(c.v, s); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if got := See(Viewer{Kind: "person", Roles: []string{"branch_it"}, Sites: []string{""}}, Subject{}); got != Hidden {
		t.Errorf("an incident of no site is shown to a site without a name: %s", got)
	}
}

func TestQuietUntil(t *testing.T) {
	q := &Quiet{From: "22:00", To: "07:30", Zone: "America/New_York"}
	if err := q.check(); err != nil {
		t.Fatal(err)
	}
	ny := zone(t, "America/New_York")
	for when, want := range map[string]string{"2026-03-07 23:00": "2026-03-08 07:30", "2026-03-08 01:00": "2026-03-08 07:30", "2026-11-01 01:30": "2026-11-01 07:30", "2026-11-01 07:30": "", "2026-11-01 21:59": ""} {
		w, err := time.ParseInLocation("2006-01-02 15:04", when, ny)
		if err != nil {
			t.Fatal(err)
		}
		got, in := q.Until(w)
		if in != (want != "") || in && got.In(ny).Format("2006-01-02 15:04") != want {
			t.Errorf("%s: until %s, %v; want %q", when, got.In(ny), in, want)
		}
	}
}
