package enrol_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	agentenrol "github.com/faultline/faultline/agent/enrol"
	"github.com/faultline/faultline/agent/link"
	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/enrol"
	"github.com/faultline/faultline/collector/ingest"
	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/collector/sqlstore"
	"github.com/faultline/faultline/internal/pki"
	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
)

// clock is a clock that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// fixture is a collector as agents see it: a real TLS server on loopback, the
// gate, enrolment, the real ingest, a long poll, on a real database.
type fixture struct {
	t         testing.TB
	clock     *clock
	store     *sqlstore.Store
	authority *pki.Authority
	svc       *enrol.Service
	srv       *httptest.Server
	installer *enrol.Installer
	polling   chan string // agents whose long poll begins

	mu     sync.Mutex
	series []metricstore.Series
	events []base.Event
	sites  map[string]string // of the inventory
}

func (f *fixture) Append(_ context.Context, s []metricstore.Series) (metricstore.Stats, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, one := range s {
		f.series = append(f.series, metricstore.Series{Labels: one.Labels, Points: append([]metricstore.Point(nil), one.Points...)})
	}
	return metricstore.Stats{}, nil
}

func newFixture(t testing.TB, change func(*fixture, *enrol.Options)) *fixture {
	t.Helper()
	dir := t.TempDir()
	log := slog.New(slog.DiscardHandler)
	f := &fixture{t: t, clock: &clock{t: time.Now()}, polling: make(chan string, 1024), sites: map[string]string{}}
	var err error
	if f.authority, err = enrol.OpenAuthority(filepath.Join(dir, "authority"), f.clock.now(), log); err != nil {
		t.Fatal(err)
	}
	if f.store, err = sqlstore.Open(t.Context(), sqlstore.Options{URL: "sqlite:" + filepath.Join(dir, "f.db"), Logger: log}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.store.Close() })
	if err := f.store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.srv = httptest.NewUnstartedServer(nil)
	f.srv.Config.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelError)
	opts := enrol.Options{Store: f.store, Authority: f.authority, Now: f.clock.now, Logger: log, Names: []string{"127.0.0.1"}, SiteOf: func(agent string) (string, bool) {
		f.mu.Lock()
		defer f.mu.Unlock()
		s, ok := f.sites[agent]
		return s, ok
	}}
	if change != nil {
		change(f, &opts)
	}
	if f.svc, err = enrol.New(opts); err != nil {
		t.Fatal(err)
	}
	f.start(log)
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { _ = f.svc.Run(ctx) })
	t.Cleanup(func() { cancel(); run.Wait() })
	t.Cleanup(f.srv.Close)
	return f
}

// start mounts everything as an app does, and listens.
func (f *fixture) start(log *slog.Logger) {
	in, err := ingest.New(ingest.Options{Appender: f, Logger: log, Limits: ingest.Limits{Concurrent: 1024}, Authenticate: func(r *http.Request) (ingest.Source, error) {
		who, ok := enrol.From(r.Context())
		if !ok {
			return ingest.Source{}, ingest.ErrUnauthorized
		}
		return ingest.Source{Agent: who.Agent, Site: who.Site}, nil
	}, Events: func(_ context.Context, _ string, e []base.Event) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.events = append(f.events, e...)
		return nil
	}})
	if err != nil {
		f.t.Fatal(err)
	}
	mux := http.NewServeMux()
	for _, p := range enrol.Paths() {
		mux.Handle(p, f.svc.Handler())
	}
	mux.Handle(ingest.PathWrite, in)
	mux.Handle(ingest.PathEvents, in)
	mux.HandleFunc("/api/v1/agents/self/work", func(w http.ResponseWriter, r *http.Request) {
		p, ok := account.From(r.Context())
		if !ok || p.Kind != account.KindAgent {
			http.Error(w, "nobody", http.StatusUnauthorized)
			return
		}
		if r.URL.Query().Get("after") == "" { // what it has to do
			_, _ = io.WriteString(w, p.AgentID+" of "+strings.Join(p.Sites, ","))
			return
		}
		f.polling <- p.AgentID
		<-r.Context().Done()
		http.Error(w, "the handler's own words", http.StatusInternalServerError)
	})
	mux.HandleFunc("/-/ready", func(w http.ResponseWriter, r *http.Request) {
		if _, err := f.store.KVGet(r.Context(), "ready"); err != nil && !strings.Contains(err.Error(), "no such") {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	f.srv.Config.Handler = f.svc.Gate(mux)
	// As an app does: the gate's configuration around the listener, so that net/http adds nothing to it.
	f.srv.Listener = tls.NewListener(f.srv.Listener, f.svc.TLSConfig(nil))
	f.srv.Start()
	f.srv.URL = strings.Replace(f.srv.URL, "http:", "https:", 1)
}

func (f *fixture) token(site, agent string) pki.Token {
	f.t.Helper()
	tok, err := enrol.IssueToken(context.Background(), f.store, f.authority, enrol.NewToken{Site: site, Agent: agent, Actor: "li"}, f.clock.now())
	if err != nil {
		f.t.Fatal(err)
	}
	return tok
}

// try enrols with a token, on a machine of that id.
func (f *fixture) try(tok pki.Token, dir, name, machine string) (agentenrol.Result, error) {
	return agentenrol.Enrol(context.Background(), agentenrol.Options{URL: f.srv.URL, Token: tok, Dir: dir, Name: name, Host: "host-" + name, Machine: &machine, Now: f.clock.now, Patience: time.Nanosecond})
}

// enrolled returns an agent of a site and its link.
func (f *fixture) enrolled(site, name string) (*agentenrol.Identity, *link.Client) {
	f.t.Helper()
	dir := f.t.TempDir()
	if _, err := f.try(f.token(site, ""), dir, name, ""); err != nil {
		f.t.Fatal(err)
	}
	return f.open(dir)
}

func (f *fixture) open(dir string) (*agentenrol.Identity, *link.Client) {
	f.t.Helper()
	id, err := agentenrol.Open(dir)
	if err != nil {
		f.t.Fatal(err)
	}
	return id, f.link(id)
}

func (f *fixture) link(cred link.Credential) *link.Client {
	f.t.Helper()
	c, err := link.New(link.Options{URL: f.srv.URL, Credential: cred})
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

func get(c *link.Client, path string) (link.Answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return c.Do(ctx, link.Request{Method: http.MethodGet, Path: path})
}

const workPath = "/api/v1/agents/self/work"

// audited waits until an entry of the action holds the text.
func (f *fixture) audited(action, text string) account.AuditEntry {
	f.t.Helper()
	var all []account.AuditEntry
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		var err error
		if all, err = f.store.AuditEntries(context.Background(), 1000); err != nil {
			f.t.Fatal(err)
		}
		for _, e := range all {
			if e.Action == action && strings.Contains(e.Detail+" "+e.Object, text) {
				return e
			}
		}
	}
	f.t.Errorf("the audit trail has no %s with %q: %+v", action, text, all)
	return account.AuditEntry{}
}

// credential shows any certificate, and takes any collector of the authority.
type credential struct {
	cert      *tls.Certificate
	authority *pki.Authority
	header    http.Header
}

func (c credential) Certificate() *tls.Certificate { return c.cert }
func (c credential) Header() http.Header           { return c.header }
func (c credential) Answered(http.Header)          {}
func (c credential) VerifyCollector(s tls.ConnectionState) error {
	return pki.VerifyCollector(s.PeerCertificates, c.authority.Certificate, time.Time{})
}

// certified makes a certificate without the collector's knowledge.
func (f *fixture) certified(a *pki.Authority, id pki.Identity, at time.Time, life time.Duration) *tls.Certificate {
	f.t.Helper()
	key, err := pki.NewKey()
	if err != nil {
		f.t.Fatal(err)
	}
	c, err := a.IssueAgent(key.Public(), id, at, life)
	if err != nil {
		f.t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key, Leaf: c}
}

func reasonOf(err error) string {
	var r *agentenrol.RefusedError
	if errors.As(err, &r) {
		return r.Reason
	}
	return ""
}

var discard = slog.New(slog.DiscardHandler)

func encodeWrite(samples ...base.Sample) (contentType string, body []byte) {
	var e wire.WriteEncoder
	return wire.WriteV2ContentType, e.V2(samples, wire.TypeByName).Data
}
