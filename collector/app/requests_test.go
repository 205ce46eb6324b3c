package app

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
)

// changing is a collector that runs, and what people do to its changes.
type changing struct {
	t    *testing.T
	a    *App
	base string
	n    int
}

// open asks for a normal change of low risk on the thing.
func (c *changing) open(site, thing string, from, until time.Time) string {
	c.t.Helper()
	c.n++
	done, err := c.a.request(c.t.Context(), api.Request{ID: "ask-" + thing, Process: processChange, Site: site, Text: "new firmware of " + thing, Actor: incident.Actor{Kind: "person", ID: "li", Name: "li", Role: "user"}, At: time.Now(),
		Change: &api.Change{Type: api.ChangeNormal, Risk: api.RiskLow, Scope: "firmware", Subjects: []string{thing}, From: from, Until: until}})
	if err != nil {
		c.t.Fatal(err)
	}
	return done.IncidentID
}

// do brings acts of people, one after the other.
func (c *changing) do(id string, acts ...incident.Event) {
	c.t.Helper()
	for _, e := range acts {
		c.n++
		e.ID, e.IncidentID, e.At, e.Actor = "do-"+id+"-"+string(rune('a'+c.n)), id, time.Now(), incident.Actor{Kind: "person", ID: "wang", Name: "wang", Role: "hq_network"}
		if err := c.a.engine.Handle(c.t.Context(), e); err != nil {
			c.t.Fatal(err)
		}
	}
}

// prepare leads an approved change to where its window is announced.
func (c *changing) prepare(id string) {
	c.t.Helper()
	if c.window(id) != nil {
		c.t.Error("a window is announced before the change is approved")
	}
	c.do(id, incident.Event{Kind: incident.Approved}, incident.Event{Kind: incident.Attached, Attachment: &incident.Attachment{Kind: "plan", Name: "plan.pdf"}}, incident.Event{Kind: incident.Done})
	until(c.t, "the window is announced", func() bool { return c.window(id) != nil })
}

// window is the change's quiet time while it is not over, or nil.
func (c *changing) window(id string) *engine.Quiet {
	for _, q := range c.a.quiets.List() {
		if q.ID == windowID(id) && (q.Until.IsZero() || q.Until.After(time.Now())) {
			return &q
		}
	}
	return nil
}

// alert tells of a fault of a device, as another system does.
func (c *changing) alert(device string) {
	c.t.Helper()
	token, err := os.ReadFile(filepath.Join(c.a.cfg.Data, "admin.token"))
	if err != nil {
		c.t.Fatal(err)
	}
	b, err := json.Marshal([]map[string]any{{"labels": map[string]string{"alertname": "DeviceDown", "device": device, "severity": "critical"}, "startsAt": time.Now().UTC().Format(time.RFC3339Nano)}})
	if err != nil {
		c.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.base+"/alertmanager/api/v2/alerts", bytes.NewReader(b))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	read(c.t, res, err, http.StatusOK)
}

// fault is the open incident of a device, if there is one.
func (c *changing) fault(device string) (incident.Incident, bool) {
	for _, i := range c.a.openFaults(c.t.Context()) {
		if i.Diagnosis.Device == device {
			return i, true
		}
	}
	return incident.Incident{}, false
}

// TestWindowOfAChange: on a collector that runs, the window of an approved change
// is announced and keeps its subjects quiet while it lasts, and nothing else; it is
// lifted when the change is being verified, and what is wrong then opens an
// incident that shows the change.
func TestWindowOfAChange(t *testing.T) {
	a, base := runCollector(t)
	c := &changing{t: t, a: a, base: base}
	now := time.Now()
	here := c.open("sh", "sh-sw-1", now.Add(-time.Minute), now.Add(time.Hour))
	later := c.open("hq", "hq-rtr-1", now.Add(time.Hour), now.Add(2*time.Hour))
	c.prepare(here)
	c.prepare(later)
	if q := c.window(here); !slices.Equal(q.Subjects, []string{"sh-sw-1"}) || !q.Until.Equal(now.Add(time.Hour).UTC()) && q.Until.Sub(now) > time.Hour+time.Second {
		t.Errorf("announced %+v", q)
	}
	c.alert("sh-sw-1")
	c.alert("hq-rtr-1") // its window is not yet
	until(t, "what is in no window opens an incident", func() bool { _, ok := c.fault("hq-rtr-1"); return ok })
	until(t, "what is in a window is suppressed", func() bool {
		for _, f := range a.engine.Fates() {
			if f.Kind == engine.FateSuppressed && strings.Contains(f.Reason, "sh-sw-1") && strings.Contains(f.Reason, engine.QuietMaintenance) {
				return true
			}
		}
		return false
	})
	if i, ok := c.fault("sh-sw-1"); ok {
		t.Fatalf("%s was opened in the window", i.Number)
	}
	c.do(here, incident.Event{Kind: incident.Attached, Attachment: &incident.Attachment{Kind: "config_backup", Name: "b.cfg"}}, incident.Event{Kind: incident.Decided, Choice: "ready"}, incident.Event{Kind: incident.Decided, Choice: "deployed"})
	until(t, "the window is lifted for the verification", func() bool { return c.window(here) == nil })
	until(t, "what is still wrong after it opens an incident", func() bool {
		c.alert("sh-sw-1")
		_, ok := c.fault("sh-sw-1")
		return ok
	})
	i, _ := c.fault("sh-sw-1")
	found, err := a.changesBefore(t.Context(), i)
	if err != nil || len(found) != 1 || found[0].ID != here {
		t.Errorf("changes before %s: %+v, %v", i.Number, found, err)
	}
}

// TestChangesBeforeAnIncident: those made in the 24 hours before, on its things.
func TestChangesBeforeAnIncident(t *testing.T) {
	a, base := runCollector(t)
	c := &changing{t: t, a: a, base: base}
	id := c.open("sh", "sh-sw-1", time.Now(), time.Now().Add(time.Hour))
	fault := func(device, site string, after time.Duration) incident.Incident {
		return incident.Incident{FaultAt: time.Now().Add(after), Diagnosis: incident.Diagnosis{Class: incident.ClassDevice, Device: device, Site: site}}
	}
	check := func(name string, i incident.Incident, want bool) {
		t.Helper()
		found, err := a.changesBefore(t.Context(), i)
		if err != nil || len(found) != 0 != want {
			t.Errorf("%s: %+v, %v; want one: %v", name, found, err, want)
		}
	}
	check("not deployed yet", fault("sh-sw-1", "sh", time.Minute), false)
	c.do(id, incident.Event{Kind: incident.Approved}, incident.Event{Kind: incident.Attached, Attachment: &incident.Attachment{Kind: "plan", Name: "plan.pdf"}}, incident.Event{Kind: incident.Done},
		incident.Event{Kind: incident.Attached, Attachment: &incident.Attachment{Kind: "config_backup", Name: "b.cfg"}}, incident.Event{Kind: incident.Decided, Choice: "ready"})
	check("a minute after", fault("sh-sw-1", "sh", time.Minute), true)
	check("23 hours after", fault("sh-sw-1", "sh", 23*time.Hour), true)
	check("25 hours after", fault("sh-sw-1", "sh", 25*time.Hour), false)
	check("an hour before", fault("sh-sw-1", "sh", -time.Hour), false)
	check("another device", fault("hq-rtr-1", "hq", time.Minute), false)
	affected := fault("hq-rtr-1", "hq", time.Minute)
	affected.Diagnosis.Affected = []string{"sh-sw-1"}
	check("what it affects", affected, true)
	request := fault("sh-sw-1", "sh", time.Minute)
	request.Diagnosis.Class = incident.ClassRequest
	check("a request", request, false)
}
