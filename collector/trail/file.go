package trail

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/incident"
)

// Writer writes an export. Incidents, then the audit, then the seals, then Close.
type Writer struct {
	w      io.Writer
	filter Filter
	sum    hash.Hash
	lines  int
	shown  int
}

// NewWriter returns a Writer of what the filter shows.
func NewWriter(w io.Writer, f Filter) *Writer {
	return &Writer{w: w, filter: f, sum: sha256.New()}
}

func (w *Writer) line(l Line) error {
	b, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("write export: %w", err)
	}
	b = append(b, '\n')
	if l.End == nil {
		w.sum.Write(b)
		w.lines++
	}
	_, err = w.w.Write(b)
	return err
}

// Incident writes one incident's log: all of it, with stubs for what the filter
// leaves out.
func (w *Writer) Incident(events []incident.Event) error {
	for n := range events {
		e := &events[n]
		l := Line{Event: e}
		if w.filter.shows(*e) {
			w.shown++
		} else {
			l = Line{Stub: &Stub{e.IncidentID, e.Seq, e.PrevHash, e.Hash}}
		}
		if err := w.line(l); err != nil {
			return err
		}
	}
	return nil
}

// Audit writes entries of the audit of people, oldest first.
func (w *Writer) Audit(entries []account.AuditEntry) error {
	for n := range entries {
		if err := w.line(Line{Audit: &entries[n]}); err != nil {
			return err
		}
	}
	return nil
}

// Seals writes the daily heads, oldest first.
func (w *Writer) Seals(seals []Seal) error {
	for n := range seals {
		if err := w.line(Line{Seal: &seals[n]}); err != nil {
			return err
		}
	}
	return nil
}

// Close writes the last line and returns how many events were shown in full.
func (w *Writer) Close() (shown int, err error) {
	return w.shown, w.line(Line{End: &End{w.lines, hex.EncodeToString(w.sum.Sum(nil))}})
}

// Report is what a verification found.
type Report struct {
	Incidents, Events, Stubs, Entries, Seals int
	Head                                     string  // of the newest seal
	Faults                                   []error // each names the row
}

// maxLine bounds one line of an export, in bytes.
const maxLine = 16 << 20

// Verify reads an export and proves it: every event is what was sealed, follows
// its predecessor, none is missing before a seal, no seal was changed. A fault
// is in the report; the error is of reading. That the newest seal itself was
// struck off shows only against Report.Head as it was noted elsewhere.
func Verify(r io.Reader) (Report, error) {
	v := &verifier{chains: map[string]*chain{}, sum: sha256.New()}
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 64<<10), maxLine)
	for sc.Scan() {
		v.row++
		v.take(sc.Bytes())
	}
	if err := sc.Err(); err != nil {
		return v.rep, fmt.Errorf("read export, row %d: %w", v.row+1, err)
	}
	v.finish()
	return v.rep, nil
}

type chain struct {
	hashes []string // by seq-1
}

type verifier struct {
	rep     Report
	row     int
	lines   int
	sum     hash.Hash
	chains  map[string]*chain
	entries []account.AuditEntry
	seals   []Seal
	end     *End
}

func (v *verifier) fault(format string, args ...any) {
	v.rep.Faults = append(v.rep.Faults, fmt.Errorf("row %d: "+format, append([]any{v.row}, args...)...))
}

func (v *verifier) take(raw []byte) {
	var l Line
	if err := json.Unmarshal(raw, &l); err != nil {
		v.fault("not a line of an export: %w", err)
		return
	}
	if v.end != nil {
		v.fault("it follows the end")
	}
	if l.End != nil {
		v.end = l.End
		return
	}
	v.lines++
	v.sum.Write(append(raw[:len(raw):len(raw)], '\n'))
	switch {
	case l.Event != nil:
		v.rep.Events++
		sealed, err := l.Event.Seal(l.Event.Seq, l.Event.PrevHash)
		if err != nil || sealed.Hash != l.Event.Hash {
			v.fault("event %d of incident %s was changed after it was written", l.Event.Seq, l.Event.IncidentID)
		}
		v.link(Stub{l.Event.IncidentID, l.Event.Seq, l.Event.PrevHash, l.Event.Hash})
	case l.Stub != nil:
		v.rep.Stubs++
		v.link(*l.Stub)
	case l.Audit != nil:
		v.rep.Entries++
		if n := len(v.entries); n > 0 && l.Audit.At.Before(v.entries[n-1].At) {
			v.fault("an entry of people's audit stands after a later one")
		}
		v.entries = append(v.entries, *l.Audit)
	case l.Seal != nil:
		v.rep.Seals++
		v.seals = append(v.seals, *l.Seal)
	default:
		v.fault("it says nothing")
	}
}

// link follows an incident's chain.
func (v *verifier) link(s Stub) {
	c := v.chains[s.IncidentID]
	if c == nil {
		c = &chain{}
		v.chains[s.IncidentID] = c
		v.rep.Incidents++
	}
	prev := ""
	if n := len(c.hashes); n > 0 {
		prev = c.hashes[n-1]
	}
	if want := int64(len(c.hashes) + 1); s.Seq != want {
		v.fault("event %d of incident %s stands where %d belongs", s.Seq, s.IncidentID, want)
	} else if s.PrevHash != prev {
		v.fault("event %d of incident %s does not follow its predecessor", s.Seq, s.IncidentID)
	}
	c.hashes = append(c.hashes, s.Hash)
}

// finish compares seals and the end with what was read.
func (v *verifier) finish() {
	var before Seal
	for _, s := range v.seals {
		v.seal(before, s)
		before = s
	}
	v.rep.Head = before.Head
	switch {
	case v.end == nil:
		v.rep.Faults = append(v.rep.Faults, errors.New("the export ends before its last line"))
	case v.end.Lines != v.lines || v.end.Hash != hex.EncodeToString(v.sum.Sum(nil)):
		v.rep.Faults = append(v.rep.Faults, fmt.Errorf("the export has %d rows, its last line says %d; or rows were changed", v.lines, v.end.Lines))
	}
}

func (v *verifier) seal(before, s Seal) {
	fault := func(format string, args ...any) {
		v.rep.Faults = append(v.rep.Faults, fmt.Errorf("seal of "+s.Day+": "+format, args...))
	}
	if s.head() != s.Head {
		fault("it was changed after it was made")
	}
	if s.Prev != before.Head || !s.AuditFrom.Equal(before.AuditTo) {
		fault("it does not follow the seal of %q: one was removed or moved", before.Day)
	}
	for _, l := range s.Links {
		c := v.chains[l.IncidentID]
		switch {
		case c == nil || int64(len(c.hashes)) < l.Seq:
			fault("incident %s had %d events; some are missing", l.IncidentID, l.Seq)
		case l.Seq < 1 || c.hashes[l.Seq-1] != l.Hash:
			fault("incident %s: event %d is another than was sealed", l.IncidentID, l.Seq)
		}
	}
	if got := s.of(v.entries); len(got) != s.Audit || HashOf(got) != s.AuditHash {
		fault("people's audit of these days has %d entries, %d were sealed; or they were changed", len(got), s.Audit)
	}
}
