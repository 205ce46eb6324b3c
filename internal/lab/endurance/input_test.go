package endurance

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/golang/snappy"

	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
)

// faulty are files with faults, and what has to be said of them.
var faulty = map[string]struct {
	text  string
	wants []string // each follows the file's name
}{
	"inventory.yaml": {`company: Example
sites:
  - {id: hq, name: {zh-CN: 总公司, en: Head office}, kind: hq}
  - {id: hq, name: {zh-CN: 总公司, en: Head office}, kind: castle}
devices:
  - {id: r1, name: {zh-CN: 路由器, en: Router}, site: nowhere, kind: router, addresses: [10.0.0.1]}
lines:
  - {id: l1, name: {zh-CN: 专线, en: Line}, site: hq, role: main, carrier: nobody, circuit: X-1}
`, []string{`:4: id "hq" is already used`, `:4: kind "castle"`, `:6: no site "nowhere"`, `:8: carrier: no vendor "nobody"`}},
	"rules/alerts/more.yaml": {`groups:
  - name: more
    rules:
      - alert: Unfinished
        expr: up ==
        labels: {severity: major}
      - alert: Late
        expr: up == 0
        for: tomorrow
`, []string{":5: ", `:9: groups[0].rules[1].for: not a valid duration string: "tomorrow"`}},
	"rules/processes/more.yaml": {`apiVersion: faultline/v1
kind: Process
id: more
version: 1
title: {zh-CN: 流程, en: Process}
owner: nobody
steps:
  - id: one
    title: {zh-CN: 一, en: One}
    role: ghost
    next: [{to: two}]
`, []string{`:6:8: owner: no role "nobody"`, `:10:11: steps[0].role: no role "ghost"`, `:11:17: steps[0].next[0].to: no step "two"`}},
}

// TestCheckNamesEveryFault runs `faultline-collector check` on files of which
// each has several faults.
func TestCheckNamesEveryFault(t *testing.T) {
	c := newCompany(t, settings{})
	c.useRules(t)
	c.check(t, true)
	c.spoil(t)
	said := c.check(t, false)
	for name, f := range faulty {
		for _, want := range f.wants {
			if !strings.Contains(said, filepath.Base(name)+want) {
				t.Errorf("%q is not said of %s", want, name)
			}
		}
	}
	if t.Failed() {
		t.Log(said)
	}
}

// useRules lays a directory over the shipped rules.
func (c *company) useRules(t *testing.T) {
	t.Helper()
	for _, dir := range []string{"alerts", "processes"} {
		must(t, os.MkdirAll(c.path("rules/"+dir), 0o700))
	}
	b, err := os.ReadFile(c.path("collector.yaml"))
	must(t, err)
	c.write(t, "collector.yaml", string(b)+fmt.Sprintf("rules: %q\n", c.path("rules")))
}

// spoil writes the faulty files.
func (c *company) spoil(t *testing.T) {
	t.Helper()
	for name, f := range faulty {
		c.write(t, name, f.text)
	}
}

// check runs `faultline-collector check` and returns what it says.
func (c *company) check(t *testing.T, good bool) string {
	t.Helper()
	out, err := exec.Command(c.collector.path, "check", "--config", c.path("collector.yaml")).CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit):
		t.Fatal(err)
	case good != (err == nil), !good && exit.ExitCode() != 1:
		t.Fatalf("check: %v\n%s", err, out)
	}
	return string(out)
}

// TestReload changes inventory, rules and a process under a running collector:
// what is right is taken over at SIGHUP, an incident goes on with the process it
// began on, and faulty files leave everything as it was.
func TestReload(t *testing.T) {
	web := newPages(t) // something that answers
	c := newCompany(t, settings{})
	c.useRules(t)
	c.run(t)
	must(t, c.branch.Break("line"))
	opened := c.awaitIncident(t, nil, time.Minute, "an incident of the line", func(i incidentJSON) bool { return i.Class == "carrier_line" })

	inventory, err := os.ReadFile(c.path("inventory.yaml"))
	must(t, err)
	added := fmt.Sprintf("\ndevices:\n  - {id: added, name: {zh-CN: 新增, en: Added}, site: practice, kind: switch, addresses: [127.84.70.77], targets: [{agent: practice, input: probe, address: %q, options: {module: tcp}}]}\n", strings.TrimPrefix(web.url, "http://"))
	c.write(t, "inventory.yaml", strings.Replace(string(inventory), "\ndevices:\n", added, 1))
	c.write(t, "rules/alerts/more.yaml", "groups:\n  - name: more\n    rules:\n      - {alert: Added, expr: 'endurance_marker == 1', labels: {severity: info}, annotations: {summary: Added}}\n")
	network, err := os.ReadFile("../../../rules/processes/network.yaml")
	must(t, err)
	c.write(t, "rules/processes/network.yaml", strings.Replace(string(network), "\nversion: 1", "\nversion: 2", 1))
	c.reload(t, 1)
	waitUntil(t, 20*time.Second, "the added device to be measured and the added rule to be known", func() bool {
		_, err := c.scalar(`up{device="added"}`)
		rules, rulesErr := c.call(http.MethodGet, "/prometheus/api/v1/rules", nil)
		return err == nil && rulesErr == nil && strings.Contains(string(rules), `"Added"`)
	})

	c.spoil(t)
	c.reload(t, 0)
	said := c.collector.output(1 << 20)
	for _, want := range []string{"the old ones stay in force", "inventory.yaml:6: no site", "more.yaml:9: groups[0].rules[1].for"} {
		if !strings.Contains(said, want) {
			t.Errorf("the log does not say %q", want)
		}
	}
	must(t, c.branch.Mend())
	c.awaitIncident(t, nil, 90*time.Second, "verification on the process it began on", func(i incidentJSON) bool { return i.ID == opened.ID && i.State == "verified" })
	if list, err := c.incidents(); err != nil || len(list) != 1 {
		t.Errorf("incidents %+v, %v; want one", list, err)
	}
}

// reload sends SIGHUP and waits until the collector says how it went.
func (c *company) reload(t *testing.T, want float64) {
	t.Helper()
	at := c.own(t, "faultline_config_reload_success_timestamp_seconds")
	c.collector.signal(t, syscall.SIGHUP)
	waitUntil(t, 20*time.Second, fmt.Sprintf("faultline_config_reload_success %v", want), func() bool {
		return c.own(t, "faultline_config_reload_success") == want && (want == 0 || c.own(t, "faultline_config_reload_success_timestamp_seconds") > at)
	})
}

// TestBadRequests sends a running collector what senders get wrong: each is told
// what it was, each is counted, and none keeps others from being served.
func TestBadRequests(t *testing.T) {
	c := newCompany(t, settings{})
	c.runCollector(t)
	var encoder wire.WriteEncoder
	sample := func(at time.Time) []byte {
		labels := base.LabelsFrom("endurance_marker", map[string]string{"job": "endurance"})
		return encoder.V2([]base.Sample{{Labels: labels, Time: at.UnixMilli(), Value: 1}}, nil).Data
	}
	good := sample(time.Now())
	for _, r := range []struct {
		name, path, token, contentType string
		body                           []byte
		length                         int64 // announced; 0: as it is
		status                         int
		says, outcome                  string
	}{
		{name: "truncated snappy", body: good[:len(good)-4], status: 400, says: "not a whole snappy block", outcome: "snappy"},
		{name: "cut off on the way", body: good, length: int64(len(good) + 100), status: 400, says: "truncated after", outcome: "truncated"},
		{name: "too large", body: make([]byte, 9<<20), status: 413, says: "at most 8388608", outcome: "too_large"},
		{name: "too large when decompressed", body: snappy.Encode(nil, make([]byte, 65<<20)), status: 413, says: "when decompressed", outcome: "too_large"},
		{name: "wrong protobuf", body: snappy.Encode(nil, []byte("\xff\xff\xff\xff")), status: 400, says: "body is not a io.prometheus.write.v2.Request", outcome: "protobuf"},
		{name: "wrong content type", contentType: "application/json", body: good, status: 415, says: "only application/x-protobuf", outcome: "content_type"},
		{name: "other message", contentType: "application/x-protobuf;proto=other.Message", body: good, status: 415, says: `"other.Message" is not accepted`, outcome: "content_type"},
		{name: "clock ahead", body: sample(time.Now().Add(time.Hour)), status: 400, says: "the sender's clock is ahead", outcome: "partial"},
		{name: "clock a year behind", body: sample(time.Now().AddDate(-1, 0, 0)), status: 400, says: "older than the store takes", outcome: "partial"},
		{name: "no credentials", token: "none", body: good, status: 401, says: "no bearer token", outcome: "unauthorized"},
		{name: "wrong credentials", token: "wrong", body: good, status: 401, says: "unauthorized", outcome: "unauthorized"},
		{name: "events that are no JSON", path: "/api/v1/events", contentType: "application/json", body: []byte("[{"), status: 400, says: "not a JSON array of events", outcome: "json"},
		{name: "event without id", path: "/api/v1/events", contentType: "application/json", body: []byte(`[{"kind":"trap"}]`), status: 400, says: "has no id", outcome: "partial"},
	} {
		t.Run(r.name, func(t *testing.T) {
			what := "write"
			if r.path != "" {
				what = "events"
			}
			counted := func() float64 {
				return c.own(t, "faultline_ingest_requests_total", fmt.Sprintf("what=%q", what), fmt.Sprintf("outcome=%q", r.outcome))
			}
			before := counted()
			status, text := c.send(t, r.path, r.token, r.contentType, r.body, r.length)
			if status != r.status || !strings.Contains(text, r.says) {
				t.Errorf("%d %s; want %d with %q", status, text, r.status, r.says)
			}
			if got := counted() - before; got != 1 {
				t.Errorf("counted %v times", got)
			}
		})
	}
	if status, text := c.send(t, "", "", "", sample(time.Now()), 0); status != http.StatusNoContent {
		t.Errorf("a good request afterwards: %d %s", status, text)
	}
}

// send sends a request over a connection of its own, so that its length may lie,
// and returns the answer.
func (c *company) send(t *testing.T, path, token, contentType string, body []byte, length int64) (int, string) {
	t.Helper()
	if path == "" {
		path = "/api/v1/write"
	}
	if contentType == "" {
		contentType = wire.WriteV2ContentType
	}
	if token == "" {
		token = c.token
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.url, "http://"))
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	if length == 0 {
		length = int64(len(body))
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: collector\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %d\r\n", path, contentType, length)
	if token != "none" {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", token)
	}
	b.WriteString("\r\n")
	b.Write(body)
	go func() {
		_, _ = conn.Write(b.Bytes())
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	return answerOf(t, conn)
}

func answerOf(t *testing.T, conn net.Conn) (int, string) {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(text)
}
