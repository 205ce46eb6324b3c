// Package external starts a plugin's program with a real host, so that the
// suites of plugins/plugintest can be run against it. It pins the program as it
// is: it is for trying plugins, not for running them.
package external

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/faultline/faultline/internal/secret"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/host"
	"github.com/faultline/faultline/plugins/host/spec"
	"github.com/faultline/faultline/plugins/input"
	"github.com/faultline/faultline/plugins/notify"
	"github.com/faultline/faultline/plugins/plugintest"
	"github.com/faultline/faultline/plugins/remedy"
	"github.com/faultline/faultline/plugins/ticket"
)

// Trial is a plugin to try.
type Trial struct {
	Contract string   // input, ticket, notify or remedy
	Program  string   // path
	Files    []string // that it cannot do without, beside or below it
	Settings map[string]string
	Logger   *slog.Logger // takes the plugin's log; nil: nothing does

	// What an input is tried on; without Targets, the template's thermometers.
	Targets, Bad   []string // addresses
	Silent, Closed string
	Options        map[string]string // of all targets

	Remedy, Slow string            // what a runner is tried on
	Parameters   map[string]string // of Remedy
	Limits       spec.Limits       // of the plugin; zero fields: the defaults
	Ran          func() int        // how often Remedy was carried out; nil: only the runner's own word is looked at
}

// name is what the plugin is called in a trial.
const name = "trial"

// startTime is how long a plugin may take to start.
const startTime = time.Minute

// Plugin is a plugin that runs.
type Plugin struct {
	host *host.Host
	stop func()
}

// Start starts the plugin. Close ends it.
func (t Trial) Start(ctx context.Context) (*Plugin, error) {
	p := spec.Plugin{Name: name, Contract: t.Contract, Limits: t.Limits, Settings: map[string]secret.String{}}
	var err error
	if p.Path, err = filepath.Abs(t.Program); err != nil {
		return nil, err
	}
	if p.SHA256, err = sum(p.Path); err != nil {
		return nil, err
	}
	for _, f := range t.Files {
		abs, err := filepath.Abs(f)
		if err != nil {
			return nil, err
		}
		s, err := sum(abs)
		if err != nil {
			return nil, err
		}
		p.Files = append(p.Files, spec.File{Path: abs, SHA256: s})
	}
	for k, v := range t.Settings {
		p.Settings[k] = secret.String(v)
	}
	dir, err := os.MkdirTemp("", "faultline-trial")
	if err != nil {
		return nil, err
	}
	h, err := host.New(host.Options{Plugins: []spec.Plugin{p}, Dir: dir, Logger: t.Logger})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	rctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = h.Run(rctx)
	}()
	started := &Plugin{host: h, stop: func() { cancel(); <-done; _ = os.RemoveAll(dir) }}
	actx, acancel := context.WithTimeout(ctx, startTime)
	defer acancel()
	if err := h.Await(actx, t.Contract, name); err != nil {
		started.Close()
		return nil, err
	}
	return started, nil
}

func sum(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:]), nil
}

// Close ends the plugin and waits for its end.
func (p *Plugin) Close() { p.stop() }

// Input is the plugin as an input.
func (p *Plugin) Input() input.Input {
	in, _ := p.host.Input(name)
	return in
}

// Desk is the plugin as a ticket desk.
func (p *Plugin) Desk() ticket.Desk {
	d, _ := p.host.Desk(name)
	return d
}

// Channel is the plugin as a channel.
func (p *Plugin) Channel() notify.Channel {
	c, _ := p.host.Channel(name)
	return c
}

// Runner is the plugin as a runner of remedies.
func (p *Plugin) Runner() remedy.Runner {
	r, _ := p.host.Runner(name)
	return r
}

// Status is how the plugin is.
func (p *Plugin) Status() spec.Status { return p.host.Status()[0] }

// Conform runs the contract's suite against the plugin, writes a line for each
// check and returns an error when one failed.
func Conform(ctx context.Context, t Trial, out io.Writer) error {
	world := plugintest.NewStandIn()
	defer world.Close()
	if _, own := t.Settings["url"]; !own && (t.Contract == spec.Ticket || t.Contract == spec.Notify) {
		settings := map[string]string{"url": world.URL}
		for k, v := range t.Settings {
			settings[k] = v
		}
		t.Settings = settings
	}
	p, err := t.Start(ctx)
	if err != nil {
		return err
	}
	defer p.Close()
	checks, end, err := t.checks(p, world)
	if err != nil {
		return err
	}
	defer end()
	bad := 0
	for _, c := range checks {
		p.again(ctx, t.Contract)
		if err := plugintest.Do(ctx, c); err != nil {
			bad++
			_, _ = fmt.Fprintf(out, "FAIL  %s\n      %v\n", c.Name, err)
			continue
		}
		_, _ = fmt.Fprintf(out, "ok    %s\n", c.Name)
	}
	s := p.Status()
	if s.Starts != 1 {
		bad++
		_, _ = fmt.Fprintf(out, "FAIL  it stays up\n      %d starts, ends %v\n", s.Starts, s.Ends)
	}
	if len(s.Refusals) > 0 {
		bad++
		_, _ = fmt.Fprintf(out, "FAIL  a host takes all it says\n      refused: %v\n", s.Refusals)
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d checks failed", bad, len(checks)+2)
	}
	_, _ = fmt.Fprintf(out, "ok    it stays up, and a host takes all it says\n")
	return nil
}

// again waits until a plugin that ended has started again, so that one crash is
// not the verdict of all checks after it.
func (p *Plugin) again(ctx context.Context, contract string) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	_ = p.host.Await(ctx, contract, name) // one that does not come back fails its checks
}

// checks are those of the trial's contract.
func (t Trial) checks(p *Plugin, world *plugintest.StandIn) (checks []plugintest.Check, end func(), err error) {
	switch t.Contract {
	case spec.Ticket:
		return plugintest.Ticket(plugintest.TicketCase{Desk: p.Desk(), To: []string{"noc@carrier.example"}, World: world}), func() {}, nil
	case spec.Notify:
		return plugintest.Notify(plugintest.NotifyCase{Channel: p.Channel(), To: "duty", World: world}), func() {}, nil
	}
	if t.Contract == spec.Remedy {
		return plugintest.Remedy(plugintest.RemedyCase{Runner: p.Runner(), Remedy: t.Remedy, Parameters: t.Parameters, Slow: t.Slow, Ran: t.Ran}), func() {}, nil
	}
	c := plugintest.InputCase{Input: p.Input()}
	if len(t.Targets) == 0 {
		m, err := plugintest.NewMeters()
		if err != nil {
			return nil, nil, err
		}
		return plugintest.Input(m.Case(c)), m.Close, nil
	}
	target := func(id, address string) base.Target {
		return base.Target{ID: id, Input: name, Address: address, Options: t.Options, Labels: map[string]string{"device": id}}
	}
	for i, a := range t.Targets {
		c.Targets = append(c.Targets, target(fmt.Sprintf("target-%d", i+1), a))
	}
	for i, a := range t.Bad {
		c.Bad = append(c.Bad, target(fmt.Sprintf("bad-%d", i+1), a))
	}
	if t.Silent != "" {
		c.Silent = target("silent", t.Silent)
	}
	if t.Closed != "" {
		c.Closed = target("closed", t.Closed)
	}
	return plugintest.Input(c), func() {}, nil
}
