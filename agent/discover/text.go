package discover

import (
	"net"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/faultline/faultline/agent/snmp"
)

func hostPort(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// text returns a value as it is shown: numbers in decimal, OIDs without a
// leading dot, octets as clean UTF-8.
func text(v snmp.Value) string {
	switch v.Type {
	case snmp.ObjectID:
		return v.OID().String()
	case snmp.IPAddress:
		if a := v.IP(); a.IsValid() {
			return a.String()
		}
		return ""
	}
	if i, ok := v.Int64(); ok {
		return strconv.FormatInt(i, 10)
	}
	if f, ok := v.Float64(); ok {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return clean(v.Bytes())
}

// clean makes octets fit to be shown. What is no UTF-8 is tried as GB 18030,
// which Chinese devices often speak.
func clean(b []byte) string {
	s := strings.TrimRight(string(b), "\x00")
	if !utf8.ValidString(s) {
		t, err := simplifiedchinese.GB18030.NewDecoder().String(s)
		if err == nil && !strings.ContainsRune(t, utf8.RuneError) && strings.ContainsFunc(t, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
			s = t
		} else {
			s = strings.ToValidUTF8(s, "\ufffd")
		}
	}
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == ' ' }), " ")
}

// printable tells whether octets are plain text.
func printable(b []byte) bool {
	for _, c := range b {
		if c < 0x20 || c > 0x7e {
			return false
		}
	}
	return len(b) > 0
}
