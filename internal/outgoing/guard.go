package outgoing

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
)

// Do makes a request that may leave only while ask says so: it asks before a
// connection is looked for, and once more when the connection stands and nothing
// has been written to it, for finding one may take long, and a program may be
// frozen over it. Then not even the request's head has left. The error is ask's
// own. do is a client's Do or a transport's RoundTrip; ask may be called from
// another goroutine, and more than twice when a kept connection turns out broken.
func Do(do func(*http.Request) (*http.Response, error), r *http.Request, ask func() error) (*http.Response, error) {
	if err := ask(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	var refused atomic.Pointer[error]
	trace := &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) {
		if err := ask(); err != nil {
			refused.Store(&err)
			cancel(err)
			_ = c.Conn.Close() // what is written next goes nowhere
		}
	}}
	resp, err := do(r.WithContext(httptrace.WithClientTrace(ctx, trace)))
	if why := refused.Load(); why != nil {
		if err == nil {
			_ = resp.Body.Close()
		}
		cancel(nil)
		return nil, *why
	}
	if err != nil {
		cancel(nil)
		return nil, err
	}
	resp.Body = &released{resp.Body, cancel}
	return resp, nil
}

// released ends the request's context when its answer was read.
type released struct {
	io.ReadCloser
	done context.CancelCauseFunc
}

// Close closes the body.
func (b *released) Close() error {
	err := b.ReadCloser.Close()
	b.done(nil)
	return err
}
