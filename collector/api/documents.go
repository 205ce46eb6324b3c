package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/document"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/lang"
)

// MaxUploadBody bounds a form that hands in a document, in bytes.
const MaxUploadBody = document.MaxUpload + 64<<10

// lacking refuses what needs documents that are not there.
func lacking(kinds []string) error {
	return &Refusal{Why: Invalid, Text: lang.Text{ZH: "缺少文件：" + strings.Join(words(kinds, lang.ZH), "、"), EN: "documents are missing: " + strings.Join(words(kinds, lang.EN), ", ")},
		Hint: lang.Text{ZH: "请先提交文件；如确无，请在备注中说明原因", EN: "hand them in first, or say in a comment why there are none"}}
}

func words(kinds []string, language string) []string {
	var out []string
	for _, k := range kinds {
		out = append(out, document.KindTitle(k).In(language))
	}
	return out
}

// Attach checks that the principal may hand in a document now, stores it, and
// makes it part of the incident's log. A document that the incident has already
// changes nothing.
func (g Gate) Attach(ctx context.Context, p account.Principal, i incident.Incident, u document.Upload, comment, remote string) error {
	u.IncidentID, u.At, u.By = i.ID, g.Now().UTC(), p.Actor(i.StepRole)
	d, err := document.Take(u)
	if err != nil {
		return refusedUpload(err)
	}
	have := func(a incident.Attachment) bool { return a.Kind == d.Kind && a.Hash == d.Hash }
	switch {
	case slices.ContainsFunc(i.Attachments, have):
		return nil
	case len(i.Attachments) >= document.MaxCount:
		return invalid("此事件的文件已达上限", fmt.Sprintf("this incident has %d documents: that is the limit", document.MaxCount))
	}
	at := d.Attachment()
	a := Action{ID: "doc-" + i.ID + "-" + d.ID, IncidentID: i.ID, Kind: ActAttach, Comment: comment, Attachment: &at}
	if err := g.offered(p, i, a); err != nil {
		return err
	}
	if err := g.Documents.PutDocument(ctx, d); err != nil {
		return err
	}
	return g.Act(ctx, p, i, a, remote)
}

func refusedUpload(err error) error {
	var f *document.Fault
	if errors.As(err, &f) {
		return &Refusal{Why: Invalid, Text: f.Text, Hint: f.Hint}
	}
	return err
}

// ReadUpload reads the multipart form of a document: its fields kind, comment
// and file. The request's body must be bounded by the caller.
func ReadUpload(r *http.Request) (u document.Upload, comment string, err error) {
	if err := r.ParseMultipartForm(1 << 20); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return u, "", err
		}
		return u, "", invalid("请以 multipart/form-data 提交 kind、comment 和 file", "send kind, comment and file as multipart/form-data")
	}
	defer func() { _ = r.MultipartForm.RemoveAll() }()
	f, h, err := r.FormFile("file")
	if err != nil {
		return u, "", invalid("请选择文件", "file is missing")
	}
	defer func() { _ = f.Close() }()
	body, err := io.ReadAll(io.LimitReader(f, document.MaxUpload+1))
	if err != nil {
		return u, "", fmt.Errorf("read upload: %w", err)
	}
	return document.Upload{Kind: r.PostFormValue("kind"), Name: h.Filename, Body: body}, strings.TrimSpace(r.PostFormValue("comment")), nil
}

// WriteDocument answers with a document's body, to be saved; nothing in it can
// run or reach a page of ours.
func WriteDocument(w http.ResponseWriter, d document.Document) {
	h := w.Header()
	h.Set("Content-Type", d.Media)
	h.Set("Content-Disposition", "attachment; filename*=UTF-8''"+url.PathEscape(d.Name))
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(d.Body) // the client may be gone; there is nobody to tell
}

// DocumentsOf are the incident's documents as people see them: of those handed
// in, those that its log names.
func DocumentsOf(ctx context.Context, s document.Store, i incident.Incident) ([]document.Document, error) {
	if s == nil {
		return nil, nil
	}
	list, err := s.Documents(ctx, i.ID)
	return slices.DeleteFunc(list, func(d document.Document) bool {
		return d.Origin == document.Uploaded && !slices.ContainsFunc(i.Attachments, func(a incident.Attachment) bool { return a.Hash == d.Hash && a.Kind == d.Kind })
	}), err
}

// documentView is a document as programs read it.
type documentView struct {
	document.Document
	URL string `json:"url"`
}

// getDocuments answers GET /api/v1/incidents/{id}/documents.
func (s *server) getDocuments(w http.ResponseWriter, r *http.Request) error {
	i, err := s.one(r)
	if err != nil {
		return err
	}
	list, err := DocumentsOf(r.Context(), s.Documents, i)
	if err != nil {
		return err
	}
	out := []documentView{}
	for _, d := range list {
		out = append(out, documentView{d, "/api/v1/incidents/" + i.ID + "/documents/" + d.ID})
	}
	return answer(w, http.StatusOK, map[string]any{"documents": out})
}

// getDocument answers with one document's body.
func (s *server) getDocument(w http.ResponseWriter, r *http.Request) error {
	i, err := s.one(r)
	if err != nil {
		return err
	}
	if s.Documents == nil {
		return engine.ErrNotFound
	}
	d, err := s.Documents.Document(r.Context(), i.ID, r.PathValue("document"))
	if err != nil {
		return err
	}
	WriteDocument(w, d)
	return nil
}

// uploadTime bounds how long a document may take to arrive.
const uploadTime = 2 * time.Minute

// postDocument answers POST /api/v1/incidents/{id}/documents.
func (s *server) postDocument(w http.ResponseWriter, r *http.Request) error {
	if ct, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); ct != "multipart/form-data" || s.Documents == nil {
		return &httpError{status: 415, text: lang.Text{ZH: "内容类型必须是 multipart/form-data", EN: "the content type must be multipart/form-data"}}
	}
	i, err := s.one(r)
	if err != nil {
		return err
	}
	_ = http.NewResponseController(w).SetReadDeadline(s.Now().Add(uploadTime)) // not every writer can
	r.Body = http.MaxBytesReader(w, r.Body, MaxUploadBody)
	u, comment, err := ReadUpload(r)
	if err != nil {
		return err
	}
	p, _ := account.From(r.Context())
	if err := s.gate().Attach(r.Context(), p, i, u, comment, account.Remote(r)); err != nil {
		return err
	}
	return s.answerIncident(w, r, http.StatusCreated, i.ID)
}

// gate is the way in for actions.
func (s *server) gate() Gate {
	return Gate{Accounts: s.Accounts, Engine: s.Engine, Offers: s.Offers, Documents: s.Documents, Now: s.Now}
}

// offerView is what somebody may do now, as programs read it.
type offerView struct {
	Action       string   `json:"action"`
	Choice       string   `json:"choice,omitempty"`
	Title        string   `json:"title"`
	Prompt       string   `json:"prompt,omitempty"`
	Suggested    bool     `json:"suggested,omitempty"`
	NeedsComment bool     `json:"needs_comment,omitempty"`
	Missing      []string `json:"missing,omitempty"`
	Documents    []string `json:"documents,omitempty"`
}

// getOffers answers GET /api/v1/incidents/{id}/actions with what the asker may
// do now.
func (s *server) getOffers(w http.ResponseWriter, r *http.Request) error {
	i, err := s.one(r)
	if err != nil {
		return err
	}
	p, _ := account.From(r.Context())
	l, out := s.language(r), []offerView{}
	for _, o := range s.gate().OffersTo(p, i) {
		out = append(out, offerView{o.Kind, o.Choice, o.Title.In(l), o.Prompt.In(l), o.Suggested, o.NeedsComment, o.Missing, o.Documents})
	}
	return answer(w, http.StatusOK, map[string]any{"actions": out})
}
