package enrol

import (
	"context"
	"net/http"
	"sync"
)

// openRequests are the requests of agents under way, by certificate.
type openRequests struct {
	mu sync.Mutex // guards m
	m  map[string]map[*cutWriter]struct{}
}

func (o *openRequests) add(serial string, w *cutWriter) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.m == nil {
		o.m = map[string]map[*cutWriter]struct{}{}
	}
	if o.m[serial] == nil {
		o.m[serial] = map[*cutWriter]struct{}{}
	}
	o.m[serial][w] = struct{}{}
}

func (o *openRequests) remove(serial string, w *cutWriter) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.m[serial], w)
	if len(o.m[serial]) == 0 {
		delete(o.m, serial)
	}
}

func (o *openRequests) none() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.m) == 0
}

func (o *openRequests) count() (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, ws := range o.m {
		n += len(ws)
	}
	return n
}

// cut ends the requests of a certificate.
func (o *openRequests) cut(serial string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for w := range o.m[serial] {
		w.cut()
	}
}

// cutWriter answers with a refusal in place of what its handler writes once the
// request was cut. A handler that has begun its answer is only cancelled.
type cutWriter struct {
	http.ResponseWriter
	cancel context.CancelFunc
	refuse func()

	mu    sync.Mutex // guards the fields below
	state int
}

// States of a cutWriter.
const (
	waiting = iota // nothing was answered yet
	begun          // the handler answers
	isCut          // cut before the handler answered
	refused        // and the refusal is sent
)

func (w *cutWriter) cut() {
	w.mu.Lock()
	if w.state == waiting {
		w.state = isCut
	}
	w.mu.Unlock()
	w.cancel()
}

// begin tells whether the handler's answer goes out.
func (w *cutWriter) begin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state == waiting {
		w.state = begun
	}
	return w.state == begun
}

// finish sends the refusal of a request that was cut.
func (w *cutWriter) finish() {
	w.mu.Lock()
	due := w.state == isCut
	if due {
		w.state = refused
	}
	w.mu.Unlock()
	if !due {
		return
	}
	h := w.ResponseWriter.Header()
	for k := range h {
		delete(h, k)
	}
	w.refuse()
}

// WriteHeader sends the status unless the request was cut.
func (w *cutWriter) WriteHeader(code int) {
	if code >= 200 && !w.begin() {
		return
	}
	w.ResponseWriter.WriteHeader(code)
}

// Write sends part of the body unless the request was cut.
func (w *cutWriter) Write(b []byte) (int, error) {
	if !w.begin() {
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *cutWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
