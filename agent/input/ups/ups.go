// Package ups is the input that asks a Network UPS Tools server (upsd) how its
// UPS are, with the metric names of nut_exporter, and says the most important of
// it with the names of UPS-MIB too, so that what is known of a UPS by SNMP is
// known of one at a USB cable alike. It only reads, needs no login, and shuts
// nothing down.
package ups

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/agent/input/failure"
	"github.com/faultline/faultline/agent/input/option"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// maxUPS is how many UPS of one server are read.
const maxUPS = 32

// Options are the settings of an Input.
type Options struct {
	Now       func() time.Time // default time.Now
	SecretDir string           // the only directory whose files may be keys
}

// Input asks UPS servers.
type Input struct {
	opts     Options
	failures failure.Memory
}

// New makes an Input.
func New(o Options) *Input {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Input{opts: o}
}

// Name is "ups".
func (in *Input) Name() string { return "ups" }

var nameForm = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

const longestName = 100 // bytes: of a UPS, and one more of a variable. In the expressions it would take 70 KiB

func isName(s string) bool { return len(s) <= longestName && nameForm.MatchString(s) }

// settings are a target's options, checked.
type settings struct {
	address  string
	host     string // of address
	name     string // "" is all of the server's
	starttls bool
	tls      option.TLS
}

func (in *Input) parse(t base.Target) (s settings, err error) {
	o := option.New("ups", t.Options)
	s.host, s.address = o.HostPort(t.Address, 3493)
	if s.starttls = o.Flag("starttls", false); s.starttls {
		s.tls = o.TLS(in.opts.SecretDir)
	}
	if s.name = o.Text("ups", ""); s.name != "" && !isName(s.name) {
		o.Fault("ups %q: want the name that stands in ups.conf", s.name)
	}
	return s, o.Err()
}

// CheckTarget reports what is wrong with the target's options.
func (in *Input) CheckTarget(t base.Target) error {
	_, err := in.parse(t)
	return err
}

// Gather asks the server once, over a connection of its own.
func (in *Input) Gather(ctx context.Context, t base.Target, sink input.Sink) error {
	at := in.opts.Now().UnixMilli()
	s, err := in.parse(t)
	if err == nil {
		if err = s.gather(ctx, at, sink); err != nil && !errors.As(err, new(input.Partial)) {
			err = fmt.Errorf("upsd %s: %w", s.address, err)
		}
	}
	return in.failures.Put(sink, in.Name(), t, at, err)
}

func (s settings) gather(ctx context.Context, at int64, sink input.Sink) error {
	c, err := dial(ctx, s.address)
	if err != nil {
		return err
	}
	raw := c.Conn
	defer func() { _ = raw.Close() }()
	defer context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })()
	if s.starttls {
		settings, err := s.tls.Config()
		if err != nil {
			return err
		}
		if c, err = c.startTLS(ctx, settings, s.host); err != nil {
			return err
		}
	}
	names := []string{s.name}
	if s.name == "" {
		if names, err = c.names(); err != nil {
			return err
		}
	}
	var faults []error
	for _, name := range names {
		rows, err := c.list("VAR", name)
		if err != nil {
			faults = append(faults, fmt.Errorf("UPS %s: %w", name, err))
			continue
		}
		vars := map[string]string{}
		for _, r := range rows {
			if len(r) == 2 {
				vars[r[0]] = r[1]
			}
		}
		emit(name, vars, func(metric string, v float64, labels map[string]string) {
			sink.Sample(base.Sample{Labels: base.LabelsFrom(metric, labels), Time: at, Value: v})
		})
	}
	switch {
	case len(faults) == 0:
		return nil
	case len(faults) < len(names):
		return input.Partial{Err: errors.Join(faults...)}
	}
	return errors.Join(faults...)
}

func (c *conn) names() ([]string, error) {
	rows, err := c.list("UPS")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, r := range rows {
		if isName(r[0]) {
			names = append(names, r[0])
		}
	}
	if len(names) == 0 {
		return nil, failure.As(failure.Missing, errors.New("the server has no UPS"))
	}
	if len(names) > maxUPS {
		return nil, failure.As(failure.TooLarge, fmt.Errorf("the server has %d UPS, more than %d: name one in the option ups", len(names), maxUPS))
	}
	return names, nil
}

// flags are the words of ups.status that are always told, as 0 or 1.
var flags = []string{"OL", "OB", "LB", "HB", "RB", "CHRG", "DISCHRG", "BYPASS", "CAL", "OFF", "OVER", "TRIM", "BOOST", "FSD", "ALARM"}

// emit tells what is known of one UPS.
func emit(name string, vars map[string]string, put func(string, float64, map[string]string)) {
	own := map[string]string{"ups": name}
	for v, text := range vars {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) || !told(v) {
			continue
		}
		put("network_ups_tools_"+strings.NewReplacer(".", "_", "-", "_").Replace(v), n, own)
	}
	put("network_ups_tools_device_info", 1, map[string]string{"ups": name, "mfr": either(vars, "device.mfr", "ups.mfr"), "model": either(vars, "device.model", "ups.model"),
		"serial": either(vars, "device.serial", "ups.serial"), "type": vars["device.type"]})
	status, has := vars["ups.status"]
	words := strings.Fields(status)
	if !has {
		return
	}
	for _, f := range flags {
		put("network_ups_tools_ups_status", truth(slices.Contains(words, f)), map[string]string{"ups": name, "flag": f})
	}
	asMIB(words, vars, name, put)
}

var variable = regexp.MustCompile(`^[a-z][a-zA-Z0-9_.-]*$`)

// told leaves out what is no measurement: numbers of parts, versions, settings of
// the driver.
func told(v string) bool {
	return len(v) <= 1+longestName && variable.MatchString(v) && !strings.HasPrefix(v, "driver.") && !strings.HasSuffix(v, ".serial") && !strings.HasSuffix(v, "id") &&
		!strings.Contains(v, "firmware") && !strings.Contains(v, "date") && !strings.HasSuffix(v, ".status")
}

func either(vars map[string]string, names ...string) string {
	for _, n := range names {
		if v := strings.TrimSpace(strings.ToValidUTF8(vars[n], "?")); v != "" {
			return v
		}
	}
	return ""
}

// asMIB says with the names and numbers of UPS-MIB (RFC 1628) what the server's
// words mean.
func asMIB(words []string, vars map[string]string, name string, put func(string, float64, map[string]string)) {
	own := map[string]string{"ups": name}
	put("upsOutputSource", source(words), own)
	battery := 2.0 // normal
	if slices.Contains(words, "LB") {
		battery = 3 // low
	}
	put("upsBatteryStatus", battery, own)
	for _, m := range []struct {
		variable, metric string
		factor           float64
		index            string
	}{
		{"battery.runtime", "upsEstimatedMinutesRemaining", 1.0 / 60, ""}, {"battery.charge", "upsEstimatedChargeRemaining", 1, ""},
		{"battery.temperature", "upsBatteryTemperature", 1, ""}, {"ups.load", "upsOutputPercentLoad", 1, "upsOutputLineIndex"},
		{"input.voltage", "upsInputVoltage", 1, "upsInputLineIndex"}, {"output.voltage", "upsOutputVoltage", 1, "upsOutputLineIndex"},
	} {
		v, err := strconv.ParseFloat(vars[m.variable], 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		labels := map[string]string{"ups": name}
		if m.index != "" {
			labels[m.index] = "1"
		}
		put(m.metric, v*m.factor, labels)
	}
}

// source is upsOutputSource: 1 other, 2 none, 3 normal, 4 bypass, 5 battery,
// 6 booster, 7 reducer.
func source(words []string) float64 {
	for _, w := range []struct {
		flag   string
		source float64
	}{{"OB", 5}, {"OFF", 2}, {"BYPASS", 4}, {"BOOST", 6}, {"TRIM", 7}, {"OL", 3}} {
		if slices.Contains(words, w.flag) {
			return w.source
		}
	}
	return 1
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
