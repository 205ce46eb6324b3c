package syslog

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/internal/redact"
	"github.com/faultline/faultline/plugins/base"
)

const (
	textLimit  = 1000            // bytes of a line kept in an event
	groupLimit = 200             // bytes of a group
	mostFolds  = 20_000          // events whose repeats are counted
	mostCounts = 20_000          // things that are counted for patterns of many lines
	mostSeries = 5_000           // series of matches
	lateAfter  = 2 * time.Minute // a line that waited so long at its sender tells of the past
)

// device is what is kept of one device.
type device struct {
	limit *rate.Limiter
	last  map[string]base.Event // the last event of each pattern
}

// foldKey says which events are alike.
type foldKey struct{ device, pattern, groups string }

// fold counts what is like an event that was told.
type fold struct {
	event    base.Event // as told
	repeated int
	last     base.Event // the last repeat
	until    time.Time
}

// countKey says what a pattern of many lines counts together.
type countKey struct{ device, pattern, by string }

// count holds the last moments, as many as the pattern needs, and when it was told.
type count struct {
	times  []time.Time
	told   time.Time
	within time.Duration // of each other
}

// tell makes events of a line and has the device measured.
func (r *Receiver) tell(h *heard) {
	e := r.event(h, h.match.Pattern, h.match.Groups)
	late := e.Attrs["late"] != ""
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tallyLocked(h.match.Pattern, h)
	r.foldLocked(e, h.match.Pattern, h.match.Groups, h.at)
	for _, p := range h.set.repeats[h.match.Pattern.Name] {
		if n := r.countLocked(h, p); n > 0 {
			groups := map[string]string{"count": strconv.Itoa(n)}
			for _, g := range p.Repeats.By {
				groups[g] = h.match.Groups[g]
			}
			r.tallyLocked(p, h)
			again := r.event(h, p, groups)
			again.Attrs["repeated"] = strconv.Itoa(n)
			r.sendLocked(again)
		}
	}
	if !late {
		r.wantLocked(h.device, h.match.Pattern.checks())
	}
}

// event says what the line means.
func (r *Receiver) event(h *heard, p *Pattern, groups map[string]string) base.Event {
	m := &h.message
	a := map[string]string{"pattern": p.Name, "severity": p.Severity, "source": h.from, "by": h.by}
	put := func(k, v string) {
		if v != "" {
			a[k] = v
		}
	}
	put("element", p.Element)
	put("truth", p.Truth)
	put("vendor", m.Vendor)
	put("host", m.Host)
	put("app", m.App)
	put("code", m.Code)
	if m.Level >= 0 {
		a["level"] = strconv.Itoa(m.Level)
	}
	text := redact.Masker{}.Prose(m.Subject())
	clean := map[string]string{"device": h.device.Name}
	for k, v := range groups {
		if k == "command" {
			masked := redact.Masker{}.Command(v)
			text = strings.Replace(text, redact.Masker{}.Prose(v), masked, 1)
			v = masked
		}
		v = clip(redact.Masker{}.Prose(v), groupLimit)
		clean[k] = v
		put(k, v)
	}
	put("summary_zh", filled(p.Text.In(lang.ZH), clean))
	put("summary_en", filled(p.Text.In(lang.EN), clean))
	e := base.Event{ID: r.opts.NewID(), Kind: base.EventSyslog, At: h.at, Site: h.device.Site, Agent: r.opts.Agent, Device: h.device.Name,
		Component: clean[p.Component], Text: clip(text, textLimit), Attrs: a}
	if !m.Sent.IsZero() {
		a["sent_at"] = m.Sent.UTC().Format(time.RFC3339Nano)
	}
	// Only a stream or a file can have held the line back, and only a time with a
	// zone says for how long.
	if h.held && m.Zoned && h.at.Sub(m.Sent) > lateAfter {
		e.At, a["late"] = m.Sent, "true"
	}
	return e
}

// filled puts the groups into a text; a group that took no part reads "–".
func filled(text string, groups map[string]string) string {
	return placeholder.ReplaceAllStringFunc(text, func(s string) string { return cmp.Or(groups[s[1:len(s)-1]], "–") })
}

// clip cuts a text to at most n bytes, between characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// foldLocked tells an event, or counts it as a repeat of one told lately.
func (r *Receiver) foldLocked(e base.Event, p *Pattern, groups map[string]string, now time.Time) {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(groups)) {
		b.WriteString(k + "\x00" + groups[k] + "\x00")
	}
	key := foldKey{e.Device, p.Name, b.String()}
	if f := r.folds[key]; f != nil && now.Before(f.until) {
		f.repeated++
		f.last = e
		r.meters.folded.Inc()
		return
	}
	if !r.sendLocked(e) || r.opts.Fold == 0 || len(r.folds) >= mostFolds {
		return
	}
	r.folds[key] = &fold{event: e, until: now.Add(r.opts.Fold)}
}

// sendLocked sends an event within the device's rate and remembers it.
func (r *Receiver) sendLocked(e base.Event) bool {
	d := r.devices[e.Device]
	if d == nil {
		d = &device{limit: rate.NewLimiter(rate.Limit(r.opts.EventRate), r.opts.EventBurst), last: map[string]base.Event{}}
		r.devices[e.Device] = d // as many as Lookup knows
	}
	if !d.limit.AllowN(r.opts.Now(), 1) {
		r.meters.dropped.WithLabelValues("event_rate").Inc()
		return false
	}
	d.last[e.Attrs["pattern"]] = e
	r.send(e)
	return true
}

// unfold ends what was folded and says how often it was repeated.
func (r *Receiver) unfold(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, f := range r.folds {
		if now.Before(f.until) {
			continue
		}
		delete(r.folds, key)
		if f.repeated > 0 {
			e := f.last
			e.Attrs["repeated"] = strconv.Itoa(f.repeated)
			e.Attrs["first_at"] = f.event.At.UTC().Format(time.RFC3339Nano)
			r.sendLocked(e)
		}
	}
	for key, c := range r.counted {
		if now.Sub(c.times[len(c.times)-1]) > c.within {
			delete(r.counted, key)
		}
	}
}

// countLocked counts a line for a pattern of many, and returns how many there
// were when that is enough and has not been told within the same time.
func (r *Receiver) countLocked(h *heard, p *Pattern) int {
	var b strings.Builder
	for _, g := range p.Repeats.By {
		b.WriteString(h.match.Groups[g] + "\x00")
	}
	key := countKey{h.device.Name, p.Name, b.String()}
	c := r.counted[key]
	if c == nil {
		if len(r.counted) >= mostCounts {
			r.meters.dropped.WithLabelValues("too_many_counts").Inc()
			return 0
		}
		c = &count{within: p.Repeats.Within}
		r.counted[key] = c
	}
	since := h.at.Add(-p.Repeats.Within)
	c.times = append(slices.DeleteFunc(c.times, func(t time.Time) bool { return t.Before(since) }), h.at)
	if n := len(c.times); n > 2*p.Repeats.Times {
		c.times = c.times[n-2*p.Repeats.Times:]
	}
	if len(c.times) < p.Repeats.Times || c.told.After(since) {
		return 0
	}
	c.told = h.at
	return len(c.times)
}

// Last returns the last event of a pattern about a device; its attributes are
// not to be changed.
func (r *Receiver) Last(device, pattern string) (base.Event, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.devices[device]
	if d == nil {
		return base.Event{}, false
	}
	e, ok := d.last[pattern]
	return e, ok
}
