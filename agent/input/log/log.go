// Package log is the input that reads this machine's logs as they are written:
// files, the journal of systemd, event logs of Windows. Lines that match a pattern
// become events in agent/syslog, whose patterns and bounds hold for lines of
// devices as well. It keeps no logs, and reads on from where it stopped, also
// after a restart.
package log

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/faultline/faultline/agent/input/failure"
	"github.com/faultline/faultline/agent/input/glob"
	"github.com/faultline/faultline/agent/input/option"
	"github.com/faultline/faultline/agent/syslog"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// Bounds of one reading.
const (
	maxLine  = 8192     // bytes of a line; the rest is passed over
	maxBytes = 4 << 20  // of a file; more waits for the next reading
	maxLag   = 64 << 20 // bytes that a file may be ahead; more is passed over and counted
	maxFiles = 50
)

// Options are the settings of an Input.
type Options struct {
	// Hear takes a line and tells whether it means something; device and site are
	// those of the target. Nil: nothing is read, and only looked whether it could be.
	Hear  func(device, site string, l syslog.Local) (bool, error)
	State string // file that remembers what was read; "" is none
	Now   func() time.Time

	Journalctl string // program; default journalctl
	Wevtutil   string // program; default wevtutil
}

// Input reads logs.
type Input struct {
	opts     Options
	failures failure.Memory

	mu      sync.Mutex // held while reading; guards the fields below
	state   state
	readers map[string]*reader // by target
	sets    map[string]*syslog.Set
}

// reader is what is known of one target.
type reader struct {
	files  map[string]*file // by path; of files only
	totals totals
}

// totals count since the agent started.
type totals struct{ lines, matched, bytes, skipped, cut, restarts float64 }

// New makes an Input.
func New(o Options) *Input {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Journalctl == "" {
		o.Journalctl = "journalctl"
	}
	if o.Wevtutil == "" {
		o.Wevtutil = "wevtutil"
	}
	return &Input{opts: o, state: load(o.State), readers: map[string]*reader{}, sets: map[string]*syslog.Set{}}
}

// Name is "log".
func (in *Input) Name() string { return "log" }

// settings are a target's options, checked. One of path, journal and eventlog is
// given.
type settings struct {
	path     string
	journal  bool
	units    []string // of the journal; none: all
	level    int      // of the journal, 0 to 7: this and worse
	eventlog string   // a channel of Windows
	maxLines int
	patterns string // YAML, as files of rules/syslog
	only     bool   // no shipped ones
	device   string
	site     string
}

// Their bounds are asked beside them: in the expression they would take 100 KiB.
var (
	unitForm    = regexp.MustCompile(`^[\w@.:\\*-]+$`)
	channelForm = regexp.MustCompile(`^[\w ./-]+$`)
)

const longestName = 200 // bytes, of units and channels

func parse(t base.Target) (settings, error) {
	o := option.New("log", t.Options)
	s := settings{path: o.Path("path", false), journal: o.Flag("journal", false), level: o.Number("level", 7, 0, 7), eventlog: o.Text("eventlog", ""),
		maxLines: o.Number("max_lines", 5000, 1, 100_000), patterns: o.Text("patterns", ""), only: o.Flag("own_patterns_only", false),
		device: t.Labels["device"], site: t.Labels["site"]}
	for u := range strings.SplitSeq(o.Text("units", ""), ",") {
		if u = strings.TrimSpace(u); u == "" {
			continue
		}
		if !unitForm.MatchString(u) || len(u) > longestName || u[0] == '-' {
			o.Fault("units: %q is no name of a unit", u)
		}
		s.units = append(s.units, u)
	}
	given := 0
	for _, is := range []bool{s.path != "", s.journal, s.eventlog != ""} {
		if is {
			given++
		}
	}
	if given != 1 {
		o.Fault("one of path, journal and eventlog is needed")
	}
	if !s.journal && (len(s.units) > 0 || t.Options["level"] != "") {
		o.Fault("units and level are of use with journal alone")
	}
	if s.eventlog != "" && (!channelForm.MatchString(s.eventlog) || len(s.eventlog) > longestName || s.eventlog[0] == '-' || s.eventlog[0] == '/') {
		o.Fault("eventlog: %q is no name of an event log, such as System", s.eventlog)
	}
	if err := glob.Check(s.path); s.path != "" && err != nil {
		o.Fault("path: %w", err)
	}
	if s.only && s.patterns == "" {
		o.Fault("own_patterns_only without patterns: nothing would be found")
	}
	if s.device == "" {
		o.Fault("the target has no label device: nobody would know whose log it is")
	}
	return s, o.Err()
}

// CheckTarget reports what is wrong with the target's options, patterns among
// them.
func (in *Input) CheckTarget(t base.Target) error {
	s, err := parse(t)
	if s.patterns != "" {
		_, perr := syslog.LoadText("patterns", s.patterns)
		err = errors.Join(err, perr)
	}
	return err
}

// Gather reads what was written since the last time.
func (in *Input) Gather(ctx context.Context, t base.Target, sink input.Sink) error {
	at := in.opts.Now().UnixMilli()
	s, err := parse(t)
	if err == nil {
		err = in.gather(ctx, t, s, sink, at)
	}
	return in.failures.Put(sink, in.Name(), t, at, err)
}

func (in *Input) gather(ctx context.Context, t base.Target, s settings, sink input.Sink, at int64) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	own, err := in.setLocked(s.patterns)
	if err != nil {
		return err
	}
	r := in.readers[t.ID]
	if r == nil {
		r = &reader{files: map[string]*file{}}
		in.readers[t.ID] = r
	}
	j := &job{ctx: ctx, input: in, settings: s, reader: r, own: own, id: t.ID, left: s.maxLines}
	switch {
	case s.path != "":
		err = j.readFiles()
	case s.journal:
		err = j.readJournal()
	default:
		err = j.readEventLog()
	}
	j.put(sink, at)
	if in.opts.Hear != nil {
		err = errors.Join(err, in.state.save(in.opts.State))
	}
	return err
}

// setLocked returns the set of a target's own patterns; nil when it has none.
func (in *Input) setLocked(text string) (*syslog.Set, error) {
	if text == "" {
		return nil, nil
	}
	if s := in.sets[text]; s != nil {
		return s, nil
	}
	s, err := syslog.LoadText("patterns", text)
	if err != nil {
		return nil, failure.As(failure.Malformed, err)
	}
	if len(in.sets) >= 100 { // of targets that are no more
		clear(in.sets)
	}
	in.sets[text] = s
	return s, nil
}

// job is one reading of one target.
type job struct {
	ctx      context.Context
	input    *Input
	settings settings
	reader   *reader
	own      *syslog.Set
	id       string
	left     int // lines
	behind   int64
	many     int // files
}

// hear hands over one line; what stands behind maxLine is passed over.
func (j *job) hear(l syslog.Local) error {
	j.left--
	j.reader.totals.lines++
	l.Device = syslog.Device{Name: j.settings.device, Site: j.settings.site}
	l.Own, l.OwnOnly = j.own, j.settings.only
	matched, err := j.input.opts.Hear(j.settings.device, j.settings.site, l)
	if matched {
		j.reader.totals.matched++
	}
	return err
}

func (j *job) put(sink input.Sink, at int64) {
	source := j.settings.path
	if source == "" {
		source = j.settings.eventlog
	}
	if source == "" {
		source = "journal"
	}
	n := j.reader.totals
	for name, v := range map[string]float64{"lines_total": n.lines, "matched_total": n.matched, "bytes_total": n.bytes, "skipped_bytes_total": n.skipped,
		"cut_lines_total": n.cut, "restarts_total": n.restarts, "behind_bytes": float64(j.behind), "files": float64(j.many)} {
		sink.Sample(base.Sample{Labels: base.LabelsFrom("faultline_log_"+name, map[string]string{"log": source}), Time: at, Value: v})
	}
}

// Forget lets go of the files of a target that is not read any more. Where it
// stopped stays known.
func (in *Input) Forget(target string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	r := in.readers[target]
	if r == nil {
		return
	}
	for _, f := range r.files {
		_ = f.close() // only read
	}
	delete(in.readers, target)
}

// Close lets go of the files.
func (in *Input) Close() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	var faults []error
	for _, r := range in.readers {
		for path, f := range r.files {
			if err := f.close(); err != nil && !errors.Is(err, fs.ErrClosed) {
				faults = append(faults, fmt.Errorf("log %s: %w", path, err))
			}
		}
	}
	clear(in.readers)
	return errors.Join(faults...)
}
