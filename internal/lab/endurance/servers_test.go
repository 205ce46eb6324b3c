package endurance

import (
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
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/sqlstore"
	"github.com/faultline/faultline/collector/sqlstore/storetest"
)

// TestRealServers walks the path of a line fault on a collector whose state is
// in a real PostgreSQL, while the agent also measures Debian's snmpd by SNMP v2c
// and by v3 with SHA-256 and AES-128.
func TestRealServers(t *testing.T) {
	pg, err := storetest.StartPostgres()
	if err != nil {
		storetest.SkipOrFail(t, err)
	}
	t.Cleanup(pg.Stop)
	database := pg.URL(t)
	addr := startSNMPD(t)
	c := newCompany(t, settings{collectorYAML: fmt.Sprintf("database: %q\n", database), agentYAML: fmt.Sprintf(`targets:
  - {id: real-v2c, input: snmp, address: %[1]q, labels: {job: snmp, instance: real-v2c, device: real-v2c, role: device}, options: {version: 2c, community: endurance}}
  - {id: real-v3, input: snmp, address: %[1]q, labels: {job: snmp, instance: real-v3, device: real-v3, role: device}, options: {version: "3", user: %[2]s, auth_protocol: SHA-256, auth_password: %[3]s, priv_protocol: AES-128, priv_password: %[4]s}}
`, addr, snmpUser, snmpAuth, snmpPriv)})
	c.run(t)
	c.checkSNMP(t)

	known := map[string]bool{}
	tr := c.breakLine(t, known, time.Second)
	t.Logf("on PostgreSQL: incident after %.1f s, ticket after %.1f s", tr.opened.Seconds(), tr.ticket.Seconds())
	c.checkIncidents(t, []trouble{tr})
	if l := c.checkMails(t); l.repeats > 0 {
		t.Errorf("%d mails came twice", l.repeats)
	}
	waitUntil(t, 20*time.Second, "the row of the report", func() bool {
		rows, err := c.call(http.MethodGet, "/api/v1/report", nil)
		return err == nil && strings.Contains(string(rows), tr.number)
	})
	if _, err := os.Stat(filepath.Join(c.data, "faultline.db")); err == nil {
		t.Error("the collector made a SQLite database beside PostgreSQL")
	}
	c.collector.stop(t)
	c.checkChains(t, database)
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: database})
	must(t, err)
	defer func() { _ = s.Close() }()
	if _, err := s.KVGet(t.Context(), "mail-secret"); err != nil {
		t.Errorf("PostgreSQL has no settings of the collector: %v", err)
	}
}

const (
	snmpUser = "endurance"
	snmpAuth = "authentication-pass"
	snmpPriv = "privacy-pass"
)

// startSNMPD starts Debian's SNMP agent and returns its address.
func startSNMPD(t *testing.T) string {
	t.Helper()
	bin := debian(t, "snmpd", "snmpd")
	dir := t.TempDir()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	addr := conn.LocalAddr().String()
	conn.Close()
	conf := filepath.Join(dir, "snmpd.conf")
	text := fmt.Sprintf("agentAddress udp:%s\nsysName endurance-host\nrocommunity endurance\ncreateUser %s SHA-256 %q AES %q\nrouser %s priv\n", addr, snmpUser, snmpAuth, snmpPriv, snmpUser)
	must(t, os.WriteFile(conf, []byte(text), 0o600))
	start(t, []string{"SNMP_PERSISTENT_DIR=" + dir, "MIBS="}, bin, "-f", "-m", "", "-Lf", filepath.Join(dir, "log"), "-C", "-c", conf,
		"-p", filepath.Join(dir, "pid"), "-x", filepath.Join(dir, "agentx"))
	return addr
}

// debian returns the path of a program that a Debian package brings; in CI its
// absence is a failure.
func debian(t *testing.T, name, pkg string) string {
	t.Helper()
	for _, dir := range []string{"", "/usr/sbin/", "/sbin/"} {
		if p, err := exec.LookPath(dir + name); err == nil {
			return p
		}
	}
	missing(t, fmt.Sprintf("%s is not installed (Debian package %s)", name, pkg))
	return ""
}

func missing(t *testing.T, text string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(text)
	}
	t.Skip(text)
}

// start runs a server until the end of the test, or until stop is called.
func start(t *testing.T, env []string, name string, args ...string) (stop func()) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	must(t, cmd.Start())
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	t.Cleanup(stop)
	return stop
}

// checkSNMP wants what snmpd says of this machine, the same by both versions.
func (c *company) checkSNMP(t *testing.T) {
	t.Helper()
	for _, device := range []string{"real-v2c", "real-v3"} {
		waitUntil(t, 30*time.Second, device+" to be measured", func() bool {
			up, err := c.scalar(fmt.Sprintf(`up{device=%q}`, device))
			return err == nil && up == 1
		})
		n, err := c.scalar(fmt.Sprintf(`count({device=%q, job="snmp"})`, device))
		must(t, err)
		ports, err := c.scalar(fmt.Sprintf(`count(ifOperStatus{device=%q})`, device))
		if err != nil || ports < 1 {
			t.Errorf("%s: %v interfaces, %v", device, ports, err)
		}
		named, err := c.scalar(fmt.Sprintf(`count({device=%q, sysName="endurance-host"})`, device))
		t.Logf("%s: %v series, %v interfaces; named %v, %v", device, n, ports, named, err)
	}
	same, err := c.scalar(`count(count by (ifIndex) (ifOperStatus{device=~"real-v.*"}) == 2)`)
	if all, allErr := c.scalar(`count(count by (ifIndex) (ifOperStatus{device=~"real-v.*"}))`); err != nil || allErr != nil || same != all {
		t.Errorf("%v of %v interfaces are seen by both versions: %v, %v", same, all, err, allErr)
	}
}

// TestInfluxMirror mirrors to a real InfluxDB that goes away and comes back,
// while the collector is killed meanwhile: every acknowledged sample arrives,
// each once.
func TestInfluxMirror(t *testing.T) {
	bin := influxd(t)
	dir, at := t.TempDir(), fmt.Sprintf("127.0.0.1:%d", freePort(t))
	influx := "http://" + at
	conf := filepath.Join(dir, "influxdb.conf")
	must(t, os.WriteFile(conf, []byte(fmt.Sprintf("reporting-disabled = true\nbind-address = \"127.0.0.1:%d\"\n[meta]\n  dir = %q\n[data]\n  dir = %q\n  wal-dir = %q\n  index-version = \"tsi1\"\n[http]\n  bind-address = %q\n",
		freePort(t), dir+"/meta", dir+"/data", dir+"/wal", at)), 0o600))
	begin := func() func() {
		stop := start(t, nil, bin, "-config", conf)
		waitUntil(t, 30*time.Second, "influxd", func() bool {
			res, err := http.Get(influx + "/ping")
			if err != nil {
				return false
			}
			res.Body.Close()
			return res.StatusCode/100 == 2
		})
		return stop
	}
	stop := begin()
	_, err := http.PostForm(influx+"/query", url.Values{"q": {"CREATE DATABASE fl"}})
	must(t, err)
	c := newCompany(t, settings{collectorYAML: fmt.Sprintf("influx: {url: %q, bucket: fl}\n", influx)})
	c.runCollector(t)
	load, end := context.WithCancel(t.Context())
	defer end()
	w := newWriter(c, "a", 100*time.Millisecond, 0)
	var work sync.WaitGroup
	work.Go(func() { w.run(load) })
	waitUntil(t, 30*time.Second, "the mirror to deliver", func() bool { return len(mirrored(t, influx)) > 5 })
	stop()
	<-time.After(2 * time.Second)
	must(t, c.collector.restart())
	c.awaitReady(t)
	<-time.After(2 * time.Second)
	end()
	work.Wait() // nothing new arrives after the outage
	begin()
	waitUntil(t, 60*time.Second, "the backlog to be delivered", func() bool { return len(mirrored(t, influx)) >= w.count() })
	samples := w.check(t)
	got := mirrored(t, influx)
	w.mu.Lock()
	defer w.mu.Unlock()
	for at, n := range w.acked {
		if got[at] != n {
			t.Errorf("sample %v of %s was acknowledged and is %v in InfluxDB", n, time.UnixMilli(at).Format(time.StampMilli), got[at])
		}
	}
	t.Logf("%d samples acknowledged, %d batches in InfluxDB", samples, len(got))
}

// mirrored returns the samples of one series in InfluxDB, by time.
func mirrored(t *testing.T, influx string) map[int64]float64 {
	t.Helper()
	res, err := http.PostForm(influx+"/query?epoch=ms", url.Values{"q": {`SELECT value FROM endurance_sequence WHERE "row" = '7'`}, "db": {"fl"}})
	must(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	must(t, err)
	var answer struct {
		Results []struct {
			Series []struct{ Values [][2]float64 }
		}
	}
	must(t, json.Unmarshal(b, &answer))
	out := map[int64]float64{}
	for _, r := range answer.Results {
		for _, s := range r.Series {
			for _, v := range s.Values {
				if _, twice := out[int64(v[0])]; twice {
					t.Errorf("%v is in InfluxDB twice", v)
				}
				out[int64(v[0])] = v[1]
			}
		}
	}
	return out
}

// influxd returns the path of InfluxDB 1.8.10, which Debian does not have.
func influxd(t *testing.T) string {
	t.Helper()
	for _, path := range []string{filepath.Join(os.Getenv("FAULTLINE_TOOLS"), "influxd"), "../../../.cache/tools/influxd"} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	missing(t, "influxd 1.8.10 is missing: make setup builds it into .cache/tools")
	return ""
}
