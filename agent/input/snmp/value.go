package snmp

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gosnmp/gosnmp"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// absent tells whether a varbind says that there is nothing.
func absent(v gosnmp.SnmpPDU) bool {
	switch v.Type {
	case gosnmp.NoSuchObject, gosnmp.NoSuchInstance, gosnmp.EndOfMibView, gosnmp.Null:
		return true
	}
	return v.Value == nil
}

// number returns a varbind's value as a number; text that is a number counts,
// since some agents send measurements so.
func number(v gosnmp.SnmpPDU) (float64, bool) {
	switch x := v.Value.(type) {
	case int:
		return float64(x), true
	case int64:
		return float64(x), true
	case uint:
		return float64(x), true
	case uint32:
		return float64(x), true
	case uint64:
		return float64(x), true
	case float32:
		return float64(x), true
	case float64:
		return x, true
	case []byte:
		f, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimRight(string(x), "\x00")), 64)
		return f, err == nil
	}
	return 0, false
}

// text returns a varbind's value for a label: numbers in decimal, OIDs without
// the leading dot, octets as clean UTF-8.
func text(v gosnmp.SnmpPDU, format string) string {
	switch x := v.Value.(type) {
	case []byte:
		if format == "mac" {
			return mac(x)
		}
		return clean(x)
	case string: // OID, IP address
		return strings.TrimPrefix(x, ".")
	case nil:
		return ""
	case float32, float64:
		f, _ := number(v)
		return strconv.FormatFloat(f, 'g', -1, 64)
	default:
		return fmt.Sprint(x)
	}
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

// decoded makes UTF-8 of octets that are not: text of Chinese devices is often
// GBK (GB 18030), what is no text at all shows as replacement characters.
func decoded(s string) string {
	if t, err := simplifiedchinese.GB18030.NewDecoder().String(s); err == nil && !strings.ContainsRune(t, utf8.RuneError) &&
		strings.ContainsFunc(t, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
		return t
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

// clockOffset reads a DateAndTime (RFC 2579) that names its zone and returns by
// how many seconds it is ahead of now.
func clockOffset(v gosnmp.SnmpPDU, now time.Time) (float64, bool) {
	b, ok := v.Value.([]byte)
	if !ok || len(b) < 11 || (b[8] != '+' && b[8] != '-') {
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
