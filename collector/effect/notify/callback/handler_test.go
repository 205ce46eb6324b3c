package callback

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/faultline/faultline/internal/lang"
)

var (
	now     = time.Unix(1700000000, 0)
	sealKey = []byte("0123456789abcdef0123456789abcdef")
	apps    = []App{{Name: "w", Kind: WeCom, ID: wecomCorp, Token: wecomToken, Key: wecomKey}, {Name: "d", Kind: DingTalk, ID: "dingapp", Secret: "ding-secret"},
		{Name: "f", Kind: Feishu, ID: "cli_a1", Token: "verify-token", Key: "test key"}}
)

// fixture is a handler and what it handed on.
type fixture struct {
	t       *testing.T
	h       *Handler
	pressed []Press
	err     error
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{t: t}
	var err error
	f.h, err = New(Options{Apps: apps, Key: sealKey, Now: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler),
		Act: func(_ context.Context, p Press) (lang.Text, error) {
			f.pressed = append(f.pressed, p)
			return lang.Text{ZH: "已确认 " + p.Number, EN: "done"}, f.err
		}})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	f.h.ServeHTTP(w, r)
	return w
}

// wecom is a callback of WeCom with this content, signed at a time.
func wecom(t *testing.T, content string, at time.Time) *http.Request {
	t.Helper()
	enc, err := EncryptWeCom(wecomKey, []byte("<xml><ToUserName>corp</ToUserName><FromUserName><![CDATA[ZhangWei]]></FromUserName><CreateTime>1700000000</CreateTime>"+content+"</xml>"), []byte("0123456789abcdef"), wecomCorp)
	if err != nil {
		t.Fatal(err)
	}
	ts := fmt.Sprint(at.Unix())
	q := url.Values{"timestamp": {ts}, "nonce": {"n1"}, "msg_signature": {SignWeCom(wecomToken, ts, "n1", enc)}}
	return httptest.NewRequest(http.MethodPost, Prefix+"w?"+q.Encode(), strings.NewReader("<xml><Encrypt><![CDATA["+enc+"]]></Encrypt></xml>"))
}

// dingtalk is a message to the DingTalk robot.
func dingtalk(text, id string, at time.Time) *http.Request {
	b, _ := json.Marshal(map[string]any{"msgtype": "text", "msgId": id, "senderStaffId": "user123", "text": map[string]string{"content": text}})
	r := httptest.NewRequest(http.MethodPost, Prefix+"d", strings.NewReader(string(b)))
	ts := fmt.Sprint(at.UnixMilli())
	r.Header.Set("timestamp", ts)
	r.Header.Set("sign", SignDingTalk(ts, "ding-secret"))
	return r
}

// feishu is an encrypted and signed event of Feishu.
func feishu(t *testing.T, event string, at time.Time) *http.Request {
	t.Helper()
	key := sha256.Sum256([]byte("test key"))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		t.Fatal(err)
	}
	plain := []byte(event)
	pad := 16 - len(plain)%16
	plain = append(plain, strings.Repeat(string(rune(pad)), pad)...)
	iv := []byte("fedcba9876543210")
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(plain, plain)
	body, _ := json.Marshal(map[string]string{"encrypt": base64.StdEncoding.EncodeToString(append(iv, plain...))})
	r := httptest.NewRequest(http.MethodPost, Prefix+"f", strings.NewReader(string(body)))
	ts := fmt.Sprint(at.Unix())
	r.Header.Set("X-Lark-Request-Timestamp", ts)
	r.Header.Set("X-Lark-Request-Nonce", "nn")
	r.Header.Set("X-Lark-Signature", SignFeishu(ts, "nn", "test key", body))
	return r
}

const feishuHead = `"schema":"2.0","header":{"event_id":"ev1","event_type":"%s","token":"verify-token","app_id":"cli_a1"}`

func feishuCard(value string) string {
	return `{` + fmt.Sprintf(feishuHead, "card.action.trigger") + `,"event":{"operator":{"open_id":"ou_1","user_id":"u1"},"action":{"value":{"button":"` + value + `"}}}}`
}

func TestPresses(t *testing.T) {
	button := Button{Incident: "ab12", Step: "triage", Action: Ack, Expires: now.Add(time.Hour)}.Seal(sealKey)
	tests := []struct {
		name string
		r    *http.Request
		want Press
	}{
		{"WeCom card", wecom(t, "<MsgType>event</MsgType><Event>template_card_event</Event><TaskId>t1</TaskId><EventKey>"+button+"</EventKey>", now),
			Press{ID: "chat/w/t1/ZhangWei/1700000000", App: "w", User: "ZhangWei", Incident: "ab12", Step: "triage", Action: Ack}},
		{"WeCom text", wecom(t, "<MsgType>text</MsgType><MsgId>77</MsgId><Content>批准 20261121-0042 同意更换</Content>", now),
			Press{ID: "chat/w/77", App: "w", User: "ZhangWei", Number: "20261121-0042", Action: Approve, Comment: "同意更换"}},
		{"DingTalk text", dingtalk(" @机器人 确认 FL#20261121-0042", "m1", now),
			Press{ID: "chat/d/m1", App: "d", User: "user123", Number: "20261121-0042", Action: Ack}},
		{"Feishu card", feishu(t, feishuCard(button), now), Press{ID: "chat/f/ev1", App: "f", User: "u1", Incident: "ab12", Step: "triage", Action: Ack}},
		{"Feishu text", feishu(t, `{`+fmt.Sprintf(feishuHead, "im.message.receive_v1")+`,"event":{"sender":{"sender_id":{"open_id":"ou_1"}},"message":{"message_type":"text","content":"{\"text\":\"@_user_1 驳回 20261121-0042 备件不符\"}"}}}`, now),
			Press{ID: "chat/f/ev1", App: "f", User: "ou_1", Number: "20261121-0042", Action: Reject, Comment: "备件不符"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			w := f.do(tt.r)
			if w.Code != 200 || len(f.pressed) != 1 {
				t.Fatalf("%d %s, pressed %+v", w.Code, w.Body, f.pressed)
			}
			if d := cmp.Diff(f.pressed[0], tt.want, cmpopts.IgnoreFields(Press{}, "At")); d != "" {
				t.Errorf("(-got +want):\n%s", d)
			}
			if text := said(t, tt.want.App, w); !strings.Contains(text, "已确认") {
				t.Errorf("answer %q", text)
			}
		})
	}
}

// said is the sentence of an answer.
func said(t *testing.T, app string, w *httptest.ResponseRecorder) string {
	t.Helper()
	if app != "w" {
		return w.Body.String()
	}
	var x struct{ Encrypt, MsgSignature, TimeStamp, Nonce string }
	if err := xml.Unmarshal(w.Body.Bytes(), &x); err != nil {
		t.Fatal(err)
	}
	if x.MsgSignature != SignWeCom(wecomToken, x.TimeStamp, x.Nonce, x.Encrypt) {
		t.Error("the answer's signature does not fit")
	}
	plain, err := DecryptWeCom(wecomKey, x.Encrypt, wecomCorp)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

// TestRefused lets nothing through that is forged, stale, another app's or open.
func TestRefused(t *testing.T) {
	text := "<MsgType>text</MsgType><MsgId>77</MsgId><Content>确认 20261121-0042</Content>"
	without := func(r *http.Request, header string) *http.Request { r.Header.Del(header); return r }
	forged := func(r *http.Request) *http.Request {
		q := r.URL.Query()
		q.Set("msg_signature", strings.Repeat("0", 40))
		r.URL.RawQuery = q.Encode()
		return r
	}
	plainFeishu := httptest.NewRequest(http.MethodPost, Prefix+"f", strings.NewReader(feishuCard("x")))
	tests := map[string]*http.Request{
		"WeCom, wrong signature":       forged(wecom(t, text, now)),
		"WeCom, two hours old":         wecom(t, text, now.Add(-2*time.Hour)),
		"DingTalk, no signature":       without(dingtalk("确认 20261121-0042", "m", now), "sign"),
		"DingTalk, two hours old":      dingtalk("确认 20261121-0042", "m", now.Add(-2*time.Hour)),
		"Feishu, no signature":         without(feishu(t, feishuCard("x"), now), "X-Lark-Signature"),
		"Feishu, two hours old":        feishu(t, feishuCard("x"), now.Add(-2*time.Hour)),
		"Feishu, not encrypted":        plainFeishu,
		"Feishu, another's token":      feishu(t, strings.Replace(feishuCard("x"), "verify-token", "other", 1), now),
		"Feishu, another app":          feishu(t, strings.Replace(feishuCard("x"), "cli_a1", "cli_b2", 1), now),
		"Feishu, check of another":     feishu(t, `{"type":"url_verification","token":"other","challenge":"c"}`, now),
		"WeCom's message to DingTalk":  retarget(wecom(t, text, now), "d"),
		"DingTalk's message to Feishu": retarget(dingtalk("确认 20261121-0042", "m", now), "f"),
	}
	for name, r := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			if w := f.do(r); w.Code != http.StatusForbidden || len(f.pressed) != 0 {
				t.Errorf("%d %s, pressed %+v", w.Code, w.Body, f.pressed)
			}
		})
	}
	f := newFixture(t)
	if w := f.do(retarget(wecom(t, text, now), "nobody")); w.Code != 404 {
		t.Errorf("unknown app: %d", w.Code)
	}
	if w := f.do(httptest.NewRequest(http.MethodGet, Prefix+"f", nil)); w.Code != 404 {
		t.Errorf("GET of Feishu: %d", w.Code)
	}
}

func retarget(r *http.Request, app string) *http.Request {
	r.URL.Path = Prefix + app
	return r
}

// TestButtonsAreBound refuses values that were not made for exactly this.
func TestButtonsAreBound(t *testing.T) {
	b := Button{Incident: "ab12", Step: "triage", Action: Ack, Expires: now.Add(time.Hour)}
	other := b
	other.Incident = "cd34"
	good, _, _ := strings.Cut(b.Seal(sealKey), ".")
	_, sum, _ := strings.Cut(other.Seal(sealKey), ".")
	old := b
	old.Expires = now
	for name, v := range map[string]string{"another's seal": good + "." + sum, "another key": b.Seal([]byte("another key, 16 bytes")), "too old": old.Seal(sealKey), "no seal": good + ".", "nothing": "x", "plain": "ab12|ack"} {
		f := newFixture(t)
		w := f.do(feishu(t, feishuCard(v), now))
		if w.Code != 200 || len(f.pressed) != 0 || !strings.Contains(w.Body.String(), "此按钮已失效") {
			t.Errorf("%s: %d %s, pressed %+v", name, w.Code, w.Body, f.pressed)
		}
	}
	if got, err := Unseal(sealKey, b.Seal(sealKey), now); err != nil || got != b {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestOutcomes(t *testing.T) {
	f := newFixture(t)
	f.err = &Refused{lang.Text{ZH: "此步骤由其他角色负责", EN: "another role acts here"}}
	if w := f.do(feishu(t, feishuCard(Button{"ab12", "triage", Ack, now.Add(time.Hour)}.Seal(sealKey)), now)); w.Code != 200 || !strings.Contains(w.Body.String(), `"error"`) || !strings.Contains(w.Body.String(), "其他角色") {
		t.Errorf("refused: %d %s", w.Code, w.Body)
	}
	f.err = errors.New("database is gone")
	if w := f.do(dingtalk("确认 20261121-0042", "m", now)); w.Code != 500 || strings.Contains(w.Body.String(), "database") {
		t.Errorf("failed: %d %s", w.Code, w.Body)
	}
	n := len(f.pressed)
	if w := f.do(dingtalk("你好", "m", now)); w.Code != 200 || len(f.pressed) != n || !strings.Contains(w.Body.String(), "例如：确认 20261121-0042") {
		t.Errorf("small talk: %d %s", w.Code, w.Body)
	}
	if w := f.do(wecom(t, "<MsgType>event</MsgType><Event>subscribe</Event>", now)); w.Code != 200 || w.Body.Len() != 0 || len(f.pressed) != n {
		t.Errorf("another event: %d %s", w.Code, w.Body)
	}
}

// TestAddressChecks answers what vendors ask when the address is entered.
func TestAddressChecks(t *testing.T) {
	f := newFixture(t)
	f.h.o.Now = func() time.Time { return time.Unix(1409659600, 0) }
	q := url.Values{"msg_signature": {"5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3"}, "timestamp": {"1409659589"}, "nonce": {"263014780"}, "echostr": {wecomEcho}}
	if w := f.do(httptest.NewRequest(http.MethodGet, Prefix+"w?"+q.Encode(), nil)); w.Code != 200 || w.Body.String() != "1616140317555161061" {
		t.Errorf("WeCom: %d %q", w.Code, w.Body)
	}
	r := feishu(t, `{"type":"url_verification","token":"verify-token","challenge":"ajls384"}`, now)
	r.Header.Del("X-Lark-Signature") // it is not signed
	if w := f.do(r); w.Code != 200 || w.Body.String() != `{"challenge":"ajls384"}` {
		t.Errorf("Feishu: %d %q", w.Code, w.Body)
	}
}

func TestParseWords(t *testing.T) {
	tests := []struct{ in, action, number, comment string }{
		{"确认 20261121-0042", Ack, "20261121-0042", ""},
		{"@Faultline  ACK  FL#20261121-0042  on my way ", Ack, "20261121-0042", "on my way"},
		{"确认： [FL#20261121-0042]", Ack, "20261121-0042", ""},
		{"备注 20261121-0042 已电话联系", Comment, "20261121-0042", "已电话联系"},
		{"确认", "", "", ""}, {"20261121-0042", "", "", ""}, {"确认 0042", "", "", ""}, {"驳回 20261121-0042", "", "", ""},
		{"关闭 20261121-0042", "", "", ""}, {"确认 20261121-00x2", "", "", ""}, {"", "", "", ""},
	}
	for _, tt := range tests {
		action, number, comment, err := ParseWords(tt.in)
		if tt.action == "" {
			if err == nil {
				t.Errorf("%q is %s %s", tt.in, action, number)
			}
			continue
		}
		if err != nil || action != tt.action || number != tt.number || comment != tt.comment {
			t.Errorf("%q: %s, %s, %q, %v", tt.in, action, number, comment, err)
		}
	}
}

func TestNew(t *testing.T) {
	act := func(context.Context, Press) (lang.Text, error) { return lang.Text{}, nil }
	for name, o := range map[string]Options{
		"no key": {Act: act}, "no action": {Key: sealKey}, "twice": {Act: act, Key: sealKey, Apps: []App{apps[0], apps[0]}},
		"a slash":              {Act: act, Key: sealKey, Apps: []App{{Name: "a/b", Kind: DingTalk, ID: "x", Secret: "y"}}},
		"Feishu without a key": {Act: act, Key: sealKey, Apps: []App{{Name: "f", Kind: Feishu, ID: "x", Token: "y"}}}, "kind": {Act: act, Key: sealKey, Apps: []App{{Name: "q", Kind: "qq"}}},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
