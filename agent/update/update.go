// Package update replaces the agent's own program by a release that head office
// offers: fetched in parts, checked against its signed manifest, asked for its
// version and its opinion of the configuration, tried as a child under the eyes of
// the old program, and kept only when it reached the collector. The installed
// program is never written: releases lie in a directory of the agent's data, and
// the installed program starts the one that was proven. A package that is upgraded
// counts more than any release that came before.
package update

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/faultline/faultline/agent/link"
	"github.com/faultline/faultline/internal/release"
	"github.com/faultline/faultline/internal/wire"
)

// Environment between the installed program, the release it starts, and a release
// on trial.
const (
	EnvBase        = "FAULTLINE_BASE"         // directory of the installed program
	EnvBaseVersion = "FAULTLINE_BASE_VERSION" // its version
	EnvSlot        = "FAULTLINE_SLOT"         // this program is a release: its SHA-256
	EnvTrial       = "FAULTLINE_TRIAL"        // this program is on trial
)

// Bounds.
const (
	defaultPatience = 90 * time.Second
	defaultRate     = 512 << 10 // bytes a second
	mostTries       = 2         // of a release whose trial a power cut interrupted
	checkPatience   = time.Minute
)

// Options are an Updater's settings. Dir, Keys and Version are required.
type Options struct {
	Dir      string // of releases and their state, below the agent's data
	Keys     []ed25519.PublicKey
	Version  string        // of this program
	Config   string        // the agent's configuration file, for the release's own check
	Patience time.Duration // of a trial; 0: 90 s
	Rate     int           // bytes a second of a download; 0: 512 KiB
	Logger   *slog.Logger
}

// Updater prepares releases. Its methods are called from one goroutine at a time,
// but State may be called from any.
type Updater struct {
	o     Options
	state *file
}

// Supported tells whether programs can be replaced on this system: a program that
// runs must be able to start another in its own place.
func Supported() bool { return canReplace }

// Open reads the state in the directory. What a power cut left behind is cleared
// away.
func Open(o Options) (*Updater, error) {
	if len(o.Keys) == 0 || o.Dir == "" {
		return nil, errors.New("update: directory and keys of releases are required")
	}
	o.Patience, o.Rate = cmp.Or(o.Patience, defaultPatience), cmp.Or(o.Rate, defaultRate)
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("update: %w", err)
	}
	f, err := openFile(o.Dir)
	if err != nil {
		return nil, err
	}
	u := &Updater{o: o, state: f}
	return u, u.tidy()
}

// Trial says that a release is ready to be tried.
type Trial struct {
	Slot     Slot
	Patience time.Duration
}

// Error says so.
func (t *Trial) Error() string { return "release " + t.Slot.Version + " is ready for its trial" }

// State returns the release that failed last, and why.
func (u *Updater) State() (failed, why string) {
	s := u.state.get()
	return s.Failed.Version, s.Failed.Why
}

// Prepare fetches and checks a release. The error is a *Trial when it is ready;
// else the reason why it is not is remembered and said to head office.
func (u *Updater) Prepare(ctx context.Context, l *link.Client, p wire.Program) error {
	slot, err := u.prepare(ctx, l, p)
	if ctx.Err() != nil {
		return ctx.Err() // offered again after the next start
	}
	if err != nil {
		return errors.Join(err, u.state.change(func(s *State) { s.Failed = Failure{p.Version, err.Error()} }))
	}
	return &Trial{Slot: slot, Patience: u.o.Patience}
}

func (u *Updater) prepare(ctx context.Context, l *link.Client, p wire.Program) (Slot, error) {
	m, err := release.Verify(u.o.Keys, p.Manifest, p.Signature)
	if err != nil {
		return Slot{}, err
	}
	if err := m.Allowed(u.o.Version, u.state.get().Sequence); err != nil {
		return Slot{}, fmt.Errorf("release %s: %w", m.Version, err)
	}
	f, ok := m.For(runtime.GOOS, runtime.GOARCH)
	if !ok {
		return Slot{}, fmt.Errorf("release %s has no program for %s/%s", m.Version, runtime.GOOS, runtime.GOARCH)
	}
	slot := Slot{SHA256: f.SHA256, Version: m.Version, Sequence: m.Sequence}
	if err := u.fetch(ctx, l, f); err != nil {
		return Slot{}, fmt.Errorf("fetch release %s: %w", m.Version, err)
	}
	if err := u.examine(ctx, slot); err != nil {
		return Slot{}, fmt.Errorf("release %s: %w", m.Version, err)
	}
	return slot, nil
}

// examine asks the program for its version and lets it check the configuration.
func (u *Updater) examine(ctx context.Context, s Slot) error {
	ctx, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	out, err := exec.CommandContext(ctx, u.state.program(s), "--version").Output()
	if err != nil {
		return fmt.Errorf("does not say its version: %w", err)
	}
	if got := strings.TrimSpace(string(out)); got != s.Version {
		return fmt.Errorf("says it is %q", got[:min(len(got), 80)])
	}
	if u.o.Config == "" {
		return nil
	}
	if out, err := exec.CommandContext(ctx, u.state.program(s), "check", "--config", u.o.Config).CombinedOutput(); err != nil {
		return fmt.Errorf("does not take this configuration: %s", strings.Join(strings.Fields(string(out[max(0, len(out)-300):])), " "))
	}
	return nil
}

// tidy removes what is neither in use nor being fetched.
func (u *Updater) tidy() error {
	s := u.state.get()
	entries, err := os.ReadDir(u.o.Dir)
	if err != nil {
		return fmt.Errorf("update: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() && e.Name() != s.Active.SHA256 && e.Name() != s.Trial.SHA256 && e.Name() != os.Getenv(EnvSlot) {
			if err := os.RemoveAll(filepath.Join(u.o.Dir, e.Name())); err != nil {
				return fmt.Errorf("update: %w", err)
			}
		}
	}
	return nil
}
