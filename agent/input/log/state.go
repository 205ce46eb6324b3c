package log

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// mostPlaces bounds what is remembered of files; forgetAfter is how long one that
// is not met any more is.
const (
	mostPlaces  = 1000
	forgetAfter = 30 * 24 * time.Hour
)

// state is what was read, as it is kept on disk.
type state struct {
	Files   map[string]*place `json:"files"`   // by target and path
	Cursors map[string]string `json:"cursors"` // of journals and event logs, by target
	Known   map[string]bool   `json:"known"`   // targets that were read before: of them a new file is read from its start

	changed bool
}

// place is how far one file was read.
type place struct {
	Offset int64     `json:"offset"`
	Head   int       `json:"head"` // how many first bytes Sum is of
	Sum    uint32    `json:"sum"`  // CRC-32 of them
	Seen   time.Time `json:"seen"`
}

// headSize is how many first bytes tell a file from another of its name.
const headSize = 512

// load reads the state; without a file, or of one that cannot be read, it is
// empty: logs are then read from where they end.
func load(path string) state {
	var s state
	if b, err := os.ReadFile(path); path != "" && err == nil && json.Unmarshal(b, &s) != nil {
		s = state{}
	}
	if s.Files == nil {
		s.Files = map[string]*place{}
	}
	if s.Cursors == nil {
		s.Cursors = map[string]string{}
	}
	if s.Known == nil {
		s.Known = map[string]bool{}
	}
	return s
}

// save writes the state whole or not at all.
func (s *state) save(path string) error {
	if path == "" || !s.changed {
		return nil
	}
	s.forget()
	b, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("logs: %w", err)
	}
	next := path + ".next"
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fmt.Errorf("logs: %w", err)
	}
	if err := os.WriteFile(next, b, 0o600); err != nil {
		return fmt.Errorf("logs: %w", err)
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("logs: %w", err)
	}
	s.changed = false
	return nil
}

// forget drops the places that were not met for long, and of too many those that
// were met longest ago: a file whose place is lost is read again from its start.
func (s *state) forget() {
	oldest := slices.SortedFunc(maps.Keys(s.Files), func(a, b string) int { return s.Files[a].Seen.Compare(s.Files[b].Seen) })
	if len(oldest) == 0 {
		return
	}
	newest := s.Files[oldest[len(oldest)-1]].Seen
	for i, k := range oldest {
		if newest.Sub(s.Files[k].Seen) > forgetAfter || len(oldest)-i > mostPlaces {
			delete(s.Files, k)
		}
	}
}

// is tells whether the file begins as the one whose place it is did.
func (p *place) is(f io.ReaderAt) (bool, error) {
	n, sum, err := head(f, p.Head)
	return n == p.Head && sum == p.Sum, err
}

// note takes down how the file begins, as far as it is written by now.
func (p *place) note(f io.ReaderAt) error {
	if p.Head == headSize {
		return nil
	}
	var err error
	p.Head, p.Sum, err = head(f, headSize)
	return err
}

func head(f io.ReaderAt, most int) (int, uint32, error) {
	b := make([]byte, most)
	n, err := f.ReadAt(b, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, crc32.ChecksumIEEE(b[:n]), err
}
