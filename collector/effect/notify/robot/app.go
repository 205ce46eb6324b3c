package robot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/internal/outgoing"
	"github.com/faultline/faultline/internal/secret"
	"github.com/faultline/faultline/plugins/ticket"
)

// The kinds of apps: they can show buttons that call back (package callback).
const (
	WeComApp    Kind = "wecom-app"
	DingTalkApp Kind = "dingtalk-app"
	FeishuApp   Kind = "feishu-app"
)

// bases are the vendors' own addresses; Settings.URL replaces them.
var bases = map[Kind]secret.String{WeComApp: "https://qyapi.weixin.qq.com", DingTalkApp: "https://api.dingtalk.com", FeishuApp: "https://open.feishu.cn"}

// AppSettings are an app's. Settings.Secret is its secret, Settings.To whom it
// writes to: user IDs, of Feishu one chat's ID.
type AppSettings struct {
	ID    string `yaml:"id"`    // WeCom: corporation ID; DingTalk: AppKey (and robot code); Feishu: App ID
	Agent int    `yaml:"agent"` // WeCom: AgentId
}

// Button is one that calls back.
type Button struct {
	Text  string `json:"text"`
	Value string `json:"value"` // callback.Button, sealed
}

// IsApp tells whether the robot is an app.
func (s Settings) IsApp() bool { _, ok := bases[s.Kind]; return ok }

func (s Settings) base() string {
	if s.URL != "" {
		return strings.TrimSuffix(s.URL.Reveal(), "/")
	}
	return bases[s.Kind].Reveal()
}

// validateApp returns what is wrong with an app's settings.
func (s Settings) validateApp() error {
	if s.App.ID == "" || s.Secret == "" || len(s.To) == 0 || s.Kind == WeComApp && s.App.Agent == 0 || s.Kind == FeishuApp && len(s.To) != 1 {
		return fmt.Errorf("robot %s: an app needs app.id, secret and to (of Feishu one chat), WeCom's also app.agent", s.Name)
	}
	return nil
}

// tokenRequest asks for an access token.
func tokenRequest(s Settings) (method, address string, body []byte) {
	switch s.Kind {
	case WeComApp:
		q := url.Values{"corpid": {s.App.ID}, "corpsecret": {s.Secret.Reveal()}}
		return http.MethodGet, s.base() + "/cgi-bin/gettoken?" + q.Encode(), nil
	case DingTalkApp:
		return http.MethodPost, s.base() + "/v1.0/oauth2/accessToken", encode(map[string]string{"appKey": s.App.ID, "appSecret": s.Secret.Reveal()})
	default:
		return http.MethodPost, s.base() + "/open-apis/auth/v3/tenant_access_token/internal", encode(map[string]string{"app_id": s.App.ID, "app_secret": s.Secret.Reveal()})
	}
}

// parseToken reads the answer: status 200 with an error body is no token.
func parseToken(a Answer) (token string, life time.Duration, err error) {
	var t struct {
		coded
		WeCom    string `json:"access_token"`
		WeComFor int    `json:"expires_in"`
		Ding     string `json:"accessToken"`
		DingFor  int    `json:"expireIn"`
		Lark     string `json:"tenant_access_token"`
		LarkFor  int    `json:"expire"`
	}
	if json.Unmarshal(a.Body, &t) != nil {
		return "", 0, fmt.Errorf("answered %d without a token", a.Status)
	}
	token, life = t.WeCom+t.Ding+t.Lark, time.Duration(t.WeComFor+t.DingFor+t.LarkFor)*time.Second
	if token == "" || life <= 0 {
		return "", 0, fmt.Errorf("answered %d: %s", a.Status, oneLine(Cut(t.ErrMsg+t.Msg, 200)))
	}
	return token, life, nil
}

// Tokens keeps one app's access token. Its methods may be called from several
// goroutines.
type Tokens struct {
	mu    sync.Mutex // guards the fields below
	token string
	until time.Time
}

// Get returns a token that lives for a minute or more. Its error is a
// *ticket.Error; secrets are in none.
func (t *Tokens) Get(ctx context.Context, c *http.Client, s Settings, now time.Time) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Add(time.Minute).Before(t.until) {
		return t.token, nil
	}
	method, address, body := tokenRequest(s)
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(string(body)))
	if err != nil {
		return "", &ticket.Error{Op: "app token", Err: errors.New("url is not an address")}
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.Do(req)
	if err != nil {
		return "", &ticket.Error{Op: "app token", Retryable: true, Err: outgoing.Bare(err)}
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return "", &ticket.Error{Op: "app token", Retryable: true, Err: outgoing.Bare(err)}
	}
	token, life, err := parseToken(Answer{Status: resp.StatusCode, Body: raw})
	if err != nil {
		return "", &ticket.Error{Op: "app token", Retryable: resp.StatusCode >= 500, Hint: "are app.id and secret right, and is our address allowed?", Err: err}
	}
	t.token, t.until = token, now.Add(life)
	return token, nil
}

// Drop forgets the token, after an answer that refused it.
func (t *Tokens) Drop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.until = time.Time{}
}

// WithToken puts the token where the app's kind wants it.
func WithToken(k Kind, r Request, token string) Request {
	h := map[string]string{}
	for name, v := range r.Header {
		h[name] = v
	}
	r.Header = h
	switch k {
	case WeComApp:
		r.URL += secret.String("?access_token=" + url.QueryEscape(token))
	case DingTalkApp:
		h["x-acs-dingtalk-access-token"] = token
	case FeishuApp:
		h["Authorization"] = "Bearer " + token
	}
	return r
}

// buildWeComApp makes a card with buttons, or a text without.
func buildWeComApp(s Settings, m Message) (Request, error) {
	body := map[string]any{"touser": strings.Join(s.To, "|"), "agentid": s.App.Agent, "enable_duplicate_check": 1, "duplicate_check_interval": 1800}
	if len(m.Buttons) == 0 {
		text := m.Title + "\n" + m.Text + "\n" + m.URL
		body["msgtype"], body["text"] = "text", map[string]string{"content": Cut(strings.TrimRight(text, "\n"), maxWeComText)}
	} else {
		var list []any
		for _, b := range m.Buttons[:min(len(m.Buttons), 6)] {
			list = append(list, map[string]any{"text": b.Text, "style": 1, "key": b.Value})
		}
		body["msgtype"], body["template_card"] = "template_card", map[string]any{"card_type": "button_interaction", "main_title": map[string]string{"title": Cut(m.Title, 120)},
			"sub_title_text": Cut(m.Text, 1000), "card_action": map[string]any{"type": 1, "url": m.URL}, "task_id": taskID(m.Key), "button_list": list}
	}
	return Request{URL: secret.String(s.base() + "/cgi-bin/message/send"), Header: jsonHeader, Body: encode(body)}, nil
}

// taskID is the key in the letters that WeCom takes; it is the same for repeats.
func taskID(key string) string {
	return strings.Map(func(r rune) rune {
		if r < 128 && (r == '-' || r == '_' || r == '@' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
			return r
		}
		return '_'
	}, key[max(0, len(key)-120):])
}

var replyWord = lang.Text{ZH: "可直接回复：确认 %[1]s｜批准 %[1]s｜驳回 %[1]s 原因", EN: "Answer with: ack %[1]s | approve %[1]s | reject %[1]s why"}

// buildDingTalkApp writes to people; they answer in words, since DingTalk's cards
// with buttons need a template of the company's own.
func buildDingTalkApp(s Settings, m Message) (Request, error) {
	text := "#### " + defuse(m.Title) + "\n\n" + strings.ReplaceAll(strings.TrimRight(defuse(m.Text), "\n"), "\n", "  \n")
	if n := m.Fields["number"]; n != "" && len(m.Buttons) > 0 {
		text += "\n\n" + fmt.Sprintf(replyWord.In(languageOf(m.Language)), n)
	}
	key, param := "sampleMarkdown", map[string]string{"title": m.Title, "text": text}
	if m.URL != "" {
		key, param = "sampleActionCard", map[string]string{"title": m.Title, "text": text, "singleTitle": openWord.In(languageOf(m.Language)), "singleURL": m.URL}
	}
	body := map[string]any{"robotCode": s.App.ID, "userIds": s.To, "msgKey": key, "msgParam": string(encode(param))}
	return Request{URL: secret.String(s.base() + "/v1.0/robot/oToMessages/batchSend"), Header: jsonHeader, Body: encode(body)}, nil
}

// buildFeishuApp makes a card with buttons for a chat. The field uuid makes
// repeats within an hour harmless.
func buildFeishuApp(s Settings, m Message, now time.Time) (Request, error) {
	plain := s
	plain.Secret = "" // the app's secret signs nothing
	r, err := buildFeishu(plain, m, now)
	if err != nil {
		return r, err
	}
	var card struct {
		Card map[string]any `json:"card"`
	}
	if err := json.Unmarshal(r.Body, &card); err != nil {
		return r, err
	}
	elements, _ := card.Card["elements"].([]any)
	var actions []any
	for _, b := range m.Buttons {
		actions = append(actions, map[string]any{"tag": "button", "type": "default", "text": map[string]string{"tag": "plain_text", "content": b.Text}, "value": map[string]string{"button": b.Value}})
	}
	if len(actions) > 0 {
		card.Card["elements"] = append(elements, map[string]any{"tag": "action", "actions": actions})
	}
	id := mac("feishu uuid", m.Key)[:32]
	body := map[string]any{"receive_id": s.To[0], "msg_type": "interactive", "content": string(encode(card.Card)), "uuid": id}
	return Request{URL: secret.String(s.base() + "/open-apis/im/v1/messages?receive_id_type=chat_id"), Header: jsonHeader, Body: encode(body)}, nil
}

// judgeDingTalkApp reads the answer of DingTalk's newer API: 200 with the key of
// the message, else a code in words.
func judgeDingTalkApp(a Answer, said string) error {
	var b struct {
		Query   string   `json:"processQueryKey"`
		Code    string   `json:"code"`
		Invalid []string `json:"invalidStaffIdList"`
		Slow    []string `json:"flowControlledStaffIdList"`
	}
	err := json.Unmarshal(a.Body, &b)
	switch {
	case err != nil || b.Code == "" && b.Query == "":
		return &ticket.Error{Op: "dingtalk", Retryable: true, Ambiguous: true, Err: fmt.Errorf("answered %d without a key: %s", a.Status, said)}
	case len(b.Slow) > 0, strings.Contains(strings.ToLower(b.Code), "throttling"), strings.Contains(strings.ToLower(b.Code), "qps"):
		return &Refused{Err: fmt.Errorf("dingtalk: too fast: %s", said)}
	case b.Code != "" || len(b.Invalid) > 0:
		return &ticket.Error{Op: "dingtalk", Err: fmt.Errorf("answered %d: %s", a.Status, said)}
	}
	return nil
}

// RefusesToken tells whether the answer says that the access token is over.
func RefusesToken(k Kind, a Answer) bool {
	var c coded
	_ = json.Unmarshal(a.Body, &c) // DingTalk's code is a word
	is := func(p *int, codes ...int) bool {
		for _, code := range codes {
			if p != nil && *p == code {
				return true
			}
		}
		return false
	}
	switch k {
	case WeComApp:
		return is(c.ErrCode, 40014, 42001, 41001)
	case FeishuApp:
		return is(c.Code, 99991661, 99991663, 99991668)
	case DingTalkApp:
		return a.Status == http.StatusUnauthorized || strings.Contains(string(a.Body), "InvalidAuthentication")
	}
	return false
}
