package robot

import (
	"strings"
	"time"

	"github.com/faultline/faultline/collector/effect/ticket/webhook"
)

// buildSlack makes the request of a Slack incoming webhook.
func buildSlack(s Settings, m Message) (Request, error) {
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace
	text := "*" + strings.ReplaceAll(escape(m.Title), "*", "∗") + "*\n" + escape(strings.TrimRight(m.Text, "\n"))
	if m.Level == Critical && s.AtAll {
		text += "\n<!channel>"
	}
	if m.URL != "" {
		text += "\n<" + strings.NewReplacer("|", "%7C", ">", "%3E").Replace(m.URL) + "|" + openWord.In(languageOf(m.Language)) + ">"
	}
	return Request{URL: s.URL, Header: jsonHeader, Body: encode(map[string]any{"text": text, "unfurl_links": false})}, nil
}

// buildTeams makes the request of a Teams workflow: one adaptive card. Its text
// blocks read a little markdown, so what devices wrote is defused.
func buildTeams(s Settings, m Message) (Request, error) {
	block := func(text string, more map[string]any) map[string]any {
		b := map[string]any{"type": "TextBlock", "text": text, "wrap": true}
		for k, v := range more {
			b[k] = v
		}
		return b
	}
	colour := map[string]string{Critical: "attention", Major: "warning"}[m.Level]
	if colour == "" {
		colour = "default"
	}
	// A single newline is white space in these blocks.
	text := strings.ReplaceAll(strings.TrimRight(defuse(m.Text), "\n"), "\n", "\n\n")
	card := map[string]any{"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
		"body": []any{block(defuse(m.Title), map[string]any{"weight": "bolder", "size": "medium", "color": colour}), block(text, nil)}}
	if m.URL != "" {
		card["actions"] = []any{map[string]any{"type": "Action.OpenUrl", "title": openWord.In(languageOf(m.Language)), "url": m.URL}}
	}
	body := map[string]any{"type": "message", "attachments": []any{map[string]any{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}}}
	return Request{URL: s.URL, Header: jsonHeader, Body: encode(body)}, nil
}

// HookBody is the JSON that gateways for SMS, voice and anything else get,
// signed like the webhooks of tickets (webhook.SignatureHeader).
type HookBody struct {
	Version  string            `json:"version"` // "1"
	Kind     string            `json:"kind"`    // sms, voice, webhook
	Robot    string            `json:"robot"`   // its name in our settings
	Key      string            `json:"key"`     // the same for every repeat; also the header Idempotency-Key
	To       []string          `json:"to,omitempty"`
	Title    string            `json:"title"`
	Text     string            `json:"text"`
	Short    string            `json:"short"` // at most 120 characters: what an SMS says and a voice reads
	URL      string            `json:"url,omitempty"`
	Level    string            `json:"level"`
	Language string            `json:"language"`
	Digest   int               `json:"digest,omitempty"` // how many notices it tells of
	Repeat   bool              `json:"repeat,omitempty"`
	Fields   map[string]string `json:"fields,omitempty"`
	At       time.Time         `json:"at"`
}

// maxShort bounds HookBody.Short, in characters.
const maxShort = 120

// buildHook makes the request to a gateway of the company's own.
func buildHook(s Settings, m Message) (Request, error) {
	short := oneLine(m.Short)
	if short == "" {
		short = m.Title
	}
	if r := []rune(short); len(r) > maxShort {
		short = string(r[:maxShort-1]) + "…"
	}
	body := encode(HookBody{Version: "1", Kind: string(s.Kind), Robot: s.Name, Key: m.Key, To: s.To, Title: m.Title, Text: m.Text, Short: short,
		URL: m.URL, Level: m.Level, Language: languageOf(m.Language), Digest: m.Digest, Repeat: m.Repeat, Fields: m.Fields, At: m.At.UTC()})
	var keys []string
	for _, k := range s.Keys {
		keys = append(keys, k.Reveal())
	}
	return Request{URL: s.URL, Body: body, Header: map[string]string{"Content-Type": "application/json", "User-Agent": "Faultline",
		"Idempotency-Key": m.Key, webhook.SignatureHeader: webhook.Sign(body, keys...)}}, nil
}
