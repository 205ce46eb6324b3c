// Package sqlmask makes SQL text fit to be shown and stored: literals become ?,
// comments vanish, white space shrinks and the length is bounded. What a
// statement does stays readable, whom it is about does not. It parses no SQL;
// where the end of a literal cannot be known, everything after it is dropped.
package sqlmask

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Dialect says which quotes hold literals.
type Dialect int

// The dialects. In PostgreSQL a double quote opens a name and a dollar sign may
// open a literal; in MySQL a double quote opens a literal and # a comment.
const (
	PostgreSQL Dialect = iota
	MySQL
)

// Mask returns text without literals and comments, in one line of at most limit
// runes; what was cut ends in an ellipsis.
func Mask(d Dialect, text string, limit int) string {
	m := masker{dialect: d, in: strings.ToValidUTF8(text, "\uFFFD"), limit: limit}
	for m.at < len(m.in) && m.runes <= limit {
		m.step()
	}
	return m.result()
}

// masker walks over one statement.
type masker struct {
	dialect Dialect
	in      string
	at      int // next byte of in
	out     strings.Builder
	runes   int // written
	limit   int
	space   bool // a space is due before the next token
	word    bool // the last thing written can go on as a name
}

const ellipsis = "…"

func (m *masker) result() string {
	s := m.out.String()
	if m.runes <= m.limit {
		return s
	}
	keep := max(m.limit-1, 0)
	for i := range s {
		if keep == 0 {
			return s[:i] + ellipsis
		}
		keep--
	}
	return s
}

// write appends a token after the space that is due.
func (m *masker) write(s string) {
	if m.space && m.out.Len() > 0 {
		m.out.WriteByte(' ')
		m.runes++
	}
	m.space = false
	m.out.WriteString(s)
	m.runes += utf8.RuneCountInString(s)
}

// literal writes the stand-in of a literal.
func (m *masker) literal() {
	m.write("?")
	m.word = false
}

// end writes the stand-in of a literal whose end is not known, and stops.
func (m *masker) end() {
	m.write("?" + ellipsis)
	m.at = len(m.in)
}

func (m *masker) rest() string { return m.in[m.at:] }

// step takes one token.
func (m *masker) step() {
	rest := m.rest()
	c := rest[0]
	switch {
	case m.comment():
	case c == '\'':
		m.quoted('\'')
	case c == '"' && m.dialect == MySQL:
		m.quoted('"')
	case c == '"' || c == '`':
		m.name(c)
	case c == '$' && m.dialect == PostgreSQL && !m.word && m.dollar():
	case isDigit(c) && !m.word, c == '.' && !m.word && len(rest) > 1 && isDigit(rest[1]):
		m.number()
	default:
		m.plain()
	}
}

// comment skips a comment; it counts as white space.
func (m *masker) comment() bool {
	rest := m.rest()
	switch {
	case strings.HasPrefix(rest, "--"), m.dialect == MySQL && rest[0] == '#':
		i := strings.IndexByte(rest, '\n')
		if i < 0 {
			i = len(rest)
		}
		m.at += i
	case strings.HasPrefix(rest, "/*"):
		m.at += m.blockEnd(rest)
	default:
		return false
	}
	m.space, m.word = true, false
	return true
}

// blockEnd returns the length of the block comment at the start of s. In
// PostgreSQL such comments nest.
func (m *masker) blockEnd(s string) int {
	depth, i := 1, 2
	for i < len(s) && depth > 0 {
		switch {
		case strings.HasPrefix(s[i:], "*/"):
			depth--
			i += 2
		case m.dialect == PostgreSQL && strings.HasPrefix(s[i:], "/*"):
			depth++
			i += 2
		default:
			i++
		}
	}
	return min(i, len(s))
}

// quoted takes a literal between quotes, in which the quote itself is doubled.
// Whether a backslash escapes a quote depends on settings of the server; after
// such a pair nobody knows where the literal ends.
func (m *masker) quoted(quote byte) {
	for i := m.at + 1; i < len(m.in); i++ {
		switch {
		case m.in[i] == '\\' && i+1 < len(m.in) && (m.in[i+1] == '\'' || m.in[i+1] == '"'):
			m.end()
			return
		case m.in[i] == '\\':
			i++
		case m.in[i] != quote:
		case i+1 < len(m.in) && m.in[i+1] == quote:
			i++
		default:
			m.at = i + 1
			m.literal()
			return
		}
	}
	m.end()
}

// name takes a name between quotes as it is.
func (m *masker) name(quote byte) {
	i := strings.IndexByte(m.in[m.at+1:], quote)
	if i < 0 { // cut by the server: perhaps no name at all
		m.end()
		return
	}
	to := m.at + 1 + i + 1
	m.write(m.in[m.at:to])
	m.at, m.word = to, false
}

// dollar takes a literal between dollar signs, $$…$$ or $tag$…$tag$. $1 is a
// parameter and none.
func (m *masker) dollar() bool {
	rest := m.rest()
	i := strings.IndexByte(rest[1:], '$')
	if i < 0 {
		return false
	}
	tag := rest[:i+2]
	for j, r := range tag[1 : len(tag)-1] {
		if r != '_' && !unicode.IsLetter(r) && (j == 0 || !unicode.IsDigit(r)) {
			return false
		}
	}
	j := strings.Index(rest[len(tag):], tag)
	if j < 0 {
		m.end()
		return true
	}
	m.at += len(tag) + j + len(tag)
	m.literal()
	return true
}

// number takes digits and all that may follow them in a number of any base.
func (m *masker) number() {
	i := m.at + 1
	for i < len(m.in) {
		c := m.in[i]
		sign := (c == '+' || c == '-') && (m.in[i-1] == 'e' || m.in[i-1] == 'E')
		if !isDigit(c) && !isLetter(c) && c != '.' && c != '_' && !sign {
			break
		}
		i++
	}
	m.at = i
	m.literal()
}

// plain takes one rune that is part of no literal.
func (m *masker) plain() {
	r, n := utf8.DecodeRuneInString(m.rest())
	m.at += n
	if unicode.IsSpace(r) || unicode.IsControl(r) {
		m.space, m.word = true, false
		return
	}
	m.write(string(r))
	m.word = r == '_' || r == '$' || unicode.IsLetter(r) || unicode.IsDigit(r)
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
