// Package backup is the input that says how old and how large the last backup
// is and how its last restore test ended. It learns that from the files that
// backups leave, by a pattern, or from a small status file in YAML or JSON that
// the backup's own script writes. It makes no backup and reads none.
package backup

import (
	"context"
	"fmt"
	"time"

	"github.com/faultline/faultline/agent/input/failure"
	"github.com/faultline/faultline/agent/input/glob"
	"github.com/faultline/faultline/agent/input/option"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// Options are the settings of an Input.
type Options struct {
	Now func() time.Time // default time.Now
}

// Input looks at backups.
type Input struct {
	opts     Options
	failures failure.Memory
}

// New makes an Input.
func New(o Options) *Input {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Input{opts: o}
}

// Name is "backup".
func (in *Input) Name() string { return "backup" }

// settings are a target's options, checked. Of pattern and status one is given,
// or both: the status file then says what the files do not.
type settings struct {
	pattern    string
	status     string
	settle     time.Duration // younger files are still being written
	maxAge     time.Duration
	minBytes   int64
	restoreAge time.Duration // of the last good restore test; 0: none is asked for
}

func parseSettings(t base.Target) (settings, error) {
	const forever = 10000 * 24 * time.Hour
	o := option.New("backup", t.Options)
	s := settings{pattern: o.Path("path", false), status: o.Path("status_file", false), settle: o.Duration("settle", time.Minute, 0, 24*time.Hour),
		maxAge: o.Duration("max_age", 26*time.Hour, time.Minute, forever), minBytes: o.Bytes("min_bytes", 1, 0, 1<<60),
		restoreAge: o.Duration("restore_max_age", 0, time.Hour, forever)}
	if s.pattern == "" && s.status == "" {
		o.Fault("one of path and status_file is needed")
	}
	if err := glob.Check(s.pattern); s.pattern != "" && err != nil {
		o.Fault("path: %w", err)
	}
	if s.restoreAge > 0 && s.status == "" {
		o.Fault("restore_max_age without status_file, which alone tells of restore tests")
	}
	return s, o.Err()
}

// CheckTarget reports what is wrong with the target's options.
func (in *Input) CheckTarget(t base.Target) error {
	_, err := parseSettings(t)
	return err
}

// Gather looks at the backup once.
func (in *Input) Gather(_ context.Context, t base.Target, sink input.Sink) error {
	now := in.opts.Now()
	s, err := parseSettings(t)
	if err == nil {
		err = s.gather(now, sink)
	}
	return in.failures.Put(sink, in.Name(), t, now.UnixMilli(), err)
}

func (s settings) gather(now time.Time, sink input.Sink) error {
	put := func(name string, v float64) {
		sink.Sample(base.Sample{Labels: base.LabelsFrom("faultline_backup_"+name, nil), Time: now.UnixMilli(), Value: v})
	}
	var st Status
	if s.status != "" {
		var err error
		if st, err = readStatus(s.status); err != nil {
			return err
		}
	}
	var last, bytes float64 // 0: there never was one
	if !st.Finished.IsZero() && st.good() {
		last = seconds(st.Finished.Time)
	}
	if st.Bytes != nil {
		bytes = float64(*st.Bytes)
	}
	if s.pattern != "" {
		files, err := glob.Files(s.pattern)
		if err != nil {
			return err
		}
		files = settled(files, now, s.settle)
		put("files", float64(len(files)))
		if len(files) > 0 {
			last, bytes = max(last, seconds(files[0].Info.ModTime())), float64(files[0].Info.Size())
		}
		if len(files) > 1 {
			put("previous_size_bytes", float64(files[1].Info.Size()))
		}
	}
	put("last_success_timestamp_seconds", last)
	put("max_age_seconds", s.maxAge.Seconds())
	if s.pattern != "" || st.Bytes != nil {
		put("size_bytes", bytes)
		put("min_size_bytes", float64(s.minBytes))
	}
	if st.OK != nil {
		put("ok", truth(*st.OK))
	}
	if st.Seconds != nil {
		put("duration_seconds", *st.Seconds)
	}
	s.putRestore(st.Restore, put)
	return nil
}

func (s settings) putRestore(r *Restore, put func(string, float64)) {
	if r != nil {
		put("restore_test_ok", truth(r.OK))
		put("restore_test_timestamp_seconds", seconds(r.At.Time))
	}
	if s.restoreAge > 0 {
		put("restore_max_age_seconds", s.restoreAge.Seconds())
		if r == nil {
			put("restore_test_timestamp_seconds", 0) // never
		}
	}
}

// settled leaves out the youngest files that are still being written.
func settled(files []glob.Found, now time.Time, d time.Duration) []glob.Found {
	for len(files) > 0 && now.Sub(files[0].Info.ModTime()) < d {
		files = files[1:]
	}
	return files
}

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// fault is what a status file says wrongly.
func fault(path string, err error) error {
	return failure.As(failure.Malformed, fmt.Errorf("backup status %s: %w", path, err))
}
