package people

import (
	"testing"
	"time"
)

// TestOnCallAtASite: whom to call at a site and until when; a rota of all sites
// names nobody at one of them.
func TestOnCallAtASite(t *testing.T) {
	d, r := rotaIn(t, "Asia/Shanghai", `    shifts:
      - {person: a, start: "2026-01-01T08:00", end: "2026-01-01T20:00", rule: FREQ=DAILY}
`)
	r.Sites = []string{"sh"}
	noon := at(t, "2026-11-21 12:00")
	p, duty, ok := d.OnCall("hq_network", "sh", noon)
	if !ok || p.ID != "a" || !duty.To.Equal(at(t, "2026-11-21 20:00")) {
		t.Fatalf("at noon %+v until %s, %v", p, duty.To, ok)
	}
	for what, where := range map[string]struct {
		role, site string
		at         time.Time
	}{"at night": {"hq_network", "sh", noon.Add(10 * time.Hour)}, "elsewhere": {"hq_network", "bj", noon}, "another role": {"branch_it", "sh", noon}} {
		if p, _, ok := d.OnCall(where.role, where.site, where.at); ok {
			t.Errorf("%s: %s", what, p.ID)
		}
	}
	r.Sites = nil
	if p, _, ok := d.OnCall("hq_network", "sh", noon); ok {
		t.Errorf("a rota of all sites names %s at one", p.ID)
	}
}
