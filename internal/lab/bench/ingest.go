package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
)

const (
	loadSeries = 100_000
	loadBatch  = 2_000 // series in a request, as Prometheus' default
	perMillion = "CPU s per million samples"
)

// measureIngest asks the Go benchmark what one core takes in, and /proc what
// whole programs use for the same samples: the collector, and a Prometheus where
// one is installed.
func measureIngest(ctx context.Context, o options) (table, error) {
	t := table{Name: fmt.Sprintf("ingest: %d series, requests of %d samples", loadSeries, loadBatch)}
	if err := benchIngest(ctx, o, &t); err != nil {
		return t, err
	}
	peer, peerErr := loadPrometheus(ctx, o)
	if peerErr != nil {
		t.note("No mark for whole programs: %v.", peerErr)
	}
	mark := func(v, of float64, unit string) string {
		if peerErr != nil {
			return ""
		}
		return fmt.Sprintf("Prometheus by 1.0 %s %s: ratio %s", figure(of), unit, figure(v/of))
	}
	for _, v := range []version{writeV2, writeV1} {
		own, err := loadCollector(ctx, o, v)
		if err != nil {
			return t, err
		}
		by := "whole collector by remote write " + v.name
		t.add(by, "", own.perMillion, perMillion, mark(own.perMillion, peer.perMillion, "CPU s"))
		t.add(by+", memory then", "", own.pss, mib, mark(own.pss, peer.pss, mib))
	}
	t.note("Whole programs take %d rounds of one sample of every series after a first round that makes the series; user and system time of the process, so the collector's rules, evidence and watching itself are in it.", o.rounds)
	return t, nil
}

// benchIngest runs the Go benchmarks of package ingest. They count CPU time, so
// that whatever else the machine does changes little.
func benchIngest(ctx context.Context, o options, t *table) error {
	const unit = "samples/cpu-s"
	whole, err := goBench(ctx, o, benchmark{"./collector/ingest", "^BenchmarkWriteV2$", "20x"})
	if err != nil {
		return err
	}
	decoding, err := goBench(ctx, o, benchmark{"./collector/ingest", "^BenchmarkDecodeV2$", "1s"})
	if err != nil {
		return err
	}
	write, decode := whole["WriteV2"][unit], decoding["DecodeV2"][unit]
	t.add("remote write 2.0, from request to log", "≥ 250,000", write, "samples per CPU s",
		fmt.Sprintf("decoding alone %s: ratio %s", figure(decode), figure(write/decode)))
	return nil
}

// load is what a receiver used.
type load struct{ perMillion, pss float64 }

// loadCollector loads a collector of its own. Each request is another agent's.
func loadCollector(ctx context.Context, o options, v version) (load, error) {
	c, err := startCollector(ctx, o, settings{estate: estate{writers: loadSeries / loadBatch}})
	if err != nil {
		return load{}, err
	}
	defer c.stop()
	return loadReceiver(ctx, o, c.process, func(request int, samples []base.Sample, e *wire.WriteEncoder) error {
		body := e.V1(samples)
		if v == writeV2 {
			body = e.V2(samples, nil)
		}
		return post(ctx, c.url+"/api/v1/write", tokenOf(writer(request)), v, body.Data)
	})
}

// loadPrometheus loads a Prometheus that takes remote write 1.0.
func loadPrometheus(ctx context.Context, o options) (load, error) {
	path, err := exec.LookPath("prometheus")
	if err != nil {
		return load{}, errors.New("prometheus is not installed")
	}
	dir, err := os.MkdirTemp(o.work, "prometheus-")
	if err != nil {
		return load{}, err
	}
	config := filepath.Join(dir, "prometheus.yml")
	address, err := freeAddress(ctx)
	if err = errors.Join(err, os.WriteFile(config, nil, 0o600)); err != nil {
		return load{}, err
	}
	p, err := start(ctx, o, path, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address, "--web.enable-remote-write-receiver")
	if err != nil {
		return load{}, err
	}
	defer p.stop()
	c := collector{process: p, url: "http://" + address}
	if err := eventually(ctx, time.Minute, func() error { return c.get(ctx, "/-/ready", nil) }); err != nil {
		return load{}, p.failed(err)
	}
	return loadReceiver(ctx, o, p, func(_ int, samples []base.Sample, e *wire.WriteEncoder) error {
		return post(ctx, c.url+"/api/v1/write", "", writeV1, e.V1(samples).Data)
	})
}

// loadReceiver sends rounds of one sample of each series and returns what the
// process used for all but the first.
func loadReceiver(ctx context.Context, o options, p *process, write func(request int, samples []base.Sample, e *wire.WriteEncoder) error) (load, error) {
	requests := hostSeries()
	var e wire.WriteEncoder
	begin := time.Now().Add(-time.Duration(o.rounds+1) * time.Second)
	var before time.Duration
	for round := range o.rounds + 1 {
		at := begin.Add(time.Duration(round) * time.Second).UnixMilli()
		for n, samples := range requests {
			for i := range samples {
				samples[i].Time, samples[i].Value = at, float64(i+round)
			}
			if err := write(n, samples, &e); err != nil {
				return load{}, p.failed(err)
			}
		}
		if round == 0 {
			var err error
			if before, err = p.cpu(); err != nil {
				return load{}, err
			}
		}
	}
	after, err := p.use()
	if err != nil {
		return load{}, err
	}
	millions := float64(o.rounds) * loadSeries / 1e6
	return load{perMillion: (after.CPU - before).Seconds() / millions, pss: after.PSS}, ctx.Err()
}

// hostSeries are series shaped as hosts': nine labels, few metric names, many
// instances; one slice for each request.
func hostSeries() [][]base.Sample {
	var out [][]base.Sample
	for first := 0; first < loadSeries; first += loadBatch {
		samples := make([]base.Sample, loadBatch)
		for k := range samples {
			i := first + k
			samples[k].Labels = base.LabelsFrom(fmt.Sprintf("node_metric_%d_total", i%400), map[string]string{
				"cpu": fmt.Sprint(i % 16), "device": fmt.Sprint("hq-", i/400), "instance": fmt.Sprintf("10.1.%d.7", i/400),
				"job": "node", "mode": "idle", "role": "agent_host", "site": "hq"})
		}
		out = append(out, samples)
	}
	return out
}
