package spool

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// waiting is one Append under way. done and err are set under the lane's commit.
type waiting struct {
	payload []byte
	done    bool
	err     error
}

// Append writes one record to a lane and returns when it is on disk. Appends
// that wait at the same moment share one write and one flush; with Options.Pace
// samples wait for that. After an error
// the record may come up after a restart all the same, so a caller that retries
// repeats at worst. A full disk gives an error for which
// errors.Is(err, syscall.ENOSPC) holds; the next Append tries anew.
func (s *Spool) Append(l Lane, payload []byte) error {
	if limit := min(MaxRecordBytes, s.opt.MaxBytes/4); len(payload) == 0 || int64(len(payload)) > limit {
		return fmt.Errorf("append %s: record of %d bytes, allowed are 1 to %d", l, len(payload), limit)
	}
	ln := s.lanes[l]
	w := &waiting{payload: payload}
	ln.queueMu.Lock()
	ln.queue = append(ln.queue, w)
	flushed := ln.flushed
	ln.queueMu.Unlock()
	s.pace(l, flushed)

	ln.commit.Lock()
	if !w.done {
		s.commitQueue(ln)
	}
	ln.commit.Unlock()
	if w.err != nil {
		return fmt.Errorf("append %s: %w", l, w.err)
	}
	return nil
}

// pace waits until a lane that was flushed at a time may be flushed again, or the
// spool is closed. What is appended meanwhile goes with it: one flush and, behind
// it, one request for all.
func (s *Spool) pace(l Lane, flushed time.Time) {
	wait := s.opt.Pace - time.Since(flushed)
	if l != Samples || wait <= 0 {
		return
	}
	select {
	case <-time.After(wait):
	case <-s.closing:
	}
}

// commitQueue writes what waits. The caller holds ln.commit.
func (s *Spool) commitQueue(ln *lane) {
	ln.queueMu.Lock()
	group := ln.queue
	ln.queue, ln.flushed = nil, time.Now()
	ln.queueMu.Unlock()

	// One flush may not outgrow a segment by much: positions have 32 bits.
	for len(group) > 0 {
		n, size := 0, int64(0)
		for ; n < len(group) && (n == 0 || size+int64(len(group[n].payload)) <= s.opt.SegmentBytes); n++ {
			size += int64(len(group[n].payload)) + recordHeader
		}
		err := s.commitGroup(ln, group[:n])
		for _, w := range group[:n] {
			w.done, w.err = true, err
		}
		group = group[n:]
	}
}

func (s *Spool) commitGroup(ln *lane, group []*waiting) error {
	if cap(ln.buf) > 1<<20 {
		ln.buf = nil // do not keep the memory of one large record
	}
	ln.buf = ln.buf[:0]
	for _, w := range group {
		ln.buf = appendRecord(ln.buf, w.payload)
	}
	for {
		err := s.reserve(ln, int64(len(ln.buf)))
		if err == nil {
			err = s.write(ln)
		}
		if err == nil {
			s.committed(ln, group)
			return nil
		}
		if ln.kind == Events && isNoSpace(err) && s.dropOldestSamples() {
			continue // events are worth more than old samples
		}
		s.mu.Lock()
		s.stats.Lanes[ln.kind].AppendErrors += uint64(len(group))
		s.mu.Unlock()
		return err
	}
}

// reserve makes room within the bounds and sees that there is a segment to
// append size bytes to. The caller holds ln.commit.
func (s *Spool) reserve(ln *lane, size int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	now := s.opt.Now()
	if g := ln.active; g != nil && g.size > 0 && (g.size+size > s.opt.SegmentBytes || now.Sub(g.created) > s.opt.MaxAge/32) {
		s.seal(ln)
	}
	if err := s.makeRoom(size + headerBytes); err != nil {
		return err
	}
	if ln.active != nil {
		return nil
	}
	if ln.next >= 1<<32 {
		return errors.New("segment numbers are used up")
	}
	g := &segment{number: ln.next, created: now}
	ln.next++
	f, err := s.opt.FS.Create(filepath.Join(ln.dir, g.name()))
	if err != nil {
		return hint(err)
	}
	ln.segs = append(ln.segs, g)
	ln.active, ln.file = g, f
	return nil
}

// write writes ln.buf to the active segment and flushes it. After a fault the
// segment is given up: what the disk holds after a failed flush is unknown. The
// caller holds ln.commit, which keeps the active segment in place.
func (s *Spool) write(ln *lane) error {
	g, f := ln.active, ln.file
	first := g.size == 0
	data, at := ln.buf, g.size
	var err error
	if first {
		_, err = f.WriteAt([]byte(magic), 0)
		at = headerBytes
	}
	if err == nil {
		_, err = f.WriteAt(data, at)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil && first {
		err = s.opt.FS.SyncDir(ln.dir)
	}
	if err == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if terr := f.Truncate(g.size); terr != nil {
		s.opt.Logger.Warn("spool: half-written record stays in the file", "lane", ln.kind.String(), "segment", g.name(), "error", terr)
	}
	s.seal(ln)
	return hint(err)
}

// committed makes a written group visible.
func (s *Spool) committed(ln *lane, group []*waiting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := ln.active
	g.until = s.opt.Now()
	if g.size == 0 {
		g.size = headerBytes
		ln.bytes += headerBytes
	}
	st := &s.stats.Lanes[ln.kind]
	for _, w := range group {
		n := int64(len(w.payload)) + recordHeader
		ln.recent.push(g.number<<32|uint64(g.size), uint32(n))
		g.size += n
		st.AppendedRecords++
		st.AppendedBytes += uint64(len(w.payload))
	}
	ln.bytes += int64(len(ln.buf))
	s.wake()
}

// seal closes the active segment; one without records is removed. The caller
// holds ln.commit and s.mu.
func (s *Spool) seal(ln *lane) {
	g := ln.active
	if err := ln.file.Close(); err != nil {
		s.opt.Logger.Warn("spool: close segment", "lane", ln.kind.String(), "segment", g.name(), "error", err)
	}
	ln.active, ln.file = nil, nil
	if g.size == 0 {
		s.remove(ln, g)
		return
	}
	s.removeDone(ln, g)
}

// isNoSpace tells whether the disk or the user's share of it is full.
func isNoSpace(err error) bool {
	if runtime.GOOS == "windows" { // ERROR_DISK_FULL, ERROR_HANDLE_DISK_FULL
		return errors.Is(err, syscall.Errno(112)) || errors.Is(err, syscall.Errno(39))
	}
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// hint adds to an error of the disk what a person can do about it.
func hint(err error) error {
	switch {
	case isNoSpace(err):
		return fmt.Errorf("%w (free space on the spool's disk; what is stored stays, appending goes on by itself)", err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w (mount the spool's disk writable; what is stored stays, appending goes on by itself)", err)
	default:
		return err
	}
}
