package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/people"
)

const (
	heartbeat  = 10 * time.Second // keeps proxies from cutting, finds dead browsers, and looks whether the reader still has access, should no change have said so
	writeLimit = 10 * time.Second
)

// events answers GET /events: server-sent events that say which incident
// changed. The browser then asks for the fragments it shows.
func (c *console) events(w http.ResponseWriter, r *http.Request, p *page) error {
	sub, err := c.Hub.Subscribe()
	if err != nil {
		w.Header().Set("Retry-After", "30")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return nil
	}
	defer sub.End()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	if err := send(w, "retry: 3000\n\n"); err != nil {
		return nil // the browser is gone
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	who := account.PrincipalOf(p.User)
	for {
		var out string
		select {
		case <-r.Context().Done():
			return nil
		case ch, ok := <-sub.C():
			if !ok {
				return nil
			}
			if ch.ID == "" { // anything may have changed, also who may look
				u, err := c.Accounts.User(r.Context(), p.User.Name)
				if err != nil || u.MustChange {
					return nil
				}
				who = account.PrincipalOf(u)
			}
			if ch.ID != "" && who.View(people.Subject{Site: ch.Site, Affected: ch.Affected}) == people.Hidden {
				continue
			}
			out = message(ch.ID)
		case <-beat.C:
			u, err := c.Accounts.User(r.Context(), p.User.Name)
			if err != nil || u.MustChange {
				return nil // signed out, disabled, a new password to set, or nobody can tell: the browser asks again
			}
			who, out = account.PrincipalOf(u), ": still here\n\n"
		}
		if send(w, out) != nil {
			return nil
		}
	}
}

// message is one event; an empty id says that anything may have changed.
func message(id string) string {
	b, err := json.Marshal(map[string]string{"id": id})
	if err != nil {
		panic(fmt.Sprintf("marshal a string: %v", err))
	}
	return "event: change\ndata: " + string(b) + "\n\n"
}

func send(w http.ResponseWriter, s string) error {
	rc := http.NewResponseController(w)
	if err := rc.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := w.Write([]byte(s)); err != nil {
		return err
	}
	return rc.Flush()
}
