package fleet

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	agentenrol "github.com/faultline/faultline/agent/enrol"
	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/app"
	"github.com/faultline/faultline/collector/enrol"
	"github.com/faultline/faultline/collector/sqlstore"
	"github.com/faultline/faultline/internal/pki"
	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
)

// call is one request that agents make.
type call struct {
	method, path string
	body         []byte
	header       http.Header
	status       int  // of an agent that may
	open         bool // anybody may ask without a certificate: first contact and installers
	bare         int  // what an open path answers to that
}

// asJSON is the header of a JSON body.
var asJSON = http.Header{"Content-Type": {"application/json"}}

// calls is an entry for each path of the agents' listener, by its pattern.
func calls(write []byte) map[string]call {
	writing := http.Header{"Content-Type": {wire.WriteV2ContentType}, "Content-Encoding": {"snappy"}, wire.HeaderWriteVersion: {wire.WriteV2Version}}
	return map[string]call{
		"/api/v1/write":                            {method: "POST", path: "/api/v1/write", body: write, header: writing, status: 204},
		"/api/v1/events":                           {method: "POST", path: "/api/v1/events", body: []byte("[]"), header: asJSON, status: 200},
		"GET /api/v1/agents/self":                  {method: "GET", path: "/api/v1/agents/self", status: 200},
		"GET /api/v1/agents/self/work":             {method: "GET", path: "/api/v1/agents/self/work", status: 200},
		"PUT /api/v1/agents/self/state":            {method: "PUT", path: wire.PathAgentState, body: []byte(`{"version":1}`), header: asJSON, status: 204},
		"GET /api/v1/agents/self/program/{sha256}": {method: "GET", path: wire.PathAgentProgram + strings.Repeat("0", 64), status: 404},
		pki.PathEnrol:                              {method: "POST", path: pki.PathEnrol, body: []byte("{}"), header: asJSON, status: 400, open: true, bare: 400},
		pki.PathRenew:                              {method: "POST", path: pki.PathRenew, body: []byte("{}"), header: asJSON, status: 400},
		enrol.PathInstallSh:                        {method: "GET", path: enrol.PathInstallSh, status: 200, open: true, bare: 200},
		enrol.PathInstallPs1:                       {method: "GET", path: enrol.PathInstallPs1, status: 200, open: true, bare: 200},
		enrol.PathInstallFiles:                     {method: "GET", path: enrol.PathInstallFiles + "SHA256SUMS", status: 200, open: true, bare: 200},
	}
}

// gate is a collector with agents of two sites, and credentials of every kind.
type gate struct {
	t         *testing.T
	dir       string
	c         *Collector
	store     *sqlstore.Store
	authority *pki.Authority
}

func newGate(t *testing.T) *gate {
	t.Helper()
	bin := programs(t)
	g := &gate{t: t, dir: t.TempDir()}
	var err error
	g.c, err = StartCollector(t.Context(), CollectorOptions{Program: filepath.Join(bin, "faultline-collector"), Dir: g.dir, Inventory: []byte(estate())})
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("collector:\n%s", g.c.Log(4000))
		}
		if err := g.c.Stop(); err != nil {
			t.Error(err)
		}
	})
	g.store, err = sqlstore.Open(t.Context(), sqlstore.Options{URL: g.c.Database})
	must(t, err)
	t.Cleanup(func() { _ = g.store.Close() })
	g.authority, err = enrol.OpenAuthority(filepath.Join(g.c.Data, "authority"), time.Now(), slog.New(slog.DiscardHandler))
	must(t, err)
	return g
}

// estate is the inventory of 20 agents; the first two have a target each, with a
// secret of its own.
func estate() string {
	text := string(inventory(20))
	for i := range 2 {
		device := fmt.Sprintf("addresses: [10.1.%d.7]", i)
		text = strings.Replace(text, device, device+fmt.Sprintf(", targets: [{agent: agent-%[1]d, input: snmp, address: 10.9.9.%[1]d, options: {community: secret-of-%[1]d}}]", i), 1)
	}
	return text
}

// enrolled lets an agent in.
func (g *gate) enrolled(i int) *tls.Certificate {
	g.t.Helper()
	m := newMember(i, sitesOf(20), 1, g.dir)
	none := ""
	token, err := enrol.IssueToken(g.t.Context(), g.store, g.authority, enrol.NewToken{Site: m.site, Agent: m.name, Actor: "test"}, time.Now())
	must(g.t, err)
	_, err = agentenrol.Enrol(g.t.Context(), agentenrol.Options{URL: g.c.AgentsURL, Token: token, Dir: m.dir, Machine: &none, Host: m.name})
	must(g.t, err)
	id, err := agentenrol.Open(m.dir)
	must(g.t, err)
	return id.Certificate()
}

// certified makes a certificate that the collector has no record of.
func certified(t *testing.T, a *pki.Authority, id pki.Identity, at time.Time) *tls.Certificate {
	t.Helper()
	key, err := pki.NewKey()
	must(t, err)
	c, err := a.IssueAgent(key.Public(), id, at, time.Hour)
	must(t, err)
	return &tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key, Leaf: c}
}

// answer is what came back.
type answer struct {
	status      int
	refused     string // the header
	reason      string
	words, hint string
	body        string
}

// ask makes a call from an address of loopback, so that its audit entries can be
// told apart.
func (g *gate) ask(q call, cert *tls.Certificate, remote string, header http.Header) answer {
	g.t.Helper()
	conf := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, NextProtos: []string{pki.ALPN, "http/1.1"}} //nolint:gosec // a hostile client does not ask who answers
	if cert != nil {
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	tr := &http.Transport{TLSClientConfig: conf, Protocols: protocols, DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(remote)}}).DialContext}
	defer tr.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(g.t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, q.method, g.c.AgentsURL+q.path, strings.NewReader(string(q.body)))
	must(g.t, err)
	for _, h := range []http.Header{q.header, header} {
		for k, v := range h {
			req.Header[k] = v
		}
	}
	res, err := tr.RoundTrip(req)
	must(g.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	must(g.t, err)
	var p struct{ Error, Hint, Reason string }
	_ = json.Unmarshal(b, &p) // what is no JSON has no words
	return answer{status: res.StatusCode, refused: res.Header.Get(pki.HeaderRefused), reason: p.Reason, words: p.Error, hint: p.Hint, body: string(b)}
}

// audited waits for the entry of a refusal of an address.
func (g *gate) audited(remote, reason string) (account.AuditEntry, bool) {
	g.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		all, err := g.store.AuditEntries(g.t.Context(), 10_000)
		must(g.t, err)
		for _, e := range all {
			if e.Action == "agent_refused" && e.Remote == remote && strings.HasPrefix(e.Detail, reason) {
				return e, true
			}
		}
	}
	return account.AuditEntry{}, false
}

// TestEveryPathJudgesTheCertificate asks every path of the agents' listener with
// every kind of wrong certificate: each is refused with its reason, words and an
// audit entry of that address. A path without an entry in calls fails.
func TestEveryPathJudgesTheCertificate(t *testing.T) {
	g := newGate(t)
	var enc wire.WriteEncoder
	table := calls(enc.V2([]base.Sample{{Labels: base.LabelsFrom("up", map[string]string{"job": "matrix"}), Time: time.Now().UnixMilli(), Value: 1}}, wire.TypeByName).Data)
	paths := app.AgentPaths()
	for _, p := range paths {
		if _, ok := table[p]; !ok {
			t.Errorf("the agents' listener serves %q, which this test does not ask: give it an entry in calls", p)
		}
	}
	for p := range table {
		if !slices.Contains(paths, p) {
			t.Errorf("%q is no path of the agents' listener", p)
		}
	}
	good, gone, moved := g.enrolled(0), g.enrolled(2), g.enrolled(3)
	must(t, enrol.Revoke(t.Context(), g.store, "agent-2", "test", "stolen", time.Now()))
	g.move("agent-3", "branch-1")
	foreign, err := pki.NewAuthority(time.Now())
	must(t, err)
	id := pki.Identity{Agent: "agent-0", Site: "branch-0"}
	server, err := g.authority.IssueCollector(good.Leaf.PublicKey, nil, time.Now(), time.Hour)
	must(t, err)
	kinds := []struct {
		name   string
		cert   *tls.Certificate
		header http.Header
		status int
		reason string
	}{
		{"no certificate", nil, nil, 401, pki.NoCertificate},
		{"a foreign authority's", certified(t, foreign, id, time.Now()), nil, 401, pki.ForeignCA},
		{"the foreign authority itself", &tls.Certificate{Certificate: [][]byte{foreign.Certificate.Raw}, PrivateKey: foreign.Key}, nil, 401, pki.ForeignCA},
		{"revoked", gone, nil, 403, pki.Revoked},
		{"expired", certified(t, g.authority, id, time.Now().Add(-48*time.Hour)), nil, 401, pki.Expired},
		{"not yet valid", certified(t, g.authority, id, time.Now().Add(72*time.Hour)), nil, 401, pki.NotYetValid},
		{"not issued by this collector", certified(t, g.authority, id, time.Now()), nil, 403, pki.Unknown},
		{"the collector's own", &tls.Certificate{Certificate: [][]byte{server.Raw}, PrivateKey: good.PrivateKey}, nil, 401, pki.WrongPurpose},
		{"of another site, says the inventory", moved, nil, 403, pki.OtherSite},
		{"of another site, says the request", good, http.Header{pki.HeaderSite: {"branch-1"}}, 403, pki.OtherSite},
	}
	for i, p := range paths {
		q := table[p]
		t.Run(strings.ReplaceAll(p, "/", "_"), func(t *testing.T) {
			for k, c := range kinds {
				remote := fmt.Sprintf("127.0.%d.%d", 10+i, 1+k)
				a := g.ask(q, c.cert, remote, c.header)
				if q.open && c.cert == nil {
					if a.status != q.bare || a.refused == pki.NoCertificate {
						t.Errorf("%s: got %d %q, want %d: first contact has none", c.name, a.status, a.refused, q.bare)
					}
					continue
				}
				if a.status != c.status || a.refused != c.reason || a.reason != c.reason || a.words == "" || a.hint == "" {
					t.Errorf("%s: got %d %q %s, want %d %q with words and a hint", c.name, a.status, a.refused, a.body, c.status, c.reason)
					continue
				}
				if _, ok := g.audited(remote, c.reason); !ok {
					t.Errorf("%s: no audit entry of %s from %s", c.name, c.reason, remote)
				}
			}
			if a := g.ask(q, good, "127.0.0.1", http.Header{pki.HeaderSite: {"branch-0"}}); a.status != q.status {
				t.Errorf("the agent's own certificate: got %d %s, want %d", a.status, a.body, q.status)
			}
		})
	}
	g.othersPathsAreClosed(good)
}

// move lets the inventory have an agent at another site.
func (g *gate) move(agent, site string) {
	g.t.Helper()
	ctx := g.t.Context()
	text := estate()
	before := fmt.Sprintf("{id: %s, site: branch-3", agent)
	if !strings.Contains(text, before) {
		g.t.Fatalf("%s is not where the test has it", agent)
	}
	const device = "{id: srv-3, name: {zh-CN: 服务器 3, en: Server 3}, site: branch-3"
	text = strings.Replace(text, before, fmt.Sprintf("{id: %s, site: %s", agent, site), 1)
	text = strings.Replace(text, device, strings.Replace(device, "branch-3", site, 1), 1)
	must(g.t, os.WriteFile(filepath.Join(g.dir, "inventory.yaml"), []byte(text), 0o600))
	must(g.t, g.c.Reload())
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		b, err := g.c.Call(ctx, http.MethodGet, "/api/v1/agents", nil)
		must(g.t, err)
		var got struct {
			Agents []struct{ Agent, Site string } `json:"agents"`
		}
		must(g.t, json.Unmarshal(b, &got))
		if slices.Contains(got.Agents, struct{ Agent, Site string }{agent, site}) {
			return
		}
		if time.Now().After(deadline) {
			g.t.Fatalf("the collector did not read the inventory: %s", b)
		}
	}
}

// othersPathsAreClosed asks what people and programs ask for, with a good agent's
// certificate: the agents' listener has none of it.
func (g *gate) othersPathsAreClosed(good *tls.Certificate) {
	g.t.Helper()
	for _, p := range api.Paths() {
		method, path, _ := strings.Cut(p, " ")
		if slices.Contains(app.AgentPaths(), p) {
			continue
		}
		path = strings.NewReplacer("{", "", "}", "").Replace(path)
		if a := g.ask(call{method: method, path: path}, good, "127.0.0.1", nil); a.status != 404 && a.status != 405 {
			g.t.Errorf("%s at the agents' listener: %d %s", p, a.status, a.body)
		}
	}
}

// TestTokensWorkOnce uses tokens that must not work, over the wire: each is
// refused with its reason and an audit entry without the secret.
func TestTokensWorkOnce(t *testing.T) {
	g := newGate(t)
	issue := func(n enrol.NewToken, at time.Time) pki.Token {
		n.Actor = "test"
		token, err := enrol.IssueToken(t.Context(), g.store, g.authority, n, at)
		must(t, err)
		return token
	}
	try := func(token pki.Token, name, machine string) error {
		_, err := agentenrol.Enrol(t.Context(), agentenrol.Options{URL: g.c.AgentsURL, Token: token, Dir: t.TempDir(), Name: name, Host: name, Machine: &machine})
		return err
	}
	used := issue(enrol.NewToken{Site: "branch-0"}, time.Now())
	must(t, try(used, "agent-0", "m0"))
	withdrawn := issue(enrol.NewToken{Site: "branch-0"}, time.Now())
	must(t, enrol.RevokeToken(t.Context(), g.store, withdrawn.ID, "test", "lost", time.Now()))
	guessed := issue(enrol.NewToken{Site: "branch-0"}, time.Now())
	guessed.Secret = used.Secret
	for _, c := range []struct {
		name, agent string
		token       pki.Token
		reason      string
	}{
		{"replayed from another machine", "agent-4", used, pki.TokenUsed},
		{"replayed under the same name with another key", "agent-0", used, pki.TokenUsed},
		{"withdrawn", "agent-4", withdrawn, pki.TokenRevoked},
		{"with another's secret", "agent-4", guessed, pki.TokenUnknown},
		{"never issued", "agent-4", pki.NewToken(pki.Fingerprint(g.authority.Certificate), time.Now()), pki.TokenUnknown},
		{"expired", "agent-4", issue(enrol.NewToken{Site: "branch-0", Valid: time.Hour}, time.Now().Add(-2*time.Hour)), pki.TokenExpired},
		{"for another site's agent", "agent-1", issue(enrol.NewToken{Site: "branch-0"}, time.Now()), pki.OtherSite},
	} {
		var refused *agentenrol.RefusedError
		if err := try(c.token, c.agent, "m1"); !errors.As(err, &refused) || refused.Reason != c.reason {
			t.Errorf("%s: got %v, want %s", c.name, err, c.reason)
			continue
		}
		e, ok := g.audited("127.0.0.1", c.reason)
		if !ok || strings.Contains(e.Detail, c.token.Secret) {
			t.Errorf("%s: audit entry %+v", c.name, e)
		}
	}
}

// TestAgentReachesItsOwnSiteOnly writes for another site and reads: labels, events
// and state stay the agent's own, and no answer has anything of another's.
func TestAgentReachesItsOwnSiteOnly(t *testing.T) {
	g := newGate(t)
	one, two := g.enrolled(0), g.enrolled(1)
	var enc wire.WriteEncoder
	table := calls(enc.V2([]base.Sample{{Labels: base.LabelsFrom("matrix_forged", map[string]string{"site": "branch-1", "agent": "agent-1"}), Time: time.Now().UnixMilli(), Value: 1}}, wire.TypeByName).Data)
	events := table["/api/v1/events"]
	events.body, _ = json.Marshal([]base.Event{{ID: "forged-1", Kind: base.EventTrap, At: time.Now(), Site: "branch-1", Agent: "agent-1"}})
	state := table["PUT /api/v1/agents/self/state"]
	state.body = []byte(`{"version":4711,"agent":"agent-1","site":"branch-1","program":"forged"}`)
	for name, q := range map[string]call{"write": table["/api/v1/write"], "events": events, "state": state} {
		if a := g.ask(q, one, "127.0.0.1", nil); a.status != q.status {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		got, err := g.c.Query(t.Context(), "matrix_forged", "site")
		must(t, err)
		if len(got) > 0 {
			if _, ok := got["branch-0"]; !ok || len(got) != 1 {
				t.Errorf("the sample is of %v", got)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the sample is not there")
		}
	}
	stored, err := g.store.AgentEvents(t.Context(), time.Now().Add(-time.Hour), time.Now().Add(time.Hour), 100)
	must(t, err)
	if len(stored) != 1 || stored[0].Site != "branch-0" || stored[0].Agent != "agent-0" {
		t.Errorf("the event is stored as %+v", stored)
	}
	b, err := g.c.Call(t.Context(), http.MethodGet, "/api/v1/agents", nil)
	must(t, err)
	var got struct {
		Agents []struct{ Agent, Program string } `json:"agents"`
	}
	must(t, json.Unmarshal(b, &got))
	for _, a := range got.Agents {
		if (a.Program == "forged") != (a.Agent == "agent-0") {
			t.Errorf("the state of agent-0 is laid to %+v", a)
		}
	}
	for i, cert := range []*tls.Certificate{one, two} {
		a := g.ask(table["GET /api/v1/agents/self/work"], cert, "127.0.0.1", nil)
		if own, other := fmt.Sprintf("10.9.9.%d", i), fmt.Sprintf("10.9.9.%d", 1-i); !strings.Contains(a.body, own) || strings.Contains(a.body, other) || strings.Contains(a.body, "secret-of") {
			t.Errorf("agent-%d is handed %s", i, a.body)
		}
	}
	for _, q := range []string{"?agent=agent-1", "?site=branch-1", "/../../agent-1/work"} { // nothing lets it ask for another's
		a := g.ask(call{method: "GET", path: "/api/v1/agents/self/work" + q}, one, "127.0.0.1", nil)
		if strings.Contains(a.body, "10.9.9.1") {
			t.Errorf("%s: %s", q, a.body)
		}
	}
}
