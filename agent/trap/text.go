package trap

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/faultline/faultline/agent/snmp"
)

// longestText is how many characters of a value are kept.
const longestText = 256

// text shows a value: numbers in decimal, OIDs without a leading dot, octets as
// the format says, else as clean text where they are text and in hex where not.
func text(v snmp.Value, format string) string {
	switch v.Type {
	case snmp.ObjectID:
		return cut(v.OID().String(), false)
	case snmp.IPAddress:
		if ip := v.IP(); ip.IsValid() {
			return ip.String()
		}
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
	if v.Absent() {
		return ""
	}
	return octets(v.Raw, format)
}

// octets shows a string.
func octets(b []byte, format string) string {
	switch format {
	case "mac", "hex":
		return colons(b)
	case "ip":
		if a, ok := netip.AddrFromSlice(b); ok {
			return a.Unmap().String()
		}
	case "date":
		if s := date(b); s != "" {
			return s
		}
	}
	long := len(b) > 4*longestText
	b = b[:min(len(b), 4*longestText)]
	if s, ok := words(b, long); ok {
		return cut(s, long)
	}
	return colons(b)
}

// words returns octets as text, if that is what they are: UTF-8, or GB 18030 with
// Chinese characters in it as many devices in China send.
func words(b []byte, long bool) (string, bool) {
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	for drop := 0; drop < 4 && drop < max(len(b), 1); drop++ {
		if s := string(b[:len(b)-drop]); utf8.ValidString(s) && printable(s) {
			return tidy(s), true
		}
		if s, err := simplifiedchinese.GB18030.NewDecoder().Bytes(b[:len(b)-drop]); err == nil && chinese(string(s)) && (len(b) > doubtful || common(b[:len(b)-drop])) {
			return tidy(string(s)), true
		}
		if !long { // only what was cut may end within a character
			break
		}
	}
	return "", false
}

// printable tells whether nothing but characters and white space is in it.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r == utf8.RuneError || unicode.IsControl(r) && !unicode.IsSpace(r) })
}

// doubtful is up to how many octets a number or an address may look like Chinese.
const doubtful = 16

// common tells whether octets are nothing but ASCII and the characters of GB 2312,
// which six octets of an address are by chance once in a thousand times.
func common(b []byte) bool {
	for i := 0; i < len(b); i++ {
		if b[i] < 0x80 {
			continue
		}
		if lead := b[i]; lead < 0xa1 || lead > 0xf7 || lead > 0xa9 && lead < 0xb0 {
			return false
		}
		if i++; i == len(b) || b[i] < 0xa1 || b[i] == 0xff {
			return false
		}
	}
	return true
}

func chinese(s string) bool {
	return printable(s) && strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Han, r) })
}

// tidy makes all white space single blanks.
func tidy(s string) string { return strings.Join(strings.Fields(s), " ") }

// cut shortens a text that is too long, or was.
func cut(s string, long bool) string {
	if utf8.RuneCountInString(s) > longestText {
		s, long = string([]rune(s)[:longestText-1]), true
	}
	if long {
		s += "…"
	}
	return s
}

// colons shows octets in hex, as MAC addresses are.
func colons(b []byte) string {
	const most = longestText / 3
	var s strings.Builder
	for i, c := range b[:min(len(b), most)] {
		if i > 0 {
			s.WriteByte(':')
		}
		s.WriteString(hex.EncodeToString([]byte{c}))
	}
	if len(b) > most {
		s.WriteString("…")
	}
	return s.String()
}

// date shows a DateAndTime (RFC 2579).
func date(b []byte) string {
	if len(b) != 8 && len(b) != 11 {
		return ""
	}
	s := fmt.Sprintf("%04d-%02d-%02d %02d:%02d:%02d", binary.BigEndian.Uint16(b), b[2], b[3], b[4], b[5], b[6])
	if len(b) == 11 && (b[8] == '+' || b[8] == '-') {
		s += fmt.Sprintf(" %c%02d:%02d", b[8], b[9], b[10])
	}
	return s
}
