package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

const mib = "MiB"

// measureAgent watches an agent that measures its own host every 10 s for a real
// collector, and beside it a node_exporter that is scraped as often.
func measureAgent(ctx context.Context, o options) (table, error) {
	var t table
	t.Name = fmt.Sprintf("agent: host metrics only, every %s, watched for %s", hostInterval, o.window)
	c, err := startCollector(ctx, o, settings{estate: estate{writers: 1}})
	if err != nil {
		return t, err
	}
	defer c.stop()
	agent, err := startAgent(ctx, o, c)
	if err != nil {
		return t, err
	}
	defer agent.stop()
	peer, err := startExporter(ctx, o)
	if err != nil {
		t.note("No mark: %v.", err)
	} else {
		defer peer.stop()
	}
	others, missing := hostPeers(ctx, o)
	for _, p := range others {
		defer p.stop()
	}
	seen, lines, err := watchHosts(ctx, o.window, agent, peer, others)
	if err != nil {
		return t, err
	}
	own := seen[0]
	for _, f := range []struct {
		what, asked, unit string
		of                func(watched) float64
	}{
		{"PSS, mean", "≤ 18 MiB", mib, func(w watched) float64 { return w.mean.PSS }},
		{"PSS, highest", "", mib, func(w watched) float64 { return w.peak.PSS }},
		{"RSS, mean", "", mib, func(w watched) float64 { return w.mean.RSS }},
		{"CPU, of one core", "≤ 0.1 %", "%", func(w watched) float64 { return w.percent }},
	} {
		var marks []string
		for i, name := range peerNames(peer, others) {
			theirs := f.of(seen[1+i])
			marks = append(marks, fmt.Sprintf("%s %s %s: ratio %s", name, figure(theirs), f.unit, figure(f.of(own)/theirs)))
		}
		t.add(f.what, f.asked, f.of(own), f.unit, strings.Join(marks, "; "))
	}
	samples, err := c.value(ctx, `scrape_samples_scraped{job="node"}`)
	if err != nil {
		return t, agent.failed(err)
	}
	t.note("The agent takes %s samples each time, syncs them to disk and has them acknowledged.", samples)
	if peer != nil {
		t.note("node_exporter writes %d lines of text when asked.", lines)
	}
	for _, p := range others {
		t.note("%s, every %s.", p.what, hostInterval)
	}
	for _, m := range missing {
		t.note("No mark: %s.", m)
	}
	return t, nil
}

// peerNames are the peers in the order in which watchHosts watches them.
func peerNames(peer *exporter, others []hostPeer) (names []string) {
	if peer != nil {
		names = append(names, "node_exporter")
	}
	for _, p := range others {
		names = append(names, p.name)
	}
	return names
}

// watchHosts watches the agent and beside it the peers, which are asked meanwhile;
// peer may be nil. What it returns is in the order agent, peer, others; lines are
// what peer's last answer had.
func watchHosts(ctx context.Context, window time.Duration, agent *process, peer *exporter, others []hostPeer) (seen []watched, lines int, err error) {
	all := []*process{agent}
	g, ctx := errgroup.WithContext(ctx)
	asking, done := context.WithCancel(ctx)
	defer done()
	if peer != nil {
		all = append(all, peer.process)
		g.Go(func() (err error) { lines, err = peer.scrapeEvery(asking, hostInterval); return err })
	}
	for _, p := range others {
		all = append(all, p.process)
		if p.ask != nil {
			g.Go(func() error { return askEvery(asking, p) })
		}
	}
	g.Go(func() error {
		defer done()
		if err := sleep(ctx, 3*hostInterval); err != nil { // past the start: heaps have settled
			return err
		}
		var err error
		seen, err = watch(ctx, window, all...)
		return err
	})
	err = g.Wait()
	return seen, lines, err
}

// askEvery lets a peer measure every interval until ctx ends.
func askEvery(ctx context.Context, p hostPeer) error {
	for {
		if err := p.ask(ctx); err != nil && ctx.Err() == nil {
			return p.failed(err)
		}
		if sleep(ctx, hostInterval) != nil {
			return nil
		}
	}
}

// startAgent starts an agent that reports to a collector and is handed its
// host as the only target.
func startAgent(ctx context.Context, o options, c *collector) (*process, error) {
	return startAgentWith(ctx, o, c, "")
}

// startAgentWith starts one whose configuration has more lines.
func startAgentWith(ctx context.Context, o options, c *collector, more string) (*process, error) {
	dir, err := os.MkdirTemp(o.work, "agent-")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "agent.yaml")
	config := fmt.Sprintf("agent: %s\ndata: %q\ncollector: {url: %q, token: %s}\n%s", hostAgent, dir, c.url, tokenOf(hostAgent), more)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	return start(ctx, o, filepath.Join(o.bin, "faultline-agent"), "run", "--config", file)
}

// exporter is a running node_exporter.
type exporter struct {
	*process
	url string
}

func startExporter(ctx context.Context, o options) (*exporter, error) {
	path, err := exec.LookPath("prometheus-node-exporter")
	if err != nil {
		return nil, errors.New("prometheus-node-exporter is not installed")
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	p, err := start(ctx, o, path, "--web.listen-address="+address)
	if err != nil {
		return nil, err
	}
	e := &exporter{process: p, url: "http://" + address + "/metrics"}
	if err := eventually(ctx, 20*time.Second, func() error { _, err := e.scrape(ctx); return err }); err != nil {
		p.stop()
		return nil, p.failed(err)
	}
	return e, nil
}

// scrapeEvery scrapes until ctx ends and returns how many samples the last answer had.
func (e *exporter) scrapeEvery(ctx context.Context, interval time.Duration) (int, error) {
	for last := 0; ; {
		n, err := e.scrape(ctx)
		switch {
		case ctx.Err() != nil:
			return last, nil
		case err != nil:
			return last, fmt.Errorf("scrape node_exporter: %w", err)
		}
		last = n
		if sleep(ctx, interval) != nil {
			return last, nil
		}
	}
}

// scrape reads all metrics once, packed as a Prometheus asks for them, and
// returns the number of samples.
func (e *exporter) scrape(ctx context.Context) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Accept-Encoding", "gzip")
	req.Header.Set("Accept", "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := gzip.NewReader(resp.Body)
	if err != nil {
		return 0, err
	}
	n := 0
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), "#") {
			n++
		}
	}
	return n, lines.Err()
}
