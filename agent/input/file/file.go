// Package file is the input that says how many files a pattern fits, how large
// and how old they are, with the names of filestat_exporter, and beside them the
// limits that the target gives, for rules/alerts/inputs.yaml to judge by. It reads
// no content.
package file

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

// Input looks at files.
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

// Name is "file".
func (in *Input) Name() string { return "file" }

// settings are a target's options, checked.
type settings struct {
	pattern  string
	maxFiles int           // told one by one
	maxAge   time.Duration // of the youngest; 0: any
	maxBytes int64         // of the largest; 0: any
	minFiles int
}

func parseSettings(t base.Target) (settings, error) {
	o := option.New("file", t.Options)
	s := settings{pattern: o.Path("path", true), maxFiles: o.Number("max_files", 100, 0, 2000), maxAge: o.Duration("max_age", 0, time.Second, 10000*24*time.Hour),
		maxBytes: o.Bytes("max_bytes", 0, 1, 1<<60), minFiles: o.Number("min_files", 0, 0, 1_000_000)}
	if err := glob.Check(s.pattern); s.pattern != "" && err != nil {
		o.Fault("path: %w", err)
	}
	return s, o.Err()
}

// CheckTarget reports what is wrong with the target's options.
func (in *Input) CheckTarget(t base.Target) error {
	_, err := parseSettings(t)
	return err
}

// Gather looks at the files once.
func (in *Input) Gather(_ context.Context, t base.Target, sink input.Sink) error {
	now := in.opts.Now()
	s, err := parseSettings(t)
	if err == nil {
		err = s.gather(now.UnixMilli(), sink)
	}
	return in.failures.Put(sink, in.Name(), t, now.UnixMilli(), err)
}

func (s settings) gather(at int64, sink input.Sink) error {
	files, err := glob.Files(s.pattern)
	if err != nil {
		return err
	}
	put := func(name string, v float64, label, value string) {
		sink.Sample(base.Sample{Labels: base.LabelsFrom(name, map[string]string{label: value}), Time: at, Value: v})
	}
	var largest, total int64
	for i, f := range files {
		size := f.Info.Size()
		largest, total = max(largest, size), total+size
		if i < s.maxFiles {
			put("file_stat_size_bytes", float64(size), "path", f.Path)
			put("file_stat_modif_time_seconds", float64(f.Info.ModTime().UnixMilli())/1000, "path", f.Path)
		}
	}
	put("file_glob_match_number", float64(len(files)), "pattern", s.pattern)
	put("faultline_file_bytes", float64(total), "pattern", s.pattern)
	put("faultline_file_largest_bytes", float64(largest), "pattern", s.pattern)
	newest := 0.0 // of no file
	if len(files) > 0 {
		newest = float64(files[0].Info.ModTime().UnixMilli()) / 1000
	}
	put("faultline_file_newest_timestamp_seconds", newest, "pattern", s.pattern)
	for name, limit := range map[string]float64{"faultline_file_max_age_seconds": s.maxAge.Seconds(), "faultline_file_max_bytes": float64(s.maxBytes), "faultline_file_min_number": float64(s.minFiles)} {
		if limit > 0 {
			put(name, limit, "pattern", s.pattern)
		}
	}
	if len(files) > s.maxFiles && s.maxFiles > 0 {
		return input.Partial{Err: fmt.Errorf("files %s: %d files, of which the youngest %d are told one by one (max_files)", s.pattern, len(files), s.maxFiles)}
	}
	return nil
}
