package alertmanager

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/intake"
)

// kv is a store in memory.
type kv struct {
	mu sync.Mutex
	m  map[string]string
}

func (k *kv) KVList(_ context.Context, prefix string) (map[string]string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := map[string]string{}
	for n, v := range k.m {
		if strings.HasPrefix(n, prefix) {
			out[n] = v
		}
	}
	return out, nil
}

func (k *kv) KVPutAll(_ context.Context, values map[string]string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.m == nil {
		k.m = map[string]string{}
	}
	maps.Copy(k.m, values)
	return nil
}

func (k *kv) KVDelete(_ context.Context, names ...string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, n := range names {
		delete(k.m, n)
	}
	return nil
}

// fixture is the API with a board behind it.
type fixture struct {
	*httptest.Server
	t     *testing.T
	h     *Handler
	board *intake.Board
	store *kv

	mu    sync.Mutex
	shift time.Duration     // our clock is so far ahead
	as    account.Principal // who asks; without a Kind nobody in particular
}

func (f *fixture) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return time.Now().Add(f.shift)
}

func (f *fixture) ask(p account.Principal) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.as = p
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, store: &kv{}}
	var err error
	if f.board, err = intake.Open(t.Context(), intake.Options{Store: f.store, Now: f.now}); err != nil {
		t.Fatal(err)
	}
	f.h, err = New(Options{Intake: f.board, Silences: Stored{f.store}, Now: f.now,
		Alerts: func(context.Context) ([]intake.Alert, error) { return f.board.Alerts(), nil }})
	if err != nil {
		t.Fatal(err)
	}
	api := http.StripPrefix("/alertmanager", f.h)
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		p := f.as
		f.mu.Unlock()
		if p.Kind != "" {
			r = r.WithContext(account.With(r.Context(), p))
		}
		api.ServeHTTP(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *fixture) base() string { return f.URL + "/alertmanager" }

// names are the alertnames of the open alerts.
func (f *fixture) names() []string {
	var out []string
	for _, a := range f.board.Alerts() {
		out = append(out, a.Labels["alertname"])
	}
	return out
}
