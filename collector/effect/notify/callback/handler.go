package callback

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline/faultline/internal/lang"
)

// Prefix of the addresses: Prefix + an app's name is what its vendor calls.
const Prefix = "/chat/"

// maxBody bounds a callback, in bytes.
const maxBody = 256 << 10

// patience is how long people's actions may take: the vendors wait 3 to 5 s and
// then call again, which changes nothing.
const patience = 2500 * time.Millisecond

// Options configure a Handler. Apps, Key and Act are required.
type Options struct {
	Apps []App
	Key  []byte // seals buttons; 32 random bytes that outlive restarts
	// Act does what the person asked for and returns what to answer. It finds the
	// person's account by app and user, and checks that the person may do this
	// now. A repeat of a Press with the same ID must change nothing.
	Act        func(ctx context.Context, p Press) (lang.Text, error)
	Language   string // of answers; "" is Chinese
	Now        func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Handler serves Prefix.
type Handler struct {
	o     Options
	apps  map[string]App
	calls *prometheus.CounterVec // app, result
}

// New returns a Handler.
func New(o Options) (*Handler, error) {
	if o.Act == nil || len(o.Key) < 16 {
		return nil, errors.New("chat callbacks: an action and a key of 16 bytes or more are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Language == "" {
		o.Language = lang.ZH
	}
	h := &Handler{o: o, apps: map[string]App{}, calls: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "faultline_chat_callbacks_total",
		Help: "Callbacks of chat apps by app and result (done, refused, check, ignored, unsigned, failed)."}, []string{"app", "result"})}
	var errs []error
	for _, a := range o.Apps {
		errs = append(errs, a.Validate())
		if _, ok := h.apps[a.Name]; ok {
			errs = append(errs, fmt.Errorf("chat app %s: the name is taken", a.Name))
		}
		h.apps[a.Name] = a
	}
	if o.Registerer != nil {
		errs = append(errs, o.Registerer.Register(h.calls))
	}
	return h, errors.Join(errs...)
}

// ServeHTTP implements http.Handler. Callbacks prove themselves by their
// signature; nothing else is needed in front.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	app, ok := h.apps[strings.TrimPrefix(r.URL.Path, Prefix)]
	if !ok || r.Method != http.MethodPost && !(r.Method == http.MethodGet && app.Kind == WeCom) {
		http.NotFound(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "the callback is too large or did not arrive whole", http.StatusBadRequest)
		return
	}
	now := h.o.Now()
	said, err := app.listen(r.URL.Query(), r.Header, body, now)
	if err != nil {
		h.calls.WithLabelValues(app.Name, "unsigned").Inc()
		h.o.Logger.Warn("chat callback refused", "app", app.Name, "err", err)
		http.Error(w, "refused", http.StatusForbidden)
		return
	}
	if said.echo != "" {
		h.calls.WithLabelValues(app.Name, "check").Inc()
		h.echo(w, app, said.echo)
		return
	}
	press, err := h.press(app, said, now)
	if press.Action == "" && err == nil {
		h.calls.WithLabelValues(app.Name, "ignored").Inc()
		h.answer(w, app, said.user, "", false)
		return
	}
	var text lang.Text
	if err == nil {
		ctx, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		text, err = h.o.Act(ctx, press)
	}
	h.close(w, app, said.user, text, err)
}

// close answers with what became of it.
func (h *Handler) close(w http.ResponseWriter, app App, user string, text lang.Text, err error) {
	var refused *Refused
	switch {
	case err == nil:
		h.calls.WithLabelValues(app.Name, "done").Inc()
		h.answer(w, app, user, text.In(h.o.Language), false)
	case errors.As(err, &refused):
		h.calls.WithLabelValues(app.Name, "refused").Inc()
		h.answer(w, app, user, refused.Text.In(h.o.Language), true)
	default:
		h.calls.WithLabelValues(app.Name, "failed").Inc()
		h.o.Logger.Error("chat callback", "app", app.Name, "err", err)
		http.Error(w, "try again", http.StatusInternalServerError) // the vendor calls again
	}
}

// Refused is an error of Act that the person can read: it is not done again.
type Refused struct{ Text lang.Text }

// Error returns the English text.
func (r *Refused) Error() string { return r.Text.EN }

// press turns what was said into an action; without one it is nothing for us.
func (h *Handler) press(app App, said heard, now time.Time) (Press, error) {
	p := Press{ID: "chat/" + app.Name + "/" + said.id, App: app.Name, User: said.user, At: now}
	switch {
	case said.user == "" || said.id == "":
		return Press{}, nil
	case said.value != "":
		b, err := Unseal(h.o.Key, said.value, now)
		if err != nil {
			return Press{}, &Refused{lang.Text{ZH: "此按钮已失效，请打开故障单操作", EN: "this button does not work any more: open the incident"}}
		}
		p.Incident, p.Step, p.Action = b.Incident, b.Step, b.Action
	case strings.TrimSpace(said.text) != "":
		action, number, comment, err := ParseWords(said.text)
		if err != nil {
			return Press{}, &Refused{lang.Text{ZH: "请发送“确认/批准/驳回/备注 故障单号 说明”，例如：确认 20261121-0042（驳回和备注需要说明）",
				EN: "write ack, approve, reject or comment, the incident's number and a text, e.g. ack 20261121-0042 (reject and comment need the text)"}}
		}
		p.Action, p.Number, p.Comment = action, number, comment
	default:
		return Press{}, nil
	}
	return p, nil
}

// echo proves to the vendor that the address is ours.
func (h *Handler) echo(w http.ResponseWriter, app App, text string) {
	if app.Kind == Feishu {
		writeJSON(w, map[string]string{"challenge": text})
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, text) // the vendor may be gone
}

// answer shows the person a sentence, in the form each app understands.
func (h *Handler) answer(w http.ResponseWriter, app App, user, text string, failed bool) {
	switch {
	case app.Kind == Feishu && text != "":
		kind := map[bool]string{true: "error", false: "success"}[failed]
		writeJSON(w, map[string]any{"toast": map[string]string{"type": kind, "content": text}})
	case app.Kind == DingTalk && text != "":
		writeJSON(w, map[string]any{"msgtype": "text", "text": map[string]string{"content": text}})
	case app.Kind == WeCom && text != "":
		h.answerWeCom(w, app, user, text)
	case app.Kind == WeCom:
		w.WriteHeader(http.StatusOK)
	default:
		writeJSON(w, map[string]any{})
	}
}

// answerWeCom writes an encrypted text to the person.
func (h *Handler) answerWeCom(w http.ResponseWriter, app App, user, text string) {
	now := strconv.FormatInt(h.o.Now().Unix(), 10)
	cdata := func(s string) string { return "<![CDATA[" + strings.ReplaceAll(s, "]]>", "]] >") + "]]>" }
	plain := "<xml><ToUserName>" + cdata(user) + "</ToUserName><FromUserName>" + cdata(app.ID) + "</FromUserName><CreateTime>" + now +
		"</CreateTime><MsgType><![CDATA[text]]></MsgType><Content>" + cdata(text) + "</Content></xml>"
	var random [16]byte
	_, _ = rand.Read(random[:]) // crypto/rand.Read never fails since Go 1.24
	encrypted, err := EncryptWeCom(app.Key.Reveal(), []byte(plain), random[:], app.ID)
	if err != nil {
		w.WriteHeader(http.StatusOK) // the action is done; only the sentence is missing
		return
	}
	nonce := rand.Text()[:10]
	w.Header().Set("Content-Type", "application/xml; charset=utf-8")
	_, _ = io.WriteString(w, "<xml><Encrypt>"+cdata(encrypted)+"</Encrypt><MsgSignature>"+cdata(SignWeCom(app.Token.Reveal(), now, nonce, encrypted))+
		"</MsgSignature><TimeStamp>"+now+"</TimeStamp><Nonce>"+cdata(nonce)+"</Nonce></xml>")
}

func writeJSON(w http.ResponseWriter, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("chat answer: %v", err)) // texts
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write(b) // the vendor may be gone
}
