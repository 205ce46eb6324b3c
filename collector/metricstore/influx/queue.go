package influx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/s2"
)

const (
	segmentBytes  = 16 << 20
	segmentSuffix = ".seg"
	cursorName    = "cursor"
	// A record is its length, CRC-32C and number of points, 4 bytes each,
	// little-endian, and lines in line protocol, compressed with S2.
	recordHeader = 12
	maxRecord    = 256 << 20
)

// queue is a list of segment files, written at the end and read from a cursor.
// What was read is deleted a segment at a time. After a crash the cursor may
// be behind, never ahead.
type queue struct {
	dir      string
	maxBytes int64
	log      *slog.Logger
	table    *crc32.Table

	mu       sync.Mutex // guards the fields below
	segments []*segment // oldest first; the last one is written to
	file     *os.File   // of the last segment
	offset   int64      // of the cursor in the first segment
	dirty    bool       // written since the last sync
}

type segment struct {
	id     uint64
	size   int64
	points int64 // not yet read
}

// batch is what peek read.
type batch struct {
	lines      []byte
	points     int
	unreadable int    // files set aside on the way
	segment    uint64 // where the cursor goes on
	offset     int64
}

func openQueue(dir string, maxBytes int64, log *slog.Logger) (*queue, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	q := &queue{dir: dir, maxBytes: maxBytes, log: log, table: crc32.MakeTable(crc32.Castagnoli)}
	ids, err := q.list()
	if err != nil {
		return nil, err
	}
	next := uint64(1)
	id, offset := q.readCursor()
	for _, n := range ids {
		next = max(next, n+1)
		if n < id {
			if err := os.Remove(q.path(n)); err != nil {
				return nil, err
			}
			continue
		}
		from := int64(0)
		if n == id {
			from, q.offset = offset, offset
		}
		s, err := q.scan(n, from)
		if err != nil {
			return nil, err
		}
		q.segments = append(q.segments, s)
	}
	return q, q.rollLocked(max(next, id))
}

func (q *queue) path(id uint64) string {
	return filepath.Join(q.dir, fmt.Sprintf("%020d%s", id, segmentSuffix))
}

func (q *queue) list() ([]uint64, error) {
	entries, err := os.ReadDir(q.dir)
	if err != nil {
		return nil, err
	}
	var ids []uint64
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), segmentSuffix); ok {
			if n, err := strconv.ParseUint(name, 10, 64); err == nil {
				ids = append(ids, n)
			}
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// scan counts the points behind the offset without reading them. A torn record
// at the end was never acknowledged and is cut off.
func (q *queue) scan(id uint64, from int64) (*segment, error) {
	f, err := os.OpenFile(q.path(id), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	s := &segment{id: id, size: info.Size()}
	var head [recordHeader]byte
	at := from
	for at < s.size {
		if _, err := f.ReadAt(head[:], at); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		end := at + recordHeader + int64(binary.LittleEndian.Uint32(head[:]))
		if at+recordHeader > s.size || end > s.size {
			q.log.Warn("influx: torn end of the queue cut off", "file", f.Name(), "bytes", s.size-at)
			s.size = at
			return s, f.Truncate(at)
		}
		s.points += int64(binary.LittleEndian.Uint32(head[8:]))
		at = end
	}
	return s, nil
}

// rollLocked starts a new segment.
func (q *queue) rollLocked(id uint64) error {
	f, err := os.OpenFile(q.path(id), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	if q.file != nil {
		if err := errors.Join(q.file.Sync(), q.file.Close()); err != nil {
			f.Close()
			return err
		}
	}
	q.file = f
	q.segments = append(q.segments, &segment{id: id})
	q.dirty = true
	return syncDir(q.dir)
}

func (q *queue) tail() *segment { return q.segments[len(q.segments)-1] }

// append adds a record and returns how many points had to be dropped for it.
func (q *queue) append(packed []byte, points int) (dropped int64, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.file == nil {
		return 0, errors.New("closed")
	}
	if q.tail().size >= min(segmentBytes, q.maxBytes/4) {
		if err := q.rollLocked(q.tail().id + 1); err != nil {
			return 0, err
		}
	}
	record := make([]byte, recordHeader, recordHeader+len(packed))
	binary.LittleEndian.PutUint32(record, uint32(len(packed)))
	binary.LittleEndian.PutUint32(record[4:], crc32.Checksum(packed, q.table))
	binary.LittleEndian.PutUint32(record[8:], uint32(points))
	record = append(record, packed...)
	s := q.tail()
	if _, err := q.file.WriteAt(record, s.size); err != nil {
		return 0, errors.Join(err, q.file.Truncate(s.size))
	}
	s.size += int64(len(record))
	s.points += int64(points)
	q.dirty = true
	return q.boundLocked(), nil
}

// boundLocked drops the oldest segments while the queue is too large.
func (q *queue) boundLocked() (dropped int64) {
	for q.bytesLocked() > q.maxBytes && len(q.segments) > 1 {
		dropped += q.segments[0].points
		q.removeFirstLocked()
	}
	return dropped
}

func (q *queue) bytesLocked() (n int64) {
	for _, s := range q.segments {
		n += s.size
	}
	return n
}

func (q *queue) removeFirstLocked() {
	if err := os.Remove(q.path(q.segments[0].id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		q.log.Error("influx: remove file of the queue", "err", err)
	}
	q.segments = q.segments[1:]
	q.offset = 0
}

// peek reads records from the cursor on, until there are at least the given
// number of points or no more.
func (q *queue) peek(points int) (batch, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var b batch
	for {
		s := q.segments[0]
		b.segment, b.offset = s.id, q.offset
		if q.offset < s.size {
			err := q.readLocked(s, points, &b)
			if err == nil || len(b.lines) > 0 {
				return b, nil
			}
			if err := q.setAsideLocked(s, err); err != nil {
				return b, err
			}
			b.unreadable++
			continue
		}
		if len(q.segments) == 1 {
			return b, nil
		}
		q.removeFirstLocked()
	}
}

// readLocked reads records of one segment into b.
func (q *queue) readLocked(s *segment, points int, b *batch) error {
	f, err := os.Open(q.path(s.id))
	if err != nil {
		return err
	}
	defer f.Close()
	var head [recordHeader]byte
	for b.offset < s.size && b.points < points {
		if _, err := f.ReadAt(head[:], b.offset); err != nil {
			return err
		}
		n := int64(binary.LittleEndian.Uint32(head[:]))
		if n > maxRecord || b.offset+recordHeader+n > s.size {
			return fmt.Errorf("record of %d bytes at %d", n, b.offset)
		}
		packed := make([]byte, n)
		if _, err := f.ReadAt(packed, b.offset+recordHeader); err != nil {
			return err
		}
		if crc32.Checksum(packed, q.table) != binary.LittleEndian.Uint32(head[4:]) {
			return fmt.Errorf("wrong checksum at %d", b.offset)
		}
		lines, err := s2.Decode(nil, packed)
		if err != nil {
			return fmt.Errorf("record at %d: %w", b.offset, err)
		}
		b.lines = append(b.lines, lines...)
		b.points += int(binary.LittleEndian.Uint32(head[8:]))
		b.offset += recordHeader + n
	}
	return nil
}

// setAsideLocked moves a damaged segment out of the way, for people to look at.
func (q *queue) setAsideLocked(s *segment, cause error) error {
	q.log.Error("influx: file of the queue is damaged and set aside", "file", q.path(s.id), "points", s.points, "err", cause)
	if err := os.Rename(q.path(s.id), q.path(s.id)+".damaged"); err != nil {
		return err
	}
	if len(q.segments) == 1 {
		if err := q.rollLocked(s.id + 1); err != nil {
			return err
		}
	}
	q.segments = q.segments[1:]
	q.offset = 0
	return nil
}

// ack moves the cursor behind the batch.
func (q *queue) ack(b batch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.segments[0]
	if s.id != b.segment || b.offset <= q.offset {
		return // dropped meanwhile by the bound, or nothing new
	}
	q.offset = b.offset
	s.points -= int64(b.points)
	if s.points == 0 && q.offset == s.size && len(q.segments) > 1 {
		q.removeFirstLocked()
	}
	q.writeCursorLocked()
}

func (q *queue) writeCursorLocked() {
	path := filepath.Join(q.dir, cursorName)
	text := fmt.Sprintf("%d %d\n", q.segments[0].id, q.offset)
	err := os.WriteFile(path+".tmp", []byte(text), 0o640)
	if err == nil {
		err = os.Rename(path+".tmp", path)
	}
	if err != nil {
		q.log.Warn("influx: cursor not saved, some points will be written again after a restart", "err", err)
	}
}

// readCursor returns where to go on, or zeros to begin with the oldest.
func (q *queue) readCursor() (id uint64, offset int64) {
	b, err := os.ReadFile(filepath.Join(q.dir, cursorName))
	if err != nil {
		return 0, 0
	}
	if n, err := fmt.Sscanf(string(b), "%d %d\n", &id, &offset); err != nil || n != 2 || offset < 0 {
		return 0, 0
	}
	info, err := os.Stat(q.path(id))
	if err != nil || info.Size() < offset {
		return 0, 0
	}
	return id, offset
}

// waiting returns the points not yet read and the bytes of all files.
func (q *queue) waiting() (points, bytes int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range q.segments {
		points += s.points
	}
	return points, q.bytesLocked()
}

// sync does not hold up those who append meanwhile.
func (q *queue) sync() error {
	q.mu.Lock()
	f, dirty := q.file, q.dirty
	q.dirty = false
	q.mu.Unlock()
	if f == nil || !dirty {
		return nil
	}
	// A file closed meanwhile was synced before.
	if err := f.Sync(); err != nil && !errors.Is(err, os.ErrClosed) {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.dirty = true
		return err
	}
	return nil
}

func (q *queue) close() error {
	if err := q.sync(); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.file == nil {
		return nil
	}
	err := q.file.Close()
	q.file = nil
	return err
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
