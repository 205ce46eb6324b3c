package ipmi

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/faultline/faultline/agent/input/failure"
)

// Network functions (table 5-1).
const (
	netChassis = 0x00
	netSensor  = 0x04
	netApp     = 0x06
	netStorage = 0x0a
)

// Bounds of what a BMC may have.
const (
	maxRecords = 2000
	maxSensors = 1000
	lastRecord = 0xffff
)

// repository is what is known of a BMC's sensors; it is read once, and again when
// the BMC says that it has changed. A reading that had no time left goes on with
// the next.
type repository struct {
	stamp   string // what the BMC says of its state
	next    uint16 // the record to read next
	whole   bool
	records int
	sensors []sensor
	foreign int // sensors of other controllers, which are not asked
}

// bring reads what is missing of the repository.
func (r *repository) bring(ctx context.Context, s *session) error {
	info, err := s.command(ctx, netStorage, 0, 0x20)
	if err != nil {
		return fmt.Errorf("SDR repository info: %w", err)
	}
	if len(info) < 14 {
		return failure.As(failure.Malformed, fmt.Errorf("SDR repository info of %d bytes", len(info)))
	}
	// version, records, and the times of the last addition and deletion
	if stamp := string(info[:3]) + string(info[5:13]); stamp != r.stamp {
		*r = repository{stamp: stamp}
	}
	if r.whole {
		return nil
	}
	if binary.LittleEndian.Uint16(info[1:]) == 0 {
		r.whole = true
		return nil
	}
	return r.read(ctx, s)
}

func (r *repository) read(ctx context.Context, s *session) error {
	reader := sdrReader{s: s, chunk: 32}
	for r.next != lastRecord {
		if r.records++; r.records > maxRecords {
			return failure.As(failure.TooLarge, fmt.Errorf("more than %d records", maxRecords))
		}
		record, next, err := reader.record(ctx, r.next)
		if err != nil {
			r.records--
			return fmt.Errorf("SDR %#04x: %w", r.next, err)
		}
		found, foreign := parseSDR(record)
		if len(r.sensors)+len(found) > maxSensors {
			return failure.As(failure.TooLarge, fmt.Errorf("more than %d sensors", maxSensors))
		}
		r.sensors = append(r.sensors, found...)
		if foreign {
			r.foreign++
		}
		if next == r.next {
			return failure.As(failure.Malformed, fmt.Errorf("SDR %#04x follows itself", next))
		}
		r.next = next
	}
	r.whole = true
	return nil
}

// sdrReader reads records in parts, as large as the BMC gives them.
type sdrReader struct {
	s           *session
	reservation uint16
	chunk       int
}

// record returns one record and the number of the next. A reservation that the
// BMC takes back (another console reads too) is renewed.
func (r *sdrReader) record(ctx context.Context, id uint16) (record []byte, next uint16, err error) {
	for range 5 {
		record, next, err = r.once(ctx, id)
		var c completion
		if !errors.As(err, &c) || c != 0xc5 {
			return record, next, err
		}
		r.reservation = 0
	}
	return nil, 0, err
}

func (r *sdrReader) once(ctx context.Context, id uint16) ([]byte, uint16, error) {
	if r.reservation == 0 {
		b, err := r.s.command(ctx, netStorage, 0, 0x22)
		if err == nil && len(b) < 2 {
			err = failure.As(failure.Malformed, errors.New("reservation of less than 2 bytes"))
		}
		if err != nil {
			return nil, 0, fmt.Errorf("reserve: %w", err)
		}
		r.reservation = binary.LittleEndian.Uint16(b)
	}
	record, next, err := r.part(ctx, id, 0, 5)
	if err != nil {
		return nil, 0, err
	}
	whole := 5 + int(record[4])
	for len(record) < whole {
		n := min(r.chunk, whole-len(record))
		part, _, err := r.part(ctx, id, len(record), n)
		var c completion
		if errors.As(err, &c) && r.chunk > 8 && (c == 0xca || c == 0xc7 || c == 0xc8 || c == 0xff) {
			r.chunk /= 2
			continue
		}
		if err != nil {
			return nil, 0, err
		}
		record = append(record, part...)
	}
	return record, next, nil
}

// part returns n bytes of a record.
func (r *sdrReader) part(ctx context.Context, id uint16, at, n int) ([]byte, uint16, error) {
	b, err := r.s.command(ctx, netStorage, 0, 0x23, byte(r.reservation), byte(r.reservation>>8), byte(id), byte(id>>8), byte(at), byte(n))
	if err != nil {
		return nil, 0, err
	}
	if len(b) != 2+n {
		return nil, 0, failure.As(failure.Malformed, fmt.Errorf("%d bytes of a record instead of %d", len(b)-2, n))
	}
	return b[2:], binary.LittleEndian.Uint16(b), nil
}

// parseSDR returns the sensors that a record describes (43.1, 43.2): one, or
// several with consecutive numbers, or none. Foreign are those of other
// controllers and of software.
func parseSDR(b []byte) (found []sensor, foreign bool) {
	if len(b) < 5 || b[3] != 1 && b[3] != 2 {
		return nil, false
	}
	nameAt := 47
	if b[3] == 2 {
		nameAt = 31
	}
	if len(b) <= nameAt {
		return nil, false
	}
	if b[5] != controller {
		return nil, true
	}
	s := sensor{record: binary.LittleEndian.Uint16(b), lun: b[6] & 3, number: b[7], kind: b[12], event: b[13], units: b[20], unit: b[21], name: idText(b[nameAt], b[nameAt+1:])}
	if b[3] == 1 {
		s.line = parseLine(b)
		return []sensor{s}, false
	}
	for i := range max(1, int(b[23]&0xf)) {
		one := s
		one.number += byte(i)
		if i > 0 || b[23]&0xf > 1 {
			one.name = fmt.Sprintf("%s %d", s.name, int(b[24]&0x7f)+i)
		}
		found = append(found, one)
	}
	return found, false
}

// idText reads a type/length byte and the text behind it (43.15).
func idText(kind byte, b []byte) string {
	b = b[:min(int(kind&0x1f), len(b))]
	var text string
	switch kind >> 6 {
	case 1: // BCD plus
		for _, v := range b {
			text += string("0123456789 -.???"[v>>4]) + string("0123456789 -.???"[v&0xf])
		}
	case 2: // six bits a character, packed
		bits, have := uint(0), 0
		for _, v := range b {
			bits |= uint(v) << have
			for have += 8; have >= 6; have -= 6 {
				text += string(rune(' ' + bits&0x3f))
				bits >>= 6
			}
		}
	default:
		text = string(b)
	}
	return strings.TrimSpace(strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", " "), "?"))
}
