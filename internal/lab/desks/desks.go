// Package desks holds stand-ins of service-desk systems for tests and trials,
// written from the vendors' documented APIs: Jira, ServiceDesk Plus, iTop,
// PagerDuty and a webhook receiver. They keep what they take, tell who asks, and
// break as told (Server). They are not the vendors' systems.
package desks

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/faultline/faultline/plugins/desk"
	"github.com/faultline/faultline/plugins/plugintest"
)

// System is a service-desk system in memory. Its methods are called one at a
// time.
type System interface {
	http.Handler
	// Tickets is what it holds: by ticket mark or key, its messages in order.
	Tickets() map[string][]string
	// Arrived is every message it took.
	Arrived() []plugintest.Message
	// Writes tells whether a request changes something.
	Writes(r *http.Request, body []byte) bool
	// Refuse answers that it does not take this, and never will.
	Refuse(w http.ResponseWriter)
	// Wrong answers 200 with an error in the body.
	Wrong(w http.ResponseWriter)
	// Work is what a person does at the newest ticket: resolves it and says so.
	Work(text string)
}

// arrived is what a system was told, as people read it.
type arrived struct{ all []plugintest.Message }

// Arrived implements System.
func (a *arrived) Arrived() []plugintest.Message { return slices.Clone(a.all) }

var (
	markRe  = regexp.MustCompile(`flm[0-9a-f]{16}`)
	markEnd = regexp.MustCompile(`(?:<br>)?\s*\[?(?:flm[0-9a-f]{16} ?)+\]?$`)
)

// take keeps a message without its marks and markup.
func (a *arrived) take(subject, body string) {
	body = desk.Plain(strings.ReplaceAll(markEnd.ReplaceAllString(body, ""), "<br>\n", "\n"))
	a.all = append(a.all, plugintest.Message{Subject: markEnd.ReplaceAllString(subject, ""), Body: body})
}

// takeOne keeps a message that begins with its subject.
func (a *arrived) takeOne(text string) {
	text = strings.ReplaceAll(text, "<br>\n", "\n")
	subject, body, _ := strings.Cut(text, "\n\n")
	a.take(subject, body)
}

// written is a text, or an Atlassian document's text.
func written(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		var lines []string
		for _, p := range v {
			lines = append(lines, written(p))
		}
		return strings.Join(lines, "\n")
	case map[string]any:
		if text, ok := v["text"].(string); ok {
			return text
		}
		return written(v["content"])
	}
	return ""
}

func reply(w http.ResponseWriter, code int, v any) {
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v)
}

// form is the JSON in a form's field.
func form(r *http.Request, name string) map[string]any {
	raw, _ := io.ReadAll(r.Body)
	q, _ := url.ParseQuery(string(raw))
	var m map[string]any
	_ = json.Unmarshal([]byte(q.Get(name)), &m)
	return m
}

// dig walks into JSON.
func dig(v any, path ...string) any {
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	return v
}
