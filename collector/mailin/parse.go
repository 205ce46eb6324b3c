package mailin

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// errEmpty is the only thing Parse refuses.
var errEmpty = errors.New("parse mail: it is empty")

// Parse reads a mail. Broken MIME is read as far as it goes and said in
// Problems; only an empty mail is an error. It does no I/O.
func Parse(raw []byte, limits Limits) (Mail, error) {
	l := limits.withDefaults()
	if len(bytes.TrimSpace(raw)) == 0 {
		return Mail{}, errEmpty
	}
	p := &parser{limits: l}
	if int64(len(raw)) > l.Message {
		raw = raw[:l.Message]
		p.problem("the mail was longer than allowed and is cut")
	}
	h, body := splitHeader(raw)
	p.walk(h, body, 0)
	m := p.mail(h)
	m.Fingerprint = fingerprint(m, body)
	return m, nil
}

// parser collects what the parts of one mail hold.
type parser struct {
	limits   Limits
	parts    int
	plain    []string
	html     []string
	files    []File
	total    int64
	status   []byte // message/delivery-status
	original header // of the mail that a report or a forward encloses
	report   string // report-type of multipart/report
	problems []string
}

func (p *parser) problem(s string) {
	if len(p.problems) < 20 && !slices.Contains(p.problems, s) {
		p.problems = append(p.problems, s)
	}
}

// walk reads a part and what lies in it.
func (p *parser) walk(h header, body []byte, depth int) {
	if p.parts++; p.parts > p.limits.Parts {
		p.problem("more parts than allowed: the rest is not looked at")
		return
	}
	kind, ps := params(h.raw("content-type"))
	if kind == "" || !strings.Contains(kind, "/") {
		kind = "text/plain"
	}
	if strings.HasPrefix(kind, "multipart/") {
		p.multi(kind, ps, body, depth)
		return
	}
	data := transfer(body, h.raw("content-transfer-encoding"))
	disposition, ds := params(h.raw("content-disposition"))
	name := fileName(ds["filename"], ps["name"])
	switch {
	case kind == "message/delivery-status" || kind == "message/disposition-notification":
		p.status = data
	case kind == "text/rfc822-headers":
		p.original, _ = splitHeader(data)
	case kind == "message/rfc822" || kind == "message/global":
		p.enclosed(data, depth)
	case disposition == "attachment" || name != "" || !strings.HasPrefix(kind, "text/"):
		p.attach(name, kind, data)
	case kind == "text/html":
		p.html = append(p.html, decodeText(data, charsetOf(ps, data)))
	case kind == "text/calendar":
		p.attach("invite.ics", kind, data)
	default:
		p.plain = append(p.plain, decodeText(data, ps["charset"]))
	}
}

// multi reads the parts of a multipart.
func (p *parser) multi(kind string, ps map[string]string, body []byte, depth int) {
	if kind == "multipart/report" {
		p.report = strings.ToLower(ps["report-type"])
	}
	boundary := ps["boundary"]
	if boundary == "" {
		if boundary = firstBoundary(body); boundary == "" {
			p.problem("a multipart without a boundary: read as text")
			p.plain = append(p.plain, decodeText(body, ""))
			return
		}
		p.problem("a multipart without a boundary: guessed")
	}
	if depth >= p.limits.Depth {
		p.problem("parts lie deeper than allowed: not looked at")
		return
	}
	parts, closed := split(body, boundary, p.limits.Parts)
	if !closed {
		p.problem("a multipart is not closed")
	}
	if len(parts) == 0 {
		p.problem("a multipart without parts: read as text")
		p.plain = append(p.plain, decodeText(body, ps["charset"]))
		return
	}
	before := len(p.plain)
	for _, part := range parts {
		h, b := splitHeader(part)
		p.walk(h, b, depth+1)
	}
	if kind == "multipart/alternative" && len(p.plain) > before+1 {
		p.plain = p.plain[:before+1] // the same text said twice
	}
}

// enclosed reads a mail within the mail: its header tells what it is about; its
// text counts only when the outer mail has none.
func (p *parser) enclosed(data []byte, depth int) {
	h, body := splitHeader(data)
	if p.original == nil {
		p.original = h
	}
	if p.report != "" || depth >= p.limits.Depth {
		return
	}
	inner := &parser{limits: p.limits, parts: p.parts, total: p.total, files: p.files}
	inner.walk(h, body, depth+1)
	p.parts, p.total, p.files, p.problems = inner.parts, inner.total, inner.files, append(p.problems, inner.problems...)
	if len(p.plain) == 0 && len(p.html) == 0 {
		p.plain, p.html = inner.plain, inner.html
	}
}

// mail puts together what was collected.
func (p *parser) mail(h header) Mail {
	m := Mail{Subject: h.text("subject"), InReplyTo: ids(h.raw("in-reply-to")), References: ids(strings.Join(h.all("references"), " ")),
		Files: p.files, Problems: p.problems}
	if got := ids(h.raw("message-id")); len(got) > 0 {
		m.MessageID = got[0]
	}
	if from := addresses(h.raw("from")); len(from) > 0 {
		m.From = from[0]
	} else if s := addresses(h.raw("sender")); len(s) > 0 {
		m.From = s[0]
	}
	for _, name := range []string{"delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "to", "cc", "resent-to"} {
		for _, a := range addresses(strings.Join(h.all(name), ",")) {
			if !slices.Contains(m.Recipients, a.Address) {
				m.Recipients = append(m.Recipients, a.Address)
			}
		}
	}
	m.Date = date(h.raw("date"))
	m.Text = strings.TrimSpace(strings.Join(p.plain, "\n\n"))
	if m.Text == "" && len(p.html) > 0 {
		m.Text = htmlText(strings.Join(p.html, "\n"))
	}
	m.Text = shorten(normalise(m.Text), p.limits.Text)
	m.New = stripQuoted(m.Text)
	m.Forwarded = forwarded(m.Subject, m.Text)
	m.Bounce = bounce(p.status, p.original, p.report)
	m.Auto = autoOf(h, m, p.report)
	if p.original != nil && m.Bounce == nil {
		// A forward as attachment keeps the thread in the enclosed header.
		m.References = append(m.References, append(ids(p.original.raw("message-id")), append(ids(p.original.raw("in-reply-to")), ids(p.original.raw("references"))...)...)...)
	}
	return m
}

// date reads a mail's date; the zero time when there is none.
func date(s string) time.Time {
	if t, err := mail.ParseDate(strings.TrimSpace(s)); err == nil && t.Year() > 1990 && t.Year() < 2200 {
		return t.UTC()
	}
	return time.Time{}
}

// transfer undoes the transfer encoding; unknown ones are taken as they are.
func transfer(body []byte, encoding string) []byte {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "base64":
		return looseBase64(dropForeign(body))
	case "quoted-printable":
		return looseQuoted(body)
	default:
		return body
	}
}

// dropForeign leaves out the lines that are no base64: what list programs add.
func dropForeign(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		line = bytes.TrimSpace(line)
		if !bytes.ContainsFunc(line, func(r rune) bool { return r != '=' && (r > 0x7F || sextet(byte(r)) < 0) }) {
			out = append(append(out, line...), '\n')
		}
	}
	return out
}

// looseQuoted decodes quoted-printable; what is not right stays as it is.
func looseQuoted(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '=' {
			out = append(out, b[i])
			continue
		}
		if i+2 < len(b) && unhex(b[i+1]) >= 0 && unhex(b[i+2]) >= 0 {
			out = append(out, byte(unhex(b[i+1])<<4|unhex(b[i+2])))
			i += 2
			continue
		}
		j := i + 1
		for j < len(b) && (b[j] == ' ' || b[j] == '\t' || b[j] == '\r') {
			j++
		}
		if j < len(b) && b[j] == '\n' {
			i = j // a soft line end
			continue
		}
		out = append(out, b[i])
	}
	return out
}

// split cuts a multipart's body at its boundary.
func split(body []byte, boundary string, limit int) (parts [][]byte, closed bool) {
	mark := []byte("--" + boundary)
	start := -1
	for at := 0; at < len(body); {
		end := bytes.IndexByte(body[at:], '\n')
		next := len(body)
		if end >= 0 {
			next = at + end + 1
		}
		line := bytes.TrimRight(body[at:next], " \t\r\n")
		if bytes.HasPrefix(line, mark) && (len(line) == len(mark) || bytes.Equal(line[len(mark):], []byte("--"))) {
			if start >= 0 {
				parts = append(parts, trimEnd(body[start:at]))
			}
			if len(line) > len(mark) {
				return parts, true
			}
			if len(parts) > limit {
				return parts, false
			}
			start = next
		}
		at = next
	}
	if start >= 0 && start < len(body) {
		parts = append(parts, body[start:])
	}
	return parts, false
}

// trimEnd drops the line end that belongs to the boundary after it.
func trimEnd(b []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
}

// firstBoundary guesses a boundary that nobody named.
func firstBoundary(body []byte) string {
	for range 20 {
		var line []byte
		line, body = cutLine(body)
		line = bytes.TrimRight(line, " \t")
		if bytes.HasPrefix(line, []byte("--")) && len(line) > 6 && len(line) < 80 && !bytes.Contains(line, []byte(" ")) {
			return string(line[2:])
		}
	}
	return ""
}

// charsetOf is a text's charset: the HTML's own word where the header has none.
func charsetOf(ps map[string]string, data []byte) string {
	if c := ps["charset"]; c != "" {
		return c
	}
	if m := metaCharset.FindSubmatch(data[:min(len(data), 2048)]); m != nil {
		return string(m[1])
	}
	return ""
}

// fingerprint names a mail by what its sender made, not by how it came.
func fingerprint(m Mail, body []byte) string {
	h := sha256.New()
	for _, s := range []string{m.MessageID, m.From.Address, m.Subject, m.Date.Format(time.RFC3339)} {
		h.Write([]byte(s + "\x00"))
	}
	h.Write(bytes.ReplaceAll(bytes.TrimSpace(body), []byte("\r\n"), []byte("\n")))
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// shorten keeps the first n runes.
func shorten(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n]) + "…"
}
