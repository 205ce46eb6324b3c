package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

const version = "1.0"

// meter reads thermometers that answer "21.5 43" over TCP: degrees and percent.
type meter struct{}

func (meter) Name() string { return "meter" }

func (meter) CheckTarget(t base.Target) error {
	_, _, err := net.SplitHostPort(t.Address)
	return err
}

func (meter) Gather(ctx context.Context, t base.Target, sink input.Sink) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", t.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	var celsius, percent float64
	n, err := fmt.Fscan(conn, &celsius, &percent)
	if n == 0 {
		return fmt.Errorf("read %s: %w", t.Address, err)
	}
	now := time.Now().UnixMilli()
	room := map[string]string{"sensor": "room"}
	sink.Sample(base.Sample{Labels: base.LabelsFrom("meter_temperature_celsius", room), Time: now, Value: celsius})
	if n == 1 {
		return input.Partial{Err: errors.New("no humidity in the answer")}
	}
	sink.Sample(base.Sample{Labels: base.LabelsFrom("meter_humidity_percent", room), Time: now, Value: percent})
	return nil
}
