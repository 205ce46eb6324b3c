package log

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/agent/syslog"
)

// readEventLog reads on in an event log of Windows, with the system's wevtutil.
// Written after its documentation and the event schema, not tried on Windows.
func (j *job) readEventLog() error {
	st, channel := &j.input.state, j.settings.eventlog
	last := st.Cursors[j.id]
	first := last == "" || j.input.opts.Hear == nil
	args := []string{"query-events", channel, "/format:RenderedXml"}
	if first {
		args = append(args, "/reversedirection:true", "/count:1")
	} else {
		args = append(args, "/reversedirection:false", "/count:"+strconv.Itoa(j.settings.maxLines), "/query:*[System[(EventRecordID>"+last+")]]")
	}
	return ask(j.ctx, splitEvents, func(text []byte) (bool, error) {
		e, err := windowsEvent(text)
		if err != nil {
			j.reader.totals.cut++
			return true, nil
		}
		if !first {
			j.reader.totals.bytes += float64(len(text))
			if err := j.hear(syslog.Local{Message: &e.message, Source: channel}); err != nil {
				return false, err
			}
		}
		if j.input.opts.Hear != nil {
			st.Cursors[j.id], st.changed = e.cursor, true
		}
		return j.left > 0, nil
	}, j.input.opts.Wevtutil, args...)
}

// splitEvents parts a stream of <Event …>…</Event>.
func splitEvents(b []byte, atEnd bool) (int, []byte, error) {
	const end = "</Event>"
	start := bytes.Index(b, []byte("<Event "))
	if start < 0 {
		if atEnd {
			return len(b), nil, nil
		}
		return max(len(b)-len("<Event "), 0), nil, nil
	}
	if i := bytes.Index(b[start:], []byte(end)); i >= 0 {
		return start + i + len(end), b[start : start+i+len(end)], nil
	}
	if atEnd {
		return len(b), nil, nil
	}
	return start, nil, nil
}

// levels are syslog's for those of Windows: log always, critical, error, warning,
// information, verbose.
var levels = [...]int{6, 2, 3, 4, 6, 7}

// windowsEvent reads one event. Its text is the number of the event and the words
// of its source, so that patterns can name both.
func windowsEvent(b []byte) (entry, error) {
	s := string(b)
	record := element(s, "EventRecordID")
	if _, err := strconv.ParseUint(record, 10, 64); err != nil {
		return entry{}, errors.New("an event without a number")
	}
	m := syslog.Message{Facility: -1, Level: -1, Host: element(s, "Computer"), App: attribute(s, "Provider", "Name"), Proc: attribute(s, "Execution", "ProcessID"), Code: element(s, "EventID")}
	if n, err := strconv.Atoi(element(s, "Level")); err == nil && n >= 0 && n < len(levels) {
		m.Level = levels[n]
	}
	if at, err := time.Parse(time.RFC3339Nano, attribute(s, "TimeCreated", "SystemTime")); err == nil {
		m.Sent, m.Zoned = at, true
	}
	rendered := ""
	if i := strings.Index(s, "<RenderingInfo"); i >= 0 {
		rendered = element(s[i:], "Message")
	}
	if rendered == "" {
		rendered = strings.Join(data(s), " ")
	}
	m.Text = strings.TrimSpace(m.Code + " " + rendered)
	return entry{record, m}, nil
}

// element returns the text of the first element of this name.
func element(s, name string) string {
	for from := 0; ; {
		i := strings.Index(s[from:], "<"+name)
		if i < 0 {
			return ""
		}
		from += i + 1 + len(name)
		if from >= len(s) || s[from] != '>' && s[from] != ' ' {
			continue
		}
		open := strings.IndexByte(s[from:], '>')
		end := strings.Index(s[from:], "</"+name+">")
		if open < 0 || end < open {
			return ""
		}
		return entities.Replace(s[from+open+1 : from+end])
	}
}

// attribute returns an attribute of the first element of this name.
func attribute(s, name, key string) string {
	i := strings.Index(s, "<"+name+" ")
	if i < 0 {
		return ""
	}
	s = s[i:]
	if end := strings.IndexByte(s, '>'); end >= 0 {
		s = s[:end]
	}
	_, s, ok := strings.Cut(s, " "+key+"=")
	if !ok || s == "" || s[0] != '\'' && s[0] != '"' {
		return ""
	}
	value, _, _ := strings.Cut(s[1:], s[:1])
	return entities.Replace(value)
}

// data are the values of an event whose source has no words for it.
func data(s string) []string {
	var out []string
	for len(out) < 20 {
		i := strings.Index(s, "<Data")
		if i < 0 {
			return out
		}
		s = s[i:]
		if v := element(s, "Data"); v != "" {
			out = append(out, v)
		}
		s = s[len("<Data"):]
	}
	return out
}

var entities = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&quot;", `"`, "&apos;", "'", "&amp;", "&", "&#xD;", " ", "&#xA;", " ", "&#13;", " ", "&#10;", " ")
