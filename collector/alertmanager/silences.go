package alertmanager

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// silencesOf are those the request's principal may see: of its own sites, and
// those of everybody.
func (h *Handler) silencesOf(r *http.Request) ([]Silence, error) {
	all, err := h.o.Silences.Silences(r.Context())
	if err != nil {
		return nil, err
	}
	own := sites(r.Context())
	return slices.DeleteFunc(all, func(s Silence) bool {
		return len(own) > 0 && len(s.Sites) > 0 && !slices.ContainsFunc(s.Sites, func(site string) bool { return slices.Contains(own, site) })
	}), nil
}

// getSilences shows active ones first, soonest end first, then pending, then
// expired ones, last ended first.
func (h *Handler) getSilences(w http.ResponseWriter, r *http.Request) error {
	ms, err := parseMatchers(r.URL.Query()["filter"])
	if err != nil {
		return err
	}
	all, err := h.silencesOf(r)
	if err != nil {
		return err
	}
	now := h.o.Now()
	out := []shownSilence{}
	for _, s := range all {
		labels := map[string]string{}
		for _, m := range s.Matchers {
			labels[m.Name] = m.Value
		}
		if matchAll(ms, labels) {
			out = append(out, showSilence(s, now))
		}
	}
	slices.SortFunc(out, func(a, b shownSilence) int {
		order := []string{Active, Pending, Expired}
		if c := slices.Index(order, a.Status.State) - slices.Index(order, b.Status.State); c != 0 {
			return c
		}
		switch a.Status.State {
		case Active:
			return a.EndsAt.Compare(b.EndsAt)
		case Pending:
			return a.StartsAt.Compare(b.StartsAt)
		}
		if c := b.EndsAt.Compare(a.EndsAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	answer(w, http.StatusOK, out)
	return nil
}

// find returns the silence of the path among those the principal sees.
func (h *Handler) find(r *http.Request) (Silence, error) {
	all, err := h.silencesOf(r)
	if err != nil {
		return Silence{}, err
	}
	at := slices.IndexFunc(all, func(s Silence) bool { return s.ID == r.PathValue("id") })
	if at < 0 {
		return Silence{}, errUnknown
	}
	return all[at], nil
}

func (h *Handler) getSilence(w http.ResponseWriter, r *http.Request) error {
	s, err := h.find(r)
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, showSilence(s, h.o.Now()))
	return nil
}

// postSilence makes or changes one. Whoever is bound to sites can silence those
// alone, and may not change what others made.
func (h *Handler) postSilence(w http.ResponseWriter, r *http.Request) error {
	body, err := read(r)
	if err != nil {
		return err
	}
	var s Silence
	if err := json.Unmarshal(body, &s); err != nil {
		return &badRequest{err}
	}
	s.Sites = sites(r.Context())
	s.CreatedBy = author(who(r.Context()), s.CreatedBy)
	all, err := h.silencesOf(r)
	if err != nil {
		return err
	}
	for _, x := range all {
		if x.ID == s.ID && len(x.Sites) == 0 && len(s.Sites) > 0 {
			return errForbidden
		}
	}
	write, id, err := change(all, s, h.o.Now().UTC())
	if err != nil {
		return err
	}
	if err := h.o.Silences.PutSilences(r.Context(), write...); err != nil {
		return err
	}
	h.changed()
	answer(w, http.StatusOK, map[string]string{"silenceID": id})
	return nil
}

// author names who made a silence: the account, which the sender cannot choose,
// and in brackets the name the sender gave. A silence that is sent back as it was
// shown keeps its author.
func author(name, given string) string {
	switch {
	case name == "" || given == name || strings.HasPrefix(given, name+" ("):
		return given
	case given == "":
		return name
	}
	return name + " (" + given + ")"
}

// deleteSilence expires one; one that is over stays as it is.
func (h *Handler) deleteSilence(w http.ResponseWriter, r *http.Request) error {
	s, err := h.find(r)
	if err != nil {
		return err
	}
	if len(s.Sites) == 0 && len(sites(r.Context())) > 0 {
		return errForbidden
	}
	if now := h.o.Now().UTC(); s.State(now) != Expired {
		if err := h.o.Silences.PutSilences(r.Context(), expire(s, now)); err != nil {
			return err
		}
		h.changed()
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

func (h *Handler) changed() {
	if h.o.Changed != nil {
		h.o.Changed()
	}
}

// shownConfig is a configuration that amtool understands and that is true: one
// receiver, groups by site and device.
const shownConfig = "route:\n  receiver: " + ReceiverName + "\n  group_by: ['site', 'device']\nreceivers:\n- name: " + ReceiverName + "\n"

func (h *Handler) getStatus(w http.ResponseWriter, _ *http.Request) error {
	answer(w, http.StatusOK, map[string]any{
		"cluster": map[string]any{"status": "disabled", "peers": []any{}},
		"config":  map[string]string{"original": shownConfig},
		"uptime":  h.began.UTC(),
		"versionInfo": map[string]string{"version": Speaks, "revision": "faultline " + h.o.Version, "branch": "faultline",
			"buildUser": "", "buildDate": "", "goVersion": ""},
	})
	return nil
}

func (h *Handler) getReceivers(w http.ResponseWriter, _ *http.Request) error {
	answer(w, http.StatusOK, []receiver{{ReceiverName}})
	return nil
}
