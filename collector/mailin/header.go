package mailin

import (
	"bytes"
	"net/mail"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// field is one header line, unfolded; value is raw bytes.
type field struct {
	name  string // lower case
	value []byte
}

type header []field

// maxFields bounds what is read of a header.
const maxFields = 500

// splitHeader reads the header and returns it with the rest. It takes what it
// is given: lines that are no fields are dropped, a missing empty line ends the
// mail.
func splitHeader(b []byte) (header, []byte) {
	var h header
	for len(b) > 0 {
		line, rest := cutLine(b)
		if len(line) == 0 {
			return h, rest
		}
		if line[0] == ' ' || line[0] == '\t' {
			if n := len(h); n > 0 && len(h[n-1].value) < 64<<10 {
				h[n-1].value = append(append(h[n-1].value, ' '), bytes.TrimSpace(line)...)
			}
			b = rest
			continue
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		name = bytes.TrimSpace(name)
		if !ok || !fieldName(name) {
			if len(h) > 0 && !bytes.HasPrefix(line, []byte("From ")) && !bytes.HasPrefix(line, []byte(">From ")) {
				return h, b // no empty line before the body
			}
			b = rest
			continue
		}
		if len(h) < maxFields {
			h = append(h, field{strings.ToLower(string(name)), bytes.Clone(bytes.TrimSpace(value))})
		}
		b = rest
	}
	return h, nil
}

// fieldName tells whether it may be the name of a field (RFC 5322, 2.2).
func fieldName(b []byte) bool {
	return len(b) > 0 && !bytes.ContainsFunc(b, func(r rune) bool { return r <= ' ' || r >= 0x7F })
}

// cutLine returns the first line without its end, and what follows.
func cutLine(b []byte) (line, rest []byte) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return bytes.TrimSuffix(b, []byte("\r")), nil
	}
	return bytes.TrimSuffix(b[:i], []byte("\r")), b[i+1:]
}

// raw returns the first field of the name.
func (h header) raw(name string) string {
	for _, f := range h {
		if f.name == name {
			return string(f.value)
		}
	}
	return ""
}

// text returns the first field of the name, decoded.
func (h header) text(name string) string { return decodeHeader(h.raw(name)) }

// all returns every field of the name, raw.
func (h header) all(name string) []string {
	var out []string
	for _, f := range h {
		if f.name == name {
			out = append(out, string(f.value))
		}
	}
	return out
}

var encodedWord = regexp.MustCompile(`=\?([A-Za-z0-9_.:+*-]+)\?([bBqQ])\?([^?]*(?:\?[^=][^?]*)*)\?=`)

// decodeHeader decodes encoded words (RFC 2047) and bytes that stand there
// without any. Neighbouring words of one charset are joined before they are
// decoded: some programs cut a Chinese letter in two.
func decodeHeader(s string) string {
	var out strings.Builder
	var pending []byte
	charset := ""
	flush := func() {
		out.WriteString(decodeText(pending, charset))
		pending, charset = nil, ""
	}
	at := 0
	for _, m := range encodedWord.FindAllStringSubmatchIndex(s, -1) {
		between := s[at:m[0]]
		cs, _, _ := strings.Cut(strings.ToLower(s[m[2]:m[3]]), "*") // RFC 2231: charset*language
		data := decodeWord(s[m[4]:m[5]], s[m[6]:m[7]])
		switch {
		case strings.TrimSpace(between) != "" || at == 0:
			flush()
			out.WriteString(decodeText([]byte(between), ""))
		case cs != charset:
			flush()
		}
		pending, charset = append(pending, data...), cs
		at = m[1]
	}
	flush()
	out.WriteString(decodeText([]byte(s[at:]), ""))
	return oneLine(out.String())
}

// decodeWord decodes an encoded word's text, as much of it as can be.
func decodeWord(how, s string) []byte {
	if how == "b" || how == "B" {
		return looseBase64([]byte(s))
	}
	var out []byte
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '_':
			out = append(out, ' ')
		case s[i] == '=' && i+2 < len(s) && unhex(s[i+1]) >= 0 && unhex(s[i+2]) >= 0:
			out = append(out, byte(unhex(s[i+1])<<4|unhex(s[i+2])))
			i += 2
		default:
			out = append(out, s[i])
		}
	}
	return out
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// looseBase64 decodes what is base64 of b and ignores the rest: line ends,
// missing padding, padding in the middle, mailing-list footers.
func looseBase64(b []byte) []byte {
	out := make([]byte, 0, len(b)*3/4)
	acc, bits := uint32(0), 0
	for _, c := range b {
		if c == '=' { // the end of a piece; another may follow
			acc, bits = 0, 0
			continue
		}
		v := sextet(c)
		if v < 0 {
			continue
		}
		acc, bits = acc<<6|uint32(v), bits+6
		if bits >= 8 {
			bits -= 8
			out = append(out, byte(acc>>bits))
			acc &= 1<<bits - 1
		}
	}
	return out
}

// sextet is the value of a base64 digit, -1 of anything else.
func sextet(c byte) int {
	switch {
	case c >= 'A' && c <= 'Z':
		return int(c - 'A')
	case c >= 'a' && c <= 'z':
		return int(c-'a') + 26
	case c >= '0' && c <= '9':
		return int(c-'0') + 52
	case c == '+':
		return 62
	case c == '/':
		return 63
	}
	return -1
}

// params splits a structured value: text/plain; charset=gb2312; name*0="…".
// Unlike mime.ParseMediaType it takes raw bytes, missing quotes and repeats.
func params(s string) (value string, p map[string]string) {
	parts := splitOutsideQuotes(s, ';')
	value, p = strings.ToLower(strings.TrimSpace(parts[0])), map[string]string{}
	pieces := map[string]map[string]string{}
	for _, part := range parts[1:min(len(parts), 64)] {
		k, v, ok := strings.Cut(part, "=")
		if !ok {
			continue
		}
		k, v = strings.ToLower(strings.TrimSpace(k)), unquote(strings.TrimSpace(v))
		if base, n, ok := strings.Cut(k, "*"); ok { // RFC 2231
			if pieces[base] == nil {
				pieces[base] = map[string]string{}
			}
			pieces[base][n] = v
			continue
		}
		if _, twice := p[k]; !twice {
			p[k] = v
		}
	}
	for base, ps := range pieces {
		p[base] = join2231(ps)
	}
	return value, p
}

// join2231 puts the pieces of an extended parameter together.
func join2231(ps map[string]string) string {
	var b []byte
	charset := ""
	order := []string{""}
	for n := range 32 {
		order = append(order, strconv.Itoa(n), strconv.Itoa(n)+"*")
	}
	for _, k := range order {
		v, ok := ps[k]
		if !ok {
			continue
		}
		if k == "" || strings.HasSuffix(k, "*") {
			if charset == "" {
				if cs, rest, ok := strings.Cut(v, "'"); ok {
					if _, text, ok := strings.Cut(rest, "'"); ok {
						charset, v = cs, text
					}
				}
			}
			if u, err := url.PathUnescape(v); err == nil {
				v = u
			}
		}
		b = append(b, v...)
	}
	return decodeText(b, charset)
}

func splitOutsideQuotes(s string, sep byte) []string {
	var out []string
	in, from := false, 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && in:
			i++
		case s[i] == '"':
			in = !in
		case s[i] == sep && !in:
			out, from = append(out, s[from:i]), i+1
		}
	}
	return append(out, s[min(from, len(s)):])
}

func unquote(s string) string {
	if len(s) >= 2 && s[0] == '"' {
		s = strings.TrimSuffix(s[1:], `"`)
		return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(s)
	}
	return s
}

// oneLine makes a header's text fit for a line: no control characters.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F || r >= 0x80 && r < 0xA0 || r == '\u202E' || r == '\u202D' || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

var bareAddress = regexp.MustCompile(`[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]+@[A-Za-z0-9][A-Za-z0-9.-]*`)

// addresses reads addresses, properly where they are proper. Names are decoded,
// addresses lower case.
func addresses(raw string) []mail.Address {
	var out []mail.Address
	for _, part := range splitOutsideQuotes(raw, ',') {
		if len(out) == 200 {
			break
		}
		all := bareAddress.FindAllString(part, -1)
		if len(all) == 0 {
			continue
		}
		addr := all[len(all)-1] // a name may look like an address
		name := part
		if i := strings.LastIndex(part, addr); i >= 0 {
			name = part[:i]
		}
		name = strings.Trim(decodeHeader(strings.Trim(name, " <\t")), `"' <`)
		out = append(out, mail.Address{Name: name, Address: strings.ToLower(addr)})
	}
	return out
}

var messageID = regexp.MustCompile(`<[^<>\s]{3,250}>`)

// ids returns the message ids of a header's value, in order.
func ids(raw string) []string {
	all := messageID.FindAllString(raw, -1)
	if len(all) == 0 {
		if s := strings.TrimSpace(raw); strings.Contains(s, "@") && !strings.ContainsAny(s, " <>") && len(s) < 250 {
			return []string{"<" + s + ">"}
		}
	}
	return all[:min(len(all), 100)]
}
