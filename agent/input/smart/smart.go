// Package smart is the input that says how disks are by what they say of
// themselves (SMART of ATA, SCSI and NVMe), with the names of smartctl_exporter.
// It asks smartctl, which needs root for disks, or reads the files that a job of
// root leaves of smartctl's answers. It starts no test and changes nothing.
package smart

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/agent/input/failure"
	"github.com/faultline/faultline/agent/input/frame"
	"github.com/faultline/faultline/agent/input/glob"
	"github.com/faultline/faultline/agent/input/option"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

const (
	maxAnswer  = 2 << 20 // bytes of one answer
	maxDevices = 64
	patience   = 20 * time.Second // of one question: a disk that is ill answers slowly
)

// Options are the settings of the input.
type Options struct {
	Program string           // default smartctl
	Now     func() time.Time // default time.Now
}

// Input asks disks.
type Input = frame.Input[settings]

// New makes an Input.
func New(o Options) *Input {
	if o.Program == "" {
		o.Program = "smartctl"
	}
	w := &work{program: o.Program, gate: make(chan struct{}, 1), asked: map[string]time.Time{}}
	return frame.New(frame.Work[settings]{Name: "smart", Now: o.Now, Parse: parse, Gather: w.gather})
}

// settings are a target's options, checked.
type settings struct {
	id      string
	path    string   // of files; "": smartctl is asked
	devices []string // none: those that smartctl finds
	every   time.Duration
	maxAge  time.Duration // of files
}

// deviceForm is what may be asked: a device file, and not an option.
var deviceForm = regexp.MustCompile(`^/dev/[\w./:-]+(,[a-z0-9+/,]+)?$`)

const longestDevice = 146 // bytes, asked beside the expression: in it the bound would take 50 KiB

func isDevice(s string) bool { return len(s) <= longestDevice && deviceForm.MatchString(s) }

func parse(t base.Target) (settings, error) {
	o := option.New("smart", t.Options)
	s := settings{id: t.ID, path: o.Path("path", false), every: o.Duration("every", 4*time.Minute, 0, time.Hour), maxAge: o.Duration("max_age", 2*time.Hour, time.Minute, 30*24*time.Hour)}
	for d := range strings.SplitSeq(o.Text("devices", ""), ";") {
		if d = strings.TrimSpace(d); d == "" {
			continue
		}
		if !isDevice(d) || strings.Contains(d, "..") {
			o.Fault("devices: %q: want /dev/NAME, or /dev/NAME,TYPE with one of smartctl's types, apart by ;", d)
		}
		s.devices = append(s.devices, d)
	}
	if s.path != "" && len(s.devices) > 0 {
		o.Fault("devices is of no use with path")
	}
	if err := glob.Check(s.path); s.path != "" && err != nil {
		o.Fault("path: %w", err)
	}
	return s, o.Err()
}

// work asks and remembers when it did.
type work struct {
	program string

	gate  chan struct{}        // full while asking: disks are asked one after another
	asked map[string]time.Time // by target; whoever filled gate may use it
}

func (w *work) gather(ctx context.Context, s settings, now time.Time, put frame.Put) error {
	select {
	case w.gate <- struct{}{}:
		defer func() { <-w.gate }()
	case <-ctx.Done():
		return fmt.Errorf("smart: the disks of another target were being asked all the time: %w", ctx.Err())
	}
	// What was told holds until the next time: disks change slowly, and asking costs.
	if since := now.Sub(w.asked[s.id]); since >= 0 && since < s.every {
		return nil
	}
	var err error
	if s.path != "" {
		err = fromFiles(s, now, put)
	} else {
		err = w.fromDisks(ctx, s, put)
	}
	if err == nil || errors.As(err, new(input.Partial)) {
		w.asked[s.id] = now
	}
	return err
}

// fromFiles reads what smartctl --json said, one file for each disk.
func fromFiles(s settings, now time.Time, put frame.Put) error {
	files, err := glob.Files(s.path)
	if err != nil {
		return err
	}
	var faults []error
	told := 0
	for _, f := range files[:min(len(files), maxDevices)] {
		if age := now.Sub(f.Info.ModTime()); age > s.maxAge {
			faults = append(faults, fmt.Errorf("smart %s: %s old (max_age %s)", f.Path, age.Round(time.Second), s.maxAge))
			continue
		}
		b, err := small(f.Path)
		if err == nil {
			err = tell(b, put)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("smart %s: %w", f.Path, err))
			continue
		}
		told++
	}
	if len(files) == 0 {
		return failure.As(failure.Missing, fmt.Errorf("smart %s: no such file", s.path))
	}
	return outcome(told, faults)
}

func small(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxAnswer+1))
	if err == nil && len(b) > maxAnswer {
		err = failure.As(failure.TooLarge, fmt.Errorf("larger than %d bytes", maxAnswer))
	}
	return b, err
}

// outcome is what a reading of several disks ends with.
func outcome(told int, faults []error) error {
	if err := errors.Join(faults...); told == 0 {
		return err
	} else if err != nil {
		return input.Partial{Err: err}
	}
	return nil
}

// fromDisks asks smartctl for every disk.
func (w *work) fromDisks(ctx context.Context, s settings, put frame.Put) error {
	devices := s.devices
	if len(devices) == 0 {
		var err error
		if devices, err = w.scan(ctx); err != nil {
			return err
		}
	}
	var faults []error
	told := 0
	for _, d := range devices[:min(len(devices), maxDevices)] {
		name, kind, _ := strings.Cut(d, ",")
		args := []string{"--json", "--info", "--health", "--attributes", "--tolerance=verypermissive", "--nocheck=standby", "--log=error", "--log=selftest"}
		if kind != "" {
			args = append(args, "--device="+kind)
		}
		b, err := w.ask(ctx, append(args, name)...)
		if err == nil {
			err = tell(b, put)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("smart %s: %w", d, err))
			continue
		}
		told++
	}
	return outcome(told, faults)
}

// scan asks smartctl which disks there are.
func (w *work) scan(ctx context.Context) ([]string, error) {
	b, err := w.ask(ctx, "--json", "--scan")
	if err != nil {
		return nil, fmt.Errorf("smart: %w", err)
	}
	var a answer
	if err := json.Unmarshal(b, &a); err != nil {
		return nil, failure.As(failure.Malformed, fmt.Errorf("smart: scan: %w", err))
	}
	var out []string
	for _, d := range a.Devices {
		name := d.Name
		if d.Type != "" {
			name += "," + d.Type
		}
		if isDevice(name) && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	if len(out) == 0 {
		return nil, failure.As(failure.Missing, errors.New("smart: smartctl finds no disk here"))
	}
	return out, nil
}

// ask runs smartctl. Its exit status says how the disk is and is no failure of
// its own; what it could not do stands in its answer.
func (w *work) ask(ctx context.Context, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, w.program, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.WaitDelay = 2 * time.Second
	b, err := cmd.Output()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, failure.As(failure.Missing, fmt.Errorf("%s is not installed (package smartmontools)", filepath.Base(w.program)))
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil && !errors.As(err, new(*exec.ExitError)):
		return nil, err
	case len(b) > maxAnswer:
		return nil, failure.As(failure.TooLarge, fmt.Errorf("an answer of %d bytes", len(b)))
	}
	return b, nil
}
