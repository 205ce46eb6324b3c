package endurance

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/internal/lab"
	"github.com/faultline/faultline/internal/lab/mailbox"
)

// builds is the context of building the programs, which outlives single tests.
var builds = context.Background()

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := binaries(); err == nil && os.Getenv("ENDURANCE_BIN") == "" {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// settings are what tests vary. Directories left empty are made.
type settings struct {
	collectorData, agentData string
	collectorYAML, agentYAML string // appended to the configurations
	agentPage                bool   // the agent's status page is on
}

// company is the practice company with the built programs, not started yet.
type company struct {
	dir, url, token string
	agentURL        string // of the status page
	agentToken      string
	data            string // the collector's
	branch          *lab.Branch
	box             *mailbox.Box
	collector       *program
	agent           *program
	client          http.Client
}

func newCompany(t *testing.T, s settings) *company {
	t.Helper()
	if testing.Short() {
		t.Skip("runs the built programs")
	}
	bin, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	c := &company{dir: t.TempDir(), agentToken: rand.Text() + rand.Text(), client: http.Client{Timeout: 10 * time.Second}}
	hash := sha256.Sum256([]byte(c.agentToken))
	if c.branch, err = lab.Start(context.Background(), lab.Options{AgentHash: hex.EncodeToString(hash[:]), Interval: 2 * time.Second}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.branch.Close() })
	c.openBox(t)
	c.configure(t, s)
	c.collector = &program{path: filepath.Join(bin, "faultline-collector"), log: filepath.Join(c.dir, "collector.log"), args: []string{"serve", "--config", c.path("collector.yaml")}}
	c.agent = &program{path: filepath.Join(bin, "faultline-agent"), log: filepath.Join(c.dir, "agent.log"), args: []string{"run", "--config", c.path("agent.yaml")}}
	t.Cleanup(func() {
		c.agent.stop(t)
		c.collector.stop(t)
		c.report(t)
	})
	return c
}

func (c *company) path(name string) string { return filepath.Join(c.dir, name) }

func (c *company) openBox(t *testing.T) {
	t.Helper()
	var err error
	if c.box, err = mailbox.Open("127.0.0.1:0", c.path("mailbox")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.box.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// configure writes the files that the programs read.
func (c *company) configure(t *testing.T, s settings) {
	t.Helper()
	if s.collectorData == "" {
		s.collectorData = c.path("collector")
	}
	if s.agentData == "" {
		s.agentData = c.path("agent")
	}
	c.data = s.collectorData
	port := freePort(t)
	c.url = fmt.Sprintf("http://127.0.0.1:%d", port)
	page := `""`
	if s.agentPage {
		at := fmt.Sprintf("127.0.0.1:%d", freePort(t))
		page, c.agentURL = at, "http://"+at
	}
	inventory, err := c.branch.Inventory()
	if err != nil {
		t.Fatal(err)
	}
	// This machine's own state must not open incidents: it is busy with the test.
	text := strings.Replace(string(inventory), "    host: true\n", "", 1)
	collector := fmt.Sprintf("data: %q\nlisten: 127.0.0.1:%d\nexternal_url: %s\ninventory: %q\nretention: 720h\nholds: {verify: 5s, settle: 10s, open: 2s}\nmail: {host: %q, from: faultline@practice.example, tls: none}\n",
		s.collectorData, port, c.url, c.path("inventory.yaml"), c.box.Addr())
	agent := fmt.Sprintf("agent: practice\ndata: %q\ninterval: 2s\ntimeout: 1900ms\nlisten: %s\ncollector: {url: %s, token: %s}\n", s.agentData, page, c.url, c.agentToken)
	c.write(t, "inventory.yaml", text)
	c.write(t, "collector.yaml", collector+s.collectorYAML)
	c.write(t, "agent.yaml", agent+s.agentYAML)
}

func (c *company) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(c.path(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// freePort returns a free port outside the range from which the system takes
// the near ends of connections, so that it is still free after a kill.
func freePort(t *testing.T) int {
	t.Helper()
	for range 200 {
		port := 20000 + mathrand.IntN(12000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no free port from 20000 to 32000")
	return 0
}

// run starts both programs and waits until the branch is measured.
func (c *company) run(t *testing.T) {
	t.Helper()
	c.runCollector(t)
	must(t, c.agent.start())
	c.awaitMeasured(t)
}

// runCollector starts the collector and waits until it is ready.
func (c *company) runCollector(t *testing.T) {
	t.Helper()
	must(t, c.collector.start())
	c.awaitReady(t)
	b, err := os.ReadFile(filepath.Join(c.data, "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	c.token = strings.TrimSpace(string(b))
}

func (c *company) awaitReady(t *testing.T) {
	t.Helper()
	waitUntil(t, time.Minute, "the collector", func() bool {
		must(t, c.collector.ended())
		_, err := c.call(http.MethodGet, "/-/ready", nil)
		return err == nil
	})
}

func (c *company) awaitMeasured(t *testing.T) {
	t.Helper()
	waitUntil(t, time.Minute, "the branch to be measured", func() bool {
		n, err := c.scalar(`count(up == 1)`)
		return err == nil && n >= 6
	})
}

// report shows the programs' last words when the test failed, and fails it when
// one of them panicked.
func (c *company) report(t *testing.T) {
	t.Helper()
	for _, p := range []*program{c.collector, c.agent} {
		if all := p.output(1 << 30); strings.Contains(all, "panic:") || strings.Contains(all, "fatal error:") || strings.Contains(all, "SIGBUS") {
			t.Errorf("%s panicked", filepath.Base(p.path))
		}
		if t.Failed() {
			t.Logf("%s:\n%s", filepath.Base(p.log), p.output(8000))
		}
	}
	if keep := os.Getenv("ENDURANCE_KEEP"); keep != "" && t.Failed() {
		to := filepath.Join(keep, t.Name())
		if err := errors.Join(os.RemoveAll(to), os.CopyFS(to, os.DirFS(c.dir))); err != nil {
			t.Log(err)
		}
	}
}

// statusError is an answer other than 2xx.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string { return fmt.Sprintf("%d %s", e.status, e.text) }

// call asks the collector and returns the body of a 2xx answer.
func (c *company) call(method, path string, body any) ([]byte, error) {
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, c.url+path, in)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", "application/json")
	res, err := c.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode/100 != 2 {
		return nil, &statusError{res.StatusCode, string(answer)}
	}
	return answer, nil
}

// status is the HTTP status of an answer, 0 when there was none.
func status(err error) int {
	var s *statusError
	switch {
	case err == nil:
		return http.StatusOK
	case errors.As(err, &s):
		return s.status
	}
	return 0
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func waitUntil(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for %s in vain", limit, what)
		}
		<-tick.C
	}
}
