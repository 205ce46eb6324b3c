package robot

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/internal/secret"
)

// maxWeComText is how long a message of type text may be, in bytes. It is the
// type that calls people and that WeChat shows; longer ones go as markdown.
const maxWeComText = 2000

// buildWeCom makes the request of a WeCom group robot. It is not signed: the key
// in the address is the secret.
func buildWeCom(s Settings, m Message) (Request, error) {
	text := m.Title + "\n" + m.Text
	if m.URL != "" {
		text = strings.TrimRight(text, "\n") + "\n" + m.URL
	}
	var body any
	if len(text) <= maxWeComText {
		t := map[string]any{"content": text}
		if m.Level == Critical {
			if s.AtAll {
				t["mentioned_list"] = []string{"@all"}
			}
			if len(s.AtMobiles) > 0 {
				t["mentioned_mobile_list"] = s.AtMobiles
			}
		}
		body = map[string]any{"msgtype": "text", "text": t}
	} else {
		head, link := "**"+defuse(m.Title)+"**\n", ""
		if m.URL != "" {
			link = "\n[" + openWord.In(languageOf(m.Language)) + "](" + m.URL + ")"
		}
		text = head + Cut(defuse(m.Text), 4096-len(head)-len(link)) + link
		body = map[string]any{"msgtype": "markdown", "markdown": map[string]string{"content": text}}
	}
	return Request{URL: s.URL, Header: jsonHeader, Body: encode(body)}, nil
}

// buildDingTalk makes the request of a DingTalk custom robot.
func buildDingTalk(s Settings, m Message, now time.Time) (Request, error) {
	// A line break of DingTalk's markdown is two spaces and a newline.
	text := "#### " + defuse(m.Title) + "\n\n" + strings.ReplaceAll(strings.TrimRight(defuse(m.Text), "\n"), "\n", "  \n")
	if m.URL != "" {
		text += "\n\n[" + openWord.In(languageOf(m.Language)) + "](" + m.URL + ")"
	}
	at := map[string]any{}
	if m.Level == Critical {
		if s.AtAll {
			at["isAtAll"] = true
		}
		if len(s.AtMobiles) > 0 {
			at["atMobiles"] = s.AtMobiles
			text += "\n\n@" + strings.Join(s.AtMobiles, " @") // only who is named in the text is called
		}
	}
	address := s.URL
	if s.Secret != "" {
		ms := now.UnixMilli()
		sep := "?"
		if u, err := url.Parse(address.Reveal()); err == nil && u.RawQuery != "" {
			sep = "&"
		}
		address = secret.String(address.Reveal() + sep + "timestamp=" + strconv.FormatInt(ms, 10) + "&sign=" + SignDingTalk(ms, s.Secret.Reveal()))
	}
	body := map[string]any{"msgtype": "markdown", "markdown": map[string]string{"title": Cut(m.Title, 200), "text": text}, "at": at}
	return Request{URL: address, Header: jsonHeader, Body: encode(body)}, nil
}

// colours of Feishu's card heads by level.
var colours = map[string]string{Critical: "red", Major: "orange", Minor: "blue", Info: "grey"}

// buildFeishu makes the request of a Feishu custom bot: a card of plain text, in
// which nothing that devices wrote can be mark-up.
func buildFeishu(s Settings, m Message, now time.Time) (Request, error) {
	plain := func(text string) map[string]string { return map[string]string{"tag": "plain_text", "content": text} }
	elements := []any{map[string]any{"tag": "div", "text": plain(strings.TrimRight(m.Text, "\n"))}}
	if m.Level == Critical && s.AtAll {
		elements = append(elements, map[string]any{"tag": "div", "text": map[string]string{"tag": "lark_md", "content": "<at id=all></at>"}})
	}
	if m.URL != "" {
		button := map[string]any{"tag": "button", "type": "primary", "url": m.URL, "text": plain(openWord.In(languageOf(m.Language)))}
		elements = append(elements, map[string]any{"tag": "action", "actions": []any{button}})
	}
	colour, ok := colours[m.Level]
	if !ok {
		colour = "blue"
	}
	body := map[string]any{"msg_type": "interactive", "card": map[string]any{
		"config":   map[string]bool{"wide_screen_mode": true},
		"header":   map[string]any{"title": plain(Cut(m.Title, 400)), "template": colour},
		"elements": elements,
	}}
	if s.Secret != "" {
		body["timestamp"] = strconv.FormatInt(now.Unix(), 10)
		body["sign"] = SignFeishu(now.Unix(), s.Secret.Reveal())
	}
	return Request{URL: s.URL, Header: jsonHeader, Body: encode(body)}, nil
}
