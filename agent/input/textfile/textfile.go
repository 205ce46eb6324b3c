// Package textfile is the input that hands over what scripts leave in files:
// *.prom in a directory, in Prometheus' text format, as node_exporter's textfile
// collector does, with the same two series about the files themselves. A file
// with a fault is left out and named, the others are read. Of a series that no file
// has any more it says once that it ended (base.Stale). It runs no script.
package textfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/faultline/faultline/agent/input/exposition"
	"github.com/faultline/faultline/agent/input/failure"
	"github.com/faultline/faultline/agent/input/glob"
	"github.com/faultline/faultline/agent/input/option"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// Bounds of one reading.
const (
	maxFile    = 4 << 20 // bytes
	maxFiles   = 500
	maxSamples = 20_000 // of all files
)

// Options are the settings of an Input.
type Options struct {
	Now func() time.Time // default time.Now
}

// Input reads directories.
type Input struct {
	opts     Options
	failures failure.Memory

	mu     sync.Mutex
	caches map[string]*exposition.Cache // by target id; a cache is used by one reading at a time
}

// New makes an Input.
func New(o Options) *Input {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Input{opts: o, caches: map[string]*exposition.Cache{}}
}

// Name is "textfile".
func (in *Input) Name() string { return "textfile" }

// CheckTarget reports what is wrong with the target's options.
func (in *Input) CheckTarget(t base.Target) error {
	_, err := directory(t)
	return err
}

func directory(t base.Target) (string, error) {
	o := option.New("textfile", t.Options)
	dir := o.Path("directory", true)
	if strings.ContainsAny(dir, "*?[") {
		o.Fault("directory %q: no wildcards here", dir)
	}
	return dir, o.Err()
}

// Gather reads the directory's files once.
func (in *Input) Gather(ctx context.Context, t base.Target, sink input.Sink) error {
	at := in.opts.Now().UnixMilli()
	dir, err := directory(t)
	if err == nil {
		c := in.cache(t)
		if err = read(ctx, dir, c, at, sink); err != nil && !errors.As(err, new(input.Partial)) {
			exposition.Stop(c.End(), at, sink)
		}
	}
	return in.failures.Put(sink, in.Name(), t, at, err)
}

func (in *Input) cache(t base.Target) *exposition.Cache {
	in.mu.Lock()
	defer in.mu.Unlock()
	c := in.caches[t.ID]
	if c == nil {
		c = &exposition.Cache{Rename: exposition.Apart(t.Labels)}
		in.caches[t.ID] = c
	}
	return c
}

// End says that the series of a target that is no longer read ended, and lets go of
// what is kept of it.
func (in *Input) End(t base.Target, sink input.Sink) {
	in.mu.Lock()
	c := in.caches[t.ID]
	delete(in.caches, t.ID)
	in.mu.Unlock()
	if c != nil {
		exposition.Stop(c.End(), in.opts.Now().UnixMilli(), sink)
	}
}

func read(ctx context.Context, dir string, cache *exposition.Cache, at int64, sink input.Sink) error {
	files, err := glob.Files(filepath.Join(dir, "*.prom"))
	if err != nil {
		return err
	}
	slices.SortFunc(files, func(a, b glob.Found) int { return strings.Compare(a.Path, b.Path) })
	var faults []error
	if len(files) > maxFiles {
		faults = append(faults, fmt.Errorf("%s: %d files, of which %d are read", dir, len(files), maxFiles))
		files = files[:maxFiles]
	}
	cache.Next()
	left := maxSamples
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		samples, err := one(f.Path, cache, left)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", f.Path, err))
			continue
		}
		left -= len(samples)
		for _, s := range samples {
			s.Time = at
			sink.Sample(s)
		}
		if ls, err := cache.Labels(mtimeOf(f.Path)); err == nil {
			sink.Sample(base.Sample{Labels: ls, Time: at, Value: float64(f.Info.ModTime().Unix())})
		}
	}
	exposition.Stop(cache.Ended(), at, sink)
	failed := 0.0
	if len(faults) > 0 {
		failed = 1
	}
	sink.Sample(base.Sample{Labels: base.LabelsFrom("node_textfile_scrape_error", nil), Time: at, Value: failed})
	if len(faults) > 0 {
		return input.Partial{Err: errors.Join(faults...)}
	}
	return nil
}

// one reads a file whole, or gives nothing of it.
func one(path string, cache *exposition.Cache, most int) ([]base.Sample, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	page, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(page) > maxFile {
		return nil, fmt.Errorf("larger than %d bytes", maxFile)
	}
	lines, err := exposition.Samples(page, exposition.Text, most, nil)
	if err != nil {
		return nil, err
	}
	for _, l := range lines {
		if l.Time != 0 {
			return nil, fmt.Errorf("%.60q has a timestamp, which a file may not: it would outlive its truth", l.Series)
		}
	}
	out := make([]base.Sample, 0, len(lines))
	for _, l := range lines {
		ls, err := cache.Labels(l)
		if err != nil {
			return nil, err
		}
		if !exposition.Own(ls.Name()) {
			out = append(out, base.Sample{Labels: ls, Value: l.Value})
		}
	}
	return out, nil
}

// inQuotes escapes what a label's value may not have in the text format.
var inQuotes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// mtimeOf is the series that tells when a file was written last.
func mtimeOf(path string) exposition.Sample {
	return exposition.Sample{Series: []byte(`node_textfile_mtime_seconds{file="` + inQuotes.Replace(path) + `"}`)}
}
