package robot

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/effect/ticket/webhook"
	"github.com/faultline/faultline/internal/secret"
	"github.com/faultline/faultline/plugins/ticket"
)

const vectorSecret = "SEC0123456789abcdef"

// TestVectors holds both signatures to values that Go, Python and openssl agree on.
func TestVectors(t *testing.T) {
	if got, want := SignDingTalk(1700000000000, vectorSecret), "TSZbRFUuvaSQaRKUpF970OPCb2%2FLcQAP3wOvwZIzBZk%3D"; got != want {
		t.Errorf("DingTalk %s, want %s", got, want)
	}
	if got, want := SignFeishu(1700000000, vectorSecret), "PiO7POLlSx/DM2qf8Dy/XCWeJK3exVnevp5G99LEN2M="; got != want {
		t.Errorf("Feishu %s, want %s", got, want)
	}
}

var (
	now  = time.Unix(1700000000, 0)
	note = Message{Key: "k1", Title: "[FL#20261121-0042] 新故障：\n专线中断", Text: "站点：上海<@all>\n接口：[x](http://evil.example)\n", URL: "https://noc.example.com/incidents/ab12", Level: Critical, At: now}
)

// build returns the request's body as JSON and its address.
func build(t *testing.T, s Settings, m Message) (map[string]any, string) {
	t.Helper()
	r, err := Build(s, m, now)
	if err != nil {
		t.Fatal(err)
	}
	var body map[string]any
	if err := json.Unmarshal(r.Body, &body); err != nil {
		t.Fatal(err)
	}
	return body, r.URL.Reveal()
}

func TestWeCom(t *testing.T) {
	s := Settings{Name: "a", Kind: WeCom, URL: "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k", AtMobiles: []string{"13800000000"}, AtAll: true}
	got, address := build(t, s, note)
	want := map[string]any{"msgtype": "text", "text": map[string]any{
		"content":        "[FL#20261121-0042] 新故障： 专线中断\n站点：上海<@all>\n接口：[x](http://evil.example)\nhttps://noc.example.com/incidents/ab12",
		"mentioned_list": []any{"@all"}, "mentioned_mobile_list": []any{"13800000000"}}}
	if d := cmp.Diff(got, want); d != "" || address != s.URL.Reveal() {
		t.Errorf("%s (-got +want):\n%s", address, d)
	}
	m := note
	m.Level, m.Repeat = Major, true
	if got, _ = build(t, s, m); got["text"].(map[string]any)["mentioned_list"] != nil || !strings.HasPrefix(got["text"].(map[string]any)["content"].(string), "【重发】[FL#") {
		t.Errorf("major: %v", got)
	}
	m.Text = strings.Repeat("故障<@all>", 900)
	got, _ = build(t, s, m)
	md := got["markdown"].(map[string]any)["content"].(string)
	if got["msgtype"] != "markdown" || len(md) > 4096 || !utf8.ValidString(md) || strings.Contains(md, "<@") || !strings.HasSuffix(md, "…\n[查看故障单](https://noc.example.com/incidents/ab12)") {
		t.Errorf("long: %d bytes, %s", len(md), md[len(md)-200:])
	}
}

func TestDingTalk(t *testing.T) {
	s := Settings{Name: "a", Kind: DingTalk, URL: "https://oapi.dingtalk.com/robot/send?access_token=t", Secret: vectorSecret, AtMobiles: []string{"13800000000"}}
	got, address := build(t, s, note)
	want := map[string]any{"msgtype": "markdown", "at": map[string]any{"atMobiles": []any{"13800000000"}}, "markdown": map[string]any{
		"title": "[FL#20261121-0042] 新故障： 专线中断",
		"text":  "#### [FL#20261121-0042] 新故障： 专线中断\n\n站点：上海＜@all>  \n接口：[x] (http://evil.example)\n\n[查看故障单](https://noc.example.com/incidents/ab12)\n\n@13800000000"}}
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("body (-got +want):\n%s", d)
	}
	if address != s.URL.Reveal()+"&timestamp=1700000000000&sign=TSZbRFUuvaSQaRKUpF970OPCb2%2FLcQAP3wOvwZIzBZk%3D" {
		t.Errorf("address %s", address)
	}
	u, err := url.Parse(address)
	if err != nil || u.Query().Get("sign") != "TSZbRFUuvaSQaRKUpF970OPCb2/LcQAP3wOvwZIzBZk=" || u.Query().Get("access_token") != "t" {
		t.Errorf("%v, %v", u, err)
	}
}

func TestFeishu(t *testing.T) {
	s := Settings{Name: "a", Kind: Feishu, URL: "https://open.feishu.cn/open-apis/bot/v2/hook/x", Secret: vectorSecret, AtAll: true, Language: "en"}
	got, _ := build(t, s, note)
	if got["timestamp"] != "1700000000" || got["sign"] != "PiO7POLlSx/DM2qf8Dy/XCWeJK3exVnevp5G99LEN2M=" || got["msg_type"] != "interactive" {
		t.Errorf("signed %v", got)
	}
	card := got["card"].(map[string]any)
	want := []any{
		map[string]any{"tag": "div", "text": map[string]any{"tag": "plain_text", "content": "站点：上海<@all>\n接口：[x](http://evil.example)"}},
		map[string]any{"tag": "div", "text": map[string]any{"tag": "lark_md", "content": "<at id=all></at>"}},
		map[string]any{"tag": "action", "actions": []any{map[string]any{"tag": "button", "type": "primary", "url": note.URL, "text": map[string]any{"tag": "plain_text", "content": "查看故障单"}}}},
	}
	if d := cmp.Diff(card["elements"], any(want)); d != "" || card["header"].(map[string]any)["template"] != "red" {
		t.Errorf("card (-got +want):\n%s", d)
	}
	s.Secret = ""
	if got, _ = build(t, s, note); got["sign"] != nil {
		t.Error("signed without a secret")
	}
}

func TestSlackAndTeams(t *testing.T) {
	got, _ := build(t, Settings{Name: "a", Kind: Slack, URL: "https://hooks.slack.com/x", AtAll: true}, note)
	if want := "*[FL#20261121-0042] 新故障： 专线中断*\n站点：上海&lt;@all&gt;\n接口：[x](http://evil.example)\n<!channel>\n<https://noc.example.com/incidents/ab12|查看故障单>"; got["text"] != want {
		t.Errorf("slack %q", got["text"])
	}
	m := note
	m.Language = "en"
	got, _ = build(t, Settings{Name: "a", Kind: Teams, URL: "https://x.logic.azure.com/y"}, m)
	card := got["attachments"].([]any)[0].(map[string]any)["content"].(map[string]any)
	text := card["body"].([]any)[1].(map[string]any)["text"]
	if text != "站点：上海＜@all>\n\n接口：[x] (http://evil.example)" || card["actions"].([]any)[0].(map[string]any)["title"] != "Open the incident" {
		t.Errorf("teams %v", card)
	}
}

func TestHooks(t *testing.T) {
	s := Settings{Name: "sms", Kind: SMS, URL: "https://sms.example/send", Keys: []secret.String{"new-key-0123456789", "old-key-0123456789"}, To: []string{"+8613800000000"}}
	m := note
	m.Short = strings.Repeat("长", 300)
	r, err := Build(s, m, now)
	if err != nil {
		t.Fatal(err)
	}
	var b HookBody
	if err := json.Unmarshal(r.Body, &b); err != nil {
		t.Fatal(err)
	}
	if utf8.RuneCountInString(b.Short) != 120 || b.To[0] != "+8613800000000" || b.Kind != "sms" || b.Language != "zh-CN" || r.Header["Idempotency-Key"] != "k1" {
		t.Errorf("%+v, %v", b, r.Header)
	}
	for _, k := range s.Keys {
		if !webhook.Verify(r.Header[webhook.SignatureHeader], r.Body, k.Reveal()) {
			t.Errorf("key %q does not verify", k.Reveal())
		}
	}
}

// outcome is what an answer means in a word.
func outcome(err error) string {
	var refused *Refused
	var te *ticket.Error
	switch {
	case err == nil:
		return "taken"
	case errors.As(err, &refused):
		return "muted " + refused.For.String()
	case errors.As(err, &te):
		return map[bool]string{true: "again", false: "final"}[te.Retryable] + map[bool]string{true: " maybe"}[te.Ambiguous]
	}
	return err.Error()
}

func TestJudge(t *testing.T) {
	tests := []struct {
		kind   Kind
		status int
		body   string
		want   string
	}{
		{WeCom, 200, `{"errcode":0,"errmsg":"ok"}`, "taken"},
		{WeCom, 200, `{"errcode":45009,"errmsg":"api freq out of limit"}`, "muted 0s"},
		{WeCom, 200, `{"errcode":93000,"errmsg":"invalid webhook url"}`, "final"},
		{WeCom, 200, `{"errcode":-1,"errmsg":"system busy"}`, "again"},
		{WeCom, 200, `{}`, "again maybe"},
		{WeCom, 200, `<html>portal</html>`, "again maybe"},
		{WeCom, 200, ``, "again maybe"},
		{WeCom, 502, ``, "again maybe"},
		{WeCom, 500, ``, "again"},
		{WeCom, 302, ``, "final"},
		{DingTalk, 200, `{"errcode":0,"errmsg":"ok"}`, "taken"},
		{DingTalk, 200, `{"errcode":130101,"errmsg":"send too fast, exceed 20 times per minute"}`, "muted 0s"},
		{DingTalk, 200, `{"errcode":310000,"errmsg":"sign not match"}`, "final"},
		{DingTalk, 200, `{"errcode":300005,"errmsg":"token is not exist"}`, "final"},
		{Feishu, 200, `{"code":0,"msg":"success","data":{}}`, "taken"},
		{Feishu, 200, `{"Extra":null,"StatusCode":0,"StatusMessage":"success"}`, "taken"},
		{Feishu, 200, `{"code":11232,"msg":"create message trigger rate limit"}`, "muted 0s"},
		{Feishu, 400, `{"code":9499,"msg":"too many request"}`, "muted 0s"},
		{Feishu, 400, `{"code":9499,"msg":"Bad Request"}`, "final"},
		{Feishu, 200, `{"code":19021,"msg":"sign match fail or timestamp is not within one hour from current time"}`, "final"},
		{Feishu, 404, `not found`, "final"},
		{Slack, 200, `ok`, "taken"},
		{Slack, 200, `<html>`, "final"},
		{Slack, 429, ``, "muted 7s"},
		{Slack, 404, `no_service`, "final"},
		{Teams, 202, ``, "taken"},
		{Teams, 200, `1`, "taken"},
		{Teams, 200, `Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with ContextId x`, "muted 0s"},
		{Teams, 200, `Webhook message delivery failed with error: HTTP error 400`, "final"},
		{SMS, 200, ``, "taken"},
		{SMS, 204, ``, "taken"},
		{SMS, 200, `accepted`, "taken"},
		{SMS, 200, `{"Code":"OK"}`, "taken"},
		{SMS, 200, `{"code":200,"msg":"成功"}`, "taken"},
		{SMS, 200, `{"code":"isv.BUSINESS_LIMIT_CONTROL"}`, "final"},
		{SMS, 200, `{"errcode":17}`, "final"},
		{Voice, 200, `{"success":false}`, "final"},
		{Hook, 200, `{"error":"no such number"}`, "final"},
		{Hook, 200, `{"error":null,"id":"7"}`, "taken"},
		{Hook, 401, ``, "final"},
		{Hook, 408, ``, "again"},
	}
	for _, tt := range tests {
		if got := outcome(Judge(tt.kind, Answer{Status: tt.status, RetryAfter: "7", Body: []byte(tt.body)})); got != tt.want {
			t.Errorf("%s %d %s: %s, want %s", tt.kind, tt.status, tt.body, got, tt.want)
		}
	}
}

// TestPostHidesAddresses because they hold keys.
func TestPostHidesAddresses(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	cut := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer cut.Close()
	for address, want := range map[string]string{gone.URL + "?key=hidden": "again", cut.URL + "?key=hidden": "again maybe", "http://[::1?hidden": "final"} {
		_, err := Post(t.Context(), http.DefaultClient, Request{URL: secret.String(address)})
		if outcome(err) != want || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestValidate(t *testing.T) {
	good := Settings{Name: "noc", Kind: WeCom, URL: "https://qyapi.weixin.qq.com/x?key=hidden", Roles: []string{"hq_network"}, Sites: []string{"b1"}, Levels: []string{Critical}}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	bad := Settings{Kind: "irc", URL: "ftp://hidden", Keys: []secret.String{"short"}, Levels: []string{"loud"}, PerMinute: 2}
	err := bad.Validate()
	for _, want := range []string{"name is missing", `kind "irc"`, "url is not", "key 1", `level "loud"`, "per_minute"} {
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if err := (Settings{Name: "s", Kind: SMS, URL: "https://sms.example"}).Validate(); err == nil {
		t.Error("a gateway without a key was accepted")
	}
	for _, k := range []Kind{WeCom, DingTalk, Feishu, Slack, Teams, SMS, Voice, Hook} {
		for _, per := range []int{0, 3, 4, 20} {
			l := Settings{Kind: k, PerMinute: per}.Limits()
			if l.Reserve < 1 || l.Digests < 1 || l.Reserve+l.Digests > l.PerMinute {
				t.Errorf("%s with %d a minute: %+v", k, per, l)
			}
		}
	}
	if !good.Wants([]string{"hq_dba", "hq_network"}, "b1", Critical) || good.Wants([]string{"hq_network"}, "b2", Critical) || good.Wants([]string{"hq_network"}, "b1", Major) || good.Wants(nil, "b1", Critical) {
		t.Error("wants the wrong ones")
	}
}

func FuzzCut(f *testing.F) {
	f.Add("专线中断", 7)
	f.Add("\xff\xfe", 2)
	f.Fuzz(func(t *testing.T, s string, n int) {
		if n < 0 || n > 1<<16 {
			return
		}
		got := Cut(s, n)
		if len(got) > n || !utf8.ValidString(got) {
			t.Fatalf("Cut(%q, %d) = %q", s, n, got)
		}
	})
}
