package desks

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// ITop answers as iTop's REST/JSON does: always 200, code says how it went.
type ITop struct {
	arrived

	now  func() time.Time
	held []*itopTicket
}

// NewITop returns an empty one.
func NewITop(now func() time.Time) *ITop { return &ITop{now: now} }

// Writes implements System: iTop has one address, and says in the body what is asked.
func (*ITop) Writes(_ *http.Request, body []byte) bool {
	q, _ := url.ParseQuery(string(body))
	return !strings.Contains(q.Get("json_data"), `"core/get"`)
}

// Refuse implements System.
func (*ITop) Refuse(w http.ResponseWriter) {
	reply(w, http.StatusOK, map[string]any{"code": 2, "message": "Error: Missing parameter 'class'", "objects": nil})
}

// Wrong implements System.
func (*ITop) Wrong(w http.ResponseWriter) {
	reply(w, http.StatusOK, map[string]any{"code": 10, "message": "Error: busy", "objects": nil})
}

// Work implements System: the newest ticket is resolved, and somebody says so.
func (s *ITop) Work(text string) {
	x := s.held[len(s.held)-1]
	x.status = "resolved"
	x.log = append(x.log, map[string]any{"message": "<p>" + text + "</p>", "date": s.now().Format(time.DateTime), "user_login": "zhang"})
}

type itopTicket struct {
	id, status, description string
	log                     []any
}

// Tickets implements System.
func (s *ITop) Tickets() map[string][]string {
	out := map[string][]string{}
	for _, x := range s.held {
		marks := markRe.FindAllString(x.description, 2)
		name := marks[0]
		for out[name] != nil {
			name += " doubled"
		}
		out[name] = []string{marks[1]}
		for _, e := range slices.Backward(x.log) {
			out[name] = append(out[name], markRe.FindString(fmt.Sprint(dig(e, "message"))))
		}
		if x.status != "resolved" {
			out[name] = append(out[name], "not resolved")
		}
	}
	return out
}

var likeRe = regexp.MustCompile(`LIKE '%([^%]+)%'`)

// ServeHTTP answers as the vendor documents.
func (s *ITop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	data := form(r, "json_data")
	objects := map[string]any{}
	show := func(x *itopTicket) {
		objects["Incident::"+x.id] = map[string]any{"code": 0, "key": x.id, "fields": map[string]any{"id": x.id, "status": x.status, "last_update": "2026-11-21 16:00:00", "public_log": map[string]any{"entries": x.log}}}
	}
	key := fmt.Sprint(data["key"])
	at := slices.IndexFunc(s.held, func(x *itopTicket) bool { return x.id == key })
	entry := func() {
		s.takeOne(fmt.Sprint(dig(data, "fields", "public_log")))
		s.held[at].log = append([]any{map[string]any{"message": dig(data, "fields", "public_log"), "date": s.now().Format(time.DateTime), "user_login": "x"}}, s.held[at].log...)
		show(s.held[at])
	}
	switch op := data["operation"]; {
	case op == "core/create":
		x := &itopTicket{id: fmt.Sprint(1 + len(s.held)), status: "new", description: fmt.Sprint(dig(data, "fields", "description"))}
		s.held = append(s.held, x)
		s.take(fmt.Sprint(dig(data, "fields", "title")), x.description)
		show(x)
	case op == "core/get" && strings.HasPrefix(key, "SELECT"):
		for _, x := range s.held {
			if strings.Contains(x.description, likeRe.FindStringSubmatch(key)[1]) {
				show(x)
			}
		}
	case at < 0:
		reply(w, 200, map[string]any{"code": 100, "message": "no such object", "objects": nil})
		return
	case op == "core/get":
		show(s.held[at])
	case op == "core/update":
		entry()
	case op == "core/apply_stimulus":
		if s.held[at].status == "resolved" {
			reply(w, 200, map[string]any{"code": 10, "message": "Invalid stimulus", "objects": nil})
			return
		}
		s.held[at].status = "resolved"
		entry()
	}
	reply(w, 200, map[string]any{"code": 0, "message": "Found", "objects": objects})
}
