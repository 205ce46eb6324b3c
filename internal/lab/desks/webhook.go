package desks

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	signed "github.com/faultline/faultline/collector/effect/ticket/webhook"
)

// Webhook is an ITSM of one's own.
type Webhook struct {
	arrived

	idempotent bool
	all        map[string][]string
	seen       map[string]bool
}

// HookKey signs what goes to a Webhook.
const HookKey = "hook-key-0123456789"

// NewWebhook returns an empty one; one that is idempotent knows repeats by their
// Idempotency-Key, others take them.
func NewWebhook(idempotent bool) *Webhook {
	return &Webhook{idempotent: idempotent, all: map[string][]string{}, seen: map[string]bool{}}
}

// Writes implements System.
func (*Webhook) Writes(r *http.Request, _ []byte) bool { return r.Method != http.MethodGet }

// Refuse implements System.
func (*Webhook) Refuse(w http.ResponseWriter) {
	reply(w, http.StatusBadRequest, map[string]any{"message": "no"})
}

// Wrong implements System.
func (s *Webhook) Wrong(w http.ResponseWriter) {
	if s.idempotent {
		reply(w, http.StatusOK, map[string]any{"errcode": 40001, "errmsg": "busy"})
		return
	}
	reply(w, http.StatusOK, map[string]any{"success": false, "message": "busy"})
}

// Work implements System: its people post what they did, which nobody asks for.
func (*Webhook) Work(string) {}

// Tickets implements System.
func (s *Webhook) Tickets() map[string][]string { return maps.Clone(s.all) }

// ServeHTTP answers as the vendor documents.
func (s *Webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		if !signed.Verify(r.Header.Get(signed.SignatureHeader), []byte(r.URL.RawQuery), HookKey) {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		q := r.URL.Query()
		key := q.Get("ticket") + strings.TrimPrefix(q.Get("id"), "id-")
		found := len(s.all[key]) > 0 && (q.Get("message") == "" || slices.Contains(s.all[key], q.Get("message")))
		reply(w, 200, map[string]any{"found": found, "id": "id-" + key})
		return
	}
	raw, _ := io.ReadAll(r.Body)
	var b signed.Body
	_ = json.Unmarshal(raw, &b)
	if !signed.Verify(r.Header.Get(signed.SignatureHeader), raw, HookKey) {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if id := r.Header.Get("Idempotency-Key"); !s.idempotent || !s.seen[id] {
		s.seen[id] = true
		s.all[b.Key] = append(s.all[b.Key], b.MessageKey)
		s.take(b.Subject, b.Text)
	}
	reply(w, 200, map[string]any{"id": "id-" + b.Key})
}
