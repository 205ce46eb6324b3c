package snmp

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"

	protocol "github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/internal/profile"
)

// number returns a value as a number; text that is a number counts, since some
// agents send measurements so.
func number(v protocol.Value) (float64, bool) {
	if f, ok := v.Float64(); ok {
		return f, true
	}
	if v.Type != protocol.OctetString || len(v.Raw) == 0 || len(v.Raw) > 40 {
		return 0, false
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimRight(string(v.Raw), "\x00")), 64)
	return f, err == nil
}

// text returns a value for a label: numbers in decimal, OIDs without a leading
// dot, octets as clean UTF-8.
func text(v protocol.Value, format string) string {
	switch v.Type {
	case protocol.ObjectID:
		return v.OID().String()
	case protocol.IPAddress:
		if ip := v.IP(); ip.IsValid() {
			return ip.String()
		}
		return ""
	}
	if i, ok := v.Int64(); ok {
		return strconv.FormatInt(i, 10)
	}
	if u, ok := v.Uint64(); ok {
		return strconv.FormatUint(u, 10)
	}
	if f, ok := v.Float64(); ok {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	if format == "mac" {
		return mac(v.Bytes())
	}
	return clean(v.Bytes())
}

// value is a raw value as it was read last.
type value struct {
	kind   uint8  // 0 none, else as below
	number uint64 // integers exactly, else the bits of a float
	text   string // octets as they came
}

// Kinds of a value.
const (
	kindSigned = iota + 1
	kindUnsigned
	kindFloat
	kindText
)

// valueOf keeps a value.
func valueOf(v protocol.Value) value {
	if v.Type == protocol.Integer {
		if i, ok := v.Int64(); ok {
			return value{kind: kindSigned, number: uint64(i)}
		}
	}
	if u, ok := v.Uint64(); ok {
		return value{kind: kindUnsigned, number: u}
	}
	if f, ok := v.Float64(); ok {
		return value{kind: kindFloat, number: math.Float64bits(f)}
	}
	if b := v.Bytes(); b != nil {
		return value{kind: kindText, text: string(b)}
	}
	return value{kind: kindText, text: text(v, "")}
}

// raw is the value as profiles read it; false when there is none.
func (v value) raw() (profile.Raw, bool) {
	switch v.kind {
	case kindSigned:
		return profile.Raw{Number: float64(int64(v.number))}, true
	case kindUnsigned:
		return profile.Raw{Number: float64(v.number)}, true
	case kindFloat:
		return profile.Raw{Number: math.Float64frombits(v.number)}, true
	case kindText:
		return profile.Raw{Text: clean([]byte(v.text)), Octets: v.text, IsText: true}, true
	}
	return profile.Raw{}, false
}

func mac(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	const hex = "0123456789abcdef"
	s := make([]byte, 0, 3*len(b))
	for i, c := range b {
		if i > 0 {
			s = append(s, ':')
		}
		s = append(s, hex[c>>4], hex[c&15])
	}
	return string(s)
}

// clean makes octets fit for a label: no padding, no control characters, valid
// UTF-8.
func clean(b []byte) string {
	plain := true
	for _, c := range b {
		if c < 0x20 || c > 0x7e {
			plain = false
			break
		}
	}
	s := string(b)
	if !plain {
		s = strings.TrimRight(s, "\x00")
		if !utf8.ValidString(s) {
			s = decoded(s)
		}
		s = strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return ' '
			}
			return r
		}, s)
	}
	return strings.TrimSpace(s)
}

// decoded makes UTF-8 of octets that are not: what a device cut off in the middle
// of a character loses that one, text of Chinese devices is often GBK (GB 18030),
// and what is no text at all shows as replacement characters.
func decoded(s string) string {
	if whole := withoutCut(s); utf8.ValidString(whole) {
		return whole
	}
	if inGB2312(s) {
		if t, err := simplifiedchinese.GB18030.NewDecoder().String(s); err == nil && !strings.ContainsRune(t, utf8.RuneError) &&
			strings.ContainsFunc(t, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
			return t
		}
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

// withoutCut takes the beginning of a character off the end, if there is one.
func withoutCut(s string) string {
	for n := 1; n < utf8.UTFMax && n < len(s); n++ {
		if tail := s[len(s)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRuneInString(tail) {
				return s
			}
			return s[:len(s)-n]
		}
	}
	return s
}

// inGB2312 tells whether a character of GB 2312, which all common ones are, may be
// in the octets: two in a row from 0xa1 on. Of other encodings that use single
// octets in words these are rare.
func inGB2312(s string) bool {
	for i := 1; i < len(s); i++ {
		if s[i-1] >= 0xa1 && s[i] >= 0xa1 {
			return true
		}
	}
	return false
}

// clockOffset reads a DateAndTime (RFC 2579) that names its zone and returns by
// how many seconds it is ahead of now.
func clockOffset(v protocol.Value, now time.Time) (float64, bool) {
	b := v.Bytes()
	if len(b) < 11 || (b[8] != '+' && b[8] != '-') {
		return 0, false
	}
	zone := int(b[9])*3600 + int(b[10])*60
	if b[8] == '-' {
		zone = -zone
	}
	if b[2] < 1 || b[2] > 12 || b[3] < 1 || b[3] > 31 || b[4] > 23 || b[5] > 59 || b[6] > 60 || b[7] > 9 {
		return 0, false
	}
	at := time.Date(int(binary.BigEndian.Uint16(b)), time.Month(b[2]), int(b[3]), int(b[4]), int(b[5]), int(b[6]),
		int(b[7])*int(time.Second/10), time.FixedZone("", zone))
	return at.Sub(now).Seconds(), true
}
