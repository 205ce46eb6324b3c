package alertmanager

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/intake"
)

// groupBy are the labels that alerts are shown in groups by.
var groupBy = []string{alert.LabelSite, alert.LabelDevice}

// postAlerts takes what senders of alerts post. Sound alerts count although
// others of the request are not.
func (h *Handler) postAlerts(w http.ResponseWriter, r *http.Request) error {
	body, err := read(r)
	if err != nil {
		return err
	}
	found, wrong := ParseAlerts(body, h.o.Timeout, h.o.Now())
	return h.take(w, r, found, wrong)
}

// postWebhook takes what another Alertmanager posts to a webhook receiver.
func (h *Handler) postWebhook(w http.ResponseWriter, r *http.Request) error {
	body, err := read(r)
	if err != nil {
		return err
	}
	found, wrong := ParseWebhook(body, h.o.Now())
	return h.take(w, r, found, wrong)
}

func (h *Handler) take(w http.ResponseWriter, r *http.Request, found []intake.Alert, wrong error) error {
	mine := found[:0]
	for _, a := range found {
		a, err := bind(r.Context(), a)
		if err != nil {
			wrong = errors.Join(wrong, err)
			continue
		}
		mine = append(mine, a)
	}
	if len(mine) > 0 {
		if err := h.o.Intake.Take(r.Context(), mine); err != nil {
			return err
		}
	}
	if wrong != nil {
		return &badRequest{wrong}
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// bind notes the sender and holds it to its sites: a sender of one site need not
// name it, and no sender speaks for a site that is not its own.
func bind(ctx context.Context, a intake.Alert) (intake.Alert, error) {
	a.Sender = who(ctx)
	own := sites(ctx)
	if len(own) == 1 && a.Labels[alert.LabelSite] == "" {
		a.Labels[alert.LabelSite] = own[0]
		a.Fingerprint = alert.Fingerprint(a.Labels)
	}
	if !sees(ctx, a.Labels) {
		return a, fmt.Errorf("alert %s: site %q is not this sender's", a.Labels[alert.LabelName], a.Labels[alert.LabelSite])
	}
	return a, nil
}

// filter is what a GET of alerts asks for.
type filter struct {
	active, silenced, unprocessed bool
	matchers                      []Matcher
	receiver                      *regexp.Regexp
}

func parseFilter(q url.Values) (filter, error) {
	f := filter{active: true, silenced: true, unprocessed: true}
	for name, to := range map[string]*bool{"active": &f.active, "silenced": &f.silenced, "unprocessed": &f.unprocessed} {
		switch q.Get(name) {
		case "", "true":
		case "false":
			*to = false
		default:
			return f, &badRequest{fmt.Errorf("%s must be true or false", name)}
		}
	}
	var err error
	if f.matchers, err = parseMatchers(q["filter"]); err != nil {
		return f, err
	}
	if v := q.Get("receiver"); v != "" {
		if len(v) > maxMatcher {
			return f, &badRequest{errors.New("receiver is too long")}
		}
		if f.receiver, err = regexp.Compile("^(?:" + v + ")$"); err != nil {
			return f, &badRequest{fmt.Errorf("receiver: %w", err)}
		}
	}
	return f, nil
}

func parseMatchers(texts []string) ([]Matcher, error) {
	var out []Matcher
	for _, t := range texts {
		ms, err := ParseMatchers(t)
		if err != nil {
			return nil, &badRequest{err}
		}
		out = append(out, ms...)
	}
	return out, nil
}

// wants tells whether the filter lets the alert through.
func (f filter) wants(s shown) bool {
	if f.receiver != nil && !f.receiver.MatchString(ReceiverName) || !matchAll(f.matchers, s.Labels) {
		return false
	}
	if s.Status.State == Active {
		return f.active
	}
	return f.silenced
}

// visible are the alerts that the request asks for and may see, by fingerprint.
func (h *Handler) visible(r *http.Request) ([]shown, error) {
	f, err := parseFilter(r.URL.Query())
	if err != nil {
		return nil, err
	}
	all, err := h.o.Alerts(r.Context())
	if err != nil {
		return nil, err
	}
	silences, err := h.o.Silences.Silences(r.Context())
	if err != nil {
		return nil, err
	}
	out, now := []shown{}, h.o.Now()
	for _, a := range all {
		if a.Resolved(now) || !sees(r.Context(), a.Labels) {
			continue
		}
		if s := show(a, silences, now); f.wants(s) {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b shown) int { return strings.Compare(a.Fingerprint, b.Fingerprint) })
	return out, nil
}

func (h *Handler) getAlerts(w http.ResponseWriter, r *http.Request) error {
	out, err := h.visible(r)
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, out)
	return nil
}

// group is alerts with equal labels of groupBy.
type group struct {
	Alerts   []shown           `json:"alerts"`
	Labels   map[string]string `json:"labels"`
	Receiver receiver          `json:"receiver"`
}

func (h *Handler) getGroups(w http.ResponseWriter, r *http.Request) error {
	all, err := h.visible(r)
	if err != nil {
		return err
	}
	out, at := []group{}, map[string]int{}
	for _, a := range all {
		labels := map[string]string{}
		for _, l := range groupBy {
			if v := a.Labels[l]; v != "" {
				labels[l] = v
			}
		}
		key := alert.Fingerprint(labels)
		if _, ok := at[key]; !ok {
			at[key] = len(out)
			out = append(out, group{Labels: labels, Receiver: receiver{ReceiverName}})
		}
		out[at[key]].Alerts = append(out[at[key]].Alerts, a)
	}
	answer(w, http.StatusOK, out)
	return nil
}
