package app

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faultline/faultline/collector/incident"
)

// TestARunIsStopped: a real playbook that goes on is stopped on the incident's
// page; all it started ends, the page and the timeline say what that means, and
// the audit trail who did it.
func TestARunIsStopped(t *testing.T) {
	t.Parallel()
	cfg, target := slowCompany(t)
	a, _ := serveCollector(t, cfg)
	i, li, zhao := slowProposed(t, a, cfg.ExternalURL)
	page, path := "/incidents/"+i.ID, "/incidents/"+i.ID+"/remedies"
	li("POST", path, url.Values{"do": {"stop"}, "remedy": {"r1"}}, 409) // nothing runs
	zhao("POST", path, url.Values{"do": {"approve"}, "remedy": {"r1"}}, 200)
	pid := ""
	until(t, "the playbook sleeps", func() bool {
		b, _ := os.ReadFile(filepath.Join(target, "pid"))
		pid = strings.TrimSpace(string(b))
		return pid != ""
	})
	if text := li("GET", page, nil, 200); !strings.Contains(text, `value="stop"`) {
		t.Error("the page has no button")
	}
	li("POST", path, url.Values{"do": {"stop"}, "remedy": {"r1"}, "comment": {"选错了端口"}}, 200)
	m := remedyIs(t, a, i.ID, "it has ended", func(m incident.Remedy) bool { return m.State != incident.RemedyGranted })
	if m.State != incident.RemedyStopped || m.StopBy.Name != "li" || !strings.Contains(m.Run.Summary, "ended in the middle") {
		t.Errorf("%+v", m)
	}
	until(t, "what the playbook started is gone", func() bool {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
	text := li("GET", page, nil, 200)
	if strings.Contains(text, `value="stop"`) || !strings.Contains(text, "已执行的部分不会撤销") {
		t.Error("the page does not say what stopped means, or offers it again")
	}
	if text := zhao("GET", page+"?part=timeline", nil, 200); !strings.Contains(text, "人工停止处置") || !strings.Contains(text, "选错了端口") || !strings.Contains(text, "[li stopped it]") {
		t.Error("the timeline lacks the stop")
	}
	trail, err := a.store.AuditEntries(t.Context(), 50)
	if err != nil {
		t.Fatal(err)
	}
	acts := map[string]string{}
	for _, e := range trail {
		acts[e.Action] = e.Actor + " " + e.Detail
	}
	if acts["remedy.stop"] != "li r1 slow 选错了端口" || !strings.HasPrefix(acts["remedy.stop.refused"], "li r1 slow") {
		t.Errorf("the audit trail has %v", acts)
	}
}
