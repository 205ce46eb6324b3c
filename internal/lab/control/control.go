// Package control is how programs and pages break and mend a practice branch
// over HTTP: the handler beside the branch and the client. It knows no fault by
// name; the branch says which there are.
package control

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/faultline/faultline/internal/lang"
)

// ErrUnknownFault says that the branch has no fault of that name.
var ErrUnknownFault = errors.New("unknown fault")

// Fault is something that can be broken.
type Fault struct {
	Name   string    `json:"name"`
	Title  lang.Text `json:"title"`
	Broken bool      `json:"broken"`
	Since  time.Time `json:"since,omitzero"`
}

// State is the answer to every request that succeeded.
type State struct {
	Faults []Fault `json:"faults"`
}

// Branch is what is broken and mended.
type Branch interface {
	// Faults returns what can be broken and what is.
	Faults() []Fault
	// Break breaks something; the error is ErrUnknownFault when there is no such thing.
	Break(name string) error
	// Mend repairs everything.
	Mend() error
}

// request is the body of POST /break.
type request struct {
	Fault string `json:"fault"`
}

// Handler serves GET /state, POST /break {"fault": NAME} and POST /mend to those
// who send the token as bearer. An empty token lets nobody in.
func Handler(b Branch, token string) http.Handler {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, err error) {
		switch {
		case errors.Is(err, ErrUnknownFault):
			http.Error(w, err.Error(), http.StatusBadRequest)
		case err != nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		default:
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(State{b.Faults()})
		}
	}
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, _ *http.Request) { answer(w, nil) })
	mux.HandleFunc("POST /mend", func(w http.ResponseWriter, _ *http.Request) { answer(w, b.Mend()) })
	mux.HandleFunc("POST /break", func(w http.ResponseWriter, r *http.Request) {
		var req request
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1024)).Decode(&req); err != nil {
			http.Error(w, `the body must be {"fault": NAME}: `+err.Error(), http.StatusBadRequest)
			return
		}
		answer(w, b.Break(req.Fault))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || token == "" || subtle.ConstantTimeCompare([]byte(got), []byte(token)) != 1 {
			http.Error(w, "the practice branch's token is missing or wrong", http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// Client acts on a practice branch from afar.
type Client struct {
	URL   string // where the handler is mounted, without a slash at the end
	Token string
	HTTP  *http.Client // nil: one with a timeout of 5 s
}

// State returns what can be broken and what is.
func (c Client) State(ctx context.Context) (State, error) {
	return c.do(ctx, http.MethodGet, "/state", nil)
}

// Break breaks something.
func (c Client) Break(ctx context.Context, fault string) (State, error) {
	return c.do(ctx, http.MethodPost, "/break", request{fault})
}

// Mend repairs everything.
func (c Client) Mend(ctx context.Context) (State, error) {
	return c.do(ctx, http.MethodPost, "/mend", struct{}{})
}

func (c Client) do(ctx context.Context, method, path string, body any) (State, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return State{}, err
	}
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, bytes.NewReader(text))
	if err != nil {
		return State{}, fmt.Errorf("practice branch: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	client := c.HTTP
	if client == nil {
		client = &http.Client{Timeout: 5 * time.Second}
	}
	res, err := client.Do(req)
	if err != nil {
		return State{}, fmt.Errorf("practice branch: %w", err)
	}
	defer res.Body.Close()
	text, err = io.ReadAll(io.LimitReader(res.Body, 1<<16))
	if err != nil {
		return State{}, fmt.Errorf("practice branch: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return State{}, fmt.Errorf("practice branch: %s", strings.TrimSpace(string(text)))
	}
	var s State
	if err := json.Unmarshal(text, &s); err != nil {
		return State{}, fmt.Errorf("practice branch answers no state: %w", err)
	}
	return s, nil
}
