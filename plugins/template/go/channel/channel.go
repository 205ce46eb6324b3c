package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/faultline/faultline/plugins/notify"
	"github.com/faultline/faultline/plugins/ticket"
)

const version = "1.0"

// channel posts notices as JSON.
type channel struct{ settings map[string]string }

func (*channel) Name() string { return "example" }

func (c *channel) Deliver(ctx context.Context, n notify.Notice) error {
	body, err := json.Marshal(map[string]any{"key": n.Key, "to": n.To, "subject": n.Subject, "body": n.Body, "url": n.URL})
	if err != nil {
		return &ticket.Error{Op: "encode", Err: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.settings["url"]+"/messages", bytes.NewReader(body))
	if err != nil {
		return &ticket.Error{Op: "post", Err: err}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil { // it may have been read before the connection broke
		return &ticket.Error{Op: "post", Retryable: true, Ambiguous: true, Err: err}
	}
	defer resp.Body.Close()
	if code := resp.StatusCode; code >= 300 {
		return &ticket.Error{Op: "post", Retryable: code == 429 || code >= 500, Ambiguous: code >= 500, Err: errors.New(http.StatusText(code))}
	}
	return nil
}
