package follow

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/effect/ticket/desk/pagerduty"
	"github.com/faultline/faultline/collector/effect/ticket/desk/webhook"
	signed "github.com/faultline/faultline/collector/effect/ticket/webhook"
	"github.com/faultline/faultline/internal/pace"
	"github.com/faultline/faultline/plugins/ticket"
)

// Prefix of the addresses that desks post to: Prefix + the desk's name.
const Prefix = "/desks/"

// maxPost bounds a post, in bytes; perMinute how many for one desk are read of one
// address.
const (
	maxPost   = 256 << 10
	perMinute = 600
)

// Receiver reads a post after it has checked its signature; known is false for
// posts that say nothing of a ticket. The error is ErrSignature, or tells what
// is wrong with the post.
type Receiver func(header http.Header, body []byte) (u ticket.Update, known bool, err error)

// ErrSignature says that a post is not signed by a key we know.
var ErrSignature = errors.New("the signature is wrong")

// FromPagerDuty reads PagerDuty's v3 webhooks.
func FromPagerDuty(r *pagerduty.Remote) Receiver {
	return func(h http.Header, body []byte) (ticket.Update, bool, error) {
		u, known, err := r.Receive(h.Get(pagerduty.SignatureHeader), body)
		if errors.Is(err, pagerduty.ErrSignature) {
			err = ErrSignature
		}
		return u, known, err
	}
}

// FromWebhook reads the posts of a system of one's own.
func FromWebhook(r *webhook.Remote) Receiver {
	return func(h http.Header, body []byte) (ticket.Update, bool, error) {
		u, err := r.Receive(h.Get(signed.SignatureHeader), body)
		if errors.Is(err, webhook.ErrSignature) {
			err = ErrSignature
		}
		return u, err == nil, err
	}
}

// Handler serves Prefix: posts prove themselves by their signature. An answer
// of 5xx asks for the same post again.
func (s *Service) Handler() http.Handler {
	receivers := map[string]Receiver{}
	for _, d := range s.o.Desks {
		if d.Receive != nil {
			receivers[d.Name] = d.Receive
		}
	}
	rate := &pace.Minute{Limit: perMinute}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		name := strings.TrimPrefix(r.URL.Path, Prefix)
		receive, ok := receivers[name]
		switch {
		case !ok:
			http.NotFound(w, r)
			return
		case r.Method != http.MethodPost:
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "post here", http.StatusMethodNotAllowed)
			return
		case !rate.Allow(name+" "+account.Remote(r), s.o.Now()): // strangers' posts keep nobody else's out
			w.Header().Set("Retry-After", "60")
			http.Error(w, "too many posts", http.StatusTooManyRequests)
			return
		}
		s.receive(w, r, name, receive)
	})
}

func (s *Service) receive(w http.ResponseWriter, r *http.Request, name string, receive Receiver) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPost))
	if err != nil {
		http.Error(w, "the post is too large or did not arrive whole", http.StatusBadRequest)
		return
	}
	u, known, err := receive(r.Header, body)
	switch {
	case errors.Is(err, ErrSignature):
		http.Error(w, "refused", http.StatusForbidden)
		return
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	case !known:
		w.WriteHeader(http.StatusNoContent)
		return
	}
	found, err := s.Take(r.Context(), name, u)
	switch {
	case err != nil:
		s.o.Logger.Warn("post of a desk not taken", "desk", name, "err", err)
		http.Error(w, "not now: post it again", http.StatusServiceUnavailable)
	case !found:
		http.Error(w, "no ticket of ours has this key or ref at this desk", http.StatusNotFound)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}
