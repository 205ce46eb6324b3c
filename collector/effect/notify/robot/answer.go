package robot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/lease"
	"github.com/faultline/faultline/internal/outgoing"
	"github.com/faultline/faultline/plugins/ticket"
)

// Refused is the error of a robot that takes nothing for a while: we are muted.
type Refused struct {
	For time.Duration // 0: it does not say
	Err error
}

// Error returns the vendor's words.
func (r *Refused) Error() string { return "the robot refuses for now: " + r.Err.Error() }

// Unwrap returns the cause.
func (r *Refused) Unwrap() error { return r.Err }

// Answer is what came back.
type Answer struct {
	Status     int
	RetryAfter string // header
	Body       []byte
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 64 << 10

// Post sends the request and returns the answer. Its error is a *ticket.Error,
// which is ambiguous when the robot may have read it all. Addresses hold keys
// and are in no error.
func Post(ctx context.Context, c *http.Client, r Request) (Answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL.Reveal(), bytes.NewReader(r.Body))
	if err != nil {
		return Answer{}, &ticket.Error{Op: "robot address", Err: errors.New("not an address")}
	}
	outgoing.Once(req)
	for k, v := range r.Header {
		req.Header.Set(k, v)
	}
	resp, err := outgoing.Do(c.Do, req, func() error { return lease.Check(ctx) })
	if err != nil {
		return Answer{}, &ticket.Error{Op: "robot post", Retryable: true, Ambiguous: !outgoing.NeverConnected(err) && !errors.Is(err, lease.ErrLost), Err: outgoing.Bare(err)}
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return Answer{}, &ticket.Error{Op: "robot answer", Retryable: true, Ambiguous: true, Err: outgoing.Bare(err)}
	}
	return Answer{Status: resp.StatusCode, RetryAfter: resp.Header.Get("Retry-After"), Body: body}, nil
}

// Judge tells whether the robot took the message: nil, a *Refused, or a
// *ticket.Error. Robots report most errors with status 200, so the body counts.
func Judge(k Kind, a Answer) error {
	said := says(a.Body)
	switch {
	case RefusesToken(k, a):
		return &ticket.Error{Op: string(k), Retryable: true, Err: fmt.Errorf("the access token is over: %s", said)}
	case a.Status == http.StatusTooManyRequests:
		s, _ := strconv.Atoi(a.RetryAfter)
		return &Refused{For: time.Duration(max(0, s)) * time.Second, Err: fmt.Errorf("answered 429 %s", said)}
	case a.Status == http.StatusRequestTimeout, a.Status >= 500:
		return &ticket.Error{Op: "robot post", Retryable: true, Ambiguous: a.Status == http.StatusBadGateway || a.Status == http.StatusGatewayTimeout,
			Err: fmt.Errorf("answered %d %s", a.Status, said)}
	case (k == Feishu || k == FeishuApp || k == DingTalkApp) && a.Status == http.StatusBadRequest: // its errors come with a code, and 400 or 200
	case a.Status/100 != 2:
		e := &ticket.Error{Op: "robot post", Err: fmt.Errorf("answered %d %s", a.Status, said)}
		if a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden || a.Status == http.StatusNotFound {
			e.Hint = "is the robot's address still right?"
		}
		return e
	}
	switch k {
	case WeCom, DingTalk, Feishu:
		return judgeCode(k, a, said)
	case WeComApp:
		return judgeCode(WeCom, a, said)
	case FeishuApp:
		return judgeCode(Feishu, a, said)
	case DingTalkApp:
		return judgeDingTalkApp(a, said)
	case Slack:
		if a.Status == http.StatusOK && strings.TrimSpace(string(a.Body)) != "ok" {
			return &ticket.Error{Op: "slack", Err: fmt.Errorf("answered %s", said)}
		}
		return nil
	case Teams:
		return judgeTeams(a, said)
	default:
		return judgeHook(a, said)
	}
}

// coded is the body of the Chinese robots' answers.
type coded struct {
	ErrCode    *int   `json:"errcode"`
	ErrMsg     string `json:"errmsg"`
	Code       *int   `json:"code"` // Feishu
	Msg        string `json:"msg"`
	StatusCode *int   `json:"StatusCode"` // Feishu, older
}

// codes says what the vendors' error codes mean; others are final.
var codes = map[Kind]map[int]struct {
	tooFast, busy bool
	hint          string
}{
	WeCom: {45009: {tooFast: true}, 45033: {tooFast: true}, -1: {busy: true}, 93000: {hint: "the robot's key is wrong or the robot was removed from the group"},
		93008: {hint: "the robot was removed from the group"}, 93017: {hint: "the robot was removed from the group"}},
	DingTalk: {130101: {tooFast: true}, 410100: {tooFast: true}, -1: {busy: true}, 300005: {hint: "the robot's access_token is wrong"},
		310000: {hint: "keyword, address list or signature does not fit: compare the robot's security settings with ours, and our clock with theirs"}},
	Feishu: {11232: {tooFast: true}, 230020: {tooFast: true}, 11247: {tooFast: true}, 99991400: {tooFast: true}, 11233: {busy: true}, 19021: {hint: "the secret is wrong, or our clock is off by more than an hour"},
		19022: {hint: "our address is not on the robot's list"}, 19024: {hint: "the robot wants a keyword that is not in the text"}, 19001: {hint: "the robot's address is wrong"}},
}

// judgeCode reads the answers of WeCom, DingTalk and Feishu. An answer without a
// code is no delivery: a captive portal's page says nothing.
func judgeCode(k Kind, a Answer, said string) error {
	var c coded
	err := json.Unmarshal(a.Body, &c)
	code := c.ErrCode
	if k == Feishu {
		code = c.Code
		if code == nil {
			code = c.StatusCode
		}
	}
	switch {
	case err != nil || code == nil:
		return &ticket.Error{Op: string(k), Retryable: true, Ambiguous: true, Hint: "is something in between answering in the robot's place?", Err: fmt.Errorf("answered %d without a code: %s", a.Status, said)}
	case *code == 0:
		return nil
	}
	meaning := codes[k][*code]
	text := strings.ToLower(c.ErrMsg + c.Msg)
	cause := fmt.Errorf("%s error %d: %s", k, *code, oneLine(Cut(c.ErrMsg+c.Msg, 200)))
	switch {
	// Some codes mean a bad request as well as too many, and say so in words.
	case meaning.tooFast, strings.Contains(text, "too many request"), strings.Contains(text, "too fast"), strings.Contains(text, "freq out of limit"), strings.Contains(text, "frequency limit"):
		return &Refused{Err: cause}
	default:
		return &ticket.Error{Op: string(k), Retryable: meaning.busy, Hint: meaning.hint, Err: cause}
	}
}

// judgeTeams reads the answer of a workflow (202, or 200 with nothing or "1"):
// the older connectors report errors as text with status 200.
func judgeTeams(a Answer, said string) error {
	text := strings.ToLower(string(a.Body))
	switch {
	case strings.Contains(text, "http error 429"), strings.Contains(text, "too many requests"):
		return &Refused{Err: fmt.Errorf("answered %s", said)}
	case strings.Contains(text, "error"), strings.Contains(text, "failed"):
		return &ticket.Error{Op: "teams", Err: fmt.Errorf("answered %s", said)}
	}
	return nil
}

// judgeHook reads the answer of a gateway: any 2xx whose body, if it is JSON,
// reports no error in one of the usual ways.
func judgeHook(a Answer, said string) error {
	var b struct {
		ErrCode json.RawMessage `json:"errcode"`
		Code    json.RawMessage `json:"code"`
		Success *bool           `json:"success"`
		Error   any             `json:"error"`
	}
	if json.Unmarshal(a.Body, &b) != nil {
		return nil
	}
	good := func(raw json.RawMessage) bool {
		switch strings.ToLower(strings.Trim(string(raw), `"`)) {
		case "", "null", "0", "200", "201", "202", "ok", "success", "true":
			return true
		}
		return false
	}
	wrong := b.Error != nil && b.Error != "" && b.Error != false && b.Error != float64(0)
	if !good(b.ErrCode) || !good(b.Code) || b.Success != nil && !*b.Success || wrong {
		return &ticket.Error{Op: "gateway", Err: fmt.Errorf("answered %d with an error: %s", a.Status, said)}
	}
	return nil
}

// says is the beginning of a body in one line.
func says(body []byte) string { return oneLine(Cut(string(body), 200)) }
