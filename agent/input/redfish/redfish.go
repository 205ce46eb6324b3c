// Package redfish is the input that asks servers by Redfish (DMTF DSP0266), over
// HTTPS, how their hardware is, with the metric names of idrac_exporter, which
// reads all makers alike. It sets nothing; the one thing it writes is its own
// session, when the target wants one.
package redfish

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/faultline/faultline/agent/input/failure"
	"github.com/faultline/faultline/agent/input/option"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

const maxKept = 500 // targets whose logs are remembered

// Options are the settings of an Input.
type Options struct {
	SecretDir string           // directory of files that targets may name as secrets; "" is any
	Now       func() time.Time // default time.Now
}

// Input asks Redfish services.
type Input struct {
	opts     Options
	most     int // bytes of an answer; 0: maxBody
	failures failure.Memory

	mu   sync.Mutex           // guards logs
	logs map[string]*logState // by target
}

// New makes an Input.
func New(o Options) *Input {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Input{opts: o, logs: map[string]*logState{}}
}

// Name is "redfish".
func (in *Input) Name() string { return "redfish" }

// settings are a target's options, checked.
type settings struct {
	address  string
	user     string
	password option.Secret
	session  bool
	tls      option.TLS
	pin      []byte // SHA-256 of the certificate
	logs     time.Duration
}

func (in *Input) parse(t base.Target) (s settings, err error) {
	o := option.New("redfish", t.Options)
	_, s.address = o.HostPort(strings.TrimPrefix(t.Address, "https://"), 443)
	s.user, s.password = o.Text("username", ""), o.Secret("password", in.opts.SecretDir)
	s.session = o.OneOf("auth", "basic", "session") == "session"
	s.tls = o.TLS(in.opts.SecretDir)
	if pin := o.Text("pin_sha256", ""); pin != "" {
		s.pin, err = hex.DecodeString(strings.ReplaceAll(pin, ":", ""))
		if err != nil || len(s.pin) != 32 {
			o.Fault("pin_sha256: want the 64 hexadecimal digits of the certificate's SHA-256")
		}
		if o.Text("ca_file", "") != "" || o.Flag("insecure", false) {
			o.Fault("pin_sha256 is of no use with ca_file or insecure")
		}
	}
	if s.session && s.user == "" {
		o.Fault("auth session without username")
	}
	if s.password.Given() && s.user == "" {
		o.Fault("password without username")
	}
	s.logs = o.Duration("logs_every", 5*time.Minute, 0, 24*time.Hour)
	return s, o.Err()
}

// CheckTarget reports what is wrong with the target's options.
func (in *Input) CheckTarget(t base.Target) error {
	_, err := in.parse(t)
	return err
}

// Gather reads the service once.
func (in *Input) Gather(ctx context.Context, t base.Target, sink input.Sink) error {
	now := in.opts.Now()
	s, err := in.parse(t)
	if err == nil {
		if err = in.gather(ctx, s, t, now, sink); err != nil && !errors.As(err, new(input.Partial)) {
			err = fmt.Errorf("redfish %s: %w", s.address, err)
		}
	}
	return in.failures.Put(sink, in.Name(), t, now.UnixMilli(), err)
}

func (in *Input) gather(ctx context.Context, s settings, t base.Target, now time.Time, sink input.Sink) error {
	password, err := s.password.Value()
	if err != nil {
		return failure.As(failure.Denied, err)
	}
	c, err := newClient(s, string(password))
	if err != nil {
		return err
	}
	defer c.close()
	if in.most > 0 {
		c.most = in.most
	}
	if err := c.login(ctx); err != nil {
		return err
	}
	w := &walk{client: c, sink: sink, at: now.UnixMilli(), seen: map[string]bool{}}
	err = w.all(ctx)
	if s.logs > 0 && w.read > 0 && ctx.Err() == nil {
		w.logs(ctx, in.logsOf(t.ID), s.logs, now)
	}
	switch {
	case err != nil:
		return err
	case len(w.faults) == 0:
		return nil
	case w.read > 0:
		return input.Partial{Err: errors.Join(w.faults...)}
	}
	return errors.Join(w.faults...)
}

func (in *Input) logsOf(id string) *logState {
	in.mu.Lock()
	defer in.mu.Unlock()
	l := in.logs[id]
	if l == nil {
		if len(in.logs) >= maxKept {
			clear(in.logs)
		}
		l = &logState{newest: map[string]time.Time{}}
		in.logs[id] = l
	}
	return l
}
