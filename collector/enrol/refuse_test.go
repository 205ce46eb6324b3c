package enrol_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/link"
	"github.com/faultline/faultline/collector/enrol"
	"github.com/faultline/faultline/internal/pki"
	"github.com/faultline/faultline/plugins/base"
)

// Every kind of wrong certificate is refused with its reason, by the path of
// writing and by that of configuration, and is in the audit trail.
func TestCertificatesAreRefused(t *testing.T) {
	f := newFixture(t, nil)
	foreign, err := pki.NewAuthority(f.clock.now())
	if err != nil {
		t.Fatal(err)
	}
	good, _ := f.enrolled("branch-1", "a1")
	gone, _ := f.enrolled("branch-1", "a2")
	moved, _ := f.enrolled("branch-1", "a3")
	f.mu.Lock()
	f.sites["a1"], f.sites["a3"] = "branch-1", "branch-9"
	f.mu.Unlock()
	if err := f.svc.Revoke(t.Context(), "a2", "li", "stolen"); err != nil {
		t.Fatal(err)
	}
	id := pki.Identity{Agent: "a1", Site: "branch-1"}
	now := f.clock.now()
	server, err := f.authority.IssueCollector(good.Certificate().Leaf.PublicKey, nil, now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	forSite := func(s string) http.Header { return http.Header{pki.HeaderSite: {s}} }
	for _, c := range []struct {
		name   string
		cert   *tls.Certificate
		header http.Header
		status int
		reason string
	}{
		{"the agent's own", good.Certificate(), forSite("branch-1"), 200, ""},
		{"no certificate", nil, nil, 401, pki.NoCertificate},
		{"foreign authority", f.certified(foreign, id, now, time.Hour), nil, 401, pki.ForeignCA},
		{"signed by itself", selfSigned(t), nil, 401, pki.ForeignCA},
		{"revoked", gone.Certificate(), nil, 403, pki.Revoked},
		{"expired", f.certified(f.authority, id, now.Add(-48*time.Hour), time.Hour), nil, 401, pki.Expired},
		{"not yet valid", f.certified(f.authority, id, now.Add(48*time.Hour), time.Hour), nil, 401, pki.NotYetValid},
		{"of our authority, not issued by this collector", f.certified(f.authority, id, now, time.Hour), nil, 403, pki.Unknown},
		{"the collector's own as a client", &tls.Certificate{Certificate: [][]byte{server.Raw}, PrivateKey: good.Certificate().PrivateKey}, nil, 401, pki.WrongPurpose},
		{"another site's, says the inventory", moved.Certificate(), nil, 403, pki.OtherSite},
		{"another site's, says the request", good.Certificate(), forSite("branch-2"), 403, pki.OtherSite},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := f.link(credential{cert: c.cert, authority: f.authority, header: c.header})
			for _, path := range []string{workPath, "/api/v1/events"} {
				r := link.Request{Method: http.MethodGet, Path: path}
				if path != workPath {
					r.Method, r.Body, r.Header = http.MethodPost, []byte("[]"), http.Header{"Content-Type": {"application/json"}}
				}
				a, err := client.Do(t.Context(), r)
				if err != nil {
					t.Fatal(err)
				}
				var p struct{ Error, Hint, Reason string }
				_ = json.Unmarshal(a.Body, &p)
				if a.Status != c.status || a.Header.Get(pki.HeaderRefused) != c.reason || p.Reason != c.reason {
					t.Errorf("%s: got %d %q (%s), want %d %q", path, a.Status, a.Header.Get(pki.HeaderRefused), a.Text(), c.status, c.reason)
				}
				if c.reason != "" && (p.Error == "" || p.Hint == "") {
					t.Errorf("%s: the refusal has no words or no hint: %s", path, a.Text())
				}
			}
			if c.reason != "" {
				if e := f.audited("agent_refused", c.reason); e.Remote != "127.0.0.1" {
					t.Errorf("audit entry without the address: %+v", e)
				}
			}
		})
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.events)+len(f.series) != 0 {
		t.Errorf("refused requests wrote something")
	}
}

func selfSigned(t *testing.T) *tls.Certificate {
	t.Helper()
	a, err := pki.NewAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{a.Certificate.Raw}, PrivateKey: a.Key}
}

// Every kind of wrong token is refused with its reason and audited.
func TestTokensAreRefused(t *testing.T) {
	f := newFixture(t, nil)
	used := f.token("branch-1", "")
	if _, err := f.try(used, t.TempDir(), "first", ""); err != nil {
		t.Fatal(err)
	}
	withdrawn := f.token("branch-1", "")
	if err := f.store.RevokeEnrolToken(t.Context(), withdrawn.ID, f.clock.now()); err != nil {
		t.Fatal(err)
	}
	guessed := f.token("branch-1", "")
	guessed.Secret = pki.NewToken(guessed.Fingerprint, time.Now()).Secret
	f.mu.Lock()
	f.sites["b-agent"] = "branch-2"
	f.mu.Unlock()
	old := f.token("branch-1", "")
	for _, c := range []struct {
		name   string
		token  pki.Token
		agent  string
		move   time.Duration
		reason string
	}{
		{"replayed from another machine", used, "second", 0, pki.TokenUsed},
		{"withdrawn", withdrawn, "x", 0, pki.TokenRevoked},
		{"wrong secret", guessed, "x", 0, pki.TokenUnknown},
		{"never issued", pki.NewToken(f.svc.Pin(), time.Now()), "x", 0, pki.TokenUnknown},
		{"agent of another site", f.token("branch-1", ""), "b-agent", 0, pki.OtherSite},
		{"name of another machine", f.token("branch-1", ""), "first", 0, pki.NameTaken},
		{"bad name", f.token("branch-1", ""), "../x", 0, pki.BadRequest},
		{"expired", old, "x", 25 * time.Hour, pki.TokenExpired},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.clock.move(c.move)
			dir := t.TempDir()
			_, err := f.try(c.token, dir, c.agent, "m2")
			if got := reasonOf(err); got != c.reason {
				t.Errorf("got %v, want %s", err, c.reason)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 0 {
				t.Errorf("a refusal left %v", left)
			}
			e := f.audited("agent_refused", c.reason)
			if strings.Contains(e.Detail, c.token.Secret) {
				t.Error("the audit has the secret")
			}
		})
	}
	toks, err := f.store.EnrolTokens(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, tok := range toks {
		if b, _ := json.Marshal(tok); bytes.Contains(b, []byte(used.Secret)) {
			t.Error("the store has a secret in the clear")
		}
	}
}

// Of many machines with one token at the same moment one gets in.
func TestTokenIsUsedOnceInARace(t *testing.T) {
	f := newFixture(t, nil)
	tok := f.token("branch-1", "")
	var wg sync.WaitGroup
	outcomes := make(chan string, 12)
	for i := range 12 {
		dir := t.TempDir()
		wg.Go(func() {
			_, err := f.try(tok, dir, "racer-"+string(rune('a'+i)), "")
			outcomes <- reasonOf(err)
			if err != nil && reasonOf(err) == "" {
				t.Errorf("enrol: %v", err)
			}
		})
	}
	wg.Wait()
	close(outcomes)
	n := map[string]int{}
	for o := range outcomes {
		n[o]++
	}
	if n[""] != 1 || n[pki.TokenUsed] != 11 {
		t.Errorf("got %v, want one in and eleven %s", n, pki.TokenUsed)
	}
}

// What an agent writes is of its own site and by itself, whatever it says.
func TestAgentWritesOnlyItsOwnSite(t *testing.T) {
	f := newFixture(t, nil)
	_, c := f.enrolled("branch-1", "a1")
	events, err := json.Marshal([]base.Event{{ID: "e1", Kind: "trap", At: time.Now(), Site: "branch-2", Agent: "other"}})
	if err != nil {
		t.Fatal(err)
	}
	a, err := c.Do(t.Context(), link.Request{Method: http.MethodPost, Path: "/api/v1/events", Body: events, Header: http.Header{"Content-Type": {"application/json"}}})
	if err != nil || !a.OK() {
		t.Fatalf("events: %v %s", err, a.Text())
	}
	contentType, body := encodeWrite(base.Sample{Labels: base.LabelsFrom("up", map[string]string{"site": "branch-2", "agent": "other", "job": "node"}), Time: time.Now().UnixMilli(), Value: 1})
	a, err = c.Do(t.Context(), link.Request{Method: http.MethodPost, Path: "/api/v1/write", Body: body,
		Header: http.Header{"Content-Type": {contentType}, "Content-Encoding": {"snappy"}}})
	if err != nil || !a.OK() {
		t.Fatalf("write: %v %d %s", err, a.Status, a.Text())
	}
	if a, err := get(c, workPath); err != nil || string(a.Body) != "a1 of branch-1" {
		t.Errorf("configuration: %v %s", err, a.Text())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.events) != 1 || f.events[0].Site != "branch-1" || f.events[0].Agent != "a1" {
		t.Errorf("event stored as %+v", f.events)
	}
	if len(f.series) != 1 || f.series[0].Labels.Get("site") != "branch-1" || f.series[0].Labels.Get("agent") != "a1" {
		t.Errorf("sample stored as %+v", f.series)
	}
}

// First contact with an impostor: the secret must not leave the machine.
func TestImpostorLearnsNothing(t *testing.T) {
	f := newFixture(t, nil)
	other := newFixture(t, nil)
	asked := make(chan struct{}, 8)
	other.srv.Config.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked <- struct{}{} })
	tok := f.token("branch-1", "")
	f.srv.URL = other.srv.URL
	_, err := f.try(tok, t.TempDir(), "a", "")
	if !errors.Is(err, pki.ErrForeign) || !strings.Contains(err.Error(), "opens TLS") {
		t.Errorf("an impostor was believed: %v", err)
	}
	if len(asked) != 0 {
		t.Error("the impostor was sent a request")
	}
}

func TestAuthorityFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	var wg sync.WaitGroup
	pins := make(chan string, 8)
	for range 8 { // collectors that start at once end with one authority
		wg.Go(func() {
			a, err := enrol.OpenAuthority(dir, time.Now(), discard)
			if err != nil {
				t.Error(err)
				return
			}
			pins <- pki.Fingerprint(a.Certificate)
		})
	}
	wg.Wait()
	close(pins)
	first := <-pins
	for p := range pins {
		if p != first {
			t.Fatal("two authorities in one directory")
		}
	}
	path := filepath.Join(dir, "authority.pem")
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Errorf("directory holds %v, %v", files, err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := enrol.OpenAuthority(dir, time.Now(), discard); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
	if err := os.WriteFile(path, []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := enrol.OpenAuthority(dir, time.Now(), discard); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a torn authority: %v", err)
	}
}

// Browsers and agents share a port: who offers the agents' protocol gets the
// collector's own certificate.
func TestOnePortForPeopleAndAgents(t *testing.T) {
	f := newFixture(t, nil)
	public := selfSigned(t)
	ln, err := tls.Listen("tcp", "127.0.0.1:0", f.svc.TLSConfig(&tls.Config{Certificates: []tls.Certificate{*public}, NextProtos: []string{"h2", "http/1.1"}}))
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: f.srv.Config.Handler}
	go func() { _ = srv.Serve(ln) }()
	defer func() { _ = srv.Close() }()
	for _, c := range []struct {
		protos []string
		public bool
	}{{[]string{"h2", "http/1.1"}, true}, {nil, true}, {[]string{pki.ALPN, "http/1.1"}, false}} {
		d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, NextProtos: c.protos}}
		conn, err := d.DialContext(context.Background(), "tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		leaf := conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
		_ = conn.Close()
		want, _ := x509.ParseCertificate(public.Certificate[0])
		if leaf.Equal(want) != c.public {
			t.Errorf("%v was shown %s", c.protos, leaf.Subject)
		}
	}
	_, client := f.enrolled("branch-1", "shared")
	_ = client
	id, _ := f.enrolled("branch-1", "shared-2")
	over, err := link.New(link.Options{URL: "https://" + ln.Addr().String(), Credential: id})
	if err != nil {
		t.Fatal(err)
	}
	if a, err := get(over, workPath); err != nil || !a.OK() {
		t.Errorf("agent on the shared port: %v %s", err, a.Text())
	}
}
