package host

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/time/rate"

	"github.com/faultline/faultline/internal/redact"
	"github.com/faultline/faultline/plugins/host/spec"
)

const (
	maxLine   = 1024    // bytes of a line that are kept
	keptLines = 20      // last words
	logBytes  = 1 << 20 // a second that are read; a plugin that writes faster waits
	logBurst  = 4 << 20 // bytes
)

// capture takes what a plugin writes: lines with a level, bounded in length and
// rate, secrets hidden. A flood slows the plugin that makes it, and nothing else.
type capture struct {
	log     *slog.Logger
	allow   *rate.Limiter // lines
	volume  *rate.Limiter // bytes
	mu      sync.Mutex    // guards the fields below
	lines   map[string]uint64
	lost    uint64
	last    []string
	secrets []string
}

func newCapture(log *slog.Logger, perSecond float64) *capture {
	return &capture{log: log, allow: rate.NewLimiter(rate.Limit(perSecond), int(perSecond*5)+1), volume: rate.NewLimiter(logBytes, logBurst), lines: map[string]uint64{}}
}

// hide has these values masked wherever they stand in a line from now on.
func (c *capture) hide(values ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range values {
		if len(v) >= 4 && len(c.secrets) < 256 && !contains(c.secrets, v) {
			c.secrets = append(c.secrets, v)
		}
	}
}

func contains(all []string, v string) bool {
	for _, s := range all {
		if s == v {
			return true
		}
	}
	return false
}

// masked is a text without secrets.
func (c *capture) masked(text string) string {
	c.mu.Lock()
	for _, s := range c.secrets {
		text = strings.ReplaceAll(text, s, "<secret>")
	}
	c.mu.Unlock()
	return redact.Masker{}.Prose(text)
}

// snapshot is what was counted, and the newest lines.
func (c *capture) snapshot() (lines map[string]uint64, lost uint64, last []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	lines = make(map[string]uint64, len(c.lines))
	for k, v := range c.lines {
		lines[k] = v
	}
	return lines, c.lost, append([]string(nil), c.last...)
}

// line takes one line without its end.
func (c *capture) line(text string) {
	text = strings.TrimSpace(text)
	if text == "" {
		return
	}
	kept := c.allow.Allow()
	level, text := levelled(text)
	if !kept && level < slog.LevelError {
		c.mu.Lock()
		c.lost++
		c.mu.Unlock()
		return
	}
	text = c.masked(cut(printable(text), maxLine))
	c.mu.Lock()
	c.lines[strings.ToLower(level.String())]++
	if c.last = append(c.last, text); len(c.last) > keptLines {
		c.last = append(c.last[:0], c.last[1:]...)
	}
	if !kept {
		c.lost++
	}
	c.mu.Unlock()
	if kept {
		c.log.Log(context.Background(), level, "plugin says", "line", text)
	}
}

// printable replaces what could act on a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r < ' ' || r == 0x7f || r == utf8.RuneError || r >= 0x80 && r < 0xa0:
			return '?'
		}
		return r
	}, s)
}

var prefixes = []struct {
	text  string
	level slog.Level
}{{"[TRACE]", slog.LevelDebug}, {"[DEBUG]", slog.LevelDebug}, {"[INFO]", slog.LevelInfo}, {"[WARN]", slog.LevelWarn}, {"[WARNING]", slog.LevelWarn}, {"[ERROR]", slog.LevelError},
	{"panic:", slog.LevelError}, {"fatal error:", slog.LevelError}, {"Traceback ", slog.LevelError}}

// levelled is a line's level and text: JSON as hclog and slog write it, a
// bracketed word, or plain text, which is information.
func levelled(text string) (slog.Level, string) {
	if strings.HasPrefix(text, "{") {
		var j struct{ Level, Level2, Message, Msg string }
		var raw map[string]any
		if json.Unmarshal([]byte(text), &raw) == nil {
			j.Level, _ = raw["level"].(string)
			j.Level2, _ = raw["@level"].(string)
			j.Message, _ = raw["@message"].(string)
			j.Msg, _ = raw["msg"].(string)
			if msg := j.Message + j.Msg; msg != "" {
				return named(j.Level + j.Level2), text
			}
		}
	}
	for _, p := range prefixes {
		if strings.HasPrefix(text, p.text) {
			return p.level, strings.TrimSpace(strings.TrimPrefix(text, bracketed(p.text)))
		}
	}
	return slog.LevelInfo, text
}

func bracketed(prefix string) string {
	if strings.HasPrefix(prefix, "[") {
		return prefix
	}
	return ""
}

func named(level string) slog.Level {
	switch strings.ToLower(level) {
	case "trace", "debug":
		return slog.LevelDebug
	case "warn", "warning":
		return slog.LevelWarn
	case "error", "fatal", "panic":
		return slog.LevelError
	}
	return slog.LevelInfo
}

// stream is one of a plugin's outputs. It is an io.Writer for one goroutine.
type stream struct {
	to      *capture
	ctx     context.Context // of the plugin's run: ends the waiting
	partial []byte
	skip    bool // the rest of a line that was too long
}

// Write takes bytes, and takes its time when they are too many.
func (s *stream) Write(b []byte) (int, error) {
	for rest := len(b); rest > 0; {
		n := min(rest, logBurst)
		if s.to.volume.WaitN(s.ctx, n) != nil {
			break // the plugin is going down; its last lines are still taken
		}
		rest -= n
	}
	for _, c := range b {
		switch {
		case c == '\n':
			if !s.skip {
				s.to.line(string(s.partial))
			}
			s.partial, s.skip = s.partial[:0], false
		case s.skip:
		default:
			if s.partial = append(s.partial, c); len(s.partial) >= 4*maxLine {
				s.to.line(string(s.partial))
				s.partial, s.skip = s.partial[:0], true
			}
		}
	}
	return len(b), nil
}

// settings that are secrets, and all values of options that are.
func secretsOf(m map[string]string) []string {
	var out []string
	for k, v := range m {
		if spec.SecretKey(k) {
			out = append(out, v)
		}
	}
	return out
}

// lastWords is the end of a plugin's log for a message, within a line.
func lastWords(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	from := max(0, len(lines)-3)
	for i, l := range lines { // a crash begins where it says so
		if strings.HasPrefix(l, "panic:") || strings.HasPrefix(l, "fatal error:") || strings.HasPrefix(l, "Traceback ") {
			from = i
		}
	}
	return cut(strings.Join(lines[from:min(from+3, len(lines))], " | "), 400)
}

// backoff is how long to wait before start n after a failure, n from 1.
func backoff(n int, least, most time.Duration) time.Duration {
	d := least
	for ; n > 1 && d < most; n-- {
		d *= 2
	}
	return min(d, most)
}
