package enrol

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/internal/pki"
)

// signPatience is how long a request for a certificate waits for its turn.
const signPatience = 3 * time.Second

// Handler serves first contact, renewal (below Gate) and the installers.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+pki.PathEnrol, func(w http.ResponseWriter, r *http.Request) {
		s.answer(w, r, func(ctx context.Context, q pki.Request) (pki.Reply, error) { return s.enrol(ctx, q, account.Remote(r)) })
	})
	mux.HandleFunc("POST "+pki.PathRenew, func(w http.ResponseWriter, r *http.Request) {
		who, ok := From(r.Context())
		if !ok {
			s.refuse(w, r, refuse(pki.NoCertificate, r.URL.Path))
			return
		}
		s.answer(w, r, func(ctx context.Context, q pki.Request) (pki.Reply, error) {
			return s.renew(ctx, who, q, account.Remote(r))
		})
	})
	if s.opt.Installer != nil {
		s.opt.Installer.mount(mux)
	}
	return mux
}

// Paths are what Handler serves, as patterns of http.ServeMux.
func Paths() []string {
	return []string{pki.PathEnrol, pki.PathRenew, PathInstallSh, PathInstallPs1, PathInstallFiles}
}

// answer reads a request for a certificate and answers it. Few are made at once,
// so that a thousand agents on one morning do not slow the rest down.
func (s *Service) answer(w http.ResponseWriter, r *http.Request, do func(context.Context, pki.Request) (pki.Reply, error)) {
	if r.TLS == nil {
		s.refuse(w, r, refuse(pki.BadRequest, "the secret of a token goes over TLS only"))
		return
	}
	var q pki.Request
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyLimit))
	if err := d.Decode(&q); err != nil {
		s.refuse(w, r, refuse(pki.BadRequest, "the body is not a request for a certificate"))
		return
	}
	patience := time.NewTimer(signPatience)
	defer patience.Stop()
	select {
	case s.signing <- struct{}{}:
		defer func() { <-s.signing }()
	case <-r.Context().Done():
		return
	case <-patience.C:
		s.refuse(w, r, refuse(pki.Busy, "too many certificates asked for at once"))
		return
	}
	reply, err := do(r.Context(), q)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	b, err := json.Marshal(reply)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(append(b, '\n')) // the agent may be gone; it asks again
}
