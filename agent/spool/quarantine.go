package spool

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"time"
)

// quarantineShare is the part of MaxBytes that quarantine may take. Beyond it
// the oldest quarantined samples go; events and unreadable files never.
const quarantineShare = 4

// quarantined is the first line of a file in quarantine; the raw bytes of the
// segment follow.
type quarantined struct {
	Lane   string    `json:"lane"`
	Range  string    `json:"range"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

func (s *Spool) quarantineDir() string { return filepath.Join(s.opt.Dir, "quarantine") }

// Quarantine moves a handed-out range aside that no collector takes (it was
// refused for good, or its payload cannot be decoded) and lets go of it. When
// it cannot be written, the range stays handed out until the spool is opened
// anew, so that it holds up nothing, and the error says why.
func (s *Spool) Quarantine(r Range, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	ln := s.lanes[r.Lane]
	g := ln.segmentOf(r.from)
	if g == nil {
		return nil // dropped meanwhile
	}
	f, err := s.opt.FS.Open(filepath.Join(ln.dir, g.name()))
	if err == nil {
		err = errors.Join(s.copyToQuarantine(ln, f, r.from, r.to, reason), f.Close())
	}
	if err != nil {
		return fmt.Errorf("quarantine %s: %w", r, err)
	}
	return s.ackLocked(r)
}

// copyToQuarantine writes a part of a segment into a file of its own.
func (s *Spool) copyToQuarantine(ln *lane, f io.ReaderAt, from, to uint64, reason string) error {
	now := s.opt.Now()
	r := Range{ln.kind, from, to}
	head, err := json.Marshal(quarantined{Lane: ln.kind.String(), Range: r.String(), Reason: reason, At: now})
	if err != nil {
		return err
	}
	b := append(head, '\n')
	n := len(b)
	b = append(b, make([]byte, to-from)...)
	if err := readFull(f, b[n:], int64(uint32(from))); err != nil {
		return err
	}
	name := fmt.Sprintf("%013d-%s-%016x-%010d.bin", now.UnixMilli(), ln.kind, from>>32, uint32(from))
	if err := s.opt.FS.MkdirAll(s.quarantineDir()); err != nil {
		return err
	}
	if err := s.writeFile(filepath.Join(s.quarantineDir(), name), b); err != nil {
		s.removeFile(filepath.Join(s.quarantineDir(), name))
		return hint(err)
	}
	if err := s.opt.FS.SyncDir(s.quarantineDir()); err != nil {
		return err
	}
	s.stats.Quarantined++
	s.stats.QuarantineBytes += uint64(len(b))
	s.boundQuarantine()
	return nil
}

// aside moves a whole segment into quarantine. One that cannot be moved stays
// where it is and is not read until the next start.
func (s *Spool) aside(ln *lane, g *segment, reason string) {
	log := s.opt.Logger.With("lane", ln.kind.String(), "segment", g.name(), "reason", reason)
	name := fmt.Sprintf("%013d-unreadable-%s-%s", s.opt.Now().UnixMilli(), ln.kind, g.name())
	err := s.opt.FS.MkdirAll(s.quarantineDir())
	if err == nil {
		err = s.opt.FS.Rename(filepath.Join(ln.dir, g.name()), filepath.Join(s.quarantineDir(), name))
	}
	if errors.Is(err, fs.ErrNotExist) {
		log.Error("spool: segment is gone")
		s.forget(ln, g)
		return
	}
	if err != nil {
		log.Error("spool: unreadable segment stays where it is", "error", err)
		ln.taken.add(g.start(), g.end())
		return
	}
	log.Error("spool: unreadable segment moved to quarantine", "bytes", g.size)
	s.stats.Quarantined++
	s.stats.QuarantineBytes += uint64(g.size)
	s.forget(ln, g)
}

// boundQuarantine removes the oldest quarantined samples beyond the bound.
func (s *Spool) boundQuarantine() {
	limit := uint64(s.opt.MaxBytes / quarantineShare)
	if s.stats.QuarantineBytes <= limit {
		return
	}
	files, err := s.opt.FS.List(s.quarantineDir())
	if err != nil {
		s.opt.Logger.Warn("spool: list quarantine", "error", err)
		return
	}
	for _, info := range files { // by time: names begin with it
		if s.stats.QuarantineBytes <= limit {
			return
		}
		if _, rest, _ := strings.Cut(info.Name, "-"); !strings.HasPrefix(rest, Samples.String()) {
			continue
		}
		s.removeFile(filepath.Join(s.quarantineDir(), info.Name))
		s.stats.QuarantineBytes -= min(uint64(info.Size), s.stats.QuarantineBytes)
		s.stats.QuarantineDropped++
		if !s.quarFull {
			s.quarFull = true
			s.opt.Logger.Warn("spool: quarantine is full, its oldest samples go", "bytes", limit)
		}
	}
}

// countQuarantine measures what earlier runs left in quarantine.
func (s *Spool) countQuarantine() error {
	files, err := s.list(s.quarantineDir())
	if err != nil {
		return fmt.Errorf("open spool: %w", err)
	}
	s.stats.QuarantineBytes = 0
	for _, info := range files {
		s.stats.QuarantineBytes += uint64(info.Size)
	}
	return nil
}
