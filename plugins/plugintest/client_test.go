package plugintest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/faultline/faultline/plugins/ticket"
)

// post is an honest Send to a stand-in.
func post(d *desk, ctx context.Context, t ticket.Ticket) (ref ticket.Ref, err error) {
	body, err := json.Marshal(map[string]string{"key": t.MessageKey, "subject": t.Subject, "body": t.Body})
	if err != nil {
		return ref, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.world.URL+"/messages", bytes.NewReader(body))
	if err != nil {
		return ref, err
	}
	resp, err := d.world.Client().Do(req)
	if err != nil {
		return ref, &ticket.Error{Op: "post", Retryable: true, Ambiguous: true, Err: err}
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		return ref, &ticket.Error{Op: "post", Retryable: resp.StatusCode != 403, Ambiguous: resp.StatusCode >= 500, Err: errors.New(resp.Status)}
	}
	return ref, json.NewDecoder(resp.Body).Decode(&ref)
}

// get is an honest Find.
func get(d *desk, key string) (ref ticket.Ref, found bool, err error) {
	resp, err := d.world.Client().Get(d.world.URL + "/messages?key=" + url.QueryEscape(key))
	if err != nil {
		return ref, false, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return ref, false, nil
	}
	return ref, true, json.NewDecoder(resp.Body).Decode(&ref)
}
