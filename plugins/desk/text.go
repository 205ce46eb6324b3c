package desk

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Line makes a text one line of at most n runes.
func Line(s string, n int) string {
	return Text(strings.Join(strings.Fields(s), " "), n)
}

// Text cuts a text after n runes.
func Text(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// HTML is a plain text for systems whose texts are HTML.
func HTML(s string) string { return strings.ReplaceAll(html.EscapeString(s), "\n", "<br>\n") }

var tags = regexp.MustCompile(`<[^>]{0,500}>`)

// Plain is an HTML text without its tags, near enough to read.
func Plain(s string) string {
	s = regexp.MustCompile(`(?i)<(br|/p|/div|/li|/tr)\s*/?>`).ReplaceAllString(s, "\n")
	return strings.TrimSpace(html.UnescapeString(tags.ReplaceAllString(s, "")))
}

// JudgeJSON finds the errors that systems say with success: a page where JSON
// belongs, or one of the usual words for a failure.
func JudgeJSON(body []byte) error {
	trimmed := strings.TrimSpace(string(body[:min(len(body), 1024)]))
	if trimmed == "" {
		return nil
	}
	if strings.HasPrefix(trimmed, "<") {
		return errors.New("a page came instead of an answer: a proxy or a sign-in stands between")
	}
	var x map[string]any
	if json.Unmarshal(body, &x) != nil {
		return nil
	}
	if m, ok := x["errorMessages"].([]any); ok && len(m) > 0 {
		return fmt.Errorf("said %v", m)
	}
	for _, k := range []string{"errors", "error"} {
		switch v := x[k].(type) {
		case string:
			if v != "" {
				return fmt.Errorf("said %s", Line(v, 200))
			}
		case map[string]any, []any:
			if b, _ := json.Marshal(v); len(b) > 2 {
				return fmt.Errorf("said %s", Line(string(b), 200))
			}
		case bool:
			if v {
				return fmt.Errorf("said %s", Line(trimmed, 200))
			}
		}
	}
	if ok, is := x["success"].(bool); is && !ok {
		return fmt.Errorf("said %s", Line(trimmed, 200))
	}
	for _, k := range []string{"errcode", "code"} {
		if n, is := x[k].(float64); is && n != 0 && n != 200 {
			return fmt.Errorf("said %s", Line(trimmed, 200))
		}
	}
	return nil
}
