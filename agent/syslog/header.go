package syslog

import (
	"regexp"
	"strings"
	"time"
)

// header reads what stands before the text of a line that is not RFC 5424: a
// sequence number, a host, a time, a host again, in the orders seen in the wild.
type header struct {
	rest  string
	now   time.Time
	local *time.Location
}

// read takes the header off rest and notes what it says.
func (h *header) read(m *Message) {
	h.rest = strings.TrimLeft(h.rest, " :")
	if at := sequence.FindStringIndex(h.rest); at != nil {
		h.rest = strings.TrimLeft(h.rest[at[1]:], " ")
	}
	if at := node.FindStringSubmatchIndex(h.rest); at != nil {
		if at[2] >= 0 {
			m.Host = h.rest[at[2]:at[3]]
		}
		h.rest = h.rest[at[1]:]
		h.timestamp(m)
		return
	}
	if !h.timestamp(m) {
		// "host: *Mar  1 00:00:01: ..." of Cisco's origin-id, or a host alone.
		if name, after, ok := strings.Cut(h.rest, ": "); ok && hostName.MatchString(name) {
			was := h.rest
			h.rest = strings.TrimLeft(after, " ")
			if h.timestamp(m) {
				m.Host = name
				return
			}
			h.rest = was
		}
		return
	}
	name, after, ok := strings.Cut(h.rest, " ")
	if ok && strings.HasSuffix(name, ":") && strings.HasPrefix(after, "%") {
		name = strings.TrimSuffix(name, ":")
	}
	if ok && hostName.MatchString(name) {
		m.Host, h.rest = name, strings.TrimLeft(after, " ")
	}
}

var (
	sequence = regexp.MustCompile(`^\d{1,10}: `)
	hostName = regexp.MustCompile(`^[A-Za-z0-9_][\w.-]*(?::[0-9A-Fa-f:.]+)?$|^[0-9A-Fa-f:]+$`)
	node     = regexp.MustCompile(`^(?:([\w.-]+) )?[A-Z]{1,3}/\d+/\w+/\w+:`) // RP/0/RSP0/CPU0: of IOS XR
	zoneName = regexp.MustCompile(`^(?:\(?(?:UTC|GMT|CST|[A-Z]{3,5})\)?(?:[+-]\d{1,2}:?(?:\d{2})?)?|DST|[+-]\d{2}:?\d{2}|Z)(?:\s+DST)?(:| |$)`)
)

// stamps are the times that lines begin with. Each is as long as its layout
// shows, fractions of a second and a zone excepted, which may follow.
var stamps = []struct {
	form   *regexp.Regexp
	layout string
}{
	{regexp.MustCompile(`^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d`), "2006-01-02 15:04:05"},
	{regexp.MustCompile(`^[A-Z][a-z]{2} [ \d]?\d \d{4} \d\d:\d\d:\d\d`), "Jan 2 2006 15:04:05"},
	{regexp.MustCompile(`^\d{4} [A-Z][a-z]{2} [ \d]?\d \d\d:\d\d:\d\d`), "2006 Jan 2 15:04:05"},
	{regexp.MustCompile(`^[A-Z][a-z]{2} [ \d]?\d \d\d:\d\d:\d\d(?:[:.]\d{1,6})? \d{4}`), "Jan 2 15:04:05 2006"},
	{regexp.MustCompile(`^[A-Z][a-z]{2} [ \d]?\d \d\d:\d\d:\d\d`), "Jan 2 15:04:05"},
	{regexp.MustCompile(`^\d{4}/\d{1,2}/\d{1,2} \d\d:\d\d:\d\d`), "2006/1/2 15:04:05"},
}

var (
	fraction = regexp.MustCompile(`^[.,:]\d{1,9}`)
	within   = regexp.MustCompile(`(:\d\d:\d\d)[:.]\d{1,6} `) // milliseconds before H3C's year
)

// timestamp takes a time off rest, Cisco's marks of a clock that is not set
// (* and .) included, and tells whether there was one.
func (h *header) timestamp(m *Message) bool {
	s := strings.TrimLeft(h.rest, "*. ")
	for _, st := range stamps {
		text := st.form.FindString(s)
		if text == "" {
			continue
		}
		s = s[len(text):]
		if f := fraction.FindString(s); f != "" && st.layout != "Jan 2 15:04:05 2006" {
			s = s[len(f):]
		}
		zone, after := h.zone(s)
		h.rest = strings.TrimLeft(strings.TrimPrefix(strings.TrimLeft(after, " "), ":"), " ")
		m.Sent, m.Zoned = h.place(text, st.layout, zone)
		return true
	}
	return false
}

// zone takes a zone off s: an offset, or a name, of which only UTC is sure.
func (h *header) zone(s string) (*time.Location, string) {
	t := strings.TrimLeft(s, " ")
	at := zoneName.FindStringSubmatchIndex(t)
	if at == nil {
		return nil, s
	}
	name, after := strings.TrimSpace(t[:at[2]]), t[at[2]:]
	if s != t && !strings.HasPrefix(after, ":") && !offsetOnly.MatchString(name) && name != "UTC" && name != "GMT" {
		return nil, s // "10:11:12 CORE %%01..." : a host, not a zone
	}
	if name == "Z" || name == "UTC" || name == "GMT" {
		return time.UTC, after
	}
	if o := offset.FindString(name); o != "" {
		for _, layout := range []string{"-07:00", "-0700", "-07"} {
			if z, err := time.Parse(layout, o); err == nil {
				_, seconds := z.Zone()
				return time.FixedZone("", seconds), after
			}
		}
	}
	return nil, after
}

var (
	offset     = regexp.MustCompile(`[+-]\d{2}:?(?:\d{2})?$`)
	offsetOnly = regexp.MustCompile(`^[+-]\d{2}:?\d{2}$|^Z$|^DST$`)
)

// place makes a moment of the text; a year that is not told is the one that
// brings it next to now.
func (h *header) place(text, layout string, zone *time.Location) (t time.Time, zoned bool) {
	where := h.local
	if zone != nil {
		where = zone
	}
	text = strings.Replace(text, "T", " ", 1)
	if !strings.HasPrefix(layout, "2006-") {
		text = strings.Join(strings.Fields(within.ReplaceAllString(text, "$1 ")), " ")
	}
	t, err := time.ParseInLocation(layout, text, where)
	if err != nil {
		return time.Time{}, false
	}
	if !strings.Contains(layout, "2006") {
		year := h.now.In(where).Year()
		t = t.AddDate(year, 0, 0)
		switch {
		case t.Sub(h.now) > 182*24*time.Hour:
			t = t.AddDate(-1, 0, 0)
		case h.now.Sub(t) > 182*24*time.Hour:
			t = t.AddDate(1, 0, 0)
		}
	}
	return t.UTC(), zone != nil
}
