package host

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// labelCache keeps the labels of every series and every name met in files, so
// that a poll in which nothing new appears allocates next to nothing.
type labelCache struct {
	poll   uint64
	series map[string]*cachedLabels
	words  map[string]string
	key    []byte
}

type cachedLabels struct {
	labels base.Labels
	poll   uint64 // the last that used it
}

func newLabelCache() *labelCache {
	return &labelCache{series: map[string]*cachedLabels{}, words: map[string]string{}}
}

// labels returns the labels of the series; pairs are names and values in turn.
// Labels with empty values are left out.
func (c *labelCache) labels(name string, pairs []string) base.Labels {
	c.key = append(c.key[:0], name...)
	for i := 1; i < len(pairs); i += 2 {
		c.key = append(append(c.key, 0), pairs[i]...)
	}
	s := c.series[string(c.key)]
	if s == nil {
		ls := base.Labels{{Name: base.MetricName, Value: name}}
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i+1] != "" {
				ls = append(ls, base.Label{Name: pairs[i], Value: pairs[i+1]})
			}
		}
		ls.Sort()
		s = &cachedLabels{labels: ls}
		c.series[string(c.key)] = s
	}
	s.poll = c.poll
	return s.labels
}

// word returns b as a string that is made once.
func (c *labelCache) word(b []byte) string {
	w, ok := c.words[string(b)]
	if !ok {
		w = string(b)
		c.words[w] = w
	}
	return w
}

// sweep drops what has not been used for long: devices come and go.
func (c *labelCache) sweep() {
	const polls, words = 60, 20_000
	if c.poll%polls != 0 {
		return
	}
	for k, s := range c.series {
		if s.poll+polls < c.poll {
			delete(c.series, k)
		}
	}
	if len(c.words) > words {
		clear(c.words)
	}
}

// emitter hands over samples during one poll and reads files into one buffer.
type emitter struct {
	sink  input.Sink
	cache *labelCache
	buf   *[]byte
	now   func() time.Time
	at    int64
}

// put hands over one value; pairs are label names and values in turn.
func (e *emitter) put(name string, value float64, pairs ...string) {
	e.sink.Sample(base.Sample{Labels: e.cache.labels(name, pairs), Time: e.at, Value: value})
}

// word returns b as a string that is made once.
func (e *emitter) word(b []byte) string { return e.cache.word(b) }

// concat joins words to one string that is made once.
func (e *emitter) concat(parts ...[]byte) string {
	e.cache.key = e.cache.key[:0]
	for _, p := range parts {
		e.cache.key = append(e.cache.key, p...)
	}
	return e.cache.word(e.cache.key)
}

// line returns the file's first line as a string that is made once, or "".
func (e *emitter) line(path string) string {
	b, err := e.read(path)
	if err != nil {
		return ""
	}
	b, _, _ = bytes.Cut(b, []byte{'\n'})
	return e.word(bytes.TrimSpace(b))
}

// number returns the file's content as a number.
func (e *emitter) number(path string) (float64, bool) {
	b, err := e.read(path)
	if err != nil {
		return 0, false
	}
	return parseNumber(bytes.TrimSpace(b))
}

// wholeDigits is how many decimal digits fit a uint64, whatever they are.
const wholeDigits = 19

// parseNumber reads a decimal number with an optional fraction; it does not
// allocate. A whole number is the nearest there is, as others read it too.
func parseNumber(b []byte) (float64, bool) {
	all, negative := b, len(b) > 0 && b[0] == '-'
	if negative {
		b = b[1:]
	}
	if len(b) == 0 {
		return 0, false
	}
	var whole uint64
	var fraction, scale float64 = 0, 1
	point := false
	for i, c := range b {
		switch {
		case i == wholeDigits && !point:
			v, err := strconv.ParseFloat(string(all), 64)
			return v, err == nil
		case c == '.' && !point:
			point = true
		case c < '0' || c > '9':
			return 0, false
		case point:
			fraction, scale = fraction*10+float64(c-'0'), scale*10
		default:
			whole = whole*10 + uint64(c-'0')
		}
	}
	v := float64(whole) + fraction/scale
	if negative {
		v = -v
	}
	return v, true
}

// eachLine calls f with the fields of every line; the fields are valid until f returns.
func eachLine(b []byte, f func(fields [][]byte)) {
	var fields [64][]byte
	for len(b) > 0 {
		var line []byte
		line, b, _ = bytes.Cut(b, []byte{'\n'})
		f(split(line, fields[:0]))
	}
}

// split appends the words of a line to fields, as many as fit.
func split(line []byte, fields [][]byte) [][]byte {
	start := -1
	for i, c := range line {
		if space := c == ' ' || c == '\t'; space && start >= 0 {
			if fields = append(fields, line[start:i]); len(fields) == cap(fields) {
				return fields
			}
			start = -1
		} else if !space && start < 0 {
			start = i
		}
	}
	if start >= 0 {
		fields = append(fields, line[start:])
	}
	return fields
}

// metricName makes text fit for a metric's name.
func metricName(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return '_'
	}, s)
}
