package vendorpage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/mailin"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/internal/lang"
)

// What a vendor may do.
const (
	doAccept   = "accept" // with or without an expected time
	doQuestion = "question"
	doUpload   = "upload"
	doFixed    = "fixed"
)

// Bounds of a form.
const (
	maxForm  = 64 << 10 // bytes, without files
	maxFiles = 21 << 20 // bytes, with files
	inMemory = 4 << 20  // bytes of files; the rest waits on disk
	maxText  = 2000     // runes
)

// act carries out a form. A form is taken once: sent again it changes nothing.
func (h *Handler) act(w http.ResponseWriter, r *http.Request, v visit) error {
	if !h.acts.Allow(v.g.Ticket, h.o.Now()) {
		return &Refusal{Status: http.StatusTooManyRequests, Result: "limited", Text: tooFast}
	}
	if err := parseForm(w, r); err != nil {
		return err
	}
	what := r.PostFormValue("do")
	nonce, ok := h.o.Links.openForm(v.token, r.PostFormValue("key"))
	if !ok {
		return &Refusal{Status: http.StatusForbidden, Result: "refused", Text: lang.Text{ZH: "页面已过期，请刷新后重试", EN: "This page is too old: reload it and try again."}}
	}
	facts, err := h.facts(r, v, what, nonce)
	if err != nil {
		return err
	}
	if err := h.once(r.Context(), v, nonce, facts); err != nil {
		return err
	}
	h.requests.WithLabelValues(what, "done").Inc()
	q := url.Values{"done": {what}, "lang": {v.language}}
	w.Header().Set("Location", Prefix+v.token+"?"+q.Encode())
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// parseForm reads a form, with files or without.
func parseForm(w http.ResponseWriter, r *http.Request) error {
	limit, parse := int64(maxForm), r.ParseForm
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		limit, parse = maxFiles, func() error { return r.ParseMultipartForm(inMemory) }
	}
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	err := parse()
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return &Refusal{Status: http.StatusRequestEntityTooLarge, Result: "refused", Text: lang.Text{ZH: "文件过大：总共不超过 20 MB", EN: "The files are too large: 20 MB together at most."}}
	case err != nil:
		return &Refusal{Status: http.StatusBadRequest, Result: "refused", Text: lang.Text{ZH: "提交内容不完整，请重试", EN: "The form did not arrive whole: try again."}}
	}
	return nil
}

// once hands the facts over, unless the form was sent before.
func (h *Handler) once(ctx context.Context, v visit, nonce string, facts []incident.Event) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, err := h.o.Links.load(ctx, v.g.Ticket)
	if err != nil {
		return err
	}
	sent, err := h.o.Links.loadForms(ctx, v.g.Ticket)
	if err != nil {
		return err
	}
	switch {
	case s.Revoked || s.Generation != v.g.generation: // revoked while the form was on its way
		return &Refusal{Status: http.StatusGone, Result: "revoked", Text: lang.Text{ZH: "此链接已被撤销", EN: "This link was revoked."}}
	case sent.wasUsed(nonce), s.wasUsed(nonce):
		return &Refusal{Status: http.StatusConflict, Result: "replayed", Text: lang.Text{ZH: "此表单已提交过，没有重复处理", EN: "This form was sent before; nothing was done again."}}
	}
	for _, f := range facts {
		if err := h.o.Handle(ctx, f); err != nil {
			return asRefusal(err)
		}
	}
	sent.use(nonce, h.o.Now())
	return h.o.Links.saveForms(ctx, v.g.Ticket, sent)
}

// asRefusal is an error in words for the vendor, where there are such words.
func asRefusal(err error) error {
	var refused *process.Refusal
	switch {
	case errors.As(err, &refused):
		return &Refusal{Status: http.StatusConflict, Result: "refused", Text: refused.Text}
	case errors.Is(err, engine.ErrFenced), errors.Is(err, engine.ErrConflict):
		return &Refusal{Status: http.StatusServiceUnavailable, Result: "failed", Text: lang.Text{ZH: "系统正在切换，请稍后重试", EN: "The system is changing over: try again in a moment."}}
	}
	return err
}

// facts are what a form says. The files it brings are kept before it is believed.
func (h *Handler) facts(r *http.Request, v visit, what, nonce string) ([]incident.Event, error) {
	text := shorten(strings.TrimSpace(r.PostFormValue("text")), maxText)
	base := incident.Event{IncidentID: v.i.ID, ID: "page/" + v.g.Ticket + "/" + nonce, At: h.o.Now().UTC(), Actor: actor(v, r), Comment: text}
	switch what {
	case doAccept, doFixed:
		if !v.live() {
			return nil, gone
		}
		base.Kind, base.Choice = incident.VendorReported, process.VendorFixed
		if what == doAccept {
			base.Choice = process.VendorAccepted
			expected, err := h.expected(r, v)
			if err != nil {
				return nil, err
			}
			base.Expected = expected
		}
		return []incident.Event{base}, nil
	case doQuestion:
		if text == "" {
			return nil, &Refusal{Status: http.StatusUnprocessableEntity, Result: "refused", Text: lang.Text{ZH: "请填写内容", EN: "Please write something."}}
		}
		base.Kind, base.Reason = incident.Commented, process.ReasonVendorAsks
		return []incident.Event{base}, nil
	case doUpload:
		return h.uploads(r, base)
	}
	return nil, &Refusal{Status: http.StatusBadRequest, Result: "refused", Text: lang.Text{ZH: "未知的操作", EN: "This is not known here."}}
}

var gone = &Refusal{Status: http.StatusConflict, Result: "refused", Text: lang.Text{ZH: "此工单已撤回或已关闭，无需再处理", EN: "This ticket was taken back or is closed: there is nothing left to do."}}

// expected reads the time that a vendor chose or wrote; zero when he did neither.
func (h *Handler) expected(r *http.Request, v visit) (time.Time, error) {
	now := h.o.Now()
	if d, err := time.ParseDuration(r.PostFormValue("in")); err == nil && d > 0 && d <= 31*24*time.Hour {
		return now.Add(d).Truncate(time.Minute).UTC(), nil
	}
	written := strings.TrimSpace(r.PostFormValue("at"))
	if written == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02 15:04", "2006/01/02 15:04", "2006-1-2 15:04"} {
		if t, err := time.ParseInLocation(layout, written, v.zone); err == nil && plausible(t, now) {
			return t.UTC(), nil
		}
	}
	if t := mailin.Understand("预计 "+written, now.In(v.zone), v.zone).ETA; !t.IsZero() && plausible(t, now) {
		return t.UTC(), nil
	}
	return time.Time{}, &Refusal{Status: http.StatusUnprocessableEntity, Result: "refused", Text: lang.Text{ZH: "看不懂这个时间：请写成 14:30 或 2026-11-22 14:30", EN: "This time is not understood: write 14:30 or 2026-11-22 14:30."}}
}

func plausible(t, now time.Time) bool {
	return t.After(now.Add(-time.Hour)) && t.Before(now.Add(60*24*time.Hour))
}

// documents are the kinds a vendor may say his files are; others go by their name.
var documents = map[string]bool{"inspection_report": true, "running_report": true}

// uploads keeps the files of a form and says so.
func (h *Handler) uploads(r *http.Request, base incident.Event) ([]incident.Event, error) {
	files, err := received(r)
	if err != nil {
		return nil, err
	}
	var out []incident.Event
	var refused []string
	for n, f := range files {
		if f.Refused != "" {
			why := f.Refused.Text()
			refused = append(refused, fmt.Sprintf("[附件未接收 attachment refused] %s: %s / %s", f.Name, why.ZH, why.EN))
			continue
		}
		sum := sha256.Sum256(f.Data)
		at := incident.Attachment{Kind: f.Kind, Name: f.Name, Size: f.Size, Hash: hex.EncodeToString(sum[:]), At: base.At, By: base.Actor}
		if said := r.PostFormValue("kind"); documents[said] {
			at.Kind = said
		}
		if err := h.o.Papers.Keep(r.Context(), mailin.Paper{Attachment: at, IncidentID: base.IncidentID, Type: f.Type, Data: f.Data}); err != nil {
			return nil, fmt.Errorf("keep %s: %w", f.Name, err)
		}
		e := base
		e.ID, e.Kind, e.Attachment = fmt.Sprintf("%s/file/%d", base.ID, n), incident.Attached, &at
		out = append(out, e)
	}
	if len(out) == 0 {
		why := lang.Text{ZH: "没有选择文件", EN: "No file was chosen."}
		if len(refused) > 0 {
			first := firstRefused(files)
			why = lang.Text{ZH: "文件未接收：" + first.ZH, EN: "The file was not taken: " + first.EN + "."}
		}
		return nil, &Refusal{Status: http.StatusUnprocessableEntity, Result: "refused", Text: why}
	}
	if len(refused) > 0 {
		base.Kind, base.Comment = incident.Commented, strings.Join(refused, "\n")
		out = append(out, base)
	}
	return out, nil
}

func firstRefused(files []mailin.File) lang.Text {
	for _, f := range files {
		if f.Refused != "" {
			return f.Refused.Text()
		}
	}
	return lang.Text{}
}

// received reads and checks the files of a form, by the same rules as mail's.
func received(r *http.Request) ([]mailin.File, error) {
	if r.MultipartForm == nil {
		return nil, nil
	}
	var ups []mailin.Upload
	for _, head := range r.MultipartForm.File["file"] {
		f, err := head.Open()
		if err != nil {
			return nil, fmt.Errorf("upload %s: %w", head.Filename, err)
		}
		data, err := io.ReadAll(io.LimitReader(f, maxFiles))
		_ = f.Close() // it was only read
		if err != nil {
			return nil, fmt.Errorf("upload %s: %w", head.Filename, err)
		}
		if len(data) > 0 || head.Filename != "" {
			ups = append(ups, mailin.Upload{Name: head.Filename, Data: data})
		}
	}
	return mailin.Check(ups, mailin.Limits{}), nil
}

// actor is the vendor, with the address he came from: whoever has the link speaks
// for him.
func actor(v visit, r *http.Request) incident.Actor {
	name := v.t.VendorName
	if name == "" {
		name = v.vendor.Name.In(v.language)
	}
	return incident.Actor{Kind: "vendor", ID: v.t.Vendor, Name: name + " @ " + account.Remote(r)}
}

func shorten(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
