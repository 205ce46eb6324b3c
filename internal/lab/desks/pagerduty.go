package desks

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// PagerDuty takes events as PagerDuty does: one open alert for a dedup key.
type PagerDuty struct {
	arrived

	alerts map[string][]string
	open   map[string]bool
}

// NewPagerDuty returns an empty one.
func NewPagerDuty() *PagerDuty {
	return &PagerDuty{alerts: map[string][]string{}, open: map[string]bool{}}
}

// Writes implements System.
func (*PagerDuty) Writes(*http.Request, []byte) bool { return true }

// Refuse implements System.
func (*PagerDuty) Refuse(w http.ResponseWriter) {
	reply(w, http.StatusBadRequest, map[string]any{"status": "invalid event", "message": "Event object is invalid", "errors": []string{"'routing_key' is invalid"}})
}

// Wrong implements System.
func (*PagerDuty) Wrong(w http.ResponseWriter) {
	reply(w, http.StatusOK, map[string]any{"status": "throttle exceeded", "message": "later"})
}

// Work implements System: events tell nothing back.
func (*PagerDuty) Work(string) {}

// Tickets implements System.
func (s *PagerDuty) Tickets() map[string][]string {
	for k := range s.open {
		if s.open[k] {
			s.alerts[k] = append(s.alerts[k], "not resolved")
		}
	}
	return s.alerts
}

// ServeHTTP answers as the vendor documents.
func (s *PagerDuty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var e map[string]any
	_ = json.NewDecoder(r.Body).Decode(&e)
	key, _ := e["dedup_key"].(string)
	switch e["event_action"] {
	case "trigger":
		if dig(e, "payload", "summary") == "" || dig(e, "payload", "source") == nil || dig(e, "payload", "severity") != "critical" {
			reply(w, 400, map[string]any{"status": "invalid event", "errors": []string{"payload"}})
			return
		}
		if !s.open[key] && len(s.alerts[key]) > 0 {
			s.alerts[key] = append(s.alerts[key], "opened again")
		}
		s.open[key] = true
	case "resolve":
		s.open[key] = false
	}
	s.take(fmt.Sprint(dig(e, "payload", "summary")), fmt.Sprint(dig(e, "payload", "custom_details", "text")))
	m := strings.TrimSuffix(key, "/vendor") + "/1/ticket" // which message it is, its reason says
	switch {
	case e["event_action"] == "resolve":
		m = strings.TrimSuffix(key, "/vendor") + "/2/ticket"
	case dig(e, "payload", "custom_details", "reason") == "opened":
		m = strings.TrimSuffix(key, "/vendor") + "/0/ticket"
	}
	if !slices.Contains(s.alerts[key], m) {
		s.alerts[key] = append(s.alerts[key], m)
	}
	reply(w, 202, map[string]any{"status": "success", "message": "Event processed", "dedup_key": key})
}
