package main

import (
	"context"
	"fmt"
	"math"
	"net/url"
	"slices"
	"time"
)

// measureJitter looks how evenly healthy devices are polled beside dead ones.
func measureJitter(ctx context.Context, o options, bin string, t *table) error {
	for _, latency := range []time.Duration{0, 5 * time.Millisecond} {
		j, err := jitterAt(ctx, o, bin, latency)
		if err != nil {
			return err
		}
		t.add(fmt.Sprintf("%d of %d devices silent, the others answer after %s: intervals of the others off by", deadDevices, snmpDevices, latency),
			"< 5 %", 100*j.p99, "% at p99", fmt.Sprintf("%s in the median, %s at most, of %d", percent(j.median), percent(j.most), j.n))
	}
	return nil
}

func jitterAt(ctx context.Context, o options, bin string, latency time.Duration) (spread, error) {
	r, err := startResponder(ctx, o, bin, fleet{devices: snmpDevices - deadDevices, rows: snmpRows, latency: latency})
	if err != nil {
		return spread{}, err
	}
	defer r.stop()
	dead, closeAll, err := swallow(deadDevices)
	if err != nil {
		return spread{}, err
	}
	defer closeAll()
	c, err := startStore(ctx, o)
	if err != nil {
		return spread{}, err
	}
	defer c.stop()
	a, err := startPoller(ctx, o, c, pollers(r, snmpDevices-deadDevices, snmpInterval, dead))
	if err != nil {
		return spread{}, err
	}
	defer a.stop()
	if err := sleep(ctx, snmpWarm+o.window); err != nil {
		return spread{}, err
	}
	return jitter(ctx, c, snmpInterval, o.window)
}

// spread is by how much intervals differ from what they should be, as a part of
// that.
type spread struct {
	n                 int
	median, p99, most float64
}

func percent(v float64) string { return figure(100*v) + " %" }

// jitter reads from the collector when an interface of every device was measured.
func jitter(ctx context.Context, c *collector, interval, window time.Duration) (spread, error) {
	var answer struct {
		Data struct {
			Result []struct {
				Values [][2]any `json:"values"`
			} `json:"result"`
		} `json:"data"`
	}
	index, err := c.value(ctx, "min(ifIndex)")
	if err != nil {
		return spread{}, err
	}
	expr := fmt.Sprintf(`ifHCInOctets{ifIndex=%q}[%.0fs]`, index, window.Seconds())
	if err := c.get(ctx, "/prometheus/api/v1/query?query="+url.QueryEscape(expr), &answer); err != nil {
		return spread{}, err
	}
	var off []float64
	for _, s := range answer.Data.Result {
		for i := 1; i < len(s.Values); i++ {
			now, _ := s.Values[i][0].(float64)
			before, _ := s.Values[i-1][0].(float64)
			off = append(off, math.Abs(now-before-interval.Seconds())/interval.Seconds())
		}
	}
	if len(off) == 0 {
		return spread{}, fmt.Errorf("the collector has no intervals of %s", expr)
	}
	slices.Sort(off)
	at := func(q float64) float64 { return off[int(q*float64(len(off)-1))] }
	return spread{len(off), at(0.5), at(0.99), at(1)}, nil
}
