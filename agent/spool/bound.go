package spool

import (
	"errors"
	"fmt"
	"path/filepath"
)

// keepOneIn is the part of a thinned segment's records that stays.
const keepOneIn = 4

// used returns the bytes that count against MaxBytes.
func (s *Spool) used() int64 {
	n := int64(s.stats.QuarantineBytes)
	for _, ln := range s.lanes {
		n += ln.bytes
	}
	return n
}

// makeRoom drops samples that are too old, then thins and drops the oldest
// samples until size more bytes fit. Events are never dropped: when they alone
// fill the spool, appending fails. The caller holds s.mu.
func (s *Spool) makeRoom(size int64) error {
	samples := s.lanes[Samples]
	now := s.opt.Now()
	for len(samples.segs) > 0 && samples.segs[0] != samples.active && now.Sub(samples.segs[0].until) > s.opt.MaxAge {
		s.drop(samples, samples.segs[0])
	}
	for s.used()+size > s.opt.MaxBytes {
		if g := s.thinnable(samples); g != nil {
			if err := s.thin(samples, g); err == nil {
				continue
			}
			s.drop(samples, g) // cannot be thinned: disk full or unreadable
			continue
		}
		if !s.dropOldest(samples) {
			return fmt.Errorf("%w: %d of %d bytes hold what may not be dropped (raise the spool's bound or restore the way to the collector)", ErrFull, s.used(), s.opt.MaxBytes)
		}
	}
	return nil
}

// thinnable returns the oldest whole segment in the older half of the samples,
// or nil. Segments with acknowledged or handed-out records keep their positions
// and are not thinned.
func (s *Spool) thinnable(ln *lane) *segment {
	sum := int64(0)
	for _, g := range ln.segs {
		sum += g.size
		if g == ln.active || sum > ln.bytes/2 {
			return nil
		}
		if !g.thinned && ln.acked.within(g.start(), g.end()) == 0 && ln.taken.within(g.start(), g.end()) == 0 {
			return g
		}
	}
	return nil
}

// thin rewrites a segment with one in keepOneIn of its records. A hash of the
// position chooses, so that targets polled in turn do not vanish together.
func (s *Spool) thin(ln *lane, g *segment) error {
	from := filepath.Join(ln.dir, g.name())
	src, err := s.opt.FS.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	tmp := from + ".tmp"
	dst, err := s.opt.FS.Create(tmp)
	if err != nil {
		return err
	}
	size, gone, err := thinInto(dst, &segmentReader{f: src, size: g.size})
	if err == nil {
		err = dst.Sync()
	}
	if err = errors.Join(err, dst.Close()); err != nil {
		s.removeFile(tmp)
		return err
	}
	thinned := *g
	thinned.thinned, thinned.size = true, size
	if err := s.opt.FS.Rename(tmp, filepath.Join(ln.dir, thinned.name())); err != nil {
		s.removeFile(tmp)
		return err
	}
	if err := s.opt.FS.SyncDir(ln.dir); err != nil {
		return err
	}
	s.removeFile(from)
	ln.liveFrom = max(ln.liveFrom, g.end()) // the older half is not live, even if nobody asked yet
	st := &s.stats.Lanes[ln.kind]
	st.ThinnedRecords += gone
	st.ThinnedBytes += uint64(g.size - size)
	ln.bytes -= g.size - size
	*g = thinned
	s.opt.Logger.Warn("spool: thinned the oldest samples", "segment", g.name(), "records", gone, "from", g.created, "until", g.until)
	return nil
}

// thinInto copies a part of the records and returns the new size and how many
// were left out. Damage fails the whole: Peek deals with it.
func thinInto(dst File, r *segmentReader) (size int64, gone uint64, err error) {
	if _, err := dst.WriteAt([]byte(magic), 0); err != nil {
		return 0, 0, err
	}
	size = headerBytes
	var buf []byte
	for at := headerBytes; at < r.size; {
		payload, next, err := r.record(at)
		if err != nil {
			return 0, 0, err
		}
		if chosen(at) {
			buf = appendRecord(buf[:0], payload)
			if _, err := dst.WriteAt(buf, size); err != nil {
				return 0, 0, err
			}
			size += int64(len(buf))
		} else {
			gone++
		}
		at = next
	}
	return size, gone, nil
}

// chosen tells whether the record at an offset stays. The mixing is that of
// splitmix64: steps of any length must not fall in with it.
func chosen(off int64) bool {
	h := uint64(off) + 0x9e3779b97f4a7c15
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return (h^h>>31)%keepOneIn == 0
}

// dropOldest drops the oldest sealed segment and tells whether there was one.
func (s *Spool) dropOldest(ln *lane) bool {
	if len(ln.segs) == 0 || ln.segs[0] == ln.active {
		return false
	}
	s.drop(ln, ln.segs[0])
	return true
}

// dropOldestSamples is dropOldest for a caller without s.mu.
func (s *Spool) dropOldestSamples() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropOldest(s.lanes[Samples])
}

// drop deletes a sealed segment and counts what nobody had acknowledged.
func (s *Spool) drop(ln *lane, g *segment) {
	lost := uint64(g.size) - uint64(headerBytes) - ln.acked.within(g.start(), g.end())
	records := s.countRecords(ln, g)
	st := &s.stats.Lanes[ln.kind]
	st.DroppedBytes += lost
	st.DroppedRecords += records
	s.opt.Logger.Warn("spool: dropped the oldest samples", "segment", g.name(), "records", records, "bytes", lost, "from", g.created, "until", g.until)
	s.remove(ln, g)
}

// countRecords counts a segment's records that are not acknowledged, as far as
// it can be read.
func (s *Spool) countRecords(ln *lane, g *segment) uint64 {
	f, err := s.opt.FS.Open(filepath.Join(ln.dir, g.name()))
	if err != nil {
		return 0
	}
	defer f.Close()
	r := segmentReader{f: f, size: g.size}
	n := uint64(0)
	for at := headerBytes; at < g.size; {
		size, _, err := r.length(at)
		if err != nil {
			return n
		}
		if pos := g.number<<32 | uint64(at); ln.acked.past(pos) == pos {
			n++
		}
		at += recordHeader + size
	}
	return n
}

// remove deletes a segment's file and forgets it.
func (s *Spool) remove(ln *lane, g *segment) {
	s.removeFile(filepath.Join(ln.dir, g.name()))
	s.forget(ln, g)
}

// forget takes a segment out of the lane.
func (s *Spool) forget(ln *lane, g *segment) {
	for i := range ln.segs {
		if ln.segs[i] == g {
			ln.segs = append(ln.segs[:i], ln.segs[i+1:]...)
			ln.bytes -= g.size
			break
		}
	}
	ln.acked.remove(g.number<<32, (g.number+1)<<32)
	ln.taken.remove(g.number<<32, (g.number+1)<<32)
}

// removeDone removes a sealed segment of which everything is acknowledged.
func (s *Spool) removeDone(ln *lane, g *segment) {
	if g != ln.active && ln.acked.within(g.start(), g.end()) == g.end()-g.start() {
		s.remove(ln, g)
	}
}
