package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	agentconfig "github.com/faultline/faultline/agent/config"
	"github.com/faultline/faultline/agent/doctor"
	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
)

// Doctor returns the examinations of an installation, and what removes the
// scratch directory that they use. running says that the agent itself runs, so
// that its ports are rightly taken.
func Doctor(cfg agentconfig.Config, version string, running bool) ([]doctor.Check, func(), error) {
	scratch, err := os.MkdirTemp("", "faultline-doctor-") // what the agent learned about devices is its own to write
	if err != nil {
		return nil, nil, err
	}
	done := func() { _ = os.RemoveAll(scratch) }
	own := cfg
	own.Data = scratch
	inputs, err := builtin(own, scratch, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		done()
		return nil, nil, err
	}
	checks := []doctor.Check{doctor.Directory(cfg.Data, cfg.Spool.MaxBytes), doctor.Identity(cfg.Data, cfg.Collector.Token != "", time.Now())}
	if client, _, err := newLink(cfg, version); err == nil {
		checks = append(checks, doctor.Collector(client, cfg.Collector.URL, cfg.Agent))
	}
	var udp, tcp []string
	udp = append(udp, cfg.Traps.Listen...)
	for _, a := range []string{cfg.Syslog.UDP, cfg.Reflect.Listen} {
		if a != "" {
			udp = append(udp, a)
		}
	}
	for _, a := range []string{cfg.Syslog.TCP, cfg.Syslog.TLS, cfg.Listen} {
		if a != "" {
			tcp = append(tcp, a)
		}
	}
	targets, err := allTargets(cfg)
	if err != nil {
		done()
		return nil, nil, err
	}
	checks = append(checks, doctor.Listening("udp", udp, running), doctor.Listening("tcp", tcp, running), doctor.Targets(inputs, targets, cfg.Timeout, cfg.Concurrency))
	return checks, done, nil
}

// allTargets are those of the configuration and those the collector handed out
// last, as the agent remembers them.
func allTargets(cfg agentconfig.Config) ([]base.Target, error) {
	all := slices.Clone(cfg.Targets)
	b, err := os.ReadFile(filepath.Join(cfg.Data, "work.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	var w wire.Work
	if err == nil {
		err = json.Unmarshal(b, &w)
	}
	if err != nil {
		return nil, fmt.Errorf("targets that the collector handed out: %w; run doctor as the agent's user or as root", err)
	}
	for _, t := range w.Targets {
		if !slices.ContainsFunc(all, func(l base.Target) bool { return l.ID == t.ID }) {
			all = append(all, t)
		}
	}
	return all, nil
}
