package drill_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/drill"
	"github.com/faultline/faultline/collector/metricstore"
)

// TestEvidenceOutlivesTheDrill: what a drill measured can be looked at while it is
// played, on a collector that does not lead, after its end and after a restart, and
// is the same each time.
func TestEvidenceOutlivesTheDrill(t *testing.T) {
	h := newHouse(t)
	var d drill.Record
	h.get("hq_network", "POST", "/api/v1/drills", map[string]any{"site": "north", "story": "line-cut", "limit_seconds": 120, "repair_after_seconds": 60}, &d)
	h.until(d.ID, "an incident is opened", time.Minute, func() bool { _, x := h.split(); return len(x) == 1 })
	start, end := d.StartedAt, d.StartedAt.Add(10*time.Second)
	look := func(ctx context.Context, desk *drill.Desk) ([]metricstore.Series, error) {
		return desk.Of(d.ID).Range(ctx, `faultline_probe_loss_ratio{device="telecom:north"}`, start, end, 5*time.Second, time.Minute)
	}
	here, err := look(t.Context(), h.desk)
	if err != nil || len(here) == 0 {
		t.Fatalf("while it is played: %d series, %v", len(here), err)
	}
	same := func(what string, desk *drill.Desk) {
		t.Helper()
		got, err := look(t.Context(), desk)
		if diff := cmp.Diff(got, here); err != nil || diff != "" {
			t.Errorf("%s: %v (-got +want):\n%s", what, err, diff)
		}
	}
	first := h.desk
	h.follows = true
	h.start() // the other collector
	same("on a collector that does not lead", h.desk)
	if _, err := os.Stat(filepath.Join(h.dir, "drills", d.ID)); err != nil {
		t.Errorf("looking at it elsewhere took the played one away: %v", err)
	}
	h.desk.Rest(h.now.Add(time.Hour))
	first.Leave()
	h.follows = false
	h.start() // which leads from now on
	if err := h.desk.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.until(d.ID, "it ends", 3*time.Minute, func() bool {
		h.get("hq_network", "GET", "/api/v1/drills/"+d.ID, nil, &d)
		return d.State == drill.Ended
	})
	start, end = d.StartedAt, d.EndedAt
	after, err := look(t.Context(), h.desk)
	if err != nil || len(after) == 0 || after[0].Points[0].V != here[0].Points[0].V {
		t.Fatalf("after its end: %d series, %v", len(after), err)
	}
	here = after
	h.start()
	hurried, stop := context.WithCancel(t.Context())
	stop()
	if _, err := look(hurried, h.desk); !errors.Is(err, drill.ErrReplaying) {
		t.Errorf("without time to play it again: %v", err)
	}
	same("after a restart", h.desk)
	h.desk.Rest(h.now.Add(time.Hour))
	if left, err := filepath.Glob(filepath.Join(h.dir, "drills", "replay-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	same("looked at once more", h.desk)
	h.desk.Rest(h.now.Add(time.Hour))
	if _, err := h.desk.Of("nothing").Range(t.Context(), "up", start, end, time.Second, time.Minute); !errors.Is(err, drill.ErrAway) {
		t.Errorf("of no drill: %v", err)
	}
	if status, _ := h.ask("hq_network", "GET", "/api/v1/drills/"+d.ID, nil); status != http.StatusOK {
		t.Errorf("the drill's page: %d", status)
	}
}
