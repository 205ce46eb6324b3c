//go:build unix

package update

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const canReplace = true

// stopPatience is how long a program on trial may take to end.
const stopPatience = 30 * time.Second

// Launch is called first thing by `run`. The installed program starts the proven
// release in its own place and does not return; it returns when there is none.
func Launch(dir, version string, log *slog.Logger) error {
	if os.Getenv(EnvTrial) != "" {
		return nil
	}
	f, err := openFile(dir)
	if err != nil {
		return err
	}
	s := f.get()
	if s.Trial.SHA256 != "" { // whoever watched it is gone: a power cut, or killed
		if err := f.change(interrupted); err != nil {
			return err
		}
	}
	if os.Getenv(EnvSlot) != "" || s.Active.SHA256 == "" {
		return nil
	}
	if s.Base != version {
		log.Info("update: the installed program was replaced, it counts more than the release", "installed", version, "release", s.Active.Version)
		return f.change(func(s *State) { s.Active, s.Base = Slot{}, "" })
	}
	if !f.intact(s.Active) {
		log.Error("update: the release on disk is not what was signed, going on with the installed program", "release", s.Active.Version)
		return f.change(func(s *State) {
			s.Failed, s.Active, s.Base = Failure{s.Active.Version, "the program on disk was damaged"}, Slot{}, ""
		})
	}
	return f.become(s.Active, version)
}

// interrupted takes note of a trial that nobody saw the end of. It may be tried
// once more when it is offered again.
func interrupted(s *State) {
	if s.Tries >= mostTries {
		s.Failed = Failure{s.Trial.Version, "its trial was interrupted again"}
		s.Tries = 0
	}
	s.Trial = Slot{}
}

// become starts a release in this process's place.
func (f *file) become(s Slot, baseVersion string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	base := os.Getenv(EnvBase)
	if base == "" {
		base = filepath.Dir(self)
	}
	own := []string{EnvSlot + "=", EnvBase + "=", EnvBaseVersion + "=", EnvTrial + "="}
	env := slices.DeleteFunc(os.Environ(), func(e string) bool { // of two of a name the first would count
		return slices.ContainsFunc(own, func(name string) bool { return strings.HasPrefix(e, name) })
	})
	env = append(env, EnvSlot+"="+s.SHA256, EnvBase+"="+base, EnvBaseVersion+"="+baseVersion)
	if err := syscall.Exec(f.program(s), append([]string{f.program(s)}, os.Args[1:]...), env); err != nil {
		return fmt.Errorf("start release %s: %w", s.Version, err)
	}
	return nil
}

// Try runs a release as a child until it is healthy, makes it the proven one and
// starts it in this process's place. It returns only when it failed, with why; the
// caller goes on with the old program.
func (u *Updater) Try(ctx context.Context, t *Trial) error {
	if err := u.state.change(func(s *State) {
		if s.Tried != t.Slot.SHA256 {
			s.Tried, s.Tries = t.Slot.SHA256, 0
		}
		s.Trial, s.Tries = t.Slot, s.Tries+1
	}); err != nil {
		return err
	}
	if err := u.watch(ctx, t); err != nil {
		why := "trial of release " + t.Slot.Version + ": " + err.Error()
		if ctx.Err() != nil { // this agent was told to stop meanwhile
			return errors.Join(ctx.Err(), u.state.change(func(s *State) { s.Trial, s.Tries = Slot{}, 0 }))
		}
		return errors.Join(errors.New(why), u.state.change(func(s *State) { s.Trial, s.Tries, s.Failed = Slot{}, 0, Failure{t.Slot.Version, why} }))
	}
	base := os.Getenv(EnvBaseVersion)
	if base == "" {
		base = u.o.Version
	}
	if err := u.state.change(func(s *State) {
		*s = State{Base: base, Active: t.Slot, Sequence: t.Slot.Sequence}
	}); err != nil {
		return err
	}
	u.o.Logger.Info("update: release is proven", "version", t.Slot.Version)
	return u.state.become(t.Slot, base)
}

// watch starts the child and waits for its word. Its end of one pipe tells the
// child that this process lives; by the other it says that it is healthy.
func (u *Updater) watch(ctx context.Context, t *Trial) error {
	alive, hold, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = hold.Close() }()
	hear, say, err := os.Pipe()
	if err != nil {
		return errors.Join(err, alive.Close())
	}
	defer func() { _ = hear.Close() }()
	c := exec.CommandContext(context.WithoutCancel(ctx), u.state.program(t.Slot), os.Args[1:]...)
	c.Env = append(os.Environ(), EnvTrial+"=1", EnvSlot+"="+t.Slot.SHA256)
	if os.Getenv(EnvBase) == "" {
		if self, err := os.Executable(); err == nil {
			c.Env = append(c.Env, EnvBase+"="+filepath.Dir(self))
		}
	}
	c.Stdout, c.Stderr, c.ExtraFiles = os.Stdout, os.Stderr, []*os.File{alive, say}
	err = c.Start()
	_, _ = alive.Close(), say.Close()
	if err != nil {
		return fmt.Errorf("does not start: %w", err)
	}
	u.o.Logger.Info("update: release is on trial", "version", t.Slot.Version, "patience", t.Patience)
	well := make(chan bool, 1)
	go func() {
		line, _ := bufio.NewReader(hear).ReadString('\n')
		well <- line == healthyLine
	}()
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	patience := time.NewTimer(t.Patience)
	defer patience.Stop()
	for {
		select {
		case ok := <-well:
			if ok {
				return u.end(c, hold, ended)
			}
			well = nil // it closed the pipe: it ends, which Wait tells
		case err := <-ended:
			return errors.Join(errors.New("ended by itself"), err)
		case <-patience.C:
			return errors.Join(fmt.Errorf("has not reached the collector within %s", t.Patience), u.end(c, hold, ended))
		case <-ctx.Done():
			return errors.Join(ctx.Err(), u.end(c, hold, ended))
		}
	}
}

const healthyLine = "healthy\n"

// end stops the child: by the pipe, then by force.
func (u *Updater) end(c *exec.Cmd, hold io.Closer, ended <-chan error) error {
	_ = hold.Close()
	_ = c.Process.Signal(syscall.SIGTERM)
	t := time.NewTimer(stopPatience)
	defer t.Stop()
	select {
	case err := <-ended:
		u.o.Logger.Debug("update: trial ended when told to", "err", err)
		return nil
	case <-t.C:
		_ = c.Process.Kill()
		return errors.Join(errors.New("did not end when told to"), <-ended)
	}
}

// OnTrial is called by a program on trial: it says that it is healthy once healthy
// returns true, and stops when whoever watches it is gone.
func OnTrial(ctx context.Context, stop func(), healthy func() bool) {
	if os.Getenv(EnvTrial) == "" {
		return
	}
	alive, say := os.NewFile(3, "alive"), os.NewFile(4, "say")
	go func() {
		_, _ = io.Copy(io.Discard, alive)
		stop()
	}()
	go func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for !healthy() {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
		_, _ = io.WriteString(say, healthyLine)
		_ = say.Close()
	}()
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
