package influx

import (
	"math"
	"strconv"

	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/plugins/base"
)

// appendLines appends the points in line protocol: measurement = metric name,
// tags = labels, one float field "value", time in milliseconds.
func appendLines(b []byte, series []metricstore.Series) (out []byte, points, skipped int) {
	for i := range series {
		s := &series[i]
		start := len(b)
		b = appendKey(b, s.Labels)
		key := b[start:]
		first := true
		for _, p := range s.Points {
			if math.IsNaN(p.V) || math.IsInf(p.V, 0) {
				skipped++
				continue
			}
			if !first {
				b = append(b, key...)
			}
			first = false
			b = append(b, " value="...)
			b = strconv.AppendFloat(b, p.V, 'g', -1, 64)
			b = append(b, ' ')
			b = strconv.AppendInt(b, p.T, 10)
			b = append(b, '\n')
			points++
		}
		if first {
			b = b[:start]
		}
	}
	return b, points, skipped
}

// appendKey appends measurement and tags.
func appendKey(b []byte, ls base.Labels) []byte {
	name := ls.Name()
	if name != "" && name[0] == '#' { // would be a comment
		b = append(b, '_')
		name = name[1:]
	}
	b = appendEscaped(b, name, false)
	for i := range ls {
		if ls[i].Name == base.MetricName || ls[i].Value == "" {
			continue
		}
		b = append(b, ',')
		if ls[i].Name == "time" { // reserved
			b = append(b, "time_label"...)
		} else {
			b = appendEscaped(b, ls[i].Name, true)
		}
		b = append(b, '=')
		b = appendEscaped(b, ls[i].Value, true)
	}
	return b
}

// appendEscaped appends a measurement, or a tag's key or value. Line protocol
// cannot write a backslash before a special character or at the end ("C:\"):
// it becomes a slash. Line ends become spaces.
func appendEscaped(b []byte, s string, tag bool) []byte {
	special := func(c byte) bool {
		return c == ',' || c == ' ' || c == '=' && tag || c == '\n' || c == '\r' || c == '\t'
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && (i+1 == len(s) || special(s[i+1]) || s[i+1] == '\\'):
			b = append(b, '/')
		case c == '\n' || c == '\r' || c == '\t':
			b = append(b, '\\', ' ')
		case special(c):
			b = append(b, '\\', c)
		default:
			b = append(b, c)
		}
	}
	return b
}
