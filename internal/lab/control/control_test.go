package control

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type toy struct{ broken []string }

func (t *toy) Faults() []Fault {
	var out []Fault
	for _, name := range t.broken {
		out = append(out, Fault{Name: name, Broken: true})
	}
	return out
}

func (t *toy) Break(name string) error {
	if name == "teapot" {
		return fmt.Errorf("break %s: %w", name, ErrUnknownFault)
	}
	t.broken = append(t.broken, name)
	return nil
}

func (t *toy) Mend() error { t.broken = nil; return nil }

func TestClientAndHandler(t *testing.T) {
	srv := httptest.NewServer(http.StripPrefix("/practice", Handler(&toy{}, "secret")))
	defer srv.Close()
	c := Client{URL: srv.URL + "/practice", Token: "secret"}
	if _, err := c.Break(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	s, err := c.Break(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(State{[]Fault{{Name: "a", Broken: true}, {Name: "b", Broken: true}}}, s); diff != "" {
		t.Error(diff)
	}
	if again, err := c.State(t.Context()); err != nil || len(again.Faults) != 2 {
		t.Errorf("state: %+v %v", again, err)
	}
	if _, err := c.Break(t.Context(), "teapot"); err == nil || !strings.Contains(err.Error(), "unknown fault") {
		t.Errorf("unknown fault: %v", err)
	}
	if s, err := c.Mend(t.Context()); err != nil || len(s.Faults) != 0 {
		t.Errorf("mend: %+v %v", s, err)
	}
}

func TestToken(t *testing.T) {
	for _, c := range []struct{ token, sent string }{{"secret", "other"}, {"secret", ""}, {"", ""}} {
		srv := httptest.NewServer(Handler(&toy{}, c.token))
		_, err := Client{URL: srv.URL, Token: c.sent}.Break(t.Context(), "a")
		srv.Close()
		if err == nil || !strings.Contains(err.Error(), "token") {
			t.Errorf("token %q sent as %q: %v", c.token, c.sent, err)
		}
	}
}
