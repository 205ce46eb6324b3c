package register

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/sla"
)

func workdays(t *testing.T) Duty {
	t.Helper()
	all, err := sla.Load(os.DirFS("../../rules/calendars"))
	if err != nil {
		t.Fatal(err)
	}
	cal, ok := all.Get("cn-workday")
	if !ok {
		t.Fatal("no calendar cn-workday")
	}
	return Duty{Calendar: cal, Zone: cal.Zone}
}

func at(d Duty, text string) time.Time {
	x, err := time.ParseInLocation("2006-01-02 15:04", text, d.Zone)
	if err != nil {
		panic(err)
	}
	return x
}

// TestStand: 2026-10-01 to 10-07 are holidays, Saturday 2026-10-10 is worked in
// exchange; nobody has entered 2027.
func TestStand(t *testing.T) {
	d := workdays(t)
	for _, c := range []struct {
		hours, now string
		on         bool
		from       string
		unsure     bool
	}{
		{"", "2026-10-03 03:00", true, "", false},
		{"7x24", "2026-10-03 03:00", true, "", false},
		{"工作日 8:30-17:30", "2026-11-23 08:30", true, "", false},
		{"工作日 8:30-17:30", "2026-11-23 08:29", false, "2026-11-23 08:30", false},
		{"工作日 8:30-17:30", "2026-11-23 17:30", false, "2026-11-24 08:30", false},
		{"工作日 8:30-17:30", "2026-09-30 18:00", false, "2026-10-08 08:30", false}, // over the holidays
		{"工作日 8:30-17:30", "2026-10-10 10:00", true, "", false},                  // a Saturday that is worked
		{"Mon-Fri 8:30-17:30", "2026-10-10 10:00", false, "2026-10-12 08:30", false},
		{"节假日 9:00-12:00", "2026-10-10 10:00", false, "2026-10-11 09:00", false},
		{"18:00-08:00", "2026-11-23 02:00", true, "", false}, // since yesterday evening
		{"18:00-08:00", "2026-11-23 08:00", false, "2026-11-23 18:00", false},
		{"周五 20:00-02:00", "2026-11-28 01:59", true, "", false}, // Friday's, early on Saturday
		{"周五 20:00-02:00", "2026-11-27 01:59", false, "2026-11-27 20:00", false},
		{"工作时间", "2026-11-23 12:30", false, "2026-11-23 13:00", false}, // the calendar's own hours
		{"工作时间", "2026-11-23 14:00", true, "", false},
		{"周一 9-10, 16-17; 周三 9-10", "2026-11-23 12:00", false, "2026-11-23 16:00", false},
		{"白班", "2026-11-23 14:00", true, "", true},               // cannot be read: he is called
		{"工作日 8:30-17:30", "2027-03-01 03:00", false, "", false}, // outside his stretch the day is not asked for
		{"工作日 8:30-17:30", "2026-12-31 18:00", false, "", false}, // when he is next nobody can say
	} {
		got := d.Stand(inventory.Contact{Name: "x", Hours: c.hours}, at(d, c.now))
		from := ""
		if !got.From.IsZero() {
			from = got.From.In(d.Zone).Format("2006-01-02 15:04")
		}
		if got.On != c.on || from != c.from || (got.Unsure != "") != c.unsure {
			t.Errorf("%q at %s: on %v from %q unsure %q, want %v %q %v", c.hours, c.now, got.On, from, got.Unsure, c.on, c.from, c.unsure)
		}
	}
	if got := d.Stand(inventory.Contact{Hours: "工作日 8:30-17:30"}, at(d, "2027-03-01 10:00")); !got.On || got.Unsure == "" {
		t.Errorf("a year nobody entered: %+v", got)
	}
	if got := (Duty{Zone: time.UTC}).Stand(inventory.Contact{Hours: "工作时间"}, at(d, "2026-11-23 10:00")); !got.On || got.Unsure == "" {
		t.Errorf("without a calendar: %+v", got)
	}
}

// TestNextContactOnDuty: who is off duty is passed over, comes later when he is
// reached, and where nobody is reached that is said with when somebody is.
func TestNextContactOnDuty(t *testing.T) {
	d := workdays(t)
	opened := at(d, "2026-11-20 22:00") // a Friday
	v := inventory.Vendor{ID: "carrier-a", Contacts: []inventory.Contact{{Name: "desk", Level: 1}, {Name: "day manager", Level: 2, Hours: "工作日 8:30-17:30"},
		{Name: "night manager", Level: 2, Hours: "22:00-06:00"}, {Name: "director", Level: 3, Hours: "周六 9:00-12:00"}}}
	limit := func(n int) (time.Time, error) { return opened.Add(time.Duration(n) * 30 * time.Minute), nil }
	late := func(levels ...string) (k incident.Ticket) {
		k.OpenedAt, k.State = opened, "sent"
		for _, l := range levels {
			k.Messages = append(k.Messages, incident.TicketMessage{Reason: process.ReasonVendorLate, Level: l})
		}
		return k
	}
	for _, c := range []struct {
		ticket  incident.Ticket
		now     string
		want    string
		nobody  bool
		waiting string
	}{
		{late(), "2026-11-20 22:29", "", false, ""},
		{late(), "2026-11-20 22:30", "night manager", false, ""},
		{late(), "2026-11-21 07:00", "", true, "2026-11-21 09:00"},
		{late(), "2026-11-21 09:00", "director", false, ""},
		{late("3"), "2026-11-21 10:00", "", true, "2026-11-21 22:00"}, // level 2 was passed over, and still waits
		{late("3"), "2026-11-23 08:30", "day manager", false, ""},
		{late("2"), "2026-11-21 10:00", "director", false, ""},
		{late("2", "3"), "2026-11-23 10:00", "", false, ""},
		{late(""), "2026-11-21 10:00", "director", false, ""}, // a message that does not say its level
	} {
		call, due, err := NextContact(v, c.ticket, limit, d, at(d, c.now))
		waiting := ""
		if !call.Waiting.IsZero() && call.Nobody() {
			waiting = call.Waiting.In(d.Zone).Format("2006-01-02 15:04")
		}
		if err != nil || call.To.Name != c.want || call.Nobody() != c.nobody || due != (c.want != "" || c.nobody) || waiting != c.waiting {
			t.Errorf("at %s with %v told: %q, nobody %v until %q, due %v (%v); want %q %v %q", c.now, c.ticket.Messages, call.To.Name, call.Nobody(), waiting, due, err, c.want, c.nobody, c.waiting)
		}
	}
}

// TestVendorHours: a contact without hours of its own is reached within the
// vendor's, one that has some within those.
func TestVendorHours(t *testing.T) {
	d := workdays(t)
	opened := at(d, "2026-11-20 22:00") // a Friday
	v := inventory.Vendor{ID: "acme", Hours: "工作日 8:30-17:30", Contacts: []inventory.Contact{{Name: "desk", Level: 1}, {Name: "manager", Level: 2, Hours: " "},
		{Name: "director", Level: 3, Hours: "7x24"}}}
	limit := func(n int) (time.Time, error) { return opened.Add(time.Duration(n) * 30 * time.Minute), nil }
	ticket := incident.Ticket{OpenedAt: opened, State: "sent"}
	call, due, err := NextContact(v, ticket, limit, d, at(d, "2026-11-20 22:30"))
	if err != nil || !due || call.To.Name != "director" || len(call.Away) != 1 || call.Away[0].Name != "manager" || !call.Away[0].From.Equal(at(d, "2026-11-23 08:30")) {
		t.Errorf("in the night: %+v, due %v (%v); want the director, the manager away until Monday 08:30", call, due, err)
	}
	if call, due, err = NextContact(v, ticket, limit, d, at(d, "2026-11-23 08:30")); err != nil || !due || call.To.Name != "manager" {
		t.Errorf("on Monday: %+v, due %v (%v); want the manager", call, due, err)
	}
	for n, want := range []bool{false, false, true} {
		if got := d.All(v, at(d, "2026-11-21 10:00"))[n]; got.On != want {
			t.Errorf("%s on a Saturday: on duty %v, want %v", got.Name, got.On, want)
		}
	}
	v.Hours = "白班"
	if call, _, err = NextContact(v, ticket, limit, d, at(d, "2026-11-20 22:30")); err != nil || call.To.Name != "manager" || call.To.Unsure == "" || call.To.Hours != "白班" {
		t.Errorf("vendor's hours that cannot be read: %+v (%v); want the manager, called all the same", call, err)
	}
	if ws := (&inventory.Inventory{Vendors: []inventory.Vendor{v}}).Warnings(); len(ws) != 1 || !strings.Contains(ws[0], "白班") {
		t.Errorf("warnings: %q, want one of the hours", ws)
	}
}

// TestVendorHoursCell: hours that nobody can read are refused in the sheet of
// vendors as in that of contacts.
func TestVendorHoursCell(t *testing.T) {
	for _, name := range []string{"vendors", "contacts"} {
		s, _ := SheetNamed(name)
		c, _ := s.column("hours")
		if got, problem := c.normal("工作日 8:30-17:30"); got != "工作日 8:30-17:30" || !problem.IsZero() {
			t.Errorf("%s: %q, %v", name, got, problem)
		}
		if _, problem := c.normal("白班"); problem.IsZero() {
			t.Errorf("%s: hours that cannot be read were taken", name)
		}
	}
}
