package outgoing

import (
	"io"
	"net/http"
)

// Guard makes the request ask when its connection stands and nothing of it has
// left: finding a connection may take long, and a program may be frozen over it.
// The request fails with the error of ask. A request without a body asks nothing.
func Guard(r *http.Request, ask func() error) {
	if r.Body != nil {
		r.Body = &guarded{ReadCloser: r.Body, ask: ask}
	}
}

// guarded asks at the first read, which comes after the connection and before
// the first byte is written to it.
type guarded struct {
	io.ReadCloser
	ask func() error // nil: asked
}

func (g *guarded) Read(p []byte) (int, error) {
	if ask := g.ask; ask != nil {
		if err := ask(); err != nil {
			return 0, err
		}
		g.ask = nil
	}
	return g.ReadCloser.Read(p)
}
