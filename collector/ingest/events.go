package ingest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/faultline/faultline/plugins/base"
)

// events serves a JSON array of events. Events that can be understood are
// handed over even when others of the request cannot; the answer says so.
func (h *Handler) events(w http.ResponseWriter, r *http.Request, src Source) *fault {
	d := h.decoder()
	defer h.release(d)
	body, f := d.readEvents(r)
	if f != nil {
		return f
	}
	var raw []base.Event
	if err := json.Unmarshal(body, &raw); err != nil {
		return badRequest("json", "body is not a JSON array of events: "+err.Error())
	}
	if len(raw) > h.opts.Limits.Events {
		return tooLarge(fmt.Sprintf("%d events, at most %d: send smaller requests", len(raw), h.opts.Limits.Events))
	}
	events, faults := accept(raw, src)
	if len(events) > 0 {
		if err := h.opts.Events(r.Context(), src.Agent, events); err != nil {
			return &fault{status: http.StatusServiceUnavailable, outcome: "store", retry: storeRetry, text: "nothing acknowledged, send again: " + err.Error()}
		}
	}
	h.metrics.events.WithLabelValues("stored").Add(float64(len(events)))
	h.metrics.events.WithLabelValues("refused").Add(float64(len(faults)))
	if len(faults) > 0 {
		return badRequest("partial", fmt.Sprintf("stored %d of %d events; refused for good: %s", len(events), len(raw), strings.Join(faults[:min(len(faults), 5)], "; ")))
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

func (d *decoder) readEvents(r *http.Request) ([]byte, *fault) {
	if ct := r.Header.Get("Content-Type"); ct != "" && !strings.HasPrefix(ct, "application/json") {
		return nil, unsupported(fmt.Sprintf("content type %q is not accepted, only application/json", ct))
	}
	switch enc := r.Header.Get("Content-Encoding"); enc {
	case "", "identity":
		return d.readBody(r)
	case "snappy":
		return d.readSnappy(r)
	default:
		return nil, unsupported(fmt.Sprintf("content encoding %q is not accepted, only snappy (block format)", enc))
	}
}

// accept returns the events that are whole, as the source's own, and what is
// wrong with the others.
func accept(raw []base.Event, src Source) (events []base.Event, faults []string) {
	for i, e := range raw {
		switch {
		case e.ID == "":
			faults = append(faults, fmt.Sprintf("event %d has no id", i))
			continue
		case e.Kind == "":
			faults = append(faults, fmt.Sprintf("event %s has no kind", e.ID))
			continue
		case e.At.IsZero():
			faults = append(faults, fmt.Sprintf("event %s has no time", e.ID))
			continue
		}
		e.Agent = src.Agent
		if !src.AnySite || e.Site == "" {
			e.Site = src.Site
		}
		events = append(events, e)
	}
	return events, faults
}
