package robot

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/internal/secret"
	"github.com/faultline/faultline/plugins/ticket"
)

// vendor is a stand-in for the three vendors' app interfaces.
type vendor struct {
	*httptest.Server
	mu     sync.Mutex
	issued int      // tokens
	bodies []string // messages
	tokens []string // that came with them
}

func newVendor(t *testing.T) *vendor {
	v := &vendor{}
	token := func(answer string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			raw, _ := io.ReadAll(r.Body)
			v.mu.Lock()
			defer v.mu.Unlock()
			if !strings.Contains(r.URL.RawQuery+string(raw), "right") {
				_, _ = io.WriteString(w, `{"errcode":40001,"errmsg":"invalid credential","code":10003,"msg":"invalid app_secret"}`)
				return
			}
			v.issued++
			_, _ = io.WriteString(w, answer)
		}
	}
	message := func(answer string, from func(r *http.Request) string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			raw, _ := io.ReadAll(r.Body)
			v.mu.Lock()
			defer v.mu.Unlock()
			v.bodies, v.tokens = append(v.bodies, string(raw)), append(v.tokens, from(r))
			_, _ = io.WriteString(w, answer)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /cgi-bin/gettoken", token(`{"errcode":0,"errmsg":"ok","access_token":"wtok","expires_in":7200}`))
	mux.HandleFunc("POST /v1.0/oauth2/accessToken", token(`{"accessToken":"dtok","expireIn":7200}`))
	mux.HandleFunc("POST /open-apis/auth/v3/tenant_access_token/internal", token(`{"code":0,"msg":"ok","tenant_access_token":"ftok","expire":7200}`))
	mux.HandleFunc("POST /cgi-bin/message/send", message(`{"errcode":0,"errmsg":"ok","msgid":"m"}`, func(r *http.Request) string { return r.URL.Query().Get("access_token") }))
	mux.HandleFunc("POST /v1.0/robot/oToMessages/batchSend", message(`{"processQueryKey":"q"}`, func(r *http.Request) string { return r.Header.Get("x-acs-dingtalk-access-token") }))
	mux.HandleFunc("POST /open-apis/im/v1/messages", message(`{"code":0,"msg":"success"}`, func(r *http.Request) string { return r.Header.Get("Authorization") }))
	v.Server = httptest.NewServer(mux)
	t.Cleanup(v.Close)
	return v
}

func appOf(v *vendor, k Kind) Settings {
	return Settings{Name: "app", Kind: k, URL: secret.String(v.URL), Secret: "right", To: []string{"zhangwei"}, App: AppSettings{ID: "id1", Agent: 7}}
}

// TestApps sends a card with a button by each kind, with one token for all
// messages while it lives.
func TestApps(t *testing.T) {
	m := note
	m.Fields, m.Buttons = map[string]string{"number": "20261121-0042"}, []Button{{Text: "确认", Value: "sealed.value"}}
	for kind, want := range map[Kind]struct{ token, holds string }{
		WeComApp: {"wtok", `"key":"sealed.value"`}, DingTalkApp: {"dtok", "确认 20261121-0042"}, FeishuApp: {"Bearer ftok", `\"button\":\"sealed.value\"`},
	} {
		t.Run(string(kind), func(t *testing.T) {
			v := newVendor(t)
			s := appOf(v, kind)
			if err := s.Validate(); err != nil {
				t.Fatal(err)
			}
			var tokens Tokens
			send := func(at time.Time) {
				t.Helper()
				r, err := Build(s, m, at)
				if err != nil {
					t.Fatal(err)
				}
				token, err := tokens.Get(t.Context(), v.Client(), s, at)
				if err != nil {
					t.Fatal(err)
				}
				a, err := Post(t.Context(), v.Client(), WithToken(kind, r, token))
				if err != nil || Judge(kind, a) != nil {
					t.Fatalf("%v, %s", err, a.Body)
				}
			}
			send(now)
			send(now.Add(time.Hour))
			if v.issued != 1 || v.tokens[1] != want.token {
				t.Errorf("%d tokens, sent with %q", v.issued, v.tokens)
			}
			if !strings.Contains(v.bodies[0], want.holds) || v.bodies[0] != v.bodies[1] {
				t.Errorf("body %s", v.bodies[0])
			}
			send(now.Add(119*time.Minute + 30*time.Second))
			tokens.Drop()
			send(now)
			if v.issued != 3 {
				t.Errorf("%d tokens after one ran out and one was dropped", v.issued)
			}
			s.Secret = "wrong"
			var te *ticket.Error
			if _, err := new(Tokens).Get(t.Context(), v.Client(), s, now); !errors.As(err, &te) || te.Retryable || strings.Contains(err.Error(), "wrong") {
				t.Errorf("wrong secret: %v", err)
			}
		})
	}
}

func TestWeComCard(t *testing.T) {
	m := note
	m.Key = "ab12/9/notify?x"
	m.Buttons = []Button{{"确认", "v1"}, {"批准", "v2"}}
	got, _ := build(t, appOf(&vendor{Server: &httptest.Server{URL: "https://x.example"}}, WeComApp), m)
	want := map[string]any{"card_type": "button_interaction", "main_title": map[string]any{"title": "[FL#20261121-0042] 新故障： 专线中断"}, "sub_title_text": m.Text,
		"card_action": map[string]any{"type": 1.0, "url": m.URL}, "task_id": "ab12_9_notify_x",
		"button_list": []any{map[string]any{"text": "确认", "style": 1.0, "key": "v1"}, map[string]any{"text": "批准", "style": 1.0, "key": "v2"}}}
	if d := cmp.Diff(got["template_card"], any(want)); d != "" || got["touser"] != "zhangwei" || got["agentid"] != 7.0 {
		t.Errorf("(-got +want):\n%s", d)
	}
	m.Buttons = nil
	if got, _ = build(t, appOf(&vendor{Server: &httptest.Server{URL: "https://x.example"}}, WeComApp), m); got["msgtype"] != "text" {
		t.Errorf("without buttons %v", got)
	}
}

func TestFeishuCard(t *testing.T) {
	m := note
	m.Buttons = []Button{{"确认", "v1"}}
	s := appOf(&vendor{Server: &httptest.Server{URL: "https://x.example"}}, FeishuApp)
	a, _ := build(t, s, m)
	b, _ := build(t, s, m)
	if a["uuid"] != b["uuid"] || len(a["uuid"].(string)) > 50 {
		t.Errorf("uuid %v, %v", a["uuid"], b["uuid"])
	}
	var card map[string]any
	if err := json.Unmarshal([]byte(a["content"].(string)), &card); err != nil || len(card["elements"].([]any)) != 3 || card["sign"] != nil {
		t.Errorf("%v, %v", card, err)
	}
}

func TestJudgeApps(t *testing.T) {
	tests := []struct {
		kind   Kind
		status int
		body   string
		want   string
	}{
		{WeComApp, 200, `{"errcode":42001,"errmsg":"access_token expired"}`, "again"},
		{WeComApp, 200, `{"errcode":81013,"errmsg":"user & party & tag all invalid"}`, "final"},
		{WeComApp, 200, `{"errcode":45009,"errmsg":"api freq out of limit"}`, "muted 0s"},
		{FeishuApp, 400, `{"code":99991663,"msg":"token invalid"}`, "again"},
		{FeishuApp, 400, `{"code":230020,"msg":"ext=chat rate limit"}`, "muted 0s"},
		{FeishuApp, 400, `{"code":230002,"msg":"Bot/User can NOT be out of the chat."}`, "final"},
		{DingTalkApp, 401, `{"code":"InvalidAuthentication","message":"x"}`, "again"},
		{DingTalkApp, 200, `{"processQueryKey":"q","invalidStaffIdList":["x"]}`, "final"},
		{DingTalkApp, 200, `{"processQueryKey":"q","flowControlledStaffIdList":["x"]}`, "muted 0s"},
		{DingTalkApp, 400, `{"code":"robot.userId.invalid","message":"x"}`, "final"},
		{DingTalkApp, 200, `<html>`, "again maybe"},
		{DingTalkApp, 200, `{"processQueryKey":"q"}`, "taken"},
	}
	for _, tt := range tests {
		if got := outcome(Judge(tt.kind, Answer{Status: tt.status, Body: []byte(tt.body)})); got != tt.want {
			t.Errorf("%s %d %s: %s, want %s", tt.kind, tt.status, tt.body, got, tt.want)
		}
	}
	if err := (Settings{Name: "a", Kind: WeComApp}).Validate(); err == nil {
		t.Error("an app without anything was accepted")
	}
}
