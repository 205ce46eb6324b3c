// Package itop is Combodo iTop as a service desk: tickets of one class by
// REST/JSON 1.3. A mark in the description and in each log entry finds them
// again. It keeps nothing itself (package desk does).
package itop

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/plugins/desk"
	"github.com/faultline/faultline/plugins/desk/rest"
	"github.com/faultline/faultline/plugins/ticket"
)

// Options configure a Remote. URL, User, Password, Organization and Caller are required.
type Options struct {
	URL          string // https://itop.example.com, the directory that holds webservices/
	User         string
	Password     string
	Organization string            // by name
	Caller       string            // by e-mail
	Class        string            // "" is Incident
	Fields       map[string]string // further fields of a new ticket
	Stimulus     string            // applied when a ticket ends: ev_resolve; "" leaves it to people
	Statuses     map[string]string // ticket.Status… by iTop's status
	HTTP         *http.Client
	Now          func() time.Time
}

// Remote is an iTop.
type Remote struct {
	o Options
	c *rest.Client
}

var (
	_ desk.Remote   = (*Remote)(nil)
	_ desk.Follower = (*Remote)(nil)
)

// statuses are iTop's own.
var statuses = map[string]string{"assigned": ticket.StatusAccepted, "escalated_ttr": ticket.StatusWorking, "escalated_tto": "", "pending": ticket.StatusWaiting,
	"waiting_for_approval": ticket.StatusWaiting, "dispatched": ticket.StatusAccepted, "approved": ticket.StatusAccepted, "rejected": ticket.StatusRefused,
	"resolved": ticket.StatusFixed, "closed": ticket.StatusClosed}

// New checks the options.
func New(o Options) (*Remote, error) {
	if o.URL == "" || o.User == "" || o.Password == "" || o.Organization == "" || o.Caller == "" {
		return nil, errors.New("itop: url, user, password, organization and caller are required")
	}
	o.Class = cmp.Or(o.Class, "Incident")
	if o.Now == nil {
		o.Now = time.Now
	}
	for what, s := range map[string]string{"class": o.Class, "organization": o.Organization, "caller": o.Caller} {
		if strings.ContainsAny(s, "\"\\") || what == "class" && strings.ContainsAny(s, " '") {
			return nil, fmt.Errorf("itop: %s %q holds what OQL would read as something else", what, s)
		}
	}
	return &Remote{o: o, c: &rest.Client{System: "itop", Base: o.URL, HTTP: o.HTTP, Now: o.Now}}, nil
}

// answer is what iTop answers everything with; code 0 is well done, also with HTTP 200.
type answer struct {
	Code    int
	Message string
	Objects map[string]struct {
		Code    int
		Message string
		Key     any
		Fields  map[string]any
	}
}

func (r *Remote) do(ctx context.Context, op string, write bool, data map[string]any) (answer, error) {
	raw, err := json.Marshal(data)
	if err != nil {
		return answer{}, &ticket.Error{Op: "itop " + op, Err: err}
	}
	var a answer
	err = r.c.Do(ctx, rest.Call{Op: op, Method: http.MethodPost, Path: "/webservices/rest.php?version=1.3", Write: write, Into: &a, Judge: judge,
		Body: url.Values{"auth_user": {r.o.User}, "auth_pwd": {r.o.Password}, "json_data": {string(raw)}}})
	return a, err
}

// Codes of iTop's REST API.
const (
	codeUnauthorized = 1
	codeMissing      = 2
	codeVersion      = 3
	codeInternal     = 100
)

// judge reads iTop's own word of how it went.
func judge(body []byte) error {
	var a struct {
		Code    *int
		Message string
	}
	if err := json.Unmarshal(body, &a); err != nil || a.Code == nil {
		return errors.New("answer is not iTop's: " + desk.Line(string(body[:min(len(body), 200)]), 200))
	}
	cause := fmt.Errorf("code %d: %s", *a.Code, desk.Line(a.Message, 300))
	switch *a.Code {
	case 0:
		return nil
	case codeUnauthorized:
		return &rest.Refused{Retryable: true, Hint: "check the desk's user, password and the profile REST Services User", Err: cause}
	case codeMissing, codeVersion:
		return &rest.Refused{Err: cause}
	case codeInternal:
		return cause // it may have written before it failed
	}
	return &rest.Refused{Retryable: true, Err: cause}
}

// Open implements desk.Remote.
func (r *Remote) Open(ctx context.Context, t ticket.Ticket) (ticket.Ref, error) {
	level := map[string]string{"critical": "1", "major": "2", "minor": "3"}[desk.Severity(t)]
	fields := map[string]any{"org_id": fmt.Sprintf("SELECT Organization WHERE name = %q", r.o.Organization), "caller_id": fmt.Sprintf("SELECT Person WHERE email = %q", r.o.Caller),
		"title": desk.Line(t.Subject, 250), "description": desk.HTML(t.Body) + "<br>[" + desk.Mark(t.Key) + " " + desk.Mark(t.MessageKey) + "]",
		"impact": cmp.Or(level, "2"), "urgency": cmp.Or(level, "2")}
	for k, v := range r.o.Fields {
		fields[k] = v
	}
	a, err := r.do(ctx, "create", true, map[string]any{"operation": "core/create", "class": r.o.Class, "comment": "Faultline " + t.Number, "output_fields": "id,ref,status", "fields": fields})
	if err != nil {
		return ticket.Ref{}, err
	}
	ref, ok := r.first(a)
	if !ok {
		return ticket.Ref{}, &ticket.Error{Op: "itop create", Retryable: true, Ambiguous: true, Err: errors.New("the answer names no ticket")}
	}
	return ref, nil
}

// first is the ticket with the lowest name among an answer's.
func (r *Remote) first(a answer) (ticket.Ref, bool) {
	for _, name := range slices.Sorted(maps.Keys(a.Objects)) {
		if o := a.Objects[name]; o.Code == 0 && fmt.Sprint(o.Key) != "" && o.Key != nil {
			return r.ref(fmt.Sprint(o.Key)), true
		}
	}
	return ticket.Ref{}, false
}

func (r *Remote) ref(key string) ticket.Ref {
	return ticket.Ref{ID: key, URL: strings.TrimSuffix(r.o.URL, "/") + "/pages/UI.php?operation=details&class=" + url.QueryEscape(r.o.Class) + "&id=" + url.QueryEscape(key)}
}

// Add implements desk.Remote: an entry of the public log, and in the same call
// the stimulus where the ticket ends.
func (r *Remote) Add(ctx context.Context, id string, t ticket.Ticket) error {
	entry := map[string]any{"public_log": desk.HTML(t.Subject+"\n\n"+t.Body) + "<br>[" + desk.Mark(t.MessageKey) + "]"}
	if desk.Ends(t) && r.o.Stimulus != "" {
		open, err := r.open(ctx, id)
		if err != nil {
			return err
		}
		if open {
			_, err := r.do(ctx, "close "+id, true, map[string]any{"operation": "core/apply_stimulus", "class": r.o.Class, "key": id, "stimulus": r.o.Stimulus,
				"comment": "Faultline " + t.Number, "output_fields": "id,status", "fields": entry})
			return err
		}
	}
	_, err := r.do(ctx, "log "+id, true, map[string]any{"operation": "core/update", "class": r.o.Class, "key": id, "comment": "Faultline " + t.Number, "output_fields": "id", "fields": entry})
	return err
}

func (r *Remote) open(ctx context.Context, id string) (bool, error) {
	a, err := r.do(ctx, "read "+id, false, map[string]any{"operation": "core/get", "class": r.o.Class, "key": id, "output_fields": "status"})
	for _, o := range a.Objects {
		s := fmt.Sprint(o.Fields["status"])
		return s != "resolved" && s != "closed", err
	}
	return false, err
}

// FindTicket implements desk.Remote.
func (r *Remote) FindTicket(ctx context.Context, key string) (ticket.Ref, bool, error) {
	a, err := r.do(ctx, "search", false, map[string]any{"operation": "core/get", "class": r.o.Class, "output_fields": "id,ref",
		"key": fmt.Sprintf("SELECT %s WHERE description LIKE '%%%s%%'", r.o.Class, desk.Mark(key))})
	if err != nil {
		return ticket.Ref{}, false, err
	}
	ref, ok := r.first(a)
	return ref, ok, nil
}

// FindMessage implements desk.Remote.
func (r *Remote) FindMessage(ctx context.Context, id, messageKey string) (bool, error) {
	a, err := r.do(ctx, "read "+id, false, map[string]any{"operation": "core/get", "class": r.o.Class, "key": id, "output_fields": "public_log"})
	if err != nil {
		return false, err
	}
	raw, err := json.Marshal(a.Objects)
	return strings.Contains(string(raw), desk.Mark(messageKey)), err
}

// Updates implements desk.Follower: what changed since the cursor, by iTop's own
// clock so that zones do not matter.
func (r *Remote) Updates(ctx context.Context, cursor string) ([]ticket.Update, string, error) {
	now := r.o.Now()
	since, err := time.Parse(time.RFC3339, cursor)
	if err != nil {
		since = now.Add(-30 * 24 * time.Hour)
	}
	minutes := int(now.Sub(since)/time.Minute) + 2
	a, err := r.do(ctx, "search changes", false, map[string]any{"operation": "core/get", "class": r.o.Class, "output_fields": "id,ref,status,last_update,public_log",
		"key": fmt.Sprintf("SELECT %s WHERE description LIKE '%%[flm%%' AND last_update > DATE_SUB(NOW(), INTERVAL %d MINUTE)", r.o.Class, minutes)})
	if err != nil {
		return nil, cursor, err
	}
	var out []ticket.Update
	for _, name := range slices.Sorted(maps.Keys(a.Objects)) {
		o := a.Objects[name]
		id, status, changed := fmt.Sprint(o.Key), fmt.Sprint(o.Fields["status"]), fmt.Sprint(o.Fields["last_update"])
		meaning, ok := r.o.Statuses[status]
		if !ok {
			meaning = statuses[status]
		}
		out = append(out, entries(id, o.Fields["public_log"], now)...)
		if meaning != "" {
			// The same status is one update, whatever else changes the ticket.
			out = append(out, ticket.Update{ID: id + "/status/" + status, Ref: id, Status: meaning, Text: status + " " + changed, At: now.UTC()})
		}
	}
	return out, now.UTC().Format(time.RFC3339), nil
}

// entries are the log's entries that others wrote.
func entries(id string, log any, now time.Time) []ticket.Update {
	m, _ := log.(map[string]any)
	all, _ := m["entries"].([]any)
	var out []ticket.Update
	for n, x := range all {
		e, _ := x.(map[string]any)
		text := fmt.Sprint(e["message"])
		if strings.Contains(text, "[flm") || e["message"] == nil {
			continue
		}
		by, _ := e["user_login"].(string)
		when := fmt.Sprint(e["date"])
		out = append(out, ticket.Update{ID: fmt.Sprintf("%s/log/%s/%d", id, when, len(all)-n), Ref: id, Text: desk.Text(desk.Plain(text), 4000), By: by, At: now.UTC()})
	}
	slices.Reverse(out) // iTop has the newest first
	return out
}
