// Package servicedeskplus is ManageEngine ServiceDesk Plus, on premises or in
// the cloud, as a service desk: requests and their notes by the API v3. A mark
// in a field or in the subject finds them again. It keeps nothing itself
// (package desk does).
package servicedeskplus

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/plugins/desk"
	"github.com/faultline/faultline/plugins/desk/rest"
	"github.com/faultline/faultline/plugins/ticket"
)

// Options configure a Remote. URL, Key and Requester are required.
type Options struct {
	URL        string // https://sdp.example.com; in the cloud with the portal: …/app/itdesk
	Key        string // technician key; in the cloud an OAuth token
	Cloud      bool
	Requester  string            // by name
	KeyField   string            // a text field of requests, udf_fields.udf_sline_301, for the mark; "" puts it at the end of the subject
	Priorities map[string]string // by severity; without an entry none is set
	Closes     bool              // close the request when the ticket ends
	Statuses   map[string]string // ticket.Status… by the status's name
	HTTP       *http.Client
	Now        func() time.Time
}

// Remote is a ServiceDesk Plus.
type Remote struct {
	o Options
	c *rest.Client
}

var (
	_ desk.Remote   = (*Remote)(nil)
	_ desk.Follower = (*Remote)(nil)
)

var statuses = map[string]string{"Assigned": ticket.StatusAccepted, "In Progress": ticket.StatusWorking, "Onhold": ticket.StatusWaiting, "On Hold": ticket.StatusWaiting,
	"Resolved": ticket.StatusFixed, "Closed": ticket.StatusClosed, "Canceled": ticket.StatusRefused, "Rejected": ticket.StatusRefused}

// New checks the options.
func New(o Options) (*Remote, error) {
	if o.URL == "" || o.Key == "" || o.Requester == "" {
		return nil, errors.New("servicedeskplus: url, key and requester are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	header := map[string]string{"Accept": "application/vnd.manageengine.sdp.v3+json"}
	if o.Cloud {
		header["Authorization"] = "Zoho-oauthtoken " + o.Key
	} else {
		header["authtoken"] = o.Key
	}
	return &Remote{o: o, c: &rest.Client{System: "servicedeskplus", Base: o.URL, HTTP: o.HTTP, Now: o.Now, Header: header}}, nil
}

// call sends input_data, in a form where it changes something, in the query
// where it asks.
func (r *Remote) call(ctx context.Context, op, method, path string, input, into any) error {
	raw, err := json.Marshal(input)
	if err != nil {
		return &ticket.Error{Op: "servicedeskplus " + op, Err: err}
	}
	c := rest.Call{Op: op, Method: method, Path: "/api/v3" + path, Write: method != http.MethodGet, Into: into, Judge: judge}
	if c.Write {
		c.Body = url.Values{"input_data": {string(raw)}}
	} else if input != nil {
		c.Path += "?" + url.Values{"input_data": {string(raw)}}.Encode()
	}
	return r.c.Do(ctx, c)
}

// judge reads response_status: an object, or a list of one in answers to lists.
func judge(body []byte) error {
	type status struct {
		StatusCode int `json:"status_code"`
		Status     string
		Messages   []struct {
			StatusCode int `json:"status_code"`
			Message    string
			Type       string
		}
	}
	var x struct {
		ResponseStatus json.RawMessage `json:"response_status"`
	}
	if err := json.Unmarshal(body, &x); err != nil || len(x.ResponseStatus) == 0 {
		return errors.New("answer is not ServiceDesk Plus's: " + desk.Line(string(body[:min(len(body), 200)]), 200))
	}
	var all []status
	if json.Unmarshal(x.ResponseStatus, &all) != nil {
		var one status
		if err := json.Unmarshal(x.ResponseStatus, &one); err != nil {
			return fmt.Errorf("response_status: %w", err)
		}
		all = []status{one}
	}
	for _, s := range all {
		if s.StatusCode/1000 == 2 && s.Status != "failed" {
			continue
		}
		cause := fmt.Errorf("said %d %s", s.StatusCode, s.Status)
		inner := 0
		for _, m := range s.Messages {
			cause, inner = fmt.Errorf("%w: %d %s", cause, m.StatusCode, desk.Line(m.Message, 200)), m.StatusCode
		}
		switch {
		case inner == 401 || inner == 7001 || inner == 4002:
			return &rest.Refused{Retryable: true, Hint: "check the desk's key and its rights", Err: cause}
		case inner >= 4003 && inner < 4100 || inner == 4001:
			return &rest.Refused{Hint: "a field of the request is not as this desk wants it", Err: cause}
		}
		return &rest.Refused{Retryable: true, Err: cause}
	}
	return nil
}

type request struct {
	ID      string
	Subject string
	Status  struct{ Name string }
	Updated struct{ Value string } `json:"last_updated_time"`
}

// Open implements desk.Remote.
func (r *Remote) Open(ctx context.Context, t ticket.Ticket) (ticket.Ref, error) {
	q := map[string]any{"subject": desk.Line(t.Subject, 220) + " " + desk.Mark(t.Key), "description": desk.HTML(t.Body), "requester": map[string]any{"name": r.o.Requester}}
	if r.o.KeyField != "" {
		q["subject"] = desk.Line(t.Subject, 250)
		outer, inner, nested := strings.Cut(r.o.KeyField, ".")
		if nested {
			q[outer] = map[string]any{inner: desk.Mark(t.Key)}
		} else {
			q[outer] = desk.Mark(t.Key)
		}
	}
	if p := r.o.Priorities[desk.Severity(t)]; p != "" {
		q["priority"] = map[string]any{"name": p}
	}
	var made struct{ Request request }
	if err := r.call(ctx, "create request", http.MethodPost, "/requests", map[string]any{"request": q}, &made); err != nil {
		return ticket.Ref{}, err
	}
	if made.Request.ID == "" {
		return ticket.Ref{}, &ticket.Error{Op: "servicedeskplus create request", Retryable: true, Ambiguous: true, Err: errors.New("the answer names no request")}
	}
	return r.ref(made.Request.ID), nil
}

func (r *Remote) ref(id string) ticket.Ref {
	return ticket.Ref{ID: id, URL: strings.TrimSuffix(r.o.URL, "/") + "/WorkOrder.do?woMode=viewWO&woID=" + url.QueryEscape(id)}
}

// Add implements desk.Remote. It closes before it writes the note: the note is
// what is looked for, so it comes last.
func (r *Remote) Add(ctx context.Context, id string, t ticket.Ticket) error {
	path := "/requests/" + url.PathEscape(id)
	if desk.Ends(t) && r.o.Closes {
		var now struct{ Request request }
		if err := r.call(ctx, "read request", http.MethodGet, path, nil, &now); err != nil {
			return err
		}
		if now.Request.Status.Name != "Closed" {
			close := map[string]any{"request": map[string]any{"closure_info": map[string]any{"requester_ack_resolution": true, "closure_comments": desk.Line(t.Subject, 250)}}}
			if err := r.call(ctx, "close request", http.MethodPut, path+"/close", close, nil); err != nil {
				return err
			}
		}
	}
	note := map[string]any{"request_note": map[string]any{"description": desk.HTML(t.Subject+"\n\n"+t.Body) + "<br>[" + desk.Mark(t.MessageKey) + "]",
		"show_to_requester": true, "notify_technician": true, "mark_first_response": false, "add_to_linked_requests": false}}
	return r.call(ctx, "add note", http.MethodPost, path+"/notes", note, nil)
}

func (r *Remote) list(ctx context.Context, op string, criteria ...map[string]any) ([]request, error) {
	var found struct{ Requests []request }
	err := r.call(ctx, op, http.MethodGet, "/requests", map[string]any{"list_info": map[string]any{"row_count": 100, "start_index": 1, "sort_field": "id", "sort_order": "asc",
		"search_criteria": criteria, "fields_required": []string{"id", "subject", "status", "last_updated_time"}}}, &found)
	return found.Requests, err
}

// FindTicket implements desk.Remote.
func (r *Remote) FindTicket(ctx context.Context, key string) (ticket.Ref, bool, error) {
	field, how := "subject", "contains"
	if r.o.KeyField != "" {
		field, how = r.o.KeyField, "is"
	}
	found, err := r.list(ctx, "search", map[string]any{"field": field, "condition": how, "value": desk.Mark(key)})
	if err != nil || len(found) == 0 {
		return ticket.Ref{}, false, err
	}
	return r.ref(found[0].ID), true, nil
}

type note struct {
	ID          string
	Description string
	CreatedBy   struct{ Name string }  `json:"created_by"`
	CreatedTime struct{ Value string } `json:"created_time"`
}

func (r *Remote) notes(ctx context.Context, id string) ([]note, error) {
	var found struct {
		Notes        []note
		RequestNotes []note `json:"request_notes"`
	}
	err := r.call(ctx, "list notes", http.MethodGet, "/requests/"+url.PathEscape(id)+"/notes", map[string]any{"list_info": map[string]any{"row_count": 100, "sort_field": "id", "sort_order": "desc"}}, &found)
	return append(found.Notes, found.RequestNotes...), err
}

// FindMessage implements desk.Remote.
func (r *Remote) FindMessage(ctx context.Context, id, messageKey string) (bool, error) {
	all, err := r.notes(ctx, id)
	for _, n := range all {
		if strings.Contains(n.Description, desk.Mark(messageKey)) {
			return true, nil
		}
	}
	return false, err
}

// Updates implements desk.Follower: requests of ours that changed, their status
// and the notes of others.
func (r *Remote) Updates(ctx context.Context, cursor string) ([]ticket.Update, string, error) {
	since, err := strconv.ParseInt(cursor, 10, 64)
	if err != nil {
		since = r.o.Now().Add(-30 * 24 * time.Hour).UnixMilli()
	}
	field, how, value := "subject", "contains", "[FL#"
	changed, err := r.list(ctx, "search changes", map[string]any{"field": field, "condition": how, "value": value},
		map[string]any{"field": "last_updated_time", "condition": "greater or equal", "value": strconv.FormatInt(since, 10), "logical_operator": "AND"})
	if err != nil {
		return nil, cursor, err
	}
	var out []ticket.Update
	next := since
	for _, q := range changed {
		ms, err := strconv.ParseInt(q.Updated.Value, 10, 64)
		if err != nil || ms < since {
			continue
		}
		notes, err := r.notes(ctx, q.ID)
		if err != nil {
			return nil, cursor, err
		}
		for _, n := range notes {
			at, err := strconv.ParseInt(n.CreatedTime.Value, 10, 64)
			if err != nil || at < since || strings.Contains(n.Description, "[flm") {
				continue
			}
			out = append(out, ticket.Update{ID: q.ID + "/note/" + n.ID, Ref: q.ID, Text: desk.Text(desk.Plain(n.Description), 4000), By: n.CreatedBy.Name, At: time.UnixMilli(at).UTC()})
		}
		next = max(next, ms)
		meaning, ok := r.o.Statuses[q.Status.Name]
		if meaning = cmp.Or(meaning, statuses[q.Status.Name]); ok || meaning != "" {
			out = append(out, ticket.Update{ID: q.ID + "/status/" + q.Status.Name + "/" + q.Updated.Value, Ref: q.ID, Status: meaning, Text: q.Status.Name, At: time.UnixMilli(ms).UTC()})
		}
	}
	return out, strconv.FormatInt(next, 10), nil
}
