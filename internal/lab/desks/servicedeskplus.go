package desks

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/faultline/faultline/plugins/desk"
)

// ServiceDeskPlus answers as ServiceDesk Plus v3 documents: requests, notes, close, lists.
type ServiceDeskPlus struct {
	arrived

	now      func() time.Time
	requests []*sdpRequest
}

// NewServiceDeskPlus returns an empty one.
func NewServiceDeskPlus(now func() time.Time) *ServiceDeskPlus { return &ServiceDeskPlus{now: now} }

// Writes implements System.
func (*ServiceDeskPlus) Writes(r *http.Request, _ []byte) bool { return r.Method != http.MethodGet }

// Refuse implements System.
func (*ServiceDeskPlus) Refuse(w http.ResponseWriter) {
	reply(w, http.StatusBadRequest, failed(4012, "Value for the mandatory field template is not provided"))
}

// Wrong implements System.
func (*ServiceDeskPlus) Wrong(w http.ResponseWriter) { reply(w, http.StatusOK, failed(5000, "busy")) }

// failed is how ServiceDesk Plus says that it did not.
func failed(code int, message string) map[string]any {
	return map[string]any{"response_status": map[string]any{"status_code": 4000, "status": "failed", "messages": []any{map[string]any{"status_code": code, "message": message}}}}
}

// Work implements System: the newest request is resolved, and somebody says so.
func (s *ServiceDeskPlus) Work(text string) {
	q := s.requests[len(s.requests)-1]
	q.status, q.at = "Resolved", s.now()
	q.notes = append(q.notes, map[string]any{"id": "9", "description": "<div>" + text + "</div>", "created_time": map[string]any{"value": fmt.Sprint(s.now().UnixMilli())}, "created_by": map[string]any{"name": "张工"}})
}

type sdpRequest struct {
	id, subject, status string
	at                  time.Time
	notes               []map[string]any
}

// Tickets implements System.
func (s *ServiceDeskPlus) Tickets() map[string][]string {
	out := map[string][]string{}
	for _, q := range s.requests {
		name := markRe.FindString(q.subject)
		for out[name] != nil {
			name += " doubled"
		}
		out[name] = []string{firstOf(q.subject)}
		for _, n := range q.notes {
			out[name] = append(out[name], markRe.FindString(fmt.Sprint(n["description"])))
		}
		if q.status != "Closed" {
			out[name] = append(out[name], "not closed")
		}
	}
	return out
}

var numberRe = regexp.MustCompile(`FL#20261121-(\d{4})`)

// firstOf is the mark of a ticket's first message, by the number in its subject.
func firstOf(subject string) string {
	m := numberRe.FindStringSubmatch(subject)
	return desk.Mark("in" + m[1] + "/0/ticket")
}

var sdpPath = regexp.MustCompile(`^/api/v3/requests(?:/(\d+))?(/notes|/close)?$`)

// ServeHTTP answers as the vendor documents.
func (s *ServiceDeskPlus) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ok := map[string]any{"status_code": 2000, "status": "success"}
	m := sdpPath.FindStringSubmatch(r.URL.Path)
	if m == nil || r.Header.Get("authtoken") == "" || r.Header.Get("Accept") != "application/vnd.manageengine.sdp.v3+json" {
		reply(w, 400, map[string]any{"response_status": map[string]any{"status_code": 4000, "status": "failed"}})
		return
	}
	var q *sdpRequest
	for _, x := range s.requests {
		if x.id == m[1] {
			q = x
		}
	}
	switch {
	case r.Method == http.MethodPost && m[1] == "":
		input := form(r, "input_data")
		subject, _ := dig(input, "request", "subject").(string)
		if subject == "" || len([]rune(subject)) > 250 {
			reply(w, 200, map[string]any{"response_status": map[string]any{"status_code": 4000, "status": "failed", "messages": []any{map[string]any{"status_code": 4012, "message": "subject"}}}})
			return
		}
		q = &sdpRequest{id: fmt.Sprint(100 + len(s.requests)), subject: subject, status: "Open", at: s.now()}
		s.requests = append(s.requests, q)
		s.take(subject, fmt.Sprint(dig(input, "request", "description")))
		reply(w, 201, map[string]any{"request": map[string]any{"id": q.id}, "response_status": ok})
	case r.Method == http.MethodGet && m[1] == "":
		reply(w, 200, map[string]any{"requests": s.search(r.URL.Query().Get("input_data")), "response_status": []any{ok}})
	case q == nil:
		reply(w, 404, map[string]any{"response_status": map[string]any{"status_code": 4000, "status": "failed", "messages": []any{map[string]any{"status_code": 4007}}}})
	case m[2] == "/notes" && r.Method == http.MethodPost:
		text := dig(form(r, "input_data"), "request_note", "description")
		s.takeOne(fmt.Sprint(text))
		q.notes = append(q.notes, map[string]any{"id": fmt.Sprint(len(q.notes) + 1), "description": text, "created_time": map[string]any{"value": fmt.Sprint(s.now().UnixMilli())}, "created_by": map[string]any{"name": "x"}})
		q.at = s.now()
		reply(w, 201, map[string]any{"request_note": map[string]any{"id": "1"}, "response_status": ok})
	case m[2] == "/notes":
		reply(w, 200, map[string]any{"notes": q.notes, "response_status": []any{ok}})
	case m[2] == "/close":
		if q.status == "Closed" {
			reply(w, 200, map[string]any{"response_status": map[string]any{"status_code": 4000, "status": "failed", "messages": []any{map[string]any{"status_code": 4002, "message": "closed already"}}}})
			return
		}
		q.status, q.at = "Closed", s.now()
		reply(w, 200, map[string]any{"response_status": ok})
	default:
		reply(w, 200, map[string]any{"request": sdpView(q), "response_status": ok})
	}
}

func sdpView(q *sdpRequest) map[string]any {
	return map[string]any{"id": q.id, "subject": q.subject, "status": map[string]any{"name": q.status}, "last_updated_time": map[string]any{"value": fmt.Sprint(q.at.UnixMilli())}}
}

func (s *ServiceDeskPlus) search(input string) []any {
	var x struct {
		ListInfo struct {
			SearchCriteria []struct{ Field, Condition, Value string } `json:"search_criteria"`
		} `json:"list_info"`
	}
	_ = json.Unmarshal([]byte(input), &x)
	found := []any{}
	for _, q := range s.requests {
		if strings.Contains(q.subject, x.ListInfo.SearchCriteria[0].Value) {
			found = append(found, sdpView(q))
		}
	}
	return found
}
