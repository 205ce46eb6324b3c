package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/reporter"
	"github.com/faultline/faultline/internal/lang"
)

// maxBody bounds what a request may send, in bytes.
const maxBody = 64 << 10

// maxReport bounds a report of a fault with its photos in base64, in bytes.
const maxReport = maxBody + reporter.MaxPhotos*reporter.MaxPhoto/3*4

// problem is the body of every error: RFC 9457, with error and hint beside it.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Error  string `json:"error"`
	Hint   string `json:"hint,omitempty"`
}

// httpError is an error of HTTP itself.
type httpError struct {
	status int
	text   lang.Text
	hint   lang.Text
}

func (e *httpError) Error() string { return e.text.EN }

var errNotReady = errors.New("not ready")

// fail answers with the error. What is nobody's business is logged, not sent.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	language := s.language(r)
	p := problem{Type: "about:blank"}
	e := classify(err)
	p.Status, p.Error, p.Hint = e.status, e.text.In(language), e.hint.In(language)
	switch e.status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="faultline"`)
	case http.StatusInternalServerError, http.StatusServiceUnavailable:
		if r.Context().Err() == nil {
			s.Logger.Error("api request", "method", r.Method, "path", r.URL.Path, "err", err)
		}
	}
	p.Title = http.StatusText(p.Status)
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Content-Language", language)
	w.WriteHeader(p.Status)
	writeProblem(w, p)
}

func writeProblem(w io.Writer, p problem) {
	b, err := json.Marshal(p)
	if err != nil {
		panic(fmt.Sprintf("marshal problem: %v", err)) // strings and a number
	}
	_, _ = w.Write(append(b, '\n')) // the client may be gone; there is nobody to tell
}

// classify finds the status and words of an error.
func classify(err error) *httpError {
	var he *httpError
	var refusal *Refusal
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &he):
		return he
	case errors.As(err, &refusal):
		status := map[string]int{Forbidden: 403, NotNow: 409, Invalid: 422, TooMany: 429}[refusal.Why]
		return &httpError{status, refusal.Text, refusal.Hint}
	case errors.Is(err, account.ErrCredentials):
		return &httpError{401, lang.Text{ZH: "未登录或令牌无效", EN: "not signed in, or the token is not valid"},
			lang.Text{ZH: "请登录，或发送 Authorization: Bearer 令牌", EN: "sign in, or send Authorization: Bearer TOKEN"}}
	case errors.Is(err, engine.ErrNotFound):
		return &httpError{status: 404, text: lang.Text{ZH: "没有此事件，或不在您的范围内", EN: "no such incident, or not within your scope"}}
	case errors.Is(err, engine.ErrConflict):
		return &httpError{409, lang.Text{ZH: "事件刚刚发生了变化", EN: "the incident changed meanwhile"}, lang.Text{ZH: "请刷新后重试", EN: "read it again and repeat"}}
	case errors.Is(err, engine.ErrFenced):
		return &httpError{503, lang.Text{ZH: "另一台采集器正在接管", EN: "another collector is taking over"}, lang.Text{ZH: "请稍后重试", EN: "try again in a few seconds"}}
	case errors.As(err, &tooLarge):
		return &httpError{status: 413, text: lang.Same(fmt.Sprintf("the body is larger than %d bytes", tooLarge.Limit))}
	case errors.Is(err, errNotReady):
		return &httpError{status: 503, text: lang.Same(err.Error())}
	default:
		return &httpError{500, lang.Text{ZH: "采集器内部错误", EN: "the collector could not do that"}, lang.Text{ZH: "详见采集器日志", EN: "the collector's log says why"}}
	}
}

// invalid says what is wrong with a request.
func invalid(zh, en string) error {
	return &Refusal{Why: Invalid, Text: lang.Text{ZH: zh, EN: en}}
}

// decode reads one JSON document of bounded size and known fields.
func decode(w http.ResponseWriter, r *http.Request, into any) error {
	return decodeUpTo(w, r, into, maxBody)
}

// decodeUpTo is decode for at most so many bytes.
func decodeUpTo(w http.ResponseWriter, r *http.Request, into any, limit int64) error {
	if ct, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); ct != "application/json" {
		return &httpError{status: 415, text: lang.Text{ZH: "内容类型必须是 application/json", EN: "the content type must be application/json"}}
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, limit))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		err = errors.New("something follows the JSON document")
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return err
	}
	return &httpError{status: 400, text: lang.Text{ZH: "请求体不是预期的 JSON：" + err.Error(), EN: "the body is not the JSON expected: " + err.Error()}}
}

// answer writes v as JSON.
func answer(w http.ResponseWriter, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("marshal answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // the client may be gone; there is nobody to tell
	return nil
}

// language returns the language of the answer's words: asked for by ?lang=, the
// person's own, the first that Accept-Language names and we have, else English.
func (s *server) language(r *http.Request) string {
	p, _ := account.From(r.Context())
	for _, l := range []string{r.URL.Query().Get("lang"), p.Language, r.Header.Get("Accept-Language")} {
		for tag := range strings.SplitSeq(l, ",") {
			switch tag = strings.ToLower(strings.TrimSpace(tag)); {
			case strings.HasPrefix(tag, "zh"):
				return lang.ZH
			case strings.HasPrefix(tag, "en"):
				return lang.EN
			}
		}
	}
	return lang.EN
}
