// Package service is the input that says whether what must run on this machine
// does: units of systemd or services of Windows, and processes by their name. What
// systemd says of all its units the input host tells; here a target names those
// that are missed.
package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/faultline/faultline/agent/input/failure"
	"github.com/faultline/faultline/agent/input/frame"
	"github.com/faultline/faultline/agent/input/option"
	"github.com/faultline/faultline/plugins/base"
)

// maxNames is how many services or processes a target may name.
const maxNames = 100

// Options are the settings of the input; the roots are for tests.
type Options struct {
	Root string           // where systemd's sockets are; default /
	Proc string           // default /proc
	Now  func() time.Time // default time.Now
}

// Input looks at services.
type Input = frame.Input[settings]

// New makes an Input.
func New(o Options) *Input {
	if o.Root == "" {
		o.Root = "/"
	}
	if o.Proc == "" {
		o.Proc = "/proc"
	}
	return frame.New(frame.Work[settings]{Name: "service", Now: o.Now, Parse: parse, Gather: func(ctx context.Context, s settings, _ time.Time, put frame.Put) error {
		return s.gather(ctx, o, put)
	}})
}

// settings are a target's options, checked.
type settings struct {
	services  []string // patterns of systemd's units, or names of Windows' services
	processes []string
	least     int // processes of each name
}

// nameForm has no bound of its own: one of 200 letters costs 4 MiB of tables.
var nameForm = regexp.MustCompile(`^[\p{L}\p{N} _@.:\\$*?()+-]+$`)

const longestName = 200 // characters

func parse(t base.Target) (settings, error) {
	o := option.New("service", t.Options)
	names := func(option string) (out []string) {
		for n := range strings.SplitSeq(o.Text(option, ""), ";") {
			if n = strings.TrimSpace(n); n == "" {
				continue
			}
			if _, err := path.Match(n, ""); err != nil || !nameForm.MatchString(n) || utf8.RuneCountInString(n) > longestName {
				o.Fault("%s: %q is no name", option, n)
			}
			out = append(out, n)
		}
		if len(out) > maxNames {
			o.Fault("%s: %d names, at most %d", option, len(out), maxNames)
		}
		return out
	}
	s := settings{services: names("services"), processes: names("processes"), least: o.Number("least", 1, 1, 10_000)}
	if len(s.services)+len(s.processes) == 0 {
		o.Fault("one of services and processes is needed, names apart by ;")
	}
	return s, o.Err()
}

func (s settings) gather(ctx context.Context, o Options, put frame.Put) error {
	if len(s.services) > 0 {
		states, err := states(ctx, o.Root, s.services)
		if errors.Is(err, fs.ErrNotExist) {
			err = failure.As(failure.Missing, fmt.Errorf("services: no systemd answers here: %w", err))
		}
		if err != nil {
			return err
		}
		for _, n := range s.services {
			running, there := true, false
			for _, st := range states {
				if fits(n, st.name) {
					there = true
					running = running && st.running
				}
			}
			put("faultline_service_running", truth(there && running), "service", n)
		}
	}
	if len(s.processes) == 0 {
		return nil
	}
	counts, err := processes(o.Proc)
	if err != nil {
		return err
	}
	for _, n := range s.processes {
		count := 0
		for name, k := range counts {
			if fits(short(n), name) {
				count += k
			}
		}
		put("namedprocess_namegroup_num_procs", float64(count), "groupname", n)
		put("faultline_service_running", truth(count >= s.least), "service", n)
	}
	return nil
}

// service is one as the system sees it.
type service struct {
	name    string
	running bool
}

// fits tells whether a name is what a pattern means; a unit's .service may be left
// out, as systemctl has it.
func fits(pattern, name string) bool {
	for _, n := range []string{name, strings.TrimSuffix(name, ".service")} {
		if ok, _ := path.Match(pattern, n); ok {
			return true
		}
	}
	return false
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
