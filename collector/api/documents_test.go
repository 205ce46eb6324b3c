package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"mime/multipart"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/document"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
)

// papers keeps documents in memory.
type papers map[string]document.Document

func (p papers) PutDocument(_ context.Context, d document.Document) error { p[d.ID] = d; return nil }

func (p papers) Documents(_ context.Context, id string) (out []document.Document, err error) {
	for _, d := range p {
		if d.IncidentID == id {
			d.Body = nil
			out = append(out, d)
		}
	}
	return out, nil
}

func (p papers) Document(_ context.Context, incidentID, id string) (document.Document, error) {
	if d, ok := p[id]; ok && d.IncidentID == incidentID {
		return d, nil
	}
	return document.Document{}, engine.ErrNotFound
}

func (f *fixture) upload(t *testing.T, who, id, kind, name, body string) *httptest.ResponseRecorder {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreateFormFile("file", name)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write([]byte(body))
	_ = w.WriteField("kind", kind)
	_ = w.WriteField("comment", "signed by Wang")
	_ = w.Close()
	return f.do(who, "POST", "/api/v1/incidents/"+id+"/documents", b.String(), "Content-Type", w.FormDataContentType())
}

func TestDocumentsAreHandedInListedAndRead(t *testing.T) {
	f := newFixture(t)
	w := f.upload(t, "sh", "i-sh", "inspection_report", "检查报告.pdf", "%PDF-1.7 fine")
	if w.Code != 201 || len(f.acts) != 1 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	a := f.acts[0].Event()
	if a.Kind != incident.Attached || a.Attachment == nil || a.Attachment.Kind != "inspection_report" || a.Comment != "signed by Wang" || a.Attachment.By.Name != "sh" || a.Actor.Role != account.RoleBranchIT {
		t.Fatalf("%+v", a)
	}
	list := func() (out struct {
		Documents []struct{ ID, URL, Kind string }
	}) {
		w := f.do("sh", "GET", "/api/v1/incidents/i-sh/documents", "")
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		return out
	}
	if got := list(); len(got.Documents) != 0 {
		t.Errorf("a document is listed that the log does not name: %+v", got)
	}
	f.incidents[0].Attachments = []incident.Attachment{*a.Attachment}
	got := list()
	if len(got.Documents) != 1 {
		t.Fatalf("%+v", got)
	}
	w = f.do("sh", "GET", got.Documents[0].URL, "")
	if w.Body.String() != "%PDF-1.7 fine" || !strings.HasPrefix(w.Header().Get("Content-Disposition"), "attachment;") || !strings.Contains(w.Header().Get("Content-Security-Policy"), "sandbox") || w.Header().Get("Content-Type") != "application/pdf" {
		t.Errorf("%v %s", w.Header(), w.Body)
	}
	if w := f.upload(t, "sh", "i-sh", "inspection_report", "again.pdf", "%PDF-1.7 fine"); w.Code != 201 || len(f.acts) != 1 {
		t.Errorf("handed in twice: %d, %d actions", w.Code, len(f.acts))
	}
	for name, c := range map[string]struct {
		who, url string
		want     int
	}{"another branch": {"bj", got.Documents[0].URL, 404}, "of another incident": {"admin", strings.Replace(got.Documents[0].URL, "i-sh", "i-bj", 1), 404}, "nobody": {"", got.Documents[0].URL, 401}} {
		if w := f.do(c.who, "GET", c.url, ""); w.Code != c.want {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
}

func TestUploadsAreRefused(t *testing.T) {
	f := newFixture(t)
	for name, c := range map[string]struct {
		who, id, kind, file, body string
		want                      int
	}{
		"a viewer":       {"viewer", "i-sh", "photo", "a.pdf", "%PDF-", 403},
		"another branch": {"bj", "i-sh", "photo", "a.pdf", "%PDF-", 404},
		"a page":         {"sh", "i-sh", "other", "a.html", "<html>", 422},
		"unknown kind":   {"sh", "i-sh", "joke", "a.pdf", "%PDF-", 422},
		"another role":   {"network", "i-sh", "other", "a.pdf", "%PDF-", 403},
		"too large":      {"sh", "i-sh", "other", "a.txt", strings.Repeat("a", api.MaxUploadBody), 413},
	} {
		if w := f.upload(t, c.who, c.id, c.kind, c.file, c.body); w.Code != c.want {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if len(f.papers) != 0 || len(f.acts) != 0 {
		t.Errorf("%d documents and %d actions of those refused", len(f.papers), len(f.acts))
	}
}

func TestOffersSayWhatIsMissing(t *testing.T) {
	f := newFixture(t)
	w := f.do("sh", "GET", "/api/v1/incidents/i-sh/actions?lang=en", "")
	for _, want := range []string{`"action":"done"`, `"missing":["running_report"]`, `"documents":["running_report"]`, `"action":"pause","choice":"user"`} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s is not offered: %s", want, w.Body)
		}
	}
	if w := f.do("sh", "POST", "/api/v1/incidents/i-sh/actions?lang=en", `{"action":"done"}`); w.Code != 422 || !strings.Contains(w.Body.String(), "normal-running report") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := f.do("sh", "POST", "/api/v1/incidents/i-sh/actions", `{"action":"done","comment":"the supplier has none"}`); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for body, want := range map[string]int{`{"action":"pause","choice":"user"}`: 422, `{"action":"pause","comment":"x"}`: 422, `{"action":"pause","choice":"moon","comment":"x"}`: 409,
		`{"action":"pause","choice":"user","comment":"not at home"}`: 200, `{"action":"resume","comment":"is back"}`: 200, `{"action":"attach"}`: 422} {
		if w := f.do("sh", "POST", "/api/v1/incidents/i-sh/actions", body); w.Code != want {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	for _, a := range f.acts {
		e := a.Event()
		if a.Kind == api.ActPause && (e.Kind != incident.ClockPaused || e.Reason != "user" || e.Clock == nil || e.Clock.Name != "") {
			t.Errorf("pause is %+v", e)
		}
		if a.Kind == api.ActResume && (e.Kind != incident.ClockResumed || e.Clock == nil) {
			t.Errorf("resume is %+v", e)
		}
	}
}
