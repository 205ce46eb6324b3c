package snmp

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// walk is a Walk under way. A Transport keeps some for their buffers.
type walk struct {
	s       *Session
	l       *Learned
	now     time.Time
	visit   func(column int, index []byte, v Value)
	columns []column
	order   []int // of columns: those left over last time, then those with most rows
	picked  []int // columns of the request under way
	ask     [][]byte

	op       Op
	reps     int
	side     int // columns at once, as decided for the first column sideOf and sideRoom
	sideOf   int
	sideRoom int
	before   int  // l.Varbinds before a series of refusals; 0: there is none
	silent   int  // requests in a row that were not answered
	byNext   bool // GETBULK is not used
	suspect  bool // GETBULK was not answered; if GETNEXT is, it does not work here
	probing  bool // GETBULK did not work long ago: try it with little
	bulkWell bool // GETBULK was answered well in this walk
	empty    bool // the last reply held nothing
	idle     int  // requests in a row that led nowhere
	out      Outcome
}

// mostKept is how much buffer is kept for the next walk, in bytes for each
// column.
const mostKept = 16 << 10

// Walk reads the columns side by side and calls visit for every instance that is
// there, row by row in each column; index is the encoded rest of the OID (see
// AppendIndex), valid like the value until visit returns. visit must not use the
// session.
//
// The error says that the device was lost, or ctx ended, before all was read:
// Silence, Refusal or ctx's. What was visited is good either way, and what is
// missing or in doubt is said in the Outcome. A column without rows and without
// fault is one that the agent said is empty.
func (s *Session) Walk(ctx context.Context, l *Learned, columns []OID, visit func(column int, index []byte, v Value)) (Outcome, error) {
	w, ok := s.t.walks.Get().(*walk)
	if !ok {
		w = &walk{}
	}
	w.s = s
	sent, received := s.stats.Sent, s.stats.Varbinds
	w.begin(l, columns, visit)
	err := w.run(ctx)
	w.end(err)
	out := w.out
	out.Requests, out.Varbinds = int(s.stats.Sent-sent), int(s.stats.Varbinds-received)
	w.s, w.l, w.visit, w.out = nil, nil, nil, Outcome{}
	s.t.walks.Put(w)
	return out, err
}

func (w *walk) begin(l *Learned, columns []OID, visit func(int, []byte, Value)) {
	s := w.s
	kept := walk{s: s, columns: slices.Grow(w.columns[:0], len(columns))[:len(columns)], order: w.order[:0], picked: w.picked, ask: w.ask}
	*w = kept
	w.sideOf = -1
	w.l, w.visit, w.now = l, visit, s.t.opts.Now()
	l.begin(w.now, len(columns))
	for i, root := range columns {
		w.columns[i].begin(root)
		w.order = append(w.order, i)
	}
	slices.SortStableFunc(w.order, func(a, b int) int {
		return cmp.Or(cmp.Compare(l.turn(a), l.turn(b)), cmp.Compare(l.Rows[b], l.Rows[a]))
	})
	w.begun()
}

// begun decides whether GETBULK is used.
func (w *walk) begun() {
	s, l := w.s, w.l
	if s.cfg.Version == V1 {
		w.byNext = true
		return
	}
	if !s.bulkSeen && s.nextSince.IsZero() {
		s.nextSince = l.NextSince // known from before a restart
	}
	for _, since := range []time.Time{s.nextSince, l.NextSince} {
		if !since.IsZero() {
			w.byNext = w.byNext || !old(since, w.now)
			w.probing = !w.byNext
		}
	}
}

func (w *walk) run(ctx context.Context) error {
	for w.choose() {
		if err := w.step(ctx); err != nil {
			return err
		}
		w.giveUp()
	}
	return nil
}

// giveUp ends columns whose requests have led nowhere for long. It bounds a walk
// whatever an agent answers.
func (w *walk) giveUp() {
	if w.idle <= 50+4*len(w.columns) {
		return
	}
	for _, i := range w.picked {
		w.columns[i].fail(errNoProgress)
	}
}

// step sends one request and acts on its answer.
func (w *walk) step(ctx context.Context) error {
	w.ask = w.ask[:0]
	for _, i := range w.picked {
		w.ask = append(w.ask, w.columns[i].cursor)
	}
	setAsked(w.s, w.ask)
	w.idle++
	r, err := w.s.do(ctx, w.op, 0, w.reps)
	if err != nil {
		return w.unanswered(err)
	}
	w.silent = 0
	if w.op == Bulk {
		w.out.Repetitions = max(w.out.Repetitions, w.reps)
	}
	if r.From != w.s.p.target {
		w.note("answers come from " + r.From.String())
	}
	w.answered(r)
	return nil
}

// answered acts on an answer.
func (w *walk) answered(r *Reply) {
	switch {
	case w.op == Get:
		w.probed(r)
	case r.Status != NoError:
		w.objection(r)
	default:
		w.take(r)
	}
}

// end notes what was learned and makes the outcome.
func (w *walk) end(err error) {
	w.out.Columns = make([]ColumnOutcome, len(w.columns))
	w.l.Behind = w.l.Behind[:0]
	for _, i := range w.order {
		if err != nil && !w.columns[i].done {
			w.l.Behind = append(w.l.Behind, i)
		}
	}
	for i := range w.columns {
		c := &w.columns[i]
		o := c.outcome(err)
		w.out.Columns[i] = o
		if o.Whole || c.rows > 0 && c.rows > w.l.Rows[i] {
			w.l.Rows[i] = c.rows
		}
		if cap(c.indexes) > mostKept {
			c.indexes = nil
		}
		c.seen = nil
	}
	w.out.ByNext = w.byNext
}

// note adds a remark once.
func (w *walk) note(text string) {
	if !slices.Contains(w.out.Notes, text) {
		w.out.Notes = append(w.out.Notes, text)
	}
}
