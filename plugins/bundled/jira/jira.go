// Package jira is Jira (Cloud, Server, Data Center) as a service desk: issues by
// the REST API, version 2 or 3. Issues carry labels that they are found again
// by. It keeps nothing itself (package desk does).
package jira

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/plugins/desk"
	"github.com/faultline/faultline/plugins/desk/rest"
	"github.com/faultline/faultline/plugins/ticket"
)

// label is on every issue of ours.
const label = "faultline"

// Options configure a Remote. URL, Token and Project are required.
type Options struct {
	URL             string // https://example.atlassian.net
	User            string // "" signs in with a personal access token (Data Center)
	Token           string
	Project         string            // key
	IssueType       string            // "" is Incident
	Version         int               // of the API: 2 or 3 (Cloud); 0 is 2
	Priorities      map[string]string // by severity; "" key none: the project's default
	CloseTransition string            // by name, when a ticket ends; "" leaves the issue to people
	Statuses        map[string]string // ticket.Status… by the status's name; others go by its category
	HTTP            *http.Client
	Now             func() time.Time
}

// Remote is a Jira project.
type Remote struct {
	o Options
	c *rest.Client
}

var (
	_ desk.Remote   = (*Remote)(nil)
	_ desk.Follower = (*Remote)(nil)
)

// New checks the options.
func New(o Options) (*Remote, error) {
	if o.URL == "" || o.Token == "" || o.Project == "" {
		return nil, errors.New("jira: url, token and project are required")
	}
	o.IssueType, o.Version = cmp.Or(o.IssueType, "Incident"), cmp.Or(o.Version, 2)
	if o.Version != 2 && o.Version != 3 {
		return nil, fmt.Errorf("jira: API version %d is not 2 or 3", o.Version)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	auth := "Bearer " + o.Token
	if o.User != "" {
		auth = "Basic " + base64.StdEncoding.EncodeToString([]byte(o.User+":"+o.Token))
	}
	return &Remote{o: o, c: &rest.Client{System: "jira", Base: o.URL, HTTP: o.HTTP, Now: o.Now, Header: map[string]string{"Authorization": auth, "X-Atlassian-Token": "no-check"}}}, nil
}

func (r *Remote) path(format string, args ...any) string {
	return fmt.Sprintf("/rest/api/%d", r.o.Version) + fmt.Sprintf(format, args...)
}

// text is a description or comment: plain in version 2, an Atlassian document in 3.
func (r *Remote) text(s string) any {
	if r.o.Version == 2 {
		return s
	}
	var paragraphs []any
	for line := range strings.Lines(s) {
		p := map[string]any{"type": "paragraph"}
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			p["content"] = []any{map[string]any{"type": "text", "text": line}}
		}
		paragraphs = append(paragraphs, p)
	}
	return map[string]any{"type": "doc", "version": 1, "content": paragraphs}
}

// Open implements desk.Remote.
func (r *Remote) Open(ctx context.Context, t ticket.Ticket) (ticket.Ref, error) {
	fields := map[string]any{"project": map[string]any{"key": r.o.Project}, "issuetype": map[string]any{"name": r.o.IssueType},
		"summary": desk.Line(t.Subject, 250), "description": r.text(t.Body), "labels": []string{label, desk.Mark(t.Key), desk.Mark(t.MessageKey)}}
	if p := r.o.Priorities[desk.Severity(t)]; p != "" {
		fields["priority"] = map[string]any{"name": p}
	}
	var made struct{ Key string }
	err := r.c.Do(ctx, rest.Call{Op: "create issue", Method: http.MethodPost, Path: r.path("/issue"), Body: map[string]any{"fields": fields}, Write: true, Into: &made, Judge: judge})
	if err != nil {
		return ticket.Ref{}, err
	}
	if made.Key == "" {
		return ticket.Ref{}, &ticket.Error{Op: "jira create issue", Retryable: true, Ambiguous: true, Err: errors.New("the answer names no issue")}
	}
	return r.ref(made.Key), nil
}

func (r *Remote) ref(key string) ticket.Ref {
	return ticket.Ref{ID: key, URL: strings.TrimSuffix(r.o.URL, "/") + "/browse/" + url.PathEscape(key)}
}

// judge finds the errors that proxies and Jira itself say with 200.
func judge(body []byte) error { return desk.JudgeJSON(body) }

// Add implements desk.Remote: comment and label in one edit, so that the label
// says for sure whether the comment is there.
func (r *Remote) Add(ctx context.Context, id string, t ticket.Ticket) error {
	mark := desk.Mark(t.MessageKey)
	closes := desk.Ends(t) && r.o.CloseTransition != ""
	if closes {
		said := desk.Mark(t.MessageKey + "/said")
		there, err := r.labelled(ctx, id, said)
		if err != nil {
			return err
		}
		if !there {
			if err := r.edit(ctx, id, t.Subject+"\n\n"+t.Body, said); err != nil {
				return err
			}
		}
		if err := r.close(ctx, id); err != nil {
			return err
		}
		return r.edit(ctx, id, "", mark)
	}
	return r.edit(ctx, id, t.Subject+"\n\n"+t.Body, mark)
}

func (r *Remote) edit(ctx context.Context, id, comment, mark string) error {
	update := map[string]any{"labels": []any{map[string]any{"add": mark}}}
	if comment != "" {
		update["comment"] = []any{map[string]any{"add": map[string]any{"body": r.text(comment)}}}
	}
	return r.c.Do(ctx, rest.Call{Op: "comment " + id, Method: http.MethodPut, Path: r.path("/issue/%s", url.PathEscape(id)), Body: map[string]any{"update": update}, Write: true, Judge: judge})
}

// close makes the transition; where there is none by that name the issue is
// closed already, or people forbade it.
func (r *Remote) close(ctx context.Context, id string) error {
	var all struct {
		Transitions []struct{ ID, Name string }
	}
	path := r.path("/issue/%s/transitions", url.PathEscape(id))
	if err := r.c.Do(ctx, rest.Call{Op: "transitions of " + id, Method: http.MethodGet, Path: path, Into: &all, Judge: judge}); err != nil {
		return err
	}
	if all.Transitions == nil {
		return &ticket.Error{Op: "jira transitions of " + id, Retryable: true, Err: errors.New("the answer names none")}
	}
	at := slices.IndexFunc(all.Transitions, func(x struct{ ID, Name string }) bool { return strings.EqualFold(x.Name, r.o.CloseTransition) })
	if at < 0 {
		return nil
	}
	return r.c.Do(ctx, rest.Call{Op: "close " + id, Method: http.MethodPost, Path: path, Body: map[string]any{"transition": map[string]any{"id": all.Transitions[at].ID}}, Write: true, Judge: judge})
}

type issue struct {
	Key    string
	Fields struct {
		Labels  []string
		Updated string
		Status  struct {
			Name           string
			StatusCategory struct{ Key string }
		}
		Comment struct {
			Comments []struct {
				ID, Created string
				Body        any
				Author      struct{ DisplayName string }
			}
		}
	}
}

func (r *Remote) search(ctx context.Context, op, jql, fields string, limit int) ([]issue, error) {
	path := "/search"
	if r.o.Version == 3 {
		path = "/search/jql" // Cloud has no other any more
	}
	q := url.Values{"jql": {jql}, "fields": {fields}, "maxResults": {fmt.Sprint(limit)}}
	var found struct{ Issues []issue }
	err := r.c.Do(ctx, rest.Call{Op: op, Method: http.MethodGet, Path: r.path("%s?%s", path, q.Encode()), Into: &found, Judge: judge})
	return found.Issues, err
}

// FindTicket implements desk.Remote.
func (r *Remote) FindTicket(ctx context.Context, key string) (ticket.Ref, bool, error) {
	found, err := r.search(ctx, "search", fmt.Sprintf("project = %q AND labels = %q ORDER BY created ASC", r.o.Project, desk.Mark(key)), "labels", 1)
	if err != nil || len(found) == 0 {
		return ticket.Ref{}, false, err
	}
	return r.ref(found[0].Key), true, nil
}

// FindMessage implements desk.Remote. It reads the issue itself, which unlike
// a search knows what was written a moment ago.
func (r *Remote) FindMessage(ctx context.Context, id, messageKey string) (bool, error) {
	return r.labelled(ctx, id, desk.Mark(messageKey))
}

func (r *Remote) labelled(ctx context.Context, id, mark string) (bool, error) {
	var x issue
	err := r.c.Do(ctx, rest.Call{Op: "read " + id, Method: http.MethodGet, Path: r.path("/issue/%s?fields=labels", url.PathEscape(id)), Into: &x, Judge: judge})
	return slices.Contains(x.Fields.Labels, mark), err
}

const stamp = "2006-01-02T15:04:05.000-0700"

// Updates implements desk.Follower by asking for what changed since the cursor.
func (r *Remote) Updates(ctx context.Context, cursor string) ([]ticket.Update, string, error) {
	since, err := time.Parse(time.RFC3339Nano, cursor)
	if err != nil {
		since = r.o.Now().Add(-30 * 24 * time.Hour)
	}
	// JQL's dates are in the user's zone; a span is not.
	minutes := int(r.o.Now().Sub(since)/time.Minute) + 2
	found, err := r.search(ctx, "search changes", fmt.Sprintf("project = %q AND labels = %q AND updated >= -%dm ORDER BY updated ASC", r.o.Project, label, minutes),
		"status,updated,labels,comment", 100)
	if err != nil {
		return nil, cursor, err
	}
	var out []ticket.Update
	next := since
	for _, x := range found {
		at, err := time.Parse(stamp, x.Fields.Updated)
		if err != nil || at.Before(since) {
			continue
		}
		next = latest(next, at)
		for _, c := range x.Fields.Comment.Comments {
			made, err := time.Parse(stamp, c.Created)
			body := plainText(c.Body)
			if err != nil || made.Before(since) || strings.HasPrefix(body, "[FL#") {
				continue
			}
			out = append(out, ticket.Update{ID: x.Key + "/comment/" + c.ID, Ref: x.Key, Text: desk.Text(body, 4000), By: c.Author.DisplayName, At: made.UTC()})
		}
		if s := r.status(x); s != "" {
			out = append(out, ticket.Update{ID: x.Key + "/status/" + x.Fields.Status.Name + "/" + at.UTC().Format(time.RFC3339Nano), Ref: x.Key, Status: s, Text: x.Fields.Status.Name, At: at.UTC()})
		}
	}
	slices.SortStableFunc(out, func(a, b ticket.Update) int { return a.At.Compare(b.At) })
	return out, next.UTC().Format(time.RFC3339Nano), nil
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// status says what an issue's status means; new ones mean nothing.
func (r *Remote) status(x issue) string {
	if s, ok := r.o.Statuses[x.Fields.Status.Name]; ok {
		return s
	}
	switch x.Fields.Status.StatusCategory.Key {
	case "indeterminate":
		return ticket.StatusWorking
	case "done":
		return ticket.StatusFixed
	}
	return ""
}

// plainText reads a comment: text in version 2, a document in 3.
func plainText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		var b strings.Builder
		for _, x := range v {
			b.WriteString(plainText(x))
		}
		return b.String()
	case map[string]any:
		s, _ := v["text"].(string)
		s += plainText(v["content"])
		if v["type"] == "paragraph" {
			s += "\n"
		}
		return s
	}
	return ""
}
