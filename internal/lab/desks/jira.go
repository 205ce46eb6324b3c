package desks

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Jira answers as Jira documents: issue, edit, transitions, search. What is
// made shows up in searches only after a lag, as in the real one.
type Jira struct {
	arrived

	now     func() time.Time
	version string
	lag     time.Duration
	issues  []*jiraIssue
}

// NewJira returns an empty one of the API's version 2 or 3; what is made shows
// up in searches after the lag.
func NewJira(now func() time.Time, version int, lag time.Duration) *Jira {
	return &Jira{now: now, version: fmt.Sprint(version), lag: lag}
}

// Writes implements System.
func (*Jira) Writes(r *http.Request, _ []byte) bool { return r.Method != http.MethodGet }

// Refuse implements System.
func (*Jira) Refuse(w http.ResponseWriter) {
	reply(w, http.StatusBadRequest, map[string]any{"errorMessages": []string{}, "errors": map[string]any{"issuetype": "The issue type selected is invalid."}})
}

// Wrong implements System.
func (*Jira) Wrong(w http.ResponseWriter) {
	reply(w, http.StatusOK, map[string]any{"errorMessages": []string{"The issue could not be created"}, "errors": map[string]any{}})
}

// Work implements System: the newest issue is done, and somebody says so.
func (s *Jira) Work(text string) {
	i := s.issues[len(s.issues)-1]
	i.status, i.at = "Done", s.now()
	var body any = text
	if s.version == "3" {
		body = map[string]any{"type": "doc", "content": []any{map[string]any{"type": "paragraph", "content": []any{map[string]any{"type": "text", "text": text}}}}}
	}
	i.comments = append(i.comments, map[string]any{"id": "9", "body": body, "created": s.now().Format(jiraTime), "author": map[string]any{"displayName": "张工"}})
}

type jiraIssue struct {
	key, status string
	made, at    time.Time
	labels      []string
	comments    []map[string]any
}

// Tickets implements System.
func (s *Jira) Tickets() map[string][]string {
	out := map[string][]string{}
	for _, i := range s.issues {
		// labels: faultline, ticket, then the messages as they came; those of
		// two-step messages are not counted
		name := i.labels[1]
		for out[name] != nil {
			name += " doubled"
		}
		out[name] = i.labels[2:]
		if len(i.comments) != 2 {
			out[name] = append(out[name], fmt.Sprintf("%d comments", len(i.comments)))
		}
		if s.version == "2" {
			if i.status != "Done" || len(out[name]) != 4 {
				out[name] = append(out[name], "not closed")
			} else {
				out[name] = slices.Delete(slices.Clone(out[name]), 2, 3) // "said", before it was closed
			}
		}
	}
	return out
}

var jiraIssuePath = regexp.MustCompile(`^/rest/api/(\d)/issue/([A-Z]+-\d+)(/transitions)?$`)

// ServeHTTP answers as the vendor documents.
func (s *Jira) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body map[string]any
	_ = json.NewDecoder(r.Body).Decode(&body)
	search := "/rest/api/2/search"
	if s.version == "3" {
		search = "/rest/api/3/search/jql"
	}
	if r.Header.Get("Authorization") == "" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if r.Method == http.MethodPost && r.URL.Path == "/rest/api/"+s.version+"/issue" {
		s.create(w, body)
		return
	}
	if r.Method == http.MethodGet && r.URL.Path == search {
		s.search(w, r.URL.Query().Get("jql"))
		return
	}
	m := jiraIssuePath.FindStringSubmatch(r.URL.Path)
	at := slices.IndexFunc(s.issues, func(i *jiraIssue) bool { return m != nil && i.key == m[2] })
	if m == nil || m[1] != s.version || at < 0 {
		reply(w, 404, map[string]any{"errorMessages": []string{"no such thing"}})
		return
	}
	i := s.issues[at]
	switch {
	case m[3] != "" && r.Method == http.MethodGet:
		all := []any{}
		if i.status != "Done" {
			all = append(all, map[string]any{"id": "31", "name": "Done"})
		}
		reply(w, 200, map[string]any{"transitions": all})
	case m[3] != "":
		i.status, i.at = "Done", s.now()
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPut:
		for _, c := range list(dig(body, "update", "comment")) {
			i.comments = append(i.comments, map[string]any{"id": fmt.Sprint(len(i.comments) + 1), "body": dig(c, "add", "body"), "created": s.now().Format(jiraTime)})
			s.takeOne(written(dig(c, "add", "body")))
		}
		for _, l := range list(dig(body, "update", "labels")) {
			if l := fmt.Sprint(dig(l, "add")); !slices.Contains(i.labels, l) {
				i.labels = append(i.labels, l)
			}
		}
		i.at = s.now()
		w.WriteHeader(http.StatusNoContent)
	default:
		reply(w, 200, map[string]any{"key": i.key, "fields": map[string]any{"labels": i.labels}})
	}
}

const jiraTime = "2006-01-02T15:04:05.000-0700"

func list(v any) []any { l, _ := v.([]any); return l }

func (s *Jira) create(w http.ResponseWriter, body map[string]any) {
	var labels []string
	for _, l := range list(dig(body, "fields", "labels")) {
		labels = append(labels, l.(string))
	}
	_, document := dig(body, "fields", "description").(map[string]any)
	if summary, _ := dig(body, "fields", "summary").(string); summary == "" || strings.Contains(summary, "\n") || len([]rune(summary)) > 255 || document != (s.version == "3") {
		reply(w, 400, map[string]any{"errors": map[string]any{"summary": "bad"}})
		return
	}
	i := &jiraIssue{key: fmt.Sprintf("OPS-%d", len(s.issues)+1), status: "To Do", made: s.now(), at: s.now(), labels: labels}
	s.issues = append(s.issues, i)
	s.take(fmt.Sprint(dig(body, "fields", "summary")), written(dig(body, "fields", "description")))
	reply(w, 201, map[string]any{"id": "1", "key": i.key, "self": "x"})
}

var jqlLabel = regexp.MustCompile(`labels = "([a-z0-9]+)"`)

func (s *Jira) search(w http.ResponseWriter, jql string) {
	m := jqlLabel.FindStringSubmatch(jql)
	found := []any{}
	for _, i := range s.issues {
		if m != nil && slices.Contains(i.labels, m[1]) && s.now().Sub(i.made) >= s.lag {
			category := map[string]string{"To Do": "new", "In Progress": "indeterminate", "Done": "done"}[i.status]
			found = append(found, map[string]any{"key": i.key, "fields": map[string]any{"labels": i.labels, "updated": i.at.Format(jiraTime),
				"status": map[string]any{"name": i.status, "statusCategory": map[string]any{"key": category}}, "comment": map[string]any{"comments": i.comments}}})
		}
	}
	reply(w, 200, map[string]any{"issues": found})
}
