package endurance

import (
	"testing"
	"time"

	"github.com/faultline/faultline/collector/sqlstore"
	"github.com/faultline/faultline/internal/lab/longcut"
)

// TestLongCut drains what piled up in a cut, part of it thinned, into a real
// collector while live samples go on. `make bench ONLY=cut` plays seven days.
func TestLongCut(t *testing.T) {
	c := newCompany(t, settings{})
	c.runCollector(t)
	o := longcut.Options{Dir: t.TempDir(), URL: c.url, Token: c.agentToken, Admin: c.token, Cut: 7 * 24 * time.Hour,
		Interval: 20 * time.Minute, Live: time.Second, Host: 80, Devices: 8, Ports: 8, Rate: 100_000, Patience: 3 * time.Minute}
	size, err := longcut.Size(o)
	if err != nil {
		t.Fatal(err)
	}
	o.MaxBytes = size / 5 * 4
	f, begin, err := longcut.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", f)
	if f.Thinned == 0 || f.Kept >= f.Measured {
		t.Error("nothing was thinned: the bound is too wide for the test")
	}
	if f.Dropped != 0 || f.Stored < f.Kept || f.Refused != 0 || f.Aside != 0 {
		t.Errorf("of %d samples kept %d were stored; %d batches dropped, %v refused, %v put aside", f.Kept, f.Stored, f.Dropped, f.Refused, f.Aside)
	}
	if f.LiveWorst > time.Minute { // a loaded machine is slow; the figure is in docs/figures.md
		t.Errorf("live samples took %v while the backlog drained", f.LiveWorst)
	}
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: c.database()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	found, err := s.AgentEvents(t.Context(), begin.Add(-time.Hour), time.Now().Add(time.Hour), 100_000)
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, e := range found {
		there[e.ID] = true
	}
	for i := range f.Events {
		if !there[longcut.EventID(begin, i)] {
			t.Errorf("event %d is lost", i)
		}
	}
}
