package syslog

// Local is a line of a log that was read on this machine, so that its device is
// known.
type Local struct {
	Line    []byte   // as it stands in the log; taken apart here
	Message *Message // instead of Line: taken apart already
	Source  string   // the log: a file's path, or journal
	Device  Device
	Own     *Set // patterns tried first; nil: none
	OwnOnly bool // no others are tried
}

// Hear takes one line that was read and tells whether it means something. How many
// lines are read is the caller's to bound; events are bounded as those of lines
// that came over the network, and counted together with them.
func (r *Receiver) Hear(l Local) bool {
	now := r.opts.Now()
	var m Message
	if l.Message != nil {
		m = *l.Message
		m.Text = readable([]byte(m.Text))
	} else {
		m = Parse(l.Line, now, r.opts.Location)
		m.Zoned = !m.Sent.IsZero() // a line without a zone is in this machine's
	}
	if len(m.Text) > r.opts.MaxLine {
		m.Text = clip(m.Text, r.opts.MaxLine)
	}
	r.mu.Lock()
	set := r.set
	r.mu.Unlock()
	h := heard{device: l.Device, by: "target", from: l.Source, at: now, held: true}
	if l.Own != nil {
		h.match, h.set, h.own = l.Own.Match(&m), l.Own, true
	}
	if h.match == nil && !l.OwnOnly {
		h.match, h.set, h.own = set.Match(&m), set, false
	}
	if h.match == nil {
		r.meters.lines.WithLabelValues("unmatched").Inc()
		return false
	}
	r.meters.lines.WithLabelValues("matched").Inc()
	h.message = m
	r.tell(&h)
	return true
}
