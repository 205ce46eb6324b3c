package dashboards

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/faultline/faultline/internal/lab/build"
)

// product is what `make run` starts, on free ports, with Debian's snmpd as one
// more device: everything in its store was measured by the real agent.
type product struct {
	url, data, bin string
	admin, token   string // with full rights, and the one a Grafana gets
}

func startProduct(t *testing.T) *product {
	t.Helper()
	snmp := startSNMPd(t)
	p := &product{data: t.TempDir(), bin: t.TempDir()}
	if err := build.Programs(t.Context(), p.bin); err != nil {
		t.Fatal(err)
	}
	launcher := filepath.Join(p.bin, "faultline-practice")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", launcher, "../internal/lab/practice")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build faultline-practice: %v\n%s", err, out)
	}
	own := filepath.Join(p.data, "inventory")
	if err := os.Mkdir(own, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(own, "debian.yaml"), []byte(strings.ReplaceAll(debian, "SNMPD", snmp)), 0o600); err != nil {
		t.Fatal(err)
	}
	port := freePorts(t)
	p.url = fmt.Sprintf("http://127.0.0.1:%d", port)
	var said bytes.Buffer
	stop := start(t, exec.Command(launcher, "--port", fmt.Sprint(port), "--data", p.data, "--bin", p.bin), &said)
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			for _, name := range []string{"collector.log", "agent.log"} {
				b, _ := os.ReadFile(filepath.Join(p.data, name))
				t.Logf("%s:\n%s", name, b[max(0, len(b)-4000):])
			}
			t.Logf("faultline-practice said:\n%s", said.String())
		}
	})
	waitFor(t, time.Minute, "the agent's first measurements", func() bool {
		b, err := os.ReadFile(filepath.Join(p.data, "admin.token"))
		if err != nil {
			return false
		}
		p.admin = strings.TrimSpace(string(b))
		if p.token == "" {
			p.token = p.issueToken()
		}
		r, err := p.query("query", url.Values{"query": {"count(up == 1)"}})
		return err == nil && len(r) > 0
	})
	return p
}

// debian adds this machine's own agent, and a line whose far end is pinged: the
// simulated one is probed by connecting.
const debian = `devices:
  - id: debian
    name: {zh-CN: 本机, en: This machine}
    site: practice
    kind: switch
    addresses: [127.84.70.40]
    depends_on: [{any_of: [practice-sw]}]
    targets:
      - {agent: practice, input: snmp, address: "SNMPD", timeout: 3s, options: {version: 2c, community: faultline}}
lines:
  - id: debian-line
    name: {zh-CN: 第二条线路, en: Second line}
    site: practice
    carrier: practice-carrier
    circuit: SH-9999
    role: backup
    a_end: {device: hq-rtr, interface: wan2, address: 127.84.70.41}
    b_end: {device: debian, interface: lo, address: 127.84.70.40}
    targets:
      - {agent: practice, input: probe, address: 127.84.70.40, role: line, timeout: 2s, options: {module: icmp}}
`

// startSNMPd starts Debian's agent and returns its address.
func startSNMPd(t *testing.T) string {
	t.Helper()
	without := t.Skip
	if os.Getenv("CI") == "true" {
		without = t.Fatal
	}
	bin, err := exec.LookPath("snmpd")
	if err != nil {
		if bin, err = exec.LookPath("/usr/sbin/snmpd"); err != nil {
			without("Debian's snmpd is not installed: the boards' queries are not executed")
		}
	}
	if os.Geteuid() != 0 {
		without("not root: pings of the agent may be refused, so the boards' queries are not executed")
	}
	c, err := net.ListenPacket("udp", "127.84.70.40:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := c.LocalAddr().String()
	c.Close()
	dir := t.TempDir()
	conf := "agentAddress udp:" + addr + "\nrocommunity faultline 127.0.0.0/8\nsysName debian\nsysLocation 机房 1\nsysDescr Debian\n"
	if err := os.WriteFile(filepath.Join(dir, "snmpd.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "-f", "-m", "", "-Lf", filepath.Join(dir, "log"), "-C", "-c", filepath.Join(dir, "snmpd.conf"),
		"-p", filepath.Join(dir, "pid"), "-x", filepath.Join(dir, "agentx"))
	cmd.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+dir, "MIBS=")
	t.Cleanup(start(t, cmd, io.Discard))
	return addr
}

// start starts a program; the function it returns stops it by its pid and waits.
func start(t *testing.T, cmd *exec.Cmd, out io.Writer) (stop func()) {
	t.Helper()
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	return func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
	}
}

// freePorts returns a port that is free together with the next one.
func freePorts(t *testing.T) int {
	t.Helper()
	for range 50 {
		a, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := a.Addr().(*net.TCPAddr).Port
		b, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+1))
		a.Close()
		if err == nil {
			b.Close()
			return port
		}
	}
	t.Fatal("no two free ports beside each other")
	return 0
}

func waitFor(t *testing.T, limit time.Duration, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, limit)
		}
		<-tick.C
	}
}

// practice breaks something, or mends everything, with the product's own command.
func (p *product) practice(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(p.bin, "faultline-collector"), append([]string{"practice"}, args...)...)
	cmd.Env = append(os.Environ(), "FAULTLINE_URL="+p.url, "FAULTLINE_TOKEN="+p.admin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("practice %v: %v\n%s", args, err, out)
	}
}

// issueToken has the product make a token for a Grafana; "" while it cannot.
func (p *product) issueToken() string {
	out, err := exec.Command(filepath.Join(p.bin, "faultline-collector"), "token", "grafana", "--config", filepath.Join(p.data, "collector.yaml")).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// row is one series of an answer: one value for an instant query, several for a
// range.
type row struct {
	Metric map[string]string
	Value  []any
	Values [][]any
}

// numbers are the row's values that Grafana could draw.
func (r row) numbers() (n int) {
	values := r.Values
	if r.Value != nil {
		values = append(values, r.Value)
	}
	for _, v := range values {
		if len(v) == 2 && v[1] != "NaN" {
			n++
		}
	}
	return n
}

// query posts a form to the Prometheus API, as Grafana does.
func (p *product) query(endpoint string, form url.Values) ([]row, error) {
	var data struct{ Result []row }
	err := p.call(http.MethodPost, endpoint, form, &data)
	return data.Result, err
}

// values answers label_values(selector, label).
func (p *product) values(selector, label string) ([]string, error) {
	var out []string
	err := p.call(http.MethodGet, "label/"+label+"/values", url.Values{"match[]": {selector}}, &out)
	return out, err
}

func (p *product) call(method, endpoint string, form url.Values, into any) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	address, body := p.url+"/prometheus/api/v1/"+endpoint, io.Reader(nil)
	if method == http.MethodGet {
		address += "?" + form.Encode()
	} else {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var answer struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return fmt.Errorf("%s: %s: %w", endpoint, res.Status, err)
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s: %s: %s", endpoint, res.Status, answer.Error)
	}
	return json.Unmarshal(answer.Data, into)
}
