// Package ipmi is the input that asks the management controllers of servers (BMC)
// by IPMI 2.0 over LAN how their hardware is, with the metric names of
// ipmi_exporter. It reads only, with a user's rights: no server is switched, no log
// cleared. Controllers behind the BMC are not asked.
package ipmi

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/faultline/faultline/agent/input/failure"
	"github.com/faultline/faultline/agent/input/option"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// maxKept is of how many targets the repositories are kept.
const maxKept = 500

// Options are the settings of an Input.
type Options struct {
	SecretDir string           // directory of files that targets may name as secrets; "" is any
	Now       func() time.Time // default time.Now
}

// Input asks BMCs.
type Input struct {
	opts     Options
	failures failure.Memory

	mu   sync.Mutex       // guards kept
	kept map[string]*kept // by target id and address
}

// kept is what a BMC need not be asked again. It is used by one Gather at a time.
type kept struct {
	suite      int // index into suites
	repository repository
}

// New makes an Input.
func New(o Options) *Input {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Input{opts: o, kept: map[string]*kept{}}
}

// Name is "ipmi".
func (in *Input) Name() string { return "ipmi" }

// settings are a target's options, checked.
type settings struct {
	address  string
	user     string
	password option.Secret
	level    byte
	suite    int // 0: any
}

func (in *Input) parse(t base.Target) (s settings, err error) {
	o := option.New("ipmi", t.Options)
	_, s.address = o.HostPort(t.Address, 623)
	if s.user = o.Text("username", ""); len(s.user) > 16 {
		o.Fault("username: IPMI knows names of at most 16 bytes")
	}
	s.password = o.Secret("password", in.opts.SecretDir)
	s.level = map[string]byte{"user": 2, "operator": 3, "administrator": 4}[o.OneOf("privilege", "user", "operator", "administrator")]
	s.suite = map[string]int{"3": 3, "17": 17}[o.OneOf("cipher", "auto", "17", "3")]
	return s, o.Err()
}

// CheckTarget reports what is wrong with the target's options.
func (in *Input) CheckTarget(t base.Target) error {
	_, err := in.parse(t)
	return err
}

// Gather asks the BMC once, in a session of its own.
func (in *Input) Gather(ctx context.Context, t base.Target, sink input.Sink) error {
	at := in.opts.Now().UnixMilli()
	s, err := in.parse(t)
	if err == nil {
		put := func(metric string, v float64, labels map[string]string) {
			sink.Sample(base.Sample{Labels: base.LabelsFrom(metric, labels), Time: at, Value: v})
		}
		if err = s.gather(ctx, in.keep(t.ID+"\x00"+s.address), put); err != nil && !errors.As(err, new(input.Partial)) {
			err = fmt.Errorf("ipmi %s: %w", s.address, err)
		}
	}
	return in.failures.Put(sink, in.Name(), t, at, err)
}

func (in *Input) keep(id string) *kept {
	in.mu.Lock()
	defer in.mu.Unlock()
	k := in.kept[id]
	if k == nil {
		if len(in.kept) >= maxKept {
			clear(in.kept) // targets come and go: the rest is read again
		}
		k = &kept{}
		in.kept[id] = k
	}
	return k
}

// teller hands over one sample.
type teller func(metric string, v float64, labels map[string]string)

func (s settings) gather(ctx context.Context, k *kept, put teller) error {
	password, err := s.password.Value()
	if err != nil {
		return failure.As(failure.Denied, err)
	}
	if len(password) > 20 {
		return failure.As(failure.Denied, errors.New("IPMI 2.0 knows passwords of at most 20 bytes"))
	}
	ses, err := s.login(ctx, k, login{s.user, string(password), s.level})
	if err != nil {
		return err
	}
	defer ses.close()
	var faults []error
	done := 0
	for _, part := range []struct {
		name string
		read func(context.Context, *session, teller) error
	}{
		{"bmc", device}, {"chassis", chassis}, {"sel", eventLog},
		{"ipmi", k.sensors},
	} {
		err := part.read(ctx, ses, put)
		up := 1.0
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", part.name, err))
		}
		if err != nil && !errors.As(err, new(input.Partial)) {
			up = 0
		} else {
			done++
		}
		put("ipmi_up", up, map[string]string{"collector": part.name})
	}
	switch {
	case len(faults) == 0:
		return nil
	case done > 0:
		return input.Partial{Err: errors.Join(faults...)}
	}
	return errors.Join(faults...)
}

// login opens a session with the best cipher suite that the BMC has.
func (s settings) login(ctx context.Context, k *kept, who login) (*session, error) {
	ses, err := dial(ctx, s.address)
	if err != nil {
		return nil, err
	}
	offer := []int{k.suite, 1 - k.suite} // what did last time first
	for i, c := range suites {
		if s.suite == c.id {
			offer = []int{i}
		}
	}
	for _, i := range offer {
		err = ses.open(ctx, who, suites[i])
		if err == nil {
			k.suite = i
			return ses, nil
		}
		if r := refused(0); !errors.As(err, &r) || !r.unsuited() {
			break
		}
	}
	ses.close()
	return nil, err
}
