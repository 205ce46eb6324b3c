package outgoing

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// listening counts the bytes that arrive at a server's connections.
type listening struct {
	net.Listener
	mu  sync.Mutex // guards got
	got bytes.Buffer
}

func (l *listening) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &heard{c, l}, nil
}

type heard struct {
	net.Conn
	l *listening
}

func (h *heard) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	h.l.mu.Lock()
	h.l.got.Write(p[:n])
	h.l.mu.Unlock()
	return n, err
}

func (l *listening) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.got.String()
}

func listenTo(t *testing.T, handler http.Handler) (*httptest.Server, *listening) {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	l := &listening{Listener: s.Listener}
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	return s, l
}

var errLost = errors.New("lost")

// TestDo: a request that may leave arrives whole; one that may not any more does
// not leave, not even its head, whether the word comes before the connection is
// looked for, when a new one stands, or when a kept one was found, and whether
// or not it has a body.
func TestDo(t *testing.T) {
	text := strings.Repeat("x", 100_000)
	arrived := make(chan string, 9)
	s, wire := listenTo(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if b, err := io.ReadAll(r.Body); err == nil {
			arrived <- string(b)
		}
	}))
	send := func(c *http.Client, body string, ask func() error) error {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Secret", "geheim")
		Once(req)
		resp, err := Do(c.Do, req, ask)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		return errors.Join(err, resp.Body.Close())
	}
	refuse := func(n int) func() error { // the n-th question
		var asked int
		return func() error {
			if asked++; asked >= n {
				return errLost
			}
			return nil
		}
	}
	for _, kept := range []bool{false, true} {
		for n := 1; n <= 2; n++ {
			for _, body := range []string{"", "small", text} {
				c := Client()
				c.Transport = &http.Transport{}
				if kept {
					if err := send(c, "first", func() error { return nil }); err != nil || <-arrived != "first" {
						t.Fatalf("with leave: %v", err)
					}
				}
				before := wire.text()
				if err := send(c, body, refuse(n)); !errors.Is(err, errLost) {
					t.Errorf("kept %v, question %d, %d bytes: %v", kept, n, len(body), err)
				}
				c.CloseIdleConnections()
				if got := wire.text()[len(before):]; got != "" {
					t.Errorf("kept %v, question %d, %d bytes: %d bytes have left: %.60q", kept, n, len(body), len(got), got)
				}
			}
		}
	}
	if err := send(Client(), text, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	if got := <-arrived; got != text {
		t.Errorf("%d bytes arrived, want %d", len(got), len(text))
	}
	s.Close() // waits for its handlers
	if len(arrived) > 0 || strings.Count(wire.text(), "geheim") != 1+6 {
		t.Error("what may not leave has arrived")
	}
}
