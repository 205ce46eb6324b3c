package callback

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/faultline/faultline/internal/secret"
)

// Kinds of apps.
const (
	WeCom    = "wecom"
	DingTalk = "dingtalk"
	Feishu   = "feishu"
)

// App is one app in one company's chat.
type App struct {
	Name   string        `yaml:"name"`
	Kind   string        `yaml:"kind"`
	ID     string        `yaml:"id"`     // WeCom: corporation ID; DingTalk: AppKey; Feishu: App ID
	Token  secret.String `yaml:"token"`  // WeCom: Token; Feishu: Verification Token
	Key    secret.String `yaml:"key"`    // WeCom: EncodingAESKey; Feishu: Encrypt Key
	Secret secret.String `yaml:"secret"` // DingTalk: AppSecret
}

// Validate returns what is wrong with the settings.
func (a App) Validate() error {
	var errs []error
	bad := func(text string) { errs = append(errs, fmt.Errorf("chat app %s: %s", a.Name, text)) }
	if a.Name == "" || strings.ContainsAny(a.Name, "/ ?#") {
		bad("the name is missing or cannot be part of an address")
	}
	switch a.Kind {
	case WeCom:
		if a.ID == "" || a.Token == "" || len(a.Key.Reveal()) != 43 {
			bad("id (corporation ID), token and key (EncodingAESKey, 43 characters) are required")
		}
	case DingTalk:
		if a.ID == "" || a.Secret == "" {
			bad("id (AppKey) and secret (AppSecret) are required")
		}
	case Feishu:
		if a.ID == "" || a.Key == "" || a.Token == "" {
			bad("id (App ID), token (Verification Token) and key (Encrypt Key) are required: without a key nothing is signed")
		}
	default:
		bad("kind is not wecom, dingtalk or feishu")
	}
	return errors.Join(errs...)
}

// heard is what a callback says.
type heard struct {
	id, user string
	value    string // of a button
	text     string // to the robot
	echo     string // the vendor only wants to hear this back
}

// listen checks and reads a callback of the app.
func (a App) listen(query url.Values, header http.Header, body []byte, now time.Time) (heard, error) {
	switch a.Kind {
	case WeCom:
		return a.listenWeCom(query, body, now)
	case DingTalk:
		return a.listenDingTalk(header, body, now)
	case Feishu:
		return a.listenFeishu(header, body, now)
	}
	return heard{}, fmt.Errorf("chat app %s: kind %q", a.Name, a.Kind)
}

// listenWeCom reads a POST, or the GET by which WeCom checks the address.
func (a App) listenWeCom(q url.Values, body []byte, now time.Time) (heard, error) {
	var outer struct {
		Encrypt string `xml:"Encrypt"`
	}
	outer.Encrypt = q.Get("echostr")
	check := outer.Encrypt != ""
	if !check {
		if err := xml.Unmarshal(body, &outer); err != nil {
			return heard{}, fmt.Errorf("wecom callback: %w", err)
		}
	}
	if !same(q.Get("msg_signature"), SignWeCom(a.Token.Reveal(), q.Get("timestamp"), q.Get("nonce"), outer.Encrypt)) {
		return heard{}, ErrSignature
	}
	if err := fresh(q.Get("timestamp"), now); err != nil {
		return heard{}, err
	}
	plain, err := DecryptWeCom(a.Key.Reveal(), outer.Encrypt, a.ID)
	if err != nil || check {
		return heard{echo: string(plain)}, err
	}
	var m struct {
		From     string `xml:"FromUserName"`
		Type     string `xml:"MsgType"`
		Event    string `xml:"Event"`
		EventKey string `xml:"EventKey"`
		TaskID   string `xml:"TaskId"`
		Content  string `xml:"Content"`
		MsgID    string `xml:"MsgId"`
		Created  string `xml:"CreateTime"`
	}
	if err := xml.Unmarshal(plain, &m); err != nil {
		return heard{}, fmt.Errorf("wecom callback: %w", err)
	}
	h := heard{user: m.From, id: m.MsgID}
	switch {
	case m.Type == "event" && (m.Event == "template_card_event" || m.Event == "taskcard_click" || m.Event == "click"):
		h.value, h.id = m.EventKey, strings.Join([]string{m.TaskID, m.From, m.Created}, "/")
	case m.Type == "text":
		h.text = m.Content
	}
	return h, nil
}

// listenDingTalk reads a message to the robot.
func (a App) listenDingTalk(header http.Header, body []byte, now time.Time) (heard, error) {
	if !same(header.Get("sign"), SignDingTalk(header.Get("timestamp"), a.Secret.Reveal())) {
		return heard{}, ErrSignature
	}
	if err := fresh(header.Get("timestamp"), now); err != nil {
		return heard{}, err
	}
	var m struct {
		Type  string `json:"msgtype"`
		Text  struct{ Content string }
		ID    string `json:"msgId"`
		Staff string `json:"senderStaffId"`
		Code  string `json:"robotCode"`
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return heard{}, fmt.Errorf("dingtalk callback: %w", err)
	}
	if m.Staff == "" { // somebody from outside the company
		return heard{}, ErrSignature
	}
	return heard{id: m.ID, user: m.Staff, text: m.Text.Content}, nil
}

// feishuEvent is an event, schema 2.0, or the check of the address.
type feishuEvent struct {
	Type      string `json:"type"`
	Challenge string `json:"challenge"`
	Token     string `json:"token"`
	Header    struct {
		ID    string `json:"event_id"`
		Type  string `json:"event_type"`
		Token string `json:"token"`
		App   string `json:"app_id"`
	} `json:"header"`
	Event struct {
		Operator struct {
			OpenID string `json:"open_id"`
			UserID string `json:"user_id"`
		} `json:"operator"`
		Action struct {
			Value map[string]any `json:"value"`
		} `json:"action"`
		Sender struct {
			ID struct {
				OpenID string `json:"open_id"`
				UserID string `json:"user_id"`
			} `json:"sender_id"`
		} `json:"sender"`
		Message struct {
			Type    string `json:"message_type"`
			Content string `json:"content"`
		} `json:"message"`
	} `json:"event"`
}

// listenFeishu reads an event or card action. All of them are encrypted, since
// an app without an Encrypt Key is refused by Validate; the address's check comes
// unsigned, but encrypted and with the token.
func (a App) listenFeishu(header http.Header, body []byte, now time.Time) (heard, error) {
	var outer struct {
		Encrypt string `json:"encrypt"`
	}
	if err := json.Unmarshal(body, &outer); err != nil || outer.Encrypt == "" {
		return heard{}, ErrSignature
	}
	plain, err := DecryptFeishu(a.Key.Reveal(), outer.Encrypt)
	if err != nil {
		return heard{}, err
	}
	var e feishuEvent
	if err := json.Unmarshal(plain, &e); err != nil {
		return heard{}, fmt.Errorf("feishu callback: %w", err)
	}
	if e.Type == "url_verification" {
		if !same(e.Token, a.Token.Reveal()) {
			return heard{}, ErrSignature
		}
		return heard{echo: e.Challenge}, nil
	}
	ts := header.Get("X-Lark-Request-Timestamp")
	if !same(header.Get("X-Lark-Signature"), SignFeishu(ts, header.Get("X-Lark-Request-Nonce"), a.Key.Reveal(), body)) || !same(e.Header.Token, a.Token.Reveal()) || e.Header.App != a.ID {
		return heard{}, ErrSignature
	}
	if err := fresh(ts, now); err != nil {
		return heard{}, err
	}
	h := heard{id: e.Header.ID}
	switch e.Header.Type {
	case "card.action.trigger":
		h.user = first(e.Event.Operator.UserID, e.Event.Operator.OpenID)
		h.value, _ = e.Event.Action.Value["button"].(string)
	case "im.message.receive_v1":
		h.user = first(e.Event.Sender.ID.UserID, e.Event.Sender.ID.OpenID)
		var c struct{ Text string }
		if e.Event.Message.Type == "text" && json.Unmarshal([]byte(e.Event.Message.Content), &c) == nil {
			h.text = c.Text
		}
	}
	return h, nil
}

func first(words ...string) string {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}
