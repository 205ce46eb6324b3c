package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	agentapp "github.com/faultline/faultline/agent/app"
	agentconfig "github.com/faultline/faultline/agent/config"
	agentenrol "github.com/faultline/faultline/agent/enrol"
	"github.com/faultline/faultline/agent/link"
	"github.com/faultline/faultline/collector/app"
	"github.com/faultline/faultline/collector/config"
	"github.com/faultline/faultline/collector/enrol"
	"github.com/faultline/faultline/collector/sqlstore"
	"github.com/faultline/faultline/internal/pki"
)

// patience is how long a test waits for what must happen: machines are slow.
const patience = 2 * time.Minute

// company is a running collector whose agents have a listener of their own.
type company struct {
	t         *testing.T
	dir       string
	cfg       config.Config
	url       string // of the console
	agentsURL string
	token     string
	store     *sqlstore.Store // beside the collector's own, as the command line's
	authority *pki.Authority
	reload    chan os.Signal
}

func freePort(t *testing.T) int {
	t.Helper()
	for range 200 {
		port := 20000 + rand.IntN(12000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no free port from 20000 to 32000")
	return 0
}

// inventoryOf has n agents, each at a site of its own, with one SNMP target.
func inventoryOf(n int) string {
	var b strings.Builder
	b.WriteString("company: fleet\nsites:\n  - {id: hq, name: {zh-CN: 总, en: HQ}, kind: hq}\n")
	for i := range n {
		fmt.Fprintf(&b, "  - {id: s%d, name: {zh-CN: 分%d, en: Site %d}, kind: branch}\n", i, i, i)
	}
	b.WriteString("devices:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - {id: srv%d, name: {zh-CN: 机, en: Server}, site: s%d, kind: server, addresses: [127.0.0.1], targets: [{agent: a%d, input: snmp, address: \"127.0.0.1:9\", timeout: 1s, options: {version: \"2c\", community: %s-%d}}]}\n", i, i, i, secretWord, i)
	}
	b.WriteString("agents:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - {id: a%d, site: s%d, device: srv%d, host: true, interval: 1s}\n", i, i, i)
	}
	return b.String()
}

const secretWord = "hunter2-of-site"

func newCompany(t *testing.T, agents int) *company {
	t.Helper()
	c := &company{t: t, dir: t.TempDir(), reload: make(chan os.Signal, 1)}
	c.write("inventory.yaml", inventoryOf(agents))
	c.write("agents/a.yaml", "assignments: []\n")
	c.cfg = config.Default()
	c.cfg.Data, c.cfg.Inventory, c.cfg.Listen = filepath.Join(c.dir, "data"), filepath.Join(c.dir, "inventory.yaml"), fmt.Sprintf("127.0.0.1:%d", freePort(t))
	c.cfg.Agents = config.Agents{Listen: fmt.Sprintf("127.0.0.1:%d", freePort(t)), Names: []string{"127.0.0.1"}, Settings: filepath.Join(c.dir, "agents")}
	c.url, c.agentsURL = "http://"+c.cfg.Listen, "https://"+c.cfg.Agents.Listen
	a, err := app.New(t.Context(), c.cfg, app.Options{Logger: slog.New(slog.DiscardHandler), Version: "test", Reload: c.reload})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("collector: %v", err)
		}
	})
	c.authority, err = enrol.OpenAuthority(filepath.Join(c.cfg.Data, "authority"), time.Now(), slog.New(slog.DiscardHandler))
	must(t, err)
	c.store, err = sqlstore.Open(t.Context(), sqlstore.Options{URL: c.cfg.DatabaseURL(), Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	t.Cleanup(func() { _ = c.store.Close() })
	token, err := os.ReadFile(filepath.Join(c.cfg.Data, "admin.token"))
	must(t, err)
	c.token = strings.TrimSpace(string(token))
	c.await("the collector serves", func() bool {
		code, _ := c.ask("GET", "/-/ready", "")
		return code == http.StatusOK
	})
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (c *company) write(name, text string) {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	must(c.t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(c.t, os.WriteFile(path, []byte(text), 0o600))
}

// assign puts other settings in force.
func (c *company) assign(text string) {
	c.t.Helper()
	c.write("agents/a.yaml", text)
	c.reload <- syscall.SIGHUP
}

func (c *company) await(what string, is func() bool) {
	c.t.Helper()
	deadline := time.Now().Add(patience)
	for !is() {
		if time.Now().After(deadline) {
			c.t.Fatalf("not within %s: %s", patience, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// ask is a request of an administrator's program.
func (c *company) ask(method, path, body string) (int, string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, c.url+path, strings.NewReader(body))
	must(c.t, err)
	r.Header.Set("Authorization", "Bearer "+c.token)
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(b)
}

// read decodes an answer.
func read[T any](c *company, path string) (v T) {
	c.t.Helper()
	code, body := c.ask("GET", path, "")
	if code != http.StatusOK {
		c.t.Fatalf("GET %s: %d %s", path, code, body)
	}
	must(c.t, json.Unmarshal([]byte(body), &v))
	return v
}

// enrolled lets an agent in and returns its data directory.
func (c *company) enrolled(i int) string {
	c.t.Helper()
	dir, machine := filepath.Join(c.dir, fmt.Sprintf("agent-%d", i)), ""
	tok, err := enrol.IssueToken(c.t.Context(), c.store, c.authority, enrol.NewToken{Site: fmt.Sprintf("s%d", i), Agent: fmt.Sprintf("a%d", i), Actor: "li"}, time.Now())
	must(c.t, err)
	_, err = agentenrol.Enrol(c.t.Context(), agentenrol.Options{URL: c.agentsURL, Token: tok, Dir: dir, Host: "h", Machine: &machine, Patience: patience})
	must(c.t, err)
	return dir
}

// link is the way of the agent whose data are there.
func (c *company) link(dir string) *link.Client {
	c.t.Helper()
	id, err := agentenrol.Open(dir)
	must(c.t, err)
	l, err := link.New(link.Options{URL: c.agentsURL, Credential: id})
	must(c.t, err)
	return l
}

// run runs a real agent until the test ends.
func (c *company) run(i int, dir string) {
	c.t.Helper()
	cfg := agentconfig.Default()
	cfg.Agent, cfg.Data, cfg.Collector.URL, cfg.Secrets = fmt.Sprintf("a%d", i), dir, c.agentsURL, c.dir
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		for ctx.Err() == nil {
			a, err := agentapp.New(cfg, agentapp.Options{Logger: slog.New(slog.DiscardHandler), Version: "test"})
			if err != nil {
				c.t.Errorf("agent %d: %v", i, err)
				return
			}
			if err := a.Run(ctx); err != nil && err != agentapp.ErrAgain {
				c.t.Errorf("agent %d: %v", i, err)
				return
			}
		}
	})
	c.t.Cleanup(func() { cancel(); done.Wait() })
}
