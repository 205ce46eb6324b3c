package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// peer is another poller and how it is made to do the agent's work.
type peer struct {
	name string
	run  func(context.Context, options, *responder) (sweeps, error)
}

// exporterPeer scrapes all devices through a Prometheus SNMP exporter, spread
// over the interval as a Prometheus does.
func exporterPeer(ctx context.Context, o options, r *responder) (sweeps, error) {
	path, err := exec.LookPath("prometheus-snmp-exporter")
	if err != nil {
		return sweeps{}, errors.New("prometheus-snmp-exporter is not installed")
	}
	config := filepath.Join(o.work, "snmp.yml")
	address, err := freeAddress(ctx)
	if err = errors.Join(err, os.WriteFile(config, exporterModule(), 0o600)); err != nil {
		return sweeps{}, err
	}
	p, err := start(ctx, o, path, "--config.file="+config, "--web.listen-address="+address, "--log.level=error")
	if err != nil {
		return sweeps{}, err
	}
	defer p.stop()
	base := "http://" + address + "/snmp?module=if_mib&target="
	if err := eventually(ctx, 20*time.Second, func() error { return discard(ctx, base+url.QueryEscape(r.address(0))) }); err != nil {
		return sweeps{}, p.failed(err)
	}
	scraping, done := context.WithCancel(ctx)
	defer done()
	var g errgroup.Group
	var failed atomic.Int64
	for i := range r.devices {
		g.Go(func() error {
			scrapeSpread(scraping, base+url.QueryEscape(r.address(i)), time.Duration(i)*snmpInterval/time.Duration(r.devices), &failed)
			return nil
		})
	}
	s, err := afterWarmUp(ctx, o, r, p)
	done()
	_ = g.Wait()
	if n := failed.Load(); err == nil && n > 0 {
		err = fmt.Errorf("%d scrapes failed", n)
	}
	s.values = float64(len(numericColumns())*snmpRows) * float64(r.devices)
	return s, err
}

// afterWarmUp watches a peer once it has settled.
func afterWarmUp(ctx context.Context, o options, r *responder, p *process) (sweeps, error) {
	if err := sleep(ctx, snmpWarm); err != nil {
		return sweeps{}, err
	}
	return watchSweeps(ctx, o, r, p)
}

// scrapeSpread scrapes at every interval from an offset on until ctx ends.
func scrapeSpread(ctx context.Context, from string, offset time.Duration, failed *atomic.Int64) {
	if sleep(ctx, offset) != nil {
		return
	}
	tick := time.NewTicker(snmpInterval)
	defer tick.Stop()
	for {
		if discard(ctx, from) != nil && ctx.Err() == nil {
			failed.Add(1)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// discard reads a page and throws it away; the page is packed, as a Prometheus asks for it.
func discard(ctx context.Context, from string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept-Encoding", "gzip")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// exporterModule is an snmp.yml, in the form of release 0.21, that walks both
// tables and names interfaces as that project's own module does.
func exporterModule() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "if_mib:\n  walk: [%[1]s2.2, %[1]s31.1.1]\n  version: 2\n  max_repetitions: 25\n  auth: {community: %[2]s}\n  metrics:\n", mib2, benchCommunity)
	for _, c := range ifColumns {
		kind := c.kind
		switch {
		case c.name == "ifPhysAddress":
			kind = "PhysAddress48"
		case c.name == "ifSpecific":
			kind = "OctetString"
		case kind == "info":
			kind = "DisplayString"
		}
		fmt.Fprintf(&b, "    - name: %s\n      oid: %s%s\n      type: %s\n      help: IF-MIB\n      indexes: [{labelname: ifIndex, type: gauge}]\n      lookups:\n", c.name, mib2, c.oid, kind)
		for _, l := range []struct{ name, oid string }{{"ifAlias", "31.1.1.1.18"}, {"ifDescr", "2.2.1.2"}, {"ifName", "31.1.1.1.1"}} {
			fmt.Fprintf(&b, "        - {labels: [ifIndex], labelname: %s, oid: %s%s, type: DisplayString}\n", l.name, mib2, l.oid)
		}
	}
	return b.Bytes()
}

// collectdPeer lets collectd read the numeric columns and write them to nothing.
func collectdPeer(ctx context.Context, o options, r *responder) (sweeps, error) {
	path, err := exec.LookPath("collectd")
	if err != nil {
		for _, path = range []string{"/usr/sbin/collectd"} {
			if _, err = os.Stat(path); err == nil {
				break
			}
		}
	}
	if err != nil {
		return sweeps{}, errors.New("collectd is not installed")
	}
	dir, err := os.MkdirTemp(o.work, "collectd-")
	if err != nil {
		return sweeps{}, err
	}
	config := filepath.Join(dir, "collectd.conf")
	if err := os.WriteFile(config, collectdConfig(dir, r), 0o600); err != nil {
		return sweeps{}, err
	}
	p, err := start(ctx, o, path, "-f", "-C", config)
	if err != nil {
		return sweeps{}, err
	}
	defer p.stop()
	s, err := afterWarmUp(ctx, o, r, p)
	s.values = float64(len(numericColumns())*snmpRows) * float64(r.devices)
	return s, err
}

// collectdConfig reads each numeric column with the interfaces' names beside it,
// which is how this program tells rows apart.
func collectdConfig(dir string, r *responder) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "BaseDir %q\nPIDFile %q\nInterval %d\nReadThreads 32\nTypesDB \"/usr/share/collectd/types.db\"\nLoadPlugin snmp\n<Plugin snmp>\n",
		dir, filepath.Join(dir, "pid"), int(snmpInterval.Seconds()))
	var names []string
	for _, c := range numericColumns() {
		kind := "gauge"
		if c.kind == "counter" {
			kind = "derive"
		}
		names = append(names, fmt.Sprintf("%q", c.name))
		fmt.Fprintf(&b, "  <Data %q>\n    Type %q\n    Table true\n    PluginInstance %q\n    TypeInstanceOID \"%s2.2.1.2\"\n    Values \"%s%s\"\n  </Data>\n", c.name, kind, c.name, mib2, mib2, c.oid)
	}
	for i := range r.devices {
		fmt.Fprintf(&b, "  <Host \"sw-%04d\">\n    Address %q\n    Version 2\n    Community %q\n    BulkSize 25\n    Collect %s\n  </Host>\n", i, r.address(i), benchCommunity, strings.Join(names, " "))
	}
	b.WriteString("</Plugin>\n")
	return b.Bytes()
}
