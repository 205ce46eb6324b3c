package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/faultline/faultline/internal/wire"
)

// estate is what the inventory of a measured collector holds: head office with
// all agents, and branches with a server each.
type estate struct {
	branches int
	writers  int // agents whose samples this program makes up
}

// Names of the estate's things.
const (
	hostAgent     = "bench-host" // the agent that is measured
	hostInterval  = 10 * time.Second
	writeInterval = 5 * time.Second // between the samples this program makes up
)

func branch(i int) string      { return fmt.Sprintf("branch-%d", i) }
func server(i int) string      { return fmt.Sprintf("branch-%d-srv", i) }
func writer(i int) string      { return fmt.Sprintf("bench-writer-%d", i) }
func tokenOf(id string) string { return "bench-" + id }

// inventory writes the estate as the collector reads it.
func (e estate) inventory() []byte {
	var b bytes.Buffer
	b.WriteString("company: Benchmark\nsites:\n  - {id: hq, name: {zh-CN: 总公司, en: Head office}, kind: hq}\n")
	for i := range e.branches {
		fmt.Fprintf(&b, "  - {id: %s, name: {zh-CN: 分公司 %d, en: Branch %d}, kind: branch}\n", branch(i), i, i)
	}
	b.WriteString("devices:\n  - {id: hq-srv, name: {zh-CN: 服务器, en: Server}, site: hq, kind: server, addresses: [127.0.0.1]}\n")
	for i := range e.branches {
		fmt.Fprintf(&b, "  - {id: %s, name: {zh-CN: 服务器 %d, en: Server %d}, site: %s, kind: server, addresses: [10.%d.%d.7]}\n", server(i), i, i, branch(i), 1+i/200, i%200)
	}
	b.WriteString("agents:\n")
	agent := func(id string, host bool, interval time.Duration) {
		sum := sha256.Sum256([]byte(tokenOf(id)))
		fmt.Fprintf(&b, "  - {id: %s, site: hq, device: hq-srv, host: %t, interval: %s, token_sha256: %s}\n", id, host, interval, hex.EncodeToString(sum[:]))
	}
	agent(hostAgent, true, hostInterval)
	for i := range e.writers {
		agent(writer(i), false, writeInterval)
	}
	return b.Bytes()
}

// settings are what a collector is started with.
type settings struct {
	estate
	rules string // overlay directory; "" is the shipped rules
	holds string // as in the configuration file; "" is the defaults
	more  string // lines of the configuration file; "" keeps samples for a day
}

// collector is a running one.
type collector struct {
	*process
	dir   string // its data
	url   string
	admin string // token with full rights
}

// startCollector starts a collector on a free port and waits until it is ready.
func startCollector(ctx context.Context, o options, s settings) (*collector, error) {
	dir, err := os.MkdirTemp(o.work, "collector-")
	if err != nil {
		return nil, err
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	config := fmt.Sprintf("data: %q\nlisten: %s\ninventory: %q\nrules: %q\n%s", dir, address, filepath.Join(dir, "inventory.yaml"), s.rules, cmp.Or(s.more, "retention: 24h\n"))
	if s.holds != "" {
		config += "holds: " + s.holds + "\n"
	}
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "inventory.yaml"), s.inventory(), 0o600),
		os.WriteFile(filepath.Join(dir, "collector.yaml"), []byte(config), 0o600)); err != nil {
		return nil, err
	}
	c := &collector{dir: dir, url: "http://" + address}
	if c.process, err = start(ctx, o, filepath.Join(o.bin, "faultline-collector"), "serve", "--config", filepath.Join(dir, "collector.yaml")); err != nil {
		return nil, err
	}
	if err := eventually(ctx, time.Minute, func() error { return c.get(ctx, "/-/ready", nil) }); err != nil {
		c.stop()
		return nil, c.failed(err)
	}
	token, err := os.ReadFile(filepath.Join(dir, "admin.token"))
	if err != nil {
		c.stop()
		return nil, err
	}
	c.admin = strings.TrimSpace(string(token))
	return c, nil
}

// get asks the collector and decodes the answer into to unless that is nil.
func (c *collector) get(ctx context.Context, path string, to any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.admin)
	body, err := send(req)
	if err != nil || to == nil {
		return err
	}
	return json.Unmarshal(body, to)
}

// value asks the collector's Prometheus API for the value of one series.
func (c *collector) value(ctx context.Context, expr string) (string, error) {
	var answer struct {
		Data struct {
			Result []struct {
				Value [2]any `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := c.get(ctx, "/prometheus/api/v1/query?query="+url.QueryEscape(expr), &answer); err != nil {
		return "", err
	}
	if len(answer.Data.Result) == 0 {
		return "", fmt.Errorf("no series %s", expr)
	}
	return fmt.Sprint(answer.Data.Result[0].Value[1]), nil
}

// send sends a request; an answer that is not 2xx is an error.
func send(req *http.Request) ([]byte, error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: status %d %.300s", req.Method, req.URL.Path, resp.StatusCode, body)
	}
	return body, err
}

// version is one of remote write's.
type version struct{ name, number, contentType string }

var (
	writeV1 = version{"1.0", wire.WriteV1Version, wire.WriteV1ContentType}
	writeV2 = version{"2.0", wire.WriteV2Version, wire.WriteV2ContentType}
)

// post sends a remote write request with a token; "" is none.
func post(ctx context.Context, to, token string, v version, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", v.contentType)
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set(wire.HeaderWriteVersion, v.number)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	_, err = send(req)
	return err
}
