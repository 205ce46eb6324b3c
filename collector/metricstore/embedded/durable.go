package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// Epoch implements metricstore.Durable: it is new for each opening.
func (s *Store) Epoch() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.epoch
}

// Sequence implements metricstore.Durable.
func (s *Store) Sequence() uint64 { return s.sequence.Load() }

// DurableUntil implements metricstore.Durable.
func (s *Store) DurableUntil() uint64 { return s.durable.Load() }

// sync brings everything appended so far to disk. The TSDB writes each commit
// to its log files before it returns but syncs them only when a segment is full.
func (s *Store) sync() error {
	gen, err := s.acquire()
	if err != nil {
		return err
	}
	defer s.release()
	until := s.sequence.Load()
	if until == s.durable.Load() && gen.sync.fresh {
		return nil
	}
	for _, f := range s.opts.SyncWith {
		if err := f(); err != nil {
			return fmt.Errorf("sync queue beside the store: %w", err)
		}
	}
	if err := gen.sync.sync(); err != nil {
		s.metrics.syncErrors.Inc()
		// The kernel reports a failed write-back once and then forgets it.
		s.fail(err)
		return err
	}
	s.durable.Store(until)
	return nil
}

// segmentSync syncs the files of the TSDB's logs through file descriptors of
// its own. On Linux fsync writes all dirty pages of the file, whoever wrote
// them, and each descriptor sees write-back errors that happened since it was
// opened; so the descriptor of a segment in use is kept open. Besides the two
// logs, head chunks are synced: the log of late samples refers to them.
type segmentSync struct {
	dirs  []*segmentDir
	fresh bool // synced at least once
}

func newSegmentSync(dir string) *segmentSync {
	s := &segmentSync{}
	for _, name := range []string{"chunks_head", "wal", "wbl"} {
		s.dirs = append(s.dirs, &segmentDir{path: filepath.Join(dir, name), open: map[int]*os.File{}})
	}
	return s
}

func (s *segmentSync) sync() error {
	for _, d := range s.dirs {
		if err := d.sync(); err != nil {
			return err
		}
	}
	s.fresh = true
	return nil
}

func (s *segmentSync) close() {
	for _, d := range s.dirs {
		for n := range d.open {
			d.drop(n)
		}
	}
}

// segmentDir is one directory of numbered files of which only the newest grows.
type segmentDir struct {
	path string
	next int // files with a lower number are complete and synced
	open map[int]*os.File
}

func (d *segmentDir) sync() error {
	numbers, err := d.list()
	if err != nil || len(numbers) == 0 {
		return err
	}
	created := false
	newest := numbers[len(numbers)-1]
	for _, n := range numbers {
		if n < d.next {
			continue
		}
		opened, err := d.syncFile(n)
		if err != nil {
			return err
		}
		created = created || opened
		if n < newest {
			d.drop(n)
			d.next = n + 1
		}
	}
	if !created {
		return nil
	}
	return syncDir(d.path)
}

func (d *segmentDir) list() ([]int, error) {
	entries, err := os.ReadDir(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("metric store sync: %w", err)
	}
	var numbers []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// syncFile syncs one file and tells whether it was seen for the first time. A
// file that vanished was truncated: its samples are in synced blocks.
func (d *segmentDir) syncFile(n int) (bool, error) {
	f, known := d.open[n]
	if !known {
		var err error
		f, err = d.openFile(n)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("metric store sync: %w", err)
		}
		d.open[n] = f
	}
	if err := f.Sync(); err != nil {
		d.drop(n)
		return false, fmt.Errorf("metric store sync: %w", err)
	}
	return !known, nil
}

// openFile opens a file whose name is its number with six or eight digits.
func (d *segmentDir) openFile(n int) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(d.path, fmt.Sprintf("%08d", n)), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return os.OpenFile(filepath.Join(d.path, fmt.Sprintf("%06d", n)), os.O_RDWR, 0)
	}
	return f, err
}

func (d *segmentDir) drop(n int) {
	if f := d.open[n]; f != nil {
		f.Close()
		delete(d.open, n)
	}
}

func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("metric store sync: %w", err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("metric store sync: %w", err)
	}
	return nil
}
