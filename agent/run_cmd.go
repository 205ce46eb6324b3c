package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"syscall"

	"github.com/faultline/faultline/agent/app"
	"github.com/faultline/faultline/agent/config"
	"github.com/faultline/faultline/agent/enrol"
	"github.com/faultline/faultline/agent/update"
	"github.com/faultline/faultline/internal/release"
	"github.com/faultline/faultline/internal/thrift"
)

type runCmd struct {
	Config string `help:"Configuration file." default:"/etc/faultline/agent.yaml" type:"path"`
	Debug  bool   `help:"Log more."`
}

// Run starts the agent and returns when it was told to stop. It is built anew when
// head office changed its settings, and gives way to a release that proved itself.
func (c *runCmd) Run() error {
	cfg, err := config.Load(c.Config)
	if err != nil {
		return err
	}
	level := slog.LevelInfo
	if c.Debug {
		level = slog.LevelDebug
	}
	log := serviceLog(c.Config, level)
	if log == nil {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	}
	thrift.CollectSeldom()
	dir := filepath.Join(cfg.Data, "program")
	if err := update.Launch(dir, version, log); err != nil {
		log.Error("update: going on with this program", "err", err)
	}
	run := func(ctx context.Context) error { return c.keep(ctx, cfg, c.updater(cfg, dir, log), log) }
	if handled, err := underService(log, run); handled || err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return run(ctx)
}

// keep runs one agent after another: each has the settings of its time.
func (c *runCmd) keep(ctx context.Context, cfg config.Config, up *update.Updater, log *slog.Logger) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var running atomic.Pointer[app.App]
	update.OnTrial(ctx, stop, func() bool {
		a := running.Load()
		return a != nil && a.Healthy()
	})
	for {
		err := c.once(ctx, cfg, up, &running, log)
		var t *update.Trial
		switch {
		case errors.Is(err, app.ErrAgain):
			log.Info("agent begins anew with other settings")
		case errors.As(err, &t):
			log.Error("update: going on with this program", "err", up.Try(ctx, t)) // returns only when it failed
			if ctx.Err() != nil {
				return nil
			}
		default:
			return err
		}
	}
}

// once builds an agent and runs it.
func (c *runCmd) once(ctx context.Context, cfg config.Config, up *update.Updater, running *atomic.Pointer[app.App], log *slog.Logger) error {
	o := app.Options{Logger: log, Version: version}
	if up != nil {
		o.Replace = up
	}
	a, err := app.New(cfg, o)
	if err != nil {
		return err
	}
	running.Store(a)
	defer thrift.Stay(ctx, thrift.Hourly, log)()
	return a.Run(ctx)
}

// updater is what replaces the program; nil: nothing does. A program on trial
// replaces nothing.
func (c *runCmd) updater(cfg config.Config, dir string, log *slog.Logger) *update.Updater {
	if !update.Supported() || os.Getenv(update.EnvTrial) != "" {
		return nil
	}
	texts := cfg.Update.Keys
	if k := enrol.ReleaseKey(cfg.Data); k != "" && len(texts) == 0 {
		texts = []string{k}
	}
	var keys []ed25519.PublicKey
	for _, text := range texts {
		if k, err := release.ParsePublic(text); err == nil { // checked by config
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	file, err := filepath.Abs(c.Config)
	if err == nil {
		var up *update.Updater
		up, err = update.Open(update.Options{Dir: dir, Keys: keys, Version: version, Config: file, Patience: cfg.Update.Patience, Rate: cfg.Update.Rate, Logger: log})
		if err == nil {
			return up
		}
	}
	log.Error("update: this program is not replaced", "err", err)
	return nil
}
