package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	magic        = "FLSPOOL1" // first bytes of every segment
	headerBytes  = int64(len(magic))
	recordHeader = 8 // length and CRC-32C, little endian

	// MaxRecordBytes is the largest payload that Append takes.
	MaxRecordBytes = 8 << 20
)

// castagnoli is the CRC-32C table; it never changes.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errBad says that no record stands where one should.
var errBad = errors.New("not a record")

// segment is one file of a lane. The spool's mu guards it.
type segment struct {
	number   uint64
	created  time.Time
	until    time.Time // no record is newer
	thinned  bool
	size     int64 // bytes that are durable, magic included
	readErrs int   // failed reads in a row
}

func (g *segment) start() uint64 { return g.number<<32 | uint64(headerBytes) }
func (g *segment) end() uint64   { return g.number<<32 | uint64(max(g.size, headerBytes)) }

func (g *segment) name() string {
	ext := ".seg"
	if g.thinned {
		ext = ".thin"
	}
	return fmt.Sprintf("%016x-%013d%s", g.number, g.created.UnixMilli(), ext)
}

// parseName reads a segment's file name; ok is false for other files.
func parseName(info FileInfo) (g *segment, ok bool) {
	ext := filepath.Ext(info.Name)
	number, created, found := strings.Cut(strings.TrimSuffix(info.Name, ext), "-")
	if !found || ext != ".seg" && ext != ".thin" {
		return nil, false
	}
	n, err := strconv.ParseUint(number, 16, 32)
	if err != nil {
		return nil, false
	}
	ms, err := strconv.ParseInt(created, 10, 64)
	if err != nil {
		return nil, false
	}
	return &segment{number: n, created: time.UnixMilli(ms), thinned: ext == ".thin", size: info.Size}, true
}

// appendRecord appends a record with the payload to b.
func appendRecord(b, payload []byte) []byte {
	var head [recordHeader]byte
	binary.LittleEndian.PutUint32(head[:4], uint32(len(payload)))
	sum := crc32.Update(crc32.Checksum(head[:4], castagnoli), castagnoli, payload)
	binary.LittleEndian.PutUint32(head[4:], sum)
	return append(append(b, head[:]...), payload...)
}

// segmentReader reads records of one segment file up to size. buf serves
// checks only and stays small whatever the records' sizes.
type segmentReader struct {
	f    io.ReaderAt
	size int64
	buf  []byte
}

// length returns the payload's length of the record at off, errBad if it cannot
// be one.
func (r *segmentReader) length(off int64) (int64, uint32, error) {
	var head [recordHeader]byte
	if off+recordHeader > r.size {
		return 0, 0, errBad
	}
	if err := readFull(r.f, head[:], off); err != nil {
		return 0, 0, err
	}
	n := int64(binary.LittleEndian.Uint32(head[:4]))
	if n == 0 || n > MaxRecordBytes || off+recordHeader+n > r.size {
		return 0, 0, errBad
	}
	return n, binary.LittleEndian.Uint32(head[4:]), nil
}

// record returns the payload at off and where the next record begins.
func (r *segmentReader) record(off int64) ([]byte, int64, error) {
	n, want, err := r.length(off)
	if err != nil {
		return nil, 0, err
	}
	whole := make([]byte, 4+n)
	binary.LittleEndian.PutUint32(whole, uint32(n))
	if err := readFull(r.f, whole[4:], off+recordHeader); err != nil {
		return nil, 0, err
	}
	if crc32.Checksum(whole, castagnoli) != want {
		return nil, 0, errBad
	}
	return whole[4:], off + recordHeader + n, nil
}

// check is record without keeping the payload.
func (r *segmentReader) check(off int64) (int64, error) {
	n, want, err := r.length(off)
	if err != nil {
		return 0, err
	}
	if r.buf == nil {
		r.buf = make([]byte, 32<<10)
	}
	binary.LittleEndian.PutUint32(r.buf, uint32(n))
	sum := crc32.Checksum(r.buf[:4], castagnoli)
	for at := off + recordHeader; at < off+recordHeader+n; {
		part := r.buf[:min(int64(len(r.buf)), off+recordHeader+n-at)]
		if err := readFull(r.f, part, at); err != nil {
			return 0, err
		}
		sum = crc32.Update(sum, castagnoli, part)
		at += int64(len(part))
	}
	if sum != want {
		return 0, errBad
	}
	return off + recordHeader + n, nil
}

// resync returns where the next whole record after off begins, or size when
// there is none. It gives up, as if there were none, after checking many times
// the segment's size, which only bytes made to deceive can need.
func (r *segmentReader) resync(off int64) (int64, error) {
	budget := 16*r.size + 1<<20
	window := make([]byte, 64<<10)
	for at := off + 1; at+recordHeader < r.size && budget > 0; {
		part := window[:min(int64(len(window)), r.size-at)]
		if err := readFull(r.f, part, at); err != nil {
			return 0, err
		}
		for i := 0; i+recordHeader <= len(part) && budget > 0; i++ {
			n := int64(binary.LittleEndian.Uint32(part[i:]))
			if n == 0 || n > MaxRecordBytes || at+int64(i)+recordHeader+n > r.size {
				continue
			}
			budget -= n
			if _, err := r.check(at + int64(i)); err == nil {
				return at + int64(i), nil
			} else if !errors.Is(err, errBad) {
				return 0, err
			}
		}
		at += int64(len(part)) - recordHeader + 1
	}
	return r.size, nil
}

// readFull reads all of b; the end of the file before that is a bad record, not
// a fault of the disk.
func readFull(f io.ReaderAt, b []byte, off int64) error {
	n, err := f.ReadAt(b, off)
	switch {
	case n == len(b):
		return nil
	case err == io.EOF || err == nil:
		return errBad
	default:
		return err
	}
}
