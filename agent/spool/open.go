package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// openLane lists a lane's segments and mends the last one, which a crash may
// have left half-written. Earlier ones are read when their turn comes.
func (s *Spool) openLane(ln *lane) error {
	files, err := s.list(ln.dir)
	if err != nil {
		return fmt.Errorf("open spool: %w", err)
	}
	s.listSegments(ln, files)
	for i, g := range ln.segs {
		g.until = s.opt.Now()
		if i+1 < len(ln.segs) {
			g.until = ln.segs[i+1].created
		}
	}
	if n := len(ln.segs); n > 0 {
		s.mendTail(ln, ln.segs[n-1])
	}
	for _, g := range slices.Clone(ln.segs) {
		ln.bytes += g.size
		s.removeDone(ln, g)
	}
	ln.pruneAcked()
	ln.liveFrom = ln.next << 32
	return nil
}

// list lists a directory, making it if it is missing.
func (s *Spool) list(dir string) ([]FileInfo, error) {
	files, err := s.opt.FS.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := s.opt.FS.MkdirAll(dir); err != nil {
			return nil, fmt.Errorf("make %s: %w", dir, err)
		}
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", dir, err)
	}
	return files, nil
}

func (s *Spool) listSegments(ln *lane, files []FileInfo) {
	byNumber := map[uint64]*segment{}
	for _, info := range files {
		g, ok := parseName(info)
		if !ok {
			if strings.HasSuffix(info.Name, ".tmp") {
				s.removeFile(filepath.Join(ln.dir, info.Name)) // a thinning that did not finish; its source is there
			} else {
				s.opt.Logger.Warn("spool: unknown file left alone", "lane", ln.kind.String(), "file", info.Name)
			}
			continue
		}
		if twin := byNumber[g.number]; twin != nil { // thinned, and the crash came before the source was removed
			if twin.thinned {
				g, twin = twin, g
			}
			s.removeFile(filepath.Join(ln.dir, twin.name()))
		}
		byNumber[g.number] = g
	}
	for _, g := range byNumber {
		ln.segs = append(ln.segs, g)
		ln.next = max(ln.next, g.number+1)
	}
	for _, a := range ln.acked { // a lost segment's number is not used again
		ln.next = max(ln.next, a.to>>32+1)
	}
	slices.SortFunc(ln.segs, func(a, b *segment) int { return int(int64(a.number) - int64(b.number)) })
}

// mendTail cuts what does not make a whole record off the end of the last
// segment. Damage with whole records behind it is left for Peek to quarantine.
func (s *Spool) mendTail(ln *lane, g *segment) {
	good, err := s.tail(ln, g)
	if err != nil {
		s.opt.Logger.Warn("spool: segment could not be checked", "lane", ln.kind.String(), "segment", g.name(), "error", err)
		return
	}
	if good == g.size {
		return
	}
	s.stats.TornTails++
	s.stats.TornBytes += uint64(g.size - good)
	s.opt.Logger.Warn("spool: cut a torn tail", "lane", ln.kind.String(), "segment", g.name(), "bytes", g.size-good)
	name := filepath.Join(ln.dir, g.name())
	if good <= headerBytes {
		s.removeFile(name)
		ln.segs = ln.segs[:len(ln.segs)-1]
		return
	}
	g.size = good // from here on the rest is not read, even if it cannot be cut
	if err := s.truncate(name, good); err != nil {
		s.opt.Logger.Warn("spool: torn tail stays in the file", "file", name, "error", err)
	}
}

// tail returns the size of the segment without its torn end. A whole record
// with a wrong sum at the very end may be one that was acknowledged to the
// caller and rotted since: a copy of it goes to quarantine.
func (s *Spool) tail(ln *lane, g *segment) (int64, error) {
	f, err := s.opt.FS.Open(filepath.Join(ln.dir, g.name()))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if g.size < headerBytes {
		return 0, nil
	}
	head := make([]byte, headerBytes)
	if err := readFull(f, head, 0); err != nil {
		return 0, err
	}
	if string(head) != magic {
		if isZero(head) {
			return 0, nil
		}
		return g.size, nil // not a torn tail: Peek moves the file aside
	}
	r := segmentReader{f: f, size: g.size}
	at := headerBytes
	for at < g.size {
		next, err := r.check(at)
		if errors.Is(err, errBad) {
			if next, err = r.resync(at); err == nil && next == g.size {
				return at, s.keepRotten(ln, g, &r, at)
			}
		}
		if err != nil {
			return 0, err
		}
		at = next
	}
	return g.size, nil
}

func (s *Spool) keepRotten(ln *lane, g *segment, r *segmentReader, at int64) error {
	if _, _, err := r.length(at); err != nil {
		return nil // incomplete: it was never acknowledged to the caller
	}
	err := s.copyToQuarantine(ln, r.f, g.number<<32|uint64(at), g.number<<32|uint64(g.size), "unreadable at the end of a segment")
	if err != nil {
		s.opt.Logger.Warn("spool: torn tail could not be copied", "lane", ln.kind.String(), "segment", g.name(), "error", err)
	}
	return nil
}

func (s *Spool) truncate(name string, size int64) error {
	f, err := s.opt.FS.Edit(name)
	if err != nil {
		return err
	}
	if err = f.Truncate(size); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// removeFile removes a file that is not needed any more; one that stays is
// found again by the next Open.
func (s *Spool) removeFile(name string) {
	if err := s.opt.FS.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.opt.Logger.Warn("spool: file not removed", "file", name, "error", err)
	}
}

// pruneAcked forgets acknowledgements of segments that are gone.
func (ln *lane) pruneAcked() {
	var kept spans
	for _, a := range ln.acked {
		if ln.segmentOf(a.from) != nil {
			kept = append(kept, a)
		}
	}
	ln.acked = kept
}

// segmentOf returns the segment that holds a position, or nil.
func (ln *lane) segmentOf(pos uint64) *segment {
	for _, g := range ln.segs {
		if g.number == pos>>32 {
			return g
		}
	}
	return nil
}

func isZero(b []byte) bool {
	return !slices.ContainsFunc(b, func(x byte) bool { return x != 0 })
}
