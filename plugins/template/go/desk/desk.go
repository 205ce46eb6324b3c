package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/faultline/faultline/plugins/ticket"
)

const version = "1.0"

// desk posts tickets as JSON and finds them by their key.
type desk struct{ settings map[string]string }

func (*desk) Name() string { return "example" }

func (d *desk) Send(ctx context.Context, t ticket.Ticket) (ticket.Ref, error) {
	body, err := json.Marshal(map[string]any{"key": t.MessageKey, "subject": t.Subject, "body": t.Body})
	if err != nil {
		return ticket.Ref{}, &ticket.Error{Op: "encode", Err: err}
	}
	ref, code, err := d.do(ctx, http.MethodPost, "/messages", body)
	switch {
	case err != nil: // it may have been read before the connection broke
		return ticket.Ref{}, &ticket.Error{Op: "post", Retryable: true, Ambiguous: true, Err: err}
	case code != http.StatusCreated:
		return ticket.Ref{}, &ticket.Error{Op: "post", Retryable: code == 429 || code >= 500, Ambiguous: code >= 500, Err: errors.New(http.StatusText(code))}
	}
	return ref, nil
}

func (d *desk) Find(ctx context.Context, key string) (ticket.Ref, bool, error) {
	ref, code, err := d.do(ctx, http.MethodGet, "/messages?key="+url.QueryEscape(key), nil)
	if err == nil && code != http.StatusOK && code != http.StatusNotFound {
		err = &ticket.Error{Op: "search", Retryable: true, Err: errors.New(http.StatusText(code))}
	}
	return ref, code == http.StatusOK, err
}

func (d *desk) do(ctx context.Context, method, path string, body []byte) (ref ticket.Ref, code int, err error) {
	req, err := http.NewRequestWithContext(ctx, method, d.settings["url"]+path, bytes.NewReader(body))
	if err != nil {
		return ref, 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return ref, 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode < 300 {
		err = json.NewDecoder(resp.Body).Decode(&ref)
	}
	return ref, resp.StatusCode, err
}
