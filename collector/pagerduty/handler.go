package pagerduty

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline/faultline/collector/intake"
	"github.com/faultline/faultline/internal/pace"
)

// Path is where events arrive.
const Path = "/pagerduty/v2/enqueue"

// Options configure a Handler. Board and Authenticate are required.
type Options struct {
	Board Board
	// Authenticate says whose routing key it is, or returns an error that wraps
	// ErrKey. A key is a secret of the sender.
	Authenticate func(ctx context.Context, routingKey string) (Sender, error)
	// Acknowledged is told that an open alert was acknowledged; it may be told
	// again. Nil: only the alert remembers it.
	Acknowledged func(ctx context.Context, a intake.Alert) error
	PerMinute    int // events of one sender; 0 is 600
	Now          func() time.Time
	Logger       *slog.Logger
	Registerer   prometheus.Registerer
}

// Handler takes events. It identifies senders by their routing keys and needs
// no account in front of it.
type Handler struct {
	o      Options
	rates  *pace.Minute
	events *prometheus.CounterVec // action, code
}

// New returns a Handler.
func New(o Options) (*Handler, error) {
	if o.Board == nil || o.Authenticate == nil {
		return nil, errors.New("pagerduty: a board and a way to know senders are required")
	}
	if o.PerMinute <= 0 {
		o.PerMinute = 600
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	h := &Handler{o: o, rates: &pace.Minute{Limit: o.PerMinute}, events: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "faultline_pagerduty_events_total", Help: "Events of the PagerDuty API by action and status.",
	}, []string{"action", "code"})}
	if o.Registerer != nil {
		if err := o.Registerer.Register(h.events); err != nil {
			return nil, fmt.Errorf("pagerduty: %w", err)
		}
	}
	return h, nil
}

// reply is the body of an answer, as PagerDuty writes it.
type reply struct {
	Status  string   `json:"status"`
	Message string   `json:"message"`
	Dedup   string   `json:"dedup_key,omitempty"`
	Errors  []string `json:"errors,omitempty"`
}

// ServeHTTP implements http.Handler: 202 when the event is safe, 400 when sending
// it again is useless, 429 and 5xx when it is not.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	action, code, out := h.serve(w, r)
	h.events.WithLabelValues(action, strconv.Itoa(code)).Inc()
	b, err := json.Marshal(out)
	if err != nil {
		panic(fmt.Sprintf("pagerduty answer: %v", err)) // texts
	}
	if code == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "60")
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = w.Write(append(b, '\n')) // the sender may be gone
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) (action string, code int, out reply) {
	invalid := func(errs ...string) reply {
		return reply{Status: "invalid event", Message: "Event object is invalid", Errors: errs}
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return "none", http.StatusMethodNotAllowed, invalid("use POST")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return "none", http.StatusRequestEntityTooLarge, invalid("the event is larger than 512 kB")
	} else if err != nil {
		return "none", http.StatusBadRequest, invalid("the event did not arrive whole")
	}
	e, wrong := Parse(body)
	if len(wrong) > 0 {
		return "invalid", http.StatusBadRequest, invalid(wrong...)
	}
	s, err := h.o.Authenticate(r.Context(), e.RoutingKey)
	switch {
	case errors.Is(err, ErrKey):
		return e.Action, http.StatusBadRequest, invalid("'routing_key' is not known here")
	case err != nil:
		h.o.Logger.Error("pagerduty sender", "key", keyName(e.RoutingKey), "err", err)
		return e.Action, http.StatusInternalServerError, reply{Status: "error", Message: "try again"}
	case !h.rates.Allow(s.Name, h.o.Now()):
		return e.Action, http.StatusTooManyRequests, reply{Status: "throttle exceeded", Message: "Event not processed: too many of them"}
	}
	if e.Action == Trigger && e.DedupKey == "" {
		e.DedupKey = newDedup()
	}
	err = take(r.Context(), h.o.Board, h.o.Acknowledged, s, e, h.o.Now())
	switch {
	case errors.Is(err, errSite):
		return e.Action, http.StatusBadRequest, invalid(err.Error())
	case errors.Is(err, intake.ErrFull):
		return e.Action, http.StatusTooManyRequests, reply{Status: "throttle exceeded", Message: "Event not processed: too many alerts are open"}
	case err != nil:
		h.o.Logger.Error("pagerduty event", "action", e.Action, "sender", s.Name, "err", err)
		return e.Action, http.StatusInternalServerError, reply{Status: "error", Message: "try again"}
	}
	return e.Action, http.StatusAccepted, reply{Status: "success", Message: "Event processed", Dedup: e.DedupKey}
}
