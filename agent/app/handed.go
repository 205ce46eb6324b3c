package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"github.com/faultline/faultline/agent/config"
	"github.com/faultline/faultline/agent/link"
	"github.com/faultline/faultline/agent/schedule"
	"github.com/faultline/faultline/agent/update"
	"github.com/faultline/faultline/internal/seal"
	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
)

// ErrAgain is why Run ended when the agent's settings changed: build another and
// run it.
var ErrAgain = errors.New("settings changed: the agent is built anew")

// Replacer fetches, checks and prepares the releases that head office offers.
type Replacer interface {
	// Prepare returns when the release is on disk and ready for its trial.
	Prepare(ctx context.Context, l *link.Client, p wire.Program) error
	// State is what there is to say: a release that failed, and why.
	State() (failed, why string)
}

// stateEvery is how often an agent says how it is when nothing changes, and newEvery
// while its work is newer than newFor: a roll-out waits for that.
const (
	stateEvery = 30 * time.Second
	newEvery   = 5 * time.Second
	newFor     = 2 * time.Minute
)

// isReason tells whether Run was ended from within.
func isReason(err error) bool {
	var t *update.Trial
	return errors.Is(err, ErrAgain) || errors.As(err, &t)
}

// handed are head office's settings as they were remembered; nil: none.
func handed(data string) (*wire.Settings, error) {
	b, err := os.ReadFile(filepath.Join(data, "work.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var w wire.Work
	if err := json.Unmarshal(b, &w); err != nil {
		return nil, nil // agent/control says so and puts the file aside
	}
	return w.Settings, nil
}

// withHanded lays head office's settings below the file's.
func withHanded(cfg config.Config, s *wire.Settings) (config.Config, error) {
	if s == nil {
		return cfg, nil
	}
	dir, err := writeProfiles(filepath.Join(cfg.Data, "handed"), s.Profiles)
	if err != nil {
		return cfg, fmt.Errorf("device profiles: %w", err)
	}
	return cfg.With(s, dir), nil
}

// writeProfiles writes device profiles into a directory that their content names,
// and removes those of other contents.
func writeProfiles(dir string, profiles map[string]string) (string, error) {
	if len(profiles) == 0 {
		return "", nil
	}
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(profiles)) {
		if filepath.Base(name) != name || name[0] == '.' {
			return "", fmt.Errorf("%q is no file name", name)
		}
		fmt.Fprintf(sum, "%s\x00%s\x00", name, profiles[name])
	}
	to := filepath.Join(dir, "profiles-"+hex.EncodeToString(sum.Sum(nil)[:8]))
	if err := os.MkdirAll(to, 0o700); err != nil {
		return "", err
	}
	for name, text := range profiles {
		if err := os.WriteFile(filepath.Join(to, name), []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	return to, nil
}

// open gives work its secrets back.
func (a *App) open(w wire.Work) (wire.Work, error) {
	if w.Secrets == "" {
		return w, nil
	}
	if a.identity == nil {
		return w, errors.New("secrets are sealed, and this agent is not enrolled")
	}
	return seal.OpenWork(a.identity.Keys(), a.cfg.Agent, w)
}

// checkWork names what of the work cannot be used here. Settings that differ from
// those in force are tried on inputs of their own.
func (a *App) checkWork(w wire.Work) error {
	if reflect.DeepEqual(w.Settings, a.settings) {
		return a.schedule.CheckTargets(w.Targets)
	}
	cfg, err := withHanded(a.file, w.Settings)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "faultline-settings-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	cfg.Data = scratch
	inputs, err := builtin(cfg, scratch, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	if _, err := addPlugins(cfg, inputs, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	s, err := schedule.New(schedule.Options{Inputs: inputs, Sink: func(base.Batch, []base.Event) {}, Concurrency: cfg.Concurrency})
	if err != nil {
		return err
	}
	return s.CheckTargets(w.Targets)
}

// kept ends Run when the work that is remembered now has other settings.
func (a *App) kept(w wire.Work) {
	a.tell()
	if !reflect.DeepEqual(w.Settings, a.settings) && a.cancel != nil {
		a.log.Info("settings of head office changed")
		a.cancel(ErrAgain)
	}
}

// offer prepares a release and ends Run when it is ready for its trial. What runs
// already is no offer: the collector makes it until it has heard of the change.
func (a *App) offer(p wire.Program) {
	if a.replace == nil || p.Version == a.version {
		return
	}
	ctx, end := context.WithCancel(context.Background())
	a.updates.Go(func() {
		defer end()
		err := a.replace.Prepare(ctx, a.link, p)
		if err != nil && !errors.As(err, new(*update.Trial)) {
			a.log.Error("release is not taken", "version", p.Version, "err", err)
		}
		a.tell()
		if isReason(err) {
			a.cancel(err)
		}
	})
	a.mu.Lock()
	a.endUpdate = end
	a.mu.Unlock()
}

// tell asks for the agent's state to be said soon. It never blocks.
func (a *App) tell() {
	select {
	case a.told <- struct{}{}:
	default:
	}
}

// tellState says how the agent is, now and then and when something changed.
func (a *App) tellState(ctx context.Context) error {
	defer a.stopUpdate()
	tick := time.NewTimer(time.Second)
	defer tick.Stop()
	var last wire.AgentState
	var said time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-a.told:
		}
		tick.Reset(2 * time.Second)
		now, every := a.state(), stateEvery
		if time.Since(a.control.Standing().Since) < newFor {
			every = newEvery
		}
		if reflect.DeepEqual(now, last) && time.Since(said) < every {
			continue
		}
		if quiet := now; time.Since(said) < every { // what changes at every measurement is no news
			quiet.Up, quiet.Measured, quiet.Targets = last.Up, last.Measured, last.Targets
			quiet.Failing, quiet.Pending = last.Failing, last.Pending
			if reflect.DeepEqual(quiet, last) && (last.Measured >= last.Targets || now.Measured < now.Targets) {
				continue
			}
		}
		if err := a.say(ctx, now); err == nil {
			last, said = now, time.Now()
		}
	}
}

func (a *App) stopUpdate() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.endUpdate != nil {
		a.endUpdate()
	}
}

func (a *App) say(ctx context.Context, s wire.AgentState) error {
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err = a.link.Do(ctx, link.Request{Method: http.MethodPut, Path: wire.PathAgentState, Header: http.Header{"Content-Type": {"application/json"}}, Body: body})
	return err // an answer of an older collector, which does not know the path, is one as well
}

// state is how the agent is now.
func (a *App) state() wire.AgentState {
	st := a.control.Standing()
	s := wire.AgentState{Version: st.Version, Rejected: st.Refused, Problem: st.Problem, Own: a.file.Decided(), Program: a.version, Updatable: a.replace != nil}
	for _, t := range a.schedule.Status() {
		s.Targets++
		if t.Up {
			s.Up++
		}
		measured := !t.At.IsZero() && !t.At.Before(st.Since)
		switch {
		case !measured && len(s.Pending) < wire.MostNamed:
			s.Pending = append(s.Pending, t.ID)
		case measured && !t.Good && len(s.Failing) < wire.MostNamed:
			s.Failing = append(s.Failing, t.ID)
		}
		if measured {
			s.Measured++
		}
	}
	s.Acked = a.ackedSince(st.Since)
	if a.replace != nil {
		s.Refused, s.Why = a.replace.State()
	}
	return s
}

// ackedSince tells whether the collector accepted something since a moment at
// which the work in force changed.
func (a *App) ackedSince(since time.Time) bool {
	n := a.uplink.Accepted()
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.since.Equal(since) {
		a.since, a.accepted = since, n
	}
	return n > a.accepted
}

// Healthy tells whether this agent has reached its collector: it was handed work
// or knows that it has none to do, and something of its own was accepted.
func (a *App) Healthy() bool {
	return a.uplink.Accepted() > 0 && a.control.Standing().Version != 0 || len(a.schedule.Status()) == 0 && a.control.Standing().Version != 0
}
