package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"syscall"
)

// Range is a part of a lane, as Peek hands it out. Ranges of records that
// follow each other in a batch may be joined with Through.
type Range struct {
	Lane     Lane
	from, to uint64
}

// Through returns the range from the start of r to the end of last, which must
// be of the same batch and not before r.
func (r Range) Through(last Range) Range { return Range{r.Lane, r.from, last.to} }

// Join returns the range of r and next together, if next begins where r ends.
func (r Range) Join(next Range) (Range, bool) {
	if r.Lane != next.Lane || r.to != next.from {
		return r, false
	}
	return Range{r.Lane, r.from, next.to}, true
}

// String names the range for logs: lane, segment and offsets.
func (r Range) String() string {
	return fmt.Sprintf("%s/%016x[%d:%d]", r.Lane, r.from>>32, uint32(r.from), uint32(r.to))
}

// Record is one payload as it was appended, and where it stands.
type Record struct {
	Data  []byte
	Range Range
}

// Batch is what one Peek hands out: records of one lane in the order they were
// appended. It is empty when there is nothing to send.
type Batch struct {
	Records []Record
}

// Range spans all records of a batch that is not empty.
func (b Batch) Range() Range {
	return b.Records[0].Range.Through(b.Records[len(b.Records)-1].Range)
}

// readErrorsBeforeAside is how often in a row a segment may fail to be read
// before it is moved aside.
const readErrorsBeforeAside = 3

// Peek hands out the next records of a cursor: about maxBytes of them, one at
// least. What was handed out is not handed out again until it is returned or
// the spool is opened anew. Records that cannot be read go to quarantine; an
// error means the disk failed, and that trying again later makes sense.
func (s *Spool) Peek(c Cursor, maxBytes int) (Batch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return Batch{}, ErrClosed
	}
	ln := s.lanes[c.lane()]
	from, limit := uint64(0), ^uint64(0)
	switch c {
	case SamplesLive:
		ln.liveFrom = ln.recent.newest(ln.liveFrom, maxBytes)
		from = ln.liveFrom
	case SamplesBacklog:
		limit = ln.liveFrom
	}
	for {
		g, gap := ln.firstGap(from, limit)
		if g == nil {
			return Batch{}, nil
		}
		b, err := s.read(ln, g, gap, maxBytes)
		if err != nil {
			return Batch{}, fmt.Errorf("peek %s: segment %s: %w", ln.kind, g.name(), err)
		}
		if len(b.Records) > 0 {
			r := b.Range()
			ln.taken.add(r.from, r.to)
			return b, nil
		}
	}
}

// firstGap returns the first positions in [from, limit) that are neither
// acknowledged nor handed out, and their segment; nil when there are none.
func (ln *lane) firstGap(from, limit uint64) (*segment, span) {
	for _, g := range ln.segs {
		end := min(g.end(), limit)
		for at := max(g.start(), from); at < end; {
			next := ln.taken.past(ln.acked.past(at))
			if next == at {
				return g, span{at, min(ln.acked.next(at, end), ln.taken.next(at, end))}
			}
			at = next
		}
	}
	return nil, span{}
}

// read reads records of a gap. It returns none and no error when it has put
// what stands there out of the way.
func (s *Spool) read(ln *lane, g *segment, gap span, maxBytes int) (Batch, error) {
	f, err := s.opt.FS.Open(filepath.Join(ln.dir, g.name()))
	if err != nil {
		return Batch{}, s.readFailed(ln, g, err)
	}
	defer f.Close()
	var b Batch
	at := int64(uint32(gap.from))
	if at == headerBytes {
		head := make([]byte, headerBytes)
		if err := readFull(f, head, 0); err != nil && !errors.Is(err, errBad) {
			return b, s.readFailed(ln, g, err)
		}
		if string(head) != magic {
			s.aside(ln, g, "the first bytes are not a segment's")
			return b, nil
		}
	}
	r := segmentReader{f: f, size: g.size}
	for left := maxBytes; g.number<<32|uint64(at) < gap.to; {
		n, _, err := r.length(at)
		if err == nil && len(b.Records) > 0 && int(n) > left {
			break
		}
		var payload []byte
		next := int64(0)
		if err == nil {
			payload, next, err = r.record(at)
		}
		if err != nil && len(b.Records) > 0 {
			break // hand out what is whole; the next Peek meets the fault first
		}
		if errors.Is(err, errBad) {
			return b, s.skipBad(ln, g, &r, at, gap.to)
		}
		if err != nil {
			return b, s.readFailed(ln, g, err)
		}
		g.readErrs = 0
		pos := g.number << 32
		b.Records = append(b.Records, Record{payload, Range{ln.kind, pos | uint64(at), pos | uint64(next)}})
		left -= len(payload)
		at = next
	}
	return b, nil
}

// readFailed counts a failed read and moves a segment aside that keeps failing.
// Faults that are not the file's own, such as too many open files, are only
// returned.
func (s *Spool) readFailed(ln *lane, g *segment, err error) error {
	s.stats.ReadErrors++
	if !isDamage(err) {
		return err
	}
	if g.readErrs++; g.readErrs < readErrorsBeforeAside {
		return err
	}
	if g == ln.active { // cannot be moved while it is written; try the others meanwhile
		ln.taken.add(g.start(), g.end())
		return err
	}
	s.aside(ln, g, err.Error())
	return nil
}

// isDamage tells whether an error says that the file itself is lost.
func isDamage(err error) bool {
	if runtime.GOOS == "windows" && (errors.Is(err, syscall.Errno(23)) || errors.Is(err, syscall.Errno(1117))) {
		return true // ERROR_CRC, ERROR_IO_DEVICE
	}
	return errors.Is(err, syscall.EIO) || errors.Is(err, fs.ErrNotExist)
}

// skipBad puts damaged bytes into quarantine and marks them as dealt with.
func (s *Spool) skipBad(ln *lane, g *segment, r *segmentReader, at int64, limit uint64) error {
	next, err := r.resync(at)
	if err != nil {
		return s.readFailed(ln, g, err)
	}
	from, to := g.number<<32|uint64(at), min(g.number<<32|uint64(next), limit)
	if err := s.copyToQuarantine(ln, r.f, from, to, "unreadable record"); err != nil {
		// Not copied, so not to be deleted: the segment stays until the next start.
		s.opt.Logger.Error("spool: unreadable record stays in its segment", "lane", ln.kind.String(), "segment", g.name(), "error", err)
		ln.taken.add(from, to)
		return nil
	}
	s.opt.Logger.Error("spool: unreadable record moved to quarantine", "lane", ln.kind.String(), "segment", g.name(), "offset", at, "bytes", to-from)
	ln.acked.add(from, to)
	s.ackDirty = true
	s.removeDone(ln, g)
	return nil
}

// Ack lets go of a range: a collector has it for good. An error means only that
// the acknowledgement may be forgotten in a crash, and the range sent again.
func (s *Spool) Ack(r Range) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ackLocked(r)
}

func (s *Spool) ackLocked(r Range) error {
	if s.closed {
		return ErrClosed
	}
	ln := s.lanes[r.Lane]
	g := ln.segmentOf(r.from)
	if g == nil {
		return nil // dropped meanwhile
	}
	ln.taken.remove(r.from, r.to)
	ln.acked.add(r.from, min(r.to, g.end()))
	s.stats.Lanes[r.Lane].AckedBytes += r.to - r.from
	s.removeDone(ln, g)
	s.ackDirty = true
	now := s.opt.Now()
	if since := now.Sub(s.ackedAt); since >= 0 && since < ackEvery {
		return nil
	}
	s.ackedAt = now
	return s.writeAcked()
}

// Return gives back a range that was not delivered: a later Peek hands it out
// again.
func (s *Spool) Return(r Range) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lanes[r.Lane].taken.remove(r.from, r.to)
	s.wake()
}

// recent remembers where the newest records stand, so that SamplesLive can jump
// to them without reading.
type recent struct {
	ring [256]struct {
		pos  uint64
		size uint32
	}
	n uint64 // pushed in all
}

func (r *recent) push(pos uint64, size uint32) {
	e := &r.ring[r.n%uint64(len(r.ring))]
	e.pos, e.size = pos, size
	r.n++
}

// newest returns the position from which on at most maxBytes of records follow
// (one record at least), or from when that is later.
func (r *recent) newest(from uint64, maxBytes int) uint64 {
	pos := from
	for i, left := uint64(0), int64(maxBytes); i < min(r.n, uint64(len(r.ring))); i++ {
		e := r.ring[(r.n-1-i)%uint64(len(r.ring))]
		if left -= int64(e.size); e.pos < from || left < 0 && i > 0 {
			break
		}
		pos = e.pos
	}
	return pos
}
