package draft

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/faultline/faultline/agent/snmp"
)

// Kind is what a column's values seem to be.
type Kind string

// The kinds.
const (
	Counter     Kind = "counter"     // only ever counts up
	Gauge       Kind = "gauge"       // a number
	Enumeration Kind = "enumeration" // a few small numbers that stand for words
	Ticks       Kind = "ticks"       // hundredths of a second
	Words       Kind = "text"
	Reading     Kind = "reading" // a text that begins with a number
	Hardware    Kind = "mac"
	Address     Kind = "address"
	Object      Kind = "oid"
	Octets      Kind = "octets" // bytes that are no text
)

// Numeric tells whether values of the kind are numbers.
func (k Kind) Numeric() bool {
	return k == Counter || k == Gauge || k == Enumeration || k == Ticks
}

// most a number that stands for a word may be, and how many different ones a
// column may have.
const (
	largestWord = 32
	mostWords   = 6
)

// Kind guesses what a column's values are.
func (c *Column) Kind() Kind {
	switch c.Values[0].Type {
	case snmp.Counter32, snmp.Counter64:
		return Counter
	case snmp.TimeTicks:
		return Ticks
	case snmp.IPAddress:
		return Address
	case snmp.ObjectID:
		return Object
	case snmp.OctetString, snmp.Opaque, snmp.NsapAddress:
		if c.Values[0].IsNum { // a floating number inside Opaque
			return Gauge
		}
		return c.textKind()
	case snmp.Integer:
		if c.few() {
			return Enumeration
		}
	}
	return Gauge
}

// numbersRows tells whether the column only repeats the last number of the index.
func (c *Column) numbersRows() bool {
	for i, v := range c.Values {
		index := strings.TrimSuffix(c.index[i], ".")
		if !v.IsNum || v.Text != index[strings.LastIndexByte(index, '.')+1:] {
			return false
		}
	}
	return true
}

// few tells whether the numbers are few, small and not negative, as those that
// stand for words are. Different in every row they rather are numbers of rows.
func (c *Column) few() bool {
	seen := map[float64]bool{}
	for _, v := range c.Values {
		if v.Number < 0 || v.Number > largestWord {
			return false
		}
		seen[v.Number] = true
	}
	return len(seen) <= mostWords && (len(seen) < len(c.Values) || len(c.Values) < 3)
}

var reading = regexp.MustCompile(`^[+-]?\d+(\.\d+)?\s*(°|º|%|[A-Za-z/%°]{0,8})\s*[A-Za-z]?$`)

func (c *Column) textKind() Kind {
	texts, readings, macs, raw := 0, 0, 0, 0
	for _, v := range c.Values {
		switch {
		case len(v.Octets) == 0:
		case reading.MatchString(strings.TrimSpace(v.Text)):
			readings++
		case len(v.Octets) == 6 && !readable(v.Octets):
			macs++
		case readable(v.Octets):
			texts++
		default:
			raw++
		}
	}
	switch max(texts, readings, macs, raw) {
	case texts: // also where there is nothing
		return Words
	case readings:
		return Reading
	case macs:
		return Hardware
	}
	return Octets
}

// readable tells whether octets are text: ASCII, UTF-8 or another encoding without
// control characters but blanks and an end.
func readable(b []byte) bool {
	for i, c := range b {
		if c < 0x20 && c != '\t' && c != '\r' && c != '\n' && (c != 0 || i < len(b)-1) || c == 0x7f {
			return false
		}
	}
	return true
}

// number returns the number that a value is or begins with.
func (i *Instance) number() (float64, bool) {
	if i.IsNum {
		return i.Number, true
	}
	text := strings.TrimSpace(i.Text)
	end := 0
	for end < len(text) && (text[end] >= '0' && text[end] <= '9' || text[end] == '.' || end == 0 && (text[0] == '-' || text[0] == '+')) {
		end++
	}
	f, err := strconv.ParseFloat(text[:end], 64)
	return f, err == nil
}

// span returns the least and the largest number, and that in the middle.
func (c *Column) span() (low, middle, high float64, ok bool) {
	var all []float64
	for _, v := range c.Values {
		if f, is := v.number(); is && !math.IsNaN(f) && !math.IsInf(f, 0) {
			all = append(all, f)
		}
	}
	if len(all) == 0 {
		return 0, 0, 0, false
	}
	slices.Sort(all)
	return all[0], all[len(all)/2], all[len(all)-1], true
}

// name returns the column whose texts name the rows best, or nil: texts of
// letters, most of them different.
func (t *Table) name() *Column {
	var best *Column
	score := 0
	for _, c := range t.Columns {
		if c.Kind() != Words {
			continue
		}
		different, letters := map[string]bool{}, 0
		for _, v := range c.Values {
			different[v.Text] = true
			if strings.ContainsFunc(v.Text, unicode.IsLetter) {
				letters++
			}
		}
		if s := 2*len(different) + letters; 2*letters >= len(c.Values) && s > score {
			best, score = c, s
		}
	}
	return best
}

// sense is a class of measurement and how it shows: by words in a row's name, and
// by values that are usual.
type sense struct {
	Class  string
	words  *regexp.Regexp
	ranges []usual
}

// usual is a range of raw values and what they are multiplied by.
type usual struct{ low, high, scale float64 }

// senses are what words tell, the surer first.
var senses = []sense{
	{"temperature", regexp.MustCompile(`(?i)temp|温度|thermal`), []usual{{-40, 130, 1}, {131, 1300, 0.1}, {1301, 13000, 0.01}, {13001, 130000, 0.001}}},
	{"humidity", regexp.MustCompile(`(?i)humid|湿度`), []usual{{0, 100, 1}, {101, 1000, 0.1}}},
	{"fan_speed", regexp.MustCompile(`(?i)\bfan|rpm|风扇|转速`), []usual{{300, 40000, 1}}},
	{"voltage", regexp.MustCompile(`(?i)volt|电压`), []usual{{1, 500, 1}, {501, 5000, 0.1}, {5001, 60000, 0.01}}},
	{"current", regexp.MustCompile(`(?i)\bcurrent\b|ampere|\bamps?\b|电流`), []usual{{0, 100, 1}, {101, 1000, 0.1}, {1001, 100000, 0.001}}},
	{"frequency", regexp.MustCompile(`(?i)frequency|频率`), []usual{{45, 65, 1}, {450, 650, 0.1}, {4500, 6500, 0.01}}},
	{"power", regexp.MustCompile(`(?i)\bpower\b|\bwatts?\b|功率`), []usual{{0, 100000, 1}}},
	{"charge", regexp.MustCompile(`(?i)charge|电池容量`), []usual{{0, 100, 1}}},
	{"load", regexp.MustCompile(`(?i)\bload\b|负载`), []usual{{0, 100, 1}, {101, 1000, 0.1}}},
}

// scale returns what makes the values usual ones of the class; false where
// nothing does.
func (s *sense) scale(c *Column) (float64, bool) {
	low, middle, high, ok := c.span()
	if !ok || low == 0 && high == 0 {
		return 0, false
	}
	for _, u := range s.ranges {
		if middle >= u.low && middle <= u.high {
			return u.scale, low*u.scale >= -273 && high*u.scale <= 100*u.high*u.scale
		}
	}
	return 0, false
}

// unit is what a text after a number says.
type unit struct {
	class string
	ends  string // regular expression that the text ends with
	extra string // of a sensor
}

// units are those that texts are met with.
var units = []unit{
	{"temperature", `°?\s*(C|Celsius)`, ""},
	{"temperature", `°?\s*(F|Fahrenheit)`, ", convert: fahrenheit"},
	{"humidity", `%\s*(RH|rH)`, ""},
	{"voltage", `\d\s*(V|VAC|VDC|Volts?)`, ""},
	{"current", `\d\s*(A|Amps?)`, ""},
	{"current", `\d\s*mA`, ", scale: 0.001"},
	{"frequency", `\d\s*Hz`, ""},
	{"power", `\d\s*(W|Watts?)`, ""},
	{"power", `\d\s*kW`, ", scale: 1000"},
	{"apparent_power", `\d\s*VA`, ""},
	{"fan_speed", `\d\s*(rpm|RPM)`, ""},
	{"pressure", `\d\s*Pa`, ""},
	{"percent", `\d\s*%`, ""},
}

// looks says in words what numbers without a name may be, or "".
func (c *Column) looks() string {
	low, middle, high, ok := c.span()
	switch {
	case !ok || low == high && low == 0:
		return ""
	case low >= 215 && high <= 245:
		return "may be a mains voltage, or a temperature in tenths of °C"
	case low >= 15 && high <= 80 && middle >= 18 && middle <= 60:
		return "may be a temperature in °C, or percent"
	case low >= 150 && high <= 800 && middle >= 180 && middle <= 600:
		return "may be a temperature in tenths of °C"
	case low >= 105 && high <= 127:
		return "may be a mains voltage"
	case low >= 2150 && high <= 2450:
		return "may be a mains voltage in tenths"
	case low >= 490 && high <= 510, low >= 590 && high <= 610:
		return "may be a mains frequency in tenths of Hz"
	case low >= 0 && high <= 100:
		return "may be percent"
	}
	return ""
}
