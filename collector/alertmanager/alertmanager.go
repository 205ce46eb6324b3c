// Package alertmanager speaks Alertmanager's API, version 2, so that Prometheus,
// vmalert and Grafana can send their alerts here, and amtool and karma can look
// at alerts and silence them. It translates and keeps silences; what alerts mean
// is judged elsewhere (intake, diagnose, engine). There is no routing tree: all
// alerts go to one receiver, the collector itself.
package alertmanager

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/intake"
)

// ReceiverName is the one receiver's.
const ReceiverName = "faultline"

// Speaks is the version of Alertmanager that clients take us for: amtool warns of
// another than its own, and this is Debian's.
const Speaks = "0.25.0"

// maxBody bounds a request, in bytes.
const maxBody = 8 << 20

// Intake takes the alerts of other systems; *intake.Board is one.
type Intake interface {
	// Take keeps what senders report; nil means it is safe. Repeats are harmless.
	Take(ctx context.Context, reports []intake.Alert) error
}

// Options configure a Handler. Intake, Silences and Alerts are required.
type Options struct {
	Intake   Intake
	Silences Silences
	// Alerts returns all alerts that fire now: other systems' and our own.
	Alerts func(ctx context.Context) ([]intake.Alert, error)
	// Timeout resolves alerts whose sender named no end and does not repeat them.
	// 0 is 5 min.
	Timeout time.Duration
	// Changed is called after silences changed. It must not block.
	Changed    func()
	Version    string // of this program
	Now        func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Handler serves the API below /api/v2/; strip what is in front. Requests carry
// their account.Principal in the context (account.Service.Require puts it there):
// without one everything is allowed, so never serve it bare.
type Handler struct {
	o        Options
	mux      *http.ServeMux
	began    time.Time
	requests *prometheus.CounterVec
}

// New returns a Handler.
func New(o Options) (*Handler, error) {
	if o.Intake == nil || o.Silences == nil || o.Alerts == nil {
		return nil, errors.New("alertmanager: intake, silences and alerts are required")
	}
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	h := &Handler{o: o, mux: http.NewServeMux(), began: o.Now(), requests: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "faultline_alertmanager_requests_total", Help: "Requests to the Alertmanager API by route and status.",
	}, []string{"route", "code"})}
	if o.Registerer != nil {
		if err := o.Registerer.Register(h.requests); err != nil {
			return nil, fmt.Errorf("alertmanager: %w", err)
		}
	}
	for _, r := range []struct {
		pattern string
		write   bool
		handle  func(w http.ResponseWriter, r *http.Request) error
	}{
		{"GET /api/v2/alerts", false, h.getAlerts}, {"POST /api/v2/alerts", true, h.postAlerts}, {"GET /api/v2/alerts/groups", false, h.getGroups},
		{"GET /api/v2/silences", false, h.getSilences}, {"POST /api/v2/silences", true, h.postSilence},
		{"GET /api/v2/silence/{id}", false, h.getSilence}, {"DELETE /api/v2/silence/{id}", true, h.deleteSilence},
		{"GET /api/v2/status", false, h.getStatus}, {"GET /api/v2/receivers", false, h.getReceivers},
		{"POST /webhook", true, h.postWebhook},
		{"GET /-/healthy", false, h.ok}, {"GET /-/ready", false, h.ok},
	} {
		h.mux.Handle(r.pattern, h.guarded(r.pattern, r.write, r.handle))
	}
	return h, nil
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

// badRequest is the sender's fault.
type badRequest struct{ err error }

func (b *badRequest) Error() string { return b.err.Error() }
func (b *badRequest) Unwrap() error { return b.err }

var (
	errUnknown   = errors.New("silence not found")
	errForbidden = errors.New("this account may not do that")
)

// guarded puts rights, counting and errors around a route. Errors are JSON
// strings, as Alertmanager's are.
func (h *Handler) guarded(pattern string, write bool, handle func(w http.ResponseWriter, r *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		var err error
		if p, ok := account.From(r.Context()); write && ok && !p.MayAct() {
			err = errForbidden
		} else {
			err = handle(w, r)
		}
		code := status(err)
		if err != nil {
			if code >= 500 && r.Context().Err() == nil {
				h.o.Logger.Error("alertmanager request", "route", pattern, "err", err)
			}
			said := err.Error()
			if code == http.StatusInternalServerError {
				said = "the collector cannot do that at the moment"
			}
			answer(w, code, said)
		}
		h.requests.WithLabelValues(pattern, fmt.Sprint(code)).Inc()
	})
}

func status(err error) int {
	var bad *badRequest
	var large *http.MaxBytesError
	switch {
	case err == nil:
		return http.StatusOK
	case errors.As(err, &large):
		return http.StatusRequestEntityTooLarge
	case errors.As(err, &bad):
		return http.StatusBadRequest
	case errors.Is(err, errForbidden):
		return http.StatusForbidden
	case errors.Is(err, errUnknown):
		return http.StatusNotFound
	case errors.Is(err, intake.ErrFull):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// answer writes v as JSON.
func answer(w http.ResponseWriter, code int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("alertmanager answer: %v", err)) // texts, times and numbers
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(b, '\n')) // the client may be gone
}

func read(r *http.Request) ([]byte, error) {
	b, err := io.ReadAll(r.Body)
	var large *http.MaxBytesError
	if err != nil && !errors.As(err, &large) {
		err = &badRequest{err}
	}
	return b, err
}

// sites are those the request's principal is bound to; empty: all.
func sites(ctx context.Context) []string {
	p, _ := account.From(ctx)
	return p.Sites
}

// sees tells whether the principal may know of things with these labels.
func sees(ctx context.Context, labels map[string]string) bool {
	p, ok := account.From(ctx)
	return !ok || p.Sees(labels[alert.LabelSite])
}

// who names the principal; "" without one.
func who(ctx context.Context) string {
	p, _ := account.From(ctx)
	return p.Name
}

// Prune forgets silences that expired long ago. Call it now and then.
func (h *Handler) Prune(ctx context.Context) error {
	all, err := h.o.Silences.Silences(ctx)
	if err != nil {
		return err
	}
	var old []string
	for _, s := range all {
		if h.o.Now().Sub(s.EndsAt) > remembered {
			old = append(old, s.ID)
		}
	}
	if len(old) == 0 {
		return nil
	}
	return h.o.Silences.DropSilences(ctx, old...)
}

func (h *Handler) ok(w http.ResponseWriter, _ *http.Request) error {
	_, err := io.WriteString(w, "OK")
	return err
}
