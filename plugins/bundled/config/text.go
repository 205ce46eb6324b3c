package config

import (
	"strings"
	"unicode/utf8"
)

// terminal shows text as a terminal of one endless page would: with cursor
// movements, overstriking and erasing carried out, which pagers use to remove
// their prompts.
type terminal struct {
	lines strings.Builder // finished
	line  []rune          // being written
	at    int             // cursor in line
	esc   []byte          // escape sequence under way; nil: none
	part  []byte          // of a character cut by the end of a packet
}

// Write shows b; it never fails.
func (t *terminal) Write(b []byte) (int, error) {
	n := len(b)
	if len(t.part) > 0 {
		b = append(t.part, b...)
		t.part = nil
	}
	for len(b) > 0 {
		if b[0] >= utf8.RuneSelf && !utf8.FullRune(b) {
			t.part = append([]byte(nil), b...)
			break
		}
		r, size := utf8.DecodeRune(b)
		t.put(r)
		b = b[size:]
	}
	return n, nil
}

func (t *terminal) put(r rune) {
	if t.esc != nil {
		t.escape(byte(min(r, 0x7f)))
		return
	}
	switch {
	case r == 0x1b:
		t.esc = []byte{}
	case r == '\n':
		t.lines.WriteString(string(t.line))
		t.lines.WriteByte('\n')
		t.line, t.at = t.line[:0], 0
	case r == '\r':
		t.at = 0
	case r == '\b':
		t.at = max(0, t.at-1)
	case r == '\t', r >= ' ' && r != 0x7f:
		if t.at < len(t.line) {
			t.line[t.at] = r
		} else {
			t.line = append(t.line, r)
		}
		t.at++
	}
}

// escape takes one character of an escape sequence and carries it out at its end.
func (t *terminal) escape(c byte) {
	const longest = 32
	t.esc = append(t.esc, c)
	switch {
	case len(t.esc) == 1 && c == '[', len(t.esc) == 1 && c == '(', len(t.esc) == 1 && c == ']':
		return
	case t.esc[0] == '[' && (c < '@' || c > '~') && len(t.esc) < longest:
		return
	case t.esc[0] == ']' && c != 7 && len(t.esc) < longest: // a window's title
		return
	case t.esc[0] == '(' && len(t.esc) < 2:
		return
	}
	if t.esc[0] == '[' {
		n := 0
		for _, d := range t.esc[1 : len(t.esc)-1] {
			if d >= '0' && d <= '9' {
				n = min(n*10+int(d-'0'), 10_000)
			}
		}
		switch c {
		case 'D': // left
			t.at = max(0, t.at-max(n, 1))
		case 'C': // right
			t.at = min(len(t.line), t.at+max(n, 1))
		case 'G': // to a column
			t.at = min(len(t.line), max(n, 1)-1)
		case 'K': // erase
			switch n {
			case 0:
				t.line = t.line[:t.at]
			case 2:
				t.line, t.at = t.line[:0], 0
			}
		}
	}
	t.esc = nil
}

// last is the line being written.
func (t *terminal) last() string { return string(t.line) }

// size is how many bytes are shown.
func (t *terminal) size() int { return t.lines.Len() + len(t.line) }

// take returns the finished lines and forgets them.
func (t *terminal) take() string {
	s := t.lines.String()
	t.lines.Reset()
	return s
}
