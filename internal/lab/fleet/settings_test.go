package fleet

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/link"
	"github.com/faultline/faultline/collector/enrol"
	view "github.com/faultline/faultline/collector/fleet"
	"github.com/faultline/faultline/collector/rollout"
	"github.com/faultline/faultline/internal/pki"
	"github.com/faultline/faultline/internal/wire"
)

const staged = `
rollout: {stages: [{agents: [a1]}, {percent: 100}], patience: 90s, soak: 1s}
assignments:
  - {name: all, timeouts: {host: 9s}, concurrency: 17}
`

func (c *company) rollout() view.RolloutView {
	return read[struct{ Rollouts []view.RolloutView }](c, "/api/v1/rollouts").Rollouts[0]
}

func (c *company) agents() []view.View {
	return read[struct{ Agents []view.View }](c, "/api/v1/agents").Agents
}

// inForce tells whether every agent says that it has what it is to have.
func (c *company) inForce() bool {
	for _, v := range c.agents() {
		if v.State != view.StateOK {
			return false
		}
	}
	return true
}

// TestSettingsReachAgentsInStages: real agents, a real collector. Good settings
// reach the canary first and then everybody, through a build of the agent anew;
// settings that cannot be measured are refused by the canary, taken back from it,
// and reach nobody else.
func TestSettingsReachAgentsInStages(t *testing.T) {
	c := newCompany(t, 3)
	for i := range 3 {
		c.run(i, c.enrolled(i))
	}
	c.await("agents have their settings", c.inForce)
	before := c.agents()

	c.assign(staged)
	c.await("the roll-out is done", func() bool { return c.rollout().Phase == rollout.Done })
	c.await("all have it", c.inForce)
	for i, v := range c.agents() {
		if v.Applied == before[i].Applied || !valueFrom(v, "concurrency", "17", "all (a.yaml:4)") {
			t.Errorf("agent %+v", v)
		}
	}
	good := c.agents()

	c.assign(staged + "  - {name: bad, targets: [{id: x, input: nonesuch, address: \"127.0.0.1:9\"}]}\n")
	c.await("it is taken back", func() bool { return c.rollout().Phase == rollout.RolledBack })
	if r := c.rollout(); !strings.Contains(r.Reason, "a1") || !strings.Contains(r.Reason, "nonesuch") || r.Given != 0 {
		t.Errorf("%+v", r)
	}
	for i, v := range c.agents() {
		if v.Applied != good[i].Applied || v.Handed != good[i].Applied || v.State != view.StateRolledBack {
			t.Errorf("agent %+v", v)
		}
	}
	c.audited("rollout.rolled_back", "nonesuch")
	if code, body := c.ask("POST", "/api/v1/rollouts/settings", `{"action":"pause"}`); code != http.StatusConflict {
		t.Errorf("pausing what is over: %d %s", code, body)
	}
	c.noSecretAtRest()
}

func valueFrom(v view.View, key, value, from string) bool {
	for _, x := range v.Values {
		if x.Key == key {
			return x.Value == value && x.From == from
		}
	}
	return false
}

func (c *company) audited(action, text string) {
	c.t.Helper()
	c.await("audit entry "+action+" "+text, func() bool {
		entries, err := c.store.AuditEntries(context.Background(), 1000)
		must(c.t, err)
		for _, e := range entries {
			if e.Action == action && strings.Contains(e.Detail+" "+e.Object, text) {
				return true
			}
		}
		return false
	})
}

// noSecretAtRest looks for a word of the targets' secrets in everything that the
// collector and its agents keep.
func (c *company) noSecretAtRest() {
	c.t.Helper()
	seen := 0
	for _, root := range []string{c.cfg.Data, filepath.Join(c.dir, "agent-0"), filepath.Join(c.dir, "agent-1")} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return nil // a file may go while the programs run
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return nil
			}
			seen++
			if bytes.Contains(b, []byte(secretWord)) {
				c.t.Errorf("%s holds a target's secret", path)
			}
			return nil
		})
		must(c.t, err)
	}
	if seen < 10 {
		c.t.Errorf("only %d files looked at", seen)
	}
}

// raw shows any certificate, and takes any collector of the authority.
type raw struct {
	cert      *tls.Certificate
	authority *pki.Authority
	header    http.Header
}

func (r raw) Certificate() *tls.Certificate { return r.cert }
func (r raw) Header() http.Header           { return r.header }
func (raw) Answered(http.Header)            {}
func (r raw) VerifyCollector(s tls.ConnectionState) error {
	return pki.VerifyCollector(s.PeerCertificates, r.authority.Certificate, time.Time{})
}

func (c *company) certificate(a *pki.Authority, id pki.Identity, at time.Time) *tls.Certificate {
	c.t.Helper()
	key, err := pki.NewKey()
	must(c.t, err)
	cert, err := a.IssueAgent(key.Public(), id, at, time.Hour)
	must(c.t, err)
	return &tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

// TestWhoMayReadWhat asks the running collector for settings, for a program and to
// take a state and samples, by every kind of wrong certificate.
func TestWhoMayReadWhat(t *testing.T) {
	c := newCompany(t, 3)
	own, stolen := c.enrolled(0), c.enrolled(1)
	must(t, enrol.Revoke(t.Context(), c.store, "a1", "li", "stolen", time.Now()))
	foreign, err := pki.NewAuthority(time.Now())
	must(t, err)
	id := pki.Identity{Agent: "a0", Site: "s0"}
	identity := func(dir string) *tls.Certificate {
		text, err := os.ReadFile(filepath.Join(dir, "identity.pem"))
		must(t, err)
		b, err := pki.Decode(text)
		must(t, err)
		return &tls.Certificate{Certificate: [][]byte{b.Certificates[0].Raw}, PrivateKey: b.Key, Leaf: b.Certificates[0]}
	}
	for _, k := range []struct {
		name, reason string
		cert         *tls.Certificate
		header       http.Header
	}{
		{"no certificate", pki.NoCertificate, nil, nil},
		{"foreign authority", pki.ForeignCA, c.certificate(foreign, id, time.Now()), nil},
		{"revoked", pki.Revoked, identity(stolen), nil},
		{"expired", pki.Expired, c.certificate(c.authority, id, time.Now().Add(-48*time.Hour)), nil},
		{"not issued by this collector", pki.Unknown, c.certificate(c.authority, id, time.Now()), nil},
		{"another site's", pki.OtherSite, identity(own), http.Header{pki.HeaderSite: {"s2"}}},
	} {
		t.Run(k.name, func(t *testing.T) {
			l, err := link.New(link.Options{URL: c.agentsURL, Credential: raw{k.cert, c.authority, k.header}})
			must(t, err)
			for _, r := range []link.Request{
				{Method: "GET", Path: "/api/v1/agents/self/work?after=0"}, {Method: "PUT", Path: wire.PathAgentState, Body: []byte("{}")},
				{Method: "GET", Path: wire.PathAgentProgram + strings.Repeat("0", 64)}, {Method: "POST", Path: "/api/v1/write"}, {Method: "POST", Path: "/api/v1/events", Body: []byte("[]")},
			} {
				a, err := l.Do(t.Context(), r)
				must(t, err)
				if a.Status != 401 && a.Status != 403 || a.Header.Get(pki.HeaderRefused) != k.reason || strings.Contains(a.Text(), secretWord) {
					t.Errorf("%s %s: %d %q", r.Method, r.Path, a.Status, a.Header.Get(pki.HeaderRefused))
				}
			}
			c.audited("agent_refused", k.reason)
		})
	}
	t.Run("its own settings, and only these", func(t *testing.T) {
		a, err := c.link(own).Do(t.Context(), link.Request{Method: "GET", Path: "/api/v1/agents/self/work?after=0", Limit: 1 << 20})
		must(t, err)
		var w wire.Work
		must(t, json.Unmarshal(a.Body, &w))
		if a.Status != 200 || len(w.Targets) != 2 || w.Secrets == "" || strings.Contains(string(a.Body), secretWord) || strings.Contains(string(a.Body), "srv2") {
			t.Errorf("%d %s", a.Status, a.Text())
		}
		for _, path := range []string{"/api/v1/agents", "/api/v1/rollouts", "/api/v1/agents/a2/work"} {
			if a, err := c.link(own).Do(t.Context(), link.Request{Method: "GET", Path: path}); err != nil || a.Status/100 == 2 {
				t.Errorf("%s: an agent reads it: %v %d", path, err, a.Status)
			}
		}
	})
}
