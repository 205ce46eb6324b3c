package app

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/config"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/sqlstore"
)

const ladder = `apiVersion: faultline/v1
kind: People
people:
  - {id: li, name: 李工, roles: [branch_it], sites: [sh], email: li@example.com}
  - {id: wang, name: 王工, roles: [hq_network], email: wang@example.com}
  - {id: boss, name: 主管, roles: [hq_it_manager], email: boss@example.com}
chains:
  - id: default
    rungs:
      - {after: 0m, tell: ["person:li"]}
      - {after: 15m, tell: ["person:wang"]}
    last: hq_it_manager
`

// companyWithPeople is the small company with people and policy of its own.
func companyWithPeople(t *testing.T, people string) config.Config {
	t.Helper()
	cfg := smallCompany(t)
	cfg.People = filepath.Join(filepath.Dir(cfg.Inventory), "people")
	if err := os.MkdirAll(cfg.People, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(cfg.People, "people.yaml"), []byte(people), 0o600); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestEscalation climbs the chain of a reported fault: each rung is told once,
// also by a collector that starts in between; who takes the incident ends it, and
// is reminded when nothing follows.
func TestEscalation(t *testing.T) {
	cfg := companyWithPeople(t, ladder)
	a, stop := serveCollector(t, cfg)
	li := incident.Actor{Kind: account.KindPerson, ID: "li", Name: "li", Role: "branch_it"}
	got, err := actor{a}.Report(t.Context(), api.Report{ID: "r1", Site: "sh", Symptoms: "没有网络", Name: "李雷", Contact: "138", Actor: li, At: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	opened := func() time.Time {
		i, err := a.store.Incident(t.Context(), got.IncidentID)
		if err != nil {
			t.Fatal(err)
		}
		return i.OpenedAt
	}()
	at := func(after time.Duration, want ...string) {
		t.Helper()
		until(t, "the collector climbs", func() bool { return a.climb(t.Context(), opened.Add(after)) == nil })
		if err := a.climb(t.Context(), opened.Add(after)); err != nil { // nothing is new
			t.Fatal(err)
		}
		if told := called(t, a, got.IncidentID); !slices.Equal(told, want) {
			t.Errorf("after %s told %q, want %q", after, told, want)
		}
	}
	at(time.Second, "escalated li")
	at(14*time.Minute, "escalated li")
	at(16*time.Minute, "escalated li", "escalated wang")
	stop()
	a, _ = serveCollector(t, cfg)
	at(17*time.Minute, "escalated li", "escalated wang")

	until(t, "the collector acts", func() bool {
		err = actor{a}.Act(t.Context(), api.Action{ID: "a1", IncidentID: got.IncidentID, Kind: api.ActAck, Actor: li, At: time.Now()})
		return err == nil
	})
	at(25*time.Minute, "escalated li", "escalated wang")
	page, err := a.escalation(t.Context(), mustIncident(t, a, got.IncidentID))
	if err != nil || len(page.Snapshot.Rungs) != 3 || !page.Standing.Ack.StopsClimbing() {
		t.Errorf("the page shows %+v, %v", page, err)
	}
	at(45*time.Minute, "escalated li", "escalated wang", "reminder li")
}

func mustIncident(t *testing.T, a *App, id string) incident.Incident {
	t.Helper()
	i, err := a.store.Incident(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// called lists whom escalations and reminders of the incident were for.
func called(t *testing.T, a *App, id string) (out []string) {
	t.Helper()
	list, err := a.store.Notices(t.Context(), sqlstore.NoticeQuery{Incident: id})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		if strings.Contains(m.Key, "escalate/") || strings.Contains(m.Key, "remind/") {
			out = append(out, m.Event+" "+m.Receiver)
		}
	}
	slices.Sort(out)
	return out
}
