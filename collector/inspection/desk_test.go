package inspection

import (
	"context"
	"testing"
	"time"
)

// blank is a store in which nothing was ever signed.
type blank struct{ Store }

func (blank) Signed(context.Context, string, string, string) ([]Record, error) { return nil, nil }
func (blank) Checks(context.Context, string, string, string) ([]Check, error)  { return nil, nil }

// What was due before inspections began is missed by nobody, and nobody is told.
func TestNothingIsMissedBeforeTheBeginning(t *testing.T) {
	l := daily(t)
	friday := time.Date(2026, 11, 20, 0, 0, 0, 0, shanghai)
	now := friday.AddDate(0, 0, 1)
	for since, want := range map[time.Time][2]int{{}: {5, 3}, friday.Add(-12 * time.Hour): {1, 3}, now: {0, 0}} { // days missed of the week, tellings of the last
		d, err := New(Options{Store: blank{}, List: func() (List, bool) { return l, true }, Sites: func() []Site { return []Site{{ID: "sh", Zone: shanghai}} },
			Works: func(string, List) Works { return weekdays }, Query: func(context.Context, string, time.Time) ([]Value, error) { return nil, nil }, Since: since, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		days, err := d.Days(t.Context(), "sh", "2026-11-16", "2026-11-20")
		if err != nil {
			t.Fatal(err)
		}
		told, err := d.Reminders(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if first := days[len(days)-1].State; (first == Before) != !since.IsZero() {
			t.Errorf("since %s: Monday's sheet is %s", since, first)
		}
		if m := Count("sh", days); m.Missed != want[0] || len(told) != want[1] {
			t.Errorf("since %s: %d missed, %d tellings; want %v", since, m.Missed, len(told), want)
		}
	}
}
