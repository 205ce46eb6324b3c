package syslog

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// Families of log forms, as the form itself shows.
const (
	VendorCisco    = "cisco" // %FACILITY-SEVERITY-MNEMONIC, also of Ruijie and others
	VendorHuawei   = "huawei"
	VendorH3C      = "h3c"
	VendorFortinet = "fortinet"
)

// Message is one line of a log, taken apart.
type Message struct {
	Facility int // 0 to 23; -1 when the line does not say
	Level    int // 0 emergency to 7 debug; -1 when the line does not say
	// Sent is when the sender says it wrote the line, zero if it does not or if
	// that cannot be placed; Zoned tells whether it named its zone.
	Sent   time.Time
	Zoned  bool
	Host   string
	App    string // program, or process of a router
	Proc   string // its process id
	Code   string // mnemonic as the vendor writes it: LINK-3-UPDOWN, IFNET/4/LINK_STATE; RFC 5424's MSGID
	Vendor string // one of the constants above, or ""
	Text   string
}

// Subject is what patterns are matched against: the mnemonic, else the program,
// then a colon, a blank and the text.
func (m *Message) Subject() string {
	switch {
	case m.Vendor != "" && m.Code != "":
		return m.Code + ": " + m.Text
	case m.App != "":
		return m.App + ": " + m.Text
	}
	return m.Text
}

// Parse takes a line apart. It never fails: what it does not understand is the
// text. now is when the line came; local is the zone of times that name none.
func Parse(line []byte, now time.Time, local *time.Location) Message {
	m := Message{Facility: -1, Level: -1}
	rest := m.priority(readable(line))
	if after, ok := strings.CutPrefix(rest, "1 "); ok && m.Facility >= 0 && m.rfc5424(after) {
		m.vendorForm(m.Text)
		return m
	}
	h := header{rest: rest, now: now, local: local}
	if m.keyValues(rest, now, local) || m.mnemonic(&h) {
		return m
	}
	h.read(&m)
	m.tag(h.rest)
	return m
}

// priority reads <n> and returns what follows.
func (m *Message) priority(s string) string {
	s = strings.TrimLeft(s, " ")
	end := strings.IndexByte(s, '>')
	if !strings.HasPrefix(s, "<") || end < 2 || end > 4 {
		return s
	}
	n := 0
	for _, c := range s[1:end] {
		if c < '0' || c > '9' {
			return s
		}
		n = n*10 + int(c-'0')
	}
	if n > 191 {
		return s
	}
	m.Facility, m.Level = n/8, n%8
	return strings.TrimLeft(s[end+1:], " ")
}

// rfc5424 reads the header after the version, and tells whether it is one.
func (m *Message) rfc5424(s string) bool {
	var f [5]string // timestamp host app procid msgid
	for i := range f {
		var ok bool
		if f[i], s, ok = strings.Cut(s, " "); !ok || f[i] == "" {
			return false
		}
		if f[i] == "-" {
			f[i] = ""
		}
	}
	var sent time.Time
	if f[0] != "" {
		var err error
		if sent, err = time.Parse(time.RFC3339Nano, f[0]); err != nil {
			return false
		}
	}
	text, ok := structured(s)
	if !ok {
		return false
	}
	m.Sent, m.Zoned = sent, !sent.IsZero()
	m.Host, m.App, m.Proc, m.Code = f[1], f[2], f[3], f[4]
	m.Text = strings.TrimPrefix(strings.TrimPrefix(text, " "), "\ufeff")
	return true
}

// structured passes over RFC 5424's structured data.
func structured(s string) (rest string, ok bool) {
	if strings.HasPrefix(s, "-") {
		return s[1:], true
	}
	for strings.HasPrefix(s, "[") {
		quoted, i := false, 1
		for ; i < len(s); i++ {
			switch c := s[i]; {
			case c == '\\' && quoted:
				i++
			case c == '"':
				quoted = !quoted
			}
			if !quoted && i < len(s) && s[i] == ']' {
				break
			}
		}
		if i >= len(s) {
			return "", false
		}
		s, ok = s[i+1:], true
	}
	return s, ok
}

// tag reads "program[pid]: text" and "program: text".
func (m *Message) tag(s string) {
	m.Text = s
	end := strings.IndexAny(s, ":[ ")
	if end <= 0 || end > 64 || s[end] == ' ' {
		return
	}
	name, rest := s[:end], s[end:]
	proc := ""
	if rest[0] == '[' {
		var ok bool
		if proc, rest, ok = strings.Cut(rest[1:], "]"); !ok {
			return
		}
	}
	rest, ok := strings.CutPrefix(strings.TrimLeft(rest, " "), ":")
	if !ok {
		return
	}
	m.App, m.Proc, m.Text = strings.Trim(name, "()"), proc, strings.TrimLeft(rest, " ")
}

// readable makes one line of text of what came: UTF-8, or GB 18030 as Chinese
// devices write, without control characters.
func readable(line []byte) string {
	s := string(line)
	if !utf8.ValidString(s) {
		if b, err := simplifiedchinese.GB18030.NewDecoder().Bytes(line); err == nil {
			s = string(b)
		}
		s = strings.ToValidUTF8(s, "\ufffd")
	}
	s = strings.TrimRight(s, "\r\n\x00 ")
	if strings.IndexFunc(s, unicode.IsControl) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}
