package web

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/document"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/handbook"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/register"
	"github.com/faultline/faultline/collector/reporter"
)

// uploadPath is where the detail page hands in documents.
const uploadPath = "/incidents/{id}/documents"

// formLimit is how many bytes the request's form may have.
func formLimit(r *http.Request) int64 {
	if r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/incidents/") && strings.HasSuffix(r.URL.Path, "/documents") {
		return api.MaxUploadBody
	}
	if r.Method == http.MethodPost && r.URL.Path == previewPath {
		return register.MaxFile + maxForm
	}
	if r.Method == http.MethodPost && (r.URL.Path == "/report" || strings.HasPrefix(r.URL.Path, "/report/")) {
		return reporter.MaxRequest
	}
	if strings.HasPrefix(r.URL.Path, "/processes/") {
		return 4 * handbook.MaxText // a form writes most signs as three
	}
	return maxForm
}

// askData is what the action panel asks besides decisions.
type askData struct {
	Attach bool
	Wanted []string // kinds the step asks for that are not there yet
	Kinds  []string // that can be chosen, the wanted ones first
	Accept string
	Pauses []api.Offer
}

// asks takes the offers apart: papers and pauses have places of their own.
func (c *console) asks(offers []api.Offer) (askData, []api.Offer) {
	a := askData{Accept: document.Accept()}
	rest := slices.DeleteFunc(slices.Clone(offers), func(o api.Offer) bool {
		switch o.Kind {
		case api.ActPause, api.ActResume:
			a.Pauses = append(a.Pauses, o)
		case api.ActAttach:
			a.Attach, a.Wanted = c.Documents != nil, o.Documents
		default:
			return false
		}
		return true
	})
	a.Kinds = slices.Clone(a.Wanted)
	for _, k := range document.Kinds {
		if !slices.Contains(a.Kinds, k) {
			a.Kinds = append(a.Kinds, k)
		}
	}
	return a, rest
}

// handIn takes a document that a person hands in.
func (c *console) handIn(w http.ResponseWriter, r *http.Request, p *page) error {
	i, err := c.one(r, p)
	if err != nil {
		return err
	}
	if c.Documents == nil {
		return errLost
	}
	u, comment, err := api.ReadUpload(r)
	if err == nil {
		err = c.gate.Attach(r.Context(), account.PrincipalOf(p.User), i, u, comment, account.Remote(r))
	}
	var refusal *api.Refusal
	switch {
	case err == nil:
		redirect(w, r, "/incidents/"+i.ID+"?done=attach")
		return nil
	case errors.As(err, &refusal), errors.Is(err, engine.ErrConflict):
		var status int
		status, p.Error, p.Hint = c.explain(p, err)
		p.Here = "/incidents/" + i.ID
		return c.showDetail(w, r, p, i, status)
	}
	return err
}

// paper answers with a document as a file.
func (c *console) paper(w http.ResponseWriter, r *http.Request, p *page) error {
	i, err := c.one(r, p)
	if err != nil {
		return err
	}
	if c.Documents == nil {
		return errLost
	}
	d, err := c.Documents.Document(r.Context(), i.ID, r.PathValue("document"))
	if err != nil {
		return err
	}
	api.WriteDocument(w, d)
	return nil
}

// Kind is what a kind of document is called.
func (p *page) Kind(kind string) string { return document.KindTitle(kind).In(p.Lang) }

// Kinds are what the kinds of documents are called, in one line.
func (p *page) Kinds(kinds []string) string {
	var out []string
	for _, k := range kinds {
		out = append(out, p.Kind(k))
	}
	return strings.Join(out, p.T("list.separator"))
}

// Size is how large a file is, in words.
func (p *page) Size(bytes int64) string {
	switch {
	case bytes >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
	case bytes >= 1<<10:
		return fmt.Sprintf("%.0f KiB", float64(bytes)/(1<<10))
	}
	return fmt.Sprintf("%d B", bytes)
}

// reason is why an event came about, in words: those of its process's own
// reasons for waiting, else ours. What follows a condition needs none.
func (p *page) reason(e incident.Event) string {
	if e.Clock != nil {
		if n := len(e.Clock.Marks); n > 0 {
			if t := p.Text(e.Clock.Marks[n-1].Text); t != "" {
				return t
			}
		}
	}
	return p.W("reason", e.Reason)
}
